package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// RunKind says what a run does.
type RunKind string

// The kinds of runs.
const (
	RunBackup  RunKind = "backup"
	RunRestore RunKind = "restore"
	RunVerify  RunKind = "verify"
	RunRecover RunKind = "recover"
	RunCollect RunKind = "gc"
	RunDrill   RunKind = "drill"
)

// RunResult says how a run ended; it is empty while the run goes on.
type RunResult string

// The results of runs.
const (
	ResultDone        RunResult = "done"
	ResultIncomplete  RunResult = "incomplete"
	ResultFailed      RunResult = "failed"
	ResultInterrupted RunResult = "interrupted"
)

// Run is one piece of work and how it ended.
type Run struct {
	// ID is a ULID.
	ID   string
	Kind RunKind
	// VaultID, SourceID and PointID are empty where they do not apply.
	VaultID, SourceID, PointID string
	// Host and PID name the process that works.
	Host      string
	PID       int
	StartedAt time.Time
	// EndedAt is nil while the run goes on.
	EndedAt *time.Time
	Result  RunResult
	// ErrorKind is the name of an errkind, empty without an error.
	ErrorKind string
	Message   string
	Detail    json.RawMessage
}

const runColumns = "id, kind, vault_id, source_id, point_id, host, pid, started_at, ended_at, result, error_kind, message, detail"

func (r Run) check() error {
	var c checks
	c.ulid("run", r.ID)
	oneOf(&c, "kind of run", r.Kind, []RunKind{RunBackup, RunRestore, RunVerify, RunRecover, RunCollect, RunDrill})
	c.instant("the start time of the run", r.StartedAt)
	return c.err
}

func (r Run) checkEnd() error {
	var c checks
	oneOf(&c, "result of a run", r.Result, []RunResult{ResultDone, ResultIncomplete, ResultFailed, ResultInterrupted})
	c.want(r.EndedAt != nil && !r.EndedAt.IsZero(), "the end time of the run is not set")
	c.want(r.ErrorKind == "" || errkind.Parse(r.ErrorKind).String() == r.ErrorKind, "%q is not a kind of error", r.ErrorKind)
	return c.err
}

func scanRun(r row) (Run, error) {
	var run Run
	var started int64
	var ended sql.NullInt64
	var detail string
	err := r.Scan(&run.ID, &run.Kind, &run.VaultID, &run.SourceID, &run.PointID, &run.Host, &run.PID, &started, &ended,
		&run.Result, &run.ErrorKind, &run.Message, &detail)
	run.StartedAt, run.EndedAt, run.Detail = timeOf(started), optionalTime(ended), rawOf(detail)
	return run, err
}

// RunFilter chooses runs; its zero value chooses all.
type RunFilter struct {
	Kind              RunKind
	SourceID, VaultID string
	// Unfinished chooses only runs that have not ended.
	Unfinished bool
	// Limit bounds the list; 0 means no limit.
	Limit int
}

// Runs gives the runs that the filter chooses, newest start first, then by id
// downwards.
func (r reads) Runs(ctx context.Context, f RunFilter) ([]Run, error) {
	var w where
	if f.Kind != "" {
		w.add("kind = ?", string(f.Kind))
	}
	if f.SourceID != "" {
		w.add("source_id = ?", f.SourceID)
	}
	if f.VaultID != "" {
		w.add("vault_id = ?", f.VaultID)
	}
	if f.Unfinished {
		w.add("ended_at IS NULL")
	}
	query := "SELECT " + runColumns + " FROM runs" + w.String() + " ORDER BY started_at DESC, id DESC" + w.limit(f.Limit)
	return list(ctx, r, "list runs", scanRun, query, w.args...)
}

// BeginRun records that a run has begun. Earlier runs of the same source - for
// a run without a source, those of the same kind and vault - that have not
// ended although their process on the same host is dead are marked as
// interrupted, ended when this one starts. A nil alive marks none.
func (t *Tx) BeginRun(ctx context.Context, g access.Grant, run Run, alive func(pid int) bool) error {
	if err := g.Require(runActions()...); err != nil {
		return err
	}
	detail, err := rawText("the run's detail", run.Detail)
	if err := errors.Join(run.check(), err); err != nil {
		return err
	}
	if alive != nil {
		if err := t.interruptDead(ctx, run, alive); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, "begin the run "+run.ID, insert("runs", runColumns),
		run.ID, string(run.Kind), run.VaultID, run.SourceID, run.PointID, run.Host, run.PID, micros(run.StartedAt),
		sql.NullInt64{}, "", "", run.Message, detail)
	return existing(err, "there is a run %s already", run.ID)
}

func (t *Tx) interruptDead(ctx context.Context, run Run, alive func(pid int) bool) error {
	f := RunFilter{SourceID: run.SourceID, Unfinished: true}
	if run.SourceID == "" {
		f.Kind, f.VaultID = run.Kind, run.VaultID
	}
	earlier, err := t.Runs(ctx, f)
	if err != nil {
		return err
	}
	for _, e := range earlier {
		if e.SourceID != run.SourceID || e.Host != run.Host || alive(e.PID) {
			continue
		}
		if _, err := t.exec(ctx, "mark the run "+e.ID, "UPDATE runs SET ended_at = ?, result = ?, message = ? WHERE id = ?",
			micros(run.StartedAt), string(ResultInterrupted), fmt.Sprintf("process %d ended without a result", e.PID), e.ID); err != nil {
			return err
		}
	}
	return nil
}

// EndRun records how a run ended: its point, end time, result, error kind,
// message and detail. The first result stands, unless it was interrupted, as
// a run is marked whose process only seemed dead; another one is errkind.Exists.
func (t *Tx) EndRun(ctx context.Context, g access.Grant, run Run) error {
	if err := g.Require(runActions()...); err != nil {
		return err
	}
	detail, err := rawText("the run's detail", run.Detail)
	if err := errors.Join(run.checkEnd(), err); err != nil {
		return err
	}
	old, err := one(ctx, t.reads, fmt.Sprintf("there is no run %q", run.ID), scanRun, "SELECT "+runColumns+" FROM runs WHERE id = ?", run.ID)
	if err != nil {
		return err
	}
	if old.Result != "" && old.Result != ResultInterrupted {
		return errkind.New(errkind.Exists, "the run %s has ended already: %s", run.ID, old.Result)
	}
	_, err = t.exec(ctx, "end the run "+run.ID,
		"UPDATE runs SET point_id = ?, ended_at = ?, result = ?, error_kind = ?, message = ?, detail = ? WHERE id = ?",
		run.PointID, micros(*run.EndedAt), string(run.Result), run.ErrorKind, run.Message, detail, run.ID)
	return err
}

func runActions() []access.Action {
	return []access.Action{access.BackupRun, access.RestoreRun, access.RestoreErased, access.VaultVerify, access.VaultRecover, access.PackDelete, drillRun}
}

// BeginRun is [Tx.BeginRun] in a transaction of its own.
func (c *Catalog) BeginRun(ctx context.Context, g access.Grant, run Run, alive func(pid int) bool) error {
	return c.change(ctx, func(tx *Tx) error { return tx.BeginRun(ctx, g, run, alive) })
}

// EndRun is [Tx.EndRun] in a transaction of its own.
func (c *Catalog) EndRun(ctx context.Context, g access.Grant, run Run) error {
	return c.change(ctx, func(tx *Tx) error { return tx.EndRun(ctx, g, run) })
}
