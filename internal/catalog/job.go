package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Job is a piece of work that was asked for. It is queued, then leased to a worker
// as often as need be, and ends once. The queue is workflow: its methods take no
// grant, since what a job does passes the gate when it is done.
type Job struct {
	// ID is a ULID.
	ID   string
	Kind RunKind
	// Key is what there is one of at a time; "" for jobs of which there may be many.
	Key string
	// VaultID and SourceID are empty where they do not apply. AgentID is the agent
	// beside the source, empty for the server's own host.
	VaultID, SourceID, AgentID string
	// Actor is who asked, Request what was asked for, both as JSON.
	Actor, Request json.RawMessage
	// Priority goes before age; 0 is usual.
	Priority int64
	QueuedAt time.Time
	// NotBefore is when the job may be leased, QueuedAt at the earliest.
	NotBefore time.Time
	// Fence counts the leases. A worker shows it with all that it says of the job.
	Fence  int64
	Worker string
	// LeaseUntil is nil while nobody has the job.
	LeaseUntil *time.Time
	// CancelAt is when somebody asked that the job be ended, CancelBy who.
	CancelAt *time.Time
	CancelBy string
	// EndedAt is nil until the job has ended; what follows says how.
	EndedAt *time.Time
	Result  RunResult
	// ErrorKind is the name of an errkind, empty without an error.
	ErrorKind, Message string
	// Outcome is what came of it, Progress how far it was when the worker last
	// said, both as JSON.
	Outcome, Progress json.RawMessage
}

// Leased reports whether a worker has the job.
func (j Job) Leased(now time.Time) bool {
	return j.EndedAt == nil && j.LeaseUntil != nil && j.LeaseUntil.After(now)
}

const jobColumns = "id, kind, key, vault_id, source_id, agent_id, actor, request, priority, queued_at, not_before, fence, worker, lease_until, cancel_at, cancel_by, ended_at, result, error_kind, message, outcome, progress"

func scanJob(r row) (Job, error) {
	var j Job
	var queued, notBefore int64
	var lease, cancel, ended sql.NullInt64
	var actor, request, outcome, progress string
	err := r.Scan(&j.ID, &j.Kind, &j.Key, &j.VaultID, &j.SourceID, &j.AgentID, &actor, &request, &j.Priority, &queued, &notBefore, &j.Fence, &j.Worker,
		&lease, &cancel, &j.CancelBy, &ended, &j.Result, &j.ErrorKind, &j.Message, &outcome, &progress)
	j.QueuedAt, j.NotBefore, j.LeaseUntil, j.CancelAt, j.EndedAt = timeOf(queued), timeOf(notBefore), optionalTime(lease), optionalTime(cancel), optionalTime(ended)
	j.Actor, j.Request, j.Outcome, j.Progress = rawOf(actor), rawOf(request), rawOf(outcome), rawOf(progress)
	return j, err
}

// JobFilter chooses jobs; its zero value chooses all.
type JobFilter struct {
	Kind              RunKind
	SourceID, AgentID string
	// Key chooses the unfinished job with that key.
	Key        string
	Unfinished bool
	// Limit bounds the list; 0 means no limit.
	Limit int
}

// Jobs gives the jobs that the filter chooses, newest first.
func (r reads) Jobs(ctx context.Context, f JobFilter) ([]Job, error) {
	var w where
	if f.Kind != "" {
		w.add("kind = ?", string(f.Kind))
	}
	if f.SourceID != "" {
		w.add("source_id = ?", f.SourceID)
	}
	if f.AgentID != "" {
		w.add("agent_id = ?", f.AgentID)
	}
	if f.Key != "" {
		w.add("key = ?", f.Key)
	}
	if f.Unfinished || f.Key != "" {
		w.add("ended_at IS NULL")
	}
	query := "SELECT " + jobColumns + " FROM jobs" + w.String() + " ORDER BY queued_at DESC, id DESC" + w.limit(f.Limit)
	return list(ctx, r, "list jobs", scanJob, query, w.args...)
}

// Job gives one job.
func (r reads) Job(ctx context.Context, id string) (Job, error) {
	return one(ctx, r, fmt.Sprintf("there is no job %q", id), scanJob, "SELECT "+jobColumns+" FROM jobs WHERE id = ?", id)
}

// QueueJob puts a job into the queue. While one with the same key is unfinished it
// fails with errkind.Exists.
func (c *Catalog) QueueJob(ctx context.Context, j Job) error {
	return c.change(ctx, func(t *Tx) error { return t.queueJob(ctx, j) })
}

func (t *Tx) queueJob(ctx context.Context, j Job) error {
	var c checks
	c.ulid("job", j.ID)
	oneOf(&c, "kind of job", j.Kind, []RunKind{RunBackup, RunRestore, RunVerify, RunCollect, RunDrill})
	c.instant("the time at which the job was queued", j.QueuedAt)
	actor, err1 := rawText("who asked for the job", j.Actor)
	request, err2 := rawText("the job's request", j.Request)
	if err := errors.Join(c.err, err1, err2); err != nil {
		return err
	}
	if j.NotBefore.Before(j.QueuedAt) {
		j.NotBefore = j.QueuedAt
	}
	_, err := t.exec(ctx, "queue the job "+j.ID, insert("jobs", jobColumns), j.ID, string(j.Kind), j.Key, j.VaultID, j.SourceID, j.AgentID, actor, request,
		j.Priority, micros(j.QueuedAt), micros(j.NotBefore), 0, "", sql.NullInt64{}, sql.NullInt64{}, "", sql.NullInt64{}, "", "", "", "", "")
	return existing(err, "there is an unfinished job of %s already", j.Key)
}

// JobLease is a worker asking for a job.
type JobLease struct {
	// Worker names it in words.
	Worker string
	// AgentID is the agent that it is, "" for the server.
	AgentID string
	// ID asks for one job only.
	ID string
	// Now decides what is due and whose lease has run out, Until is when this one does.
	Now, Until time.Time
}

const due = "ended_at IS NULL AND cancel_at IS NULL AND agent_id = ? AND not_before <= ? AND (lease_until IS NULL OR lease_until <= ?)"

// LeaseJob gives the worker the job whose turn it is, by priority and then age. With
// none it fails with errkind.NotFound, and nothing was written.
func (c *Catalog) LeaseJob(ctx context.Context, l JobLease) (Job, error) {
	var w where
	w.add(due, l.AgentID, micros(l.Now), micros(l.Now))
	if l.ID != "" {
		w.add("id = ?", l.ID)
	}
	first := "SELECT id FROM jobs" + w.String() + " ORDER BY priority DESC, queued_at, id LIMIT 1"
	const none = "no job is due"
	scanID := func(r row) (id string, err error) { return id, r.Scan(&id) }
	if _, err := one(ctx, c.reads, none, scanID, first, w.args...); err != nil {
		return Job{}, err
	}
	var j Job
	err := c.change(ctx, func(t *Tx) error {
		id, err := one(ctx, t.reads, none, scanID, first, w.args...)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, "lease the job "+id, "UPDATE jobs SET fence = fence + 1, worker = ?, lease_until = ? WHERE id = ?", l.Worker, micros(l.Until), id); err != nil {
			return err
		}
		j, err = t.Job(ctx, id)
		return err
	})
	return j, err
}

// held gives an unfinished job if that fence is its newest.
func (t *Tx) held(ctx context.Context, id string, fence int64) (Job, error) {
	j, err := t.Job(ctx, id)
	if err != nil {
		return j, err
	}
	if j.EndedAt != nil {
		return j, errkind.New(errkind.Exists, "job %s has ended already: %s", id, j.Result)
	}
	if j.Fence != fence || j.LeaseUntil == nil {
		return j, errkind.New(errkind.NotAllowed, "job %s is not leased to who says so: its lease ran out, and another may have it", id)
	}
	return j, nil
}

// RenewJob keeps a job leased, and what the worker says of its progress, which may
// be nil. A lease that ran out is renewed all the same while nobody else has the job.
// The job given back tells whether it is to be ended.
func (c *Catalog) RenewJob(ctx context.Context, id string, fence int64, until time.Time, progress json.RawMessage) (Job, error) {
	text, err := rawText("the job's progress", progress)
	if err != nil {
		return Job{}, err
	}
	var j Job
	err = c.change(ctx, func(t *Tx) error {
		if j, err = t.held(ctx, id, fence); err != nil {
			return err
		}
		if text == "" {
			text = string(j.Progress)
		}
		_, err = t.exec(ctx, "renew the lease of job "+id, "UPDATE jobs SET lease_until = ?, progress = ? WHERE id = ?", micros(until), text, id)
		return err
	})
	return j, err
}

// EndJob records how a job ended: its end time, result, error kind, message and
// outcome. Only the worker that has it may say so.
func (c *Catalog) EndJob(ctx context.Context, end Job) error {
	outcome, err := rawText("the job's outcome", end.Outcome)
	check := Run{EndedAt: end.EndedAt, Result: end.Result, ErrorKind: end.ErrorKind}.checkEnd()
	if err := errors.Join(check, err); err != nil {
		return err
	}
	return c.change(ctx, func(t *Tx) error {
		if _, err := t.held(ctx, end.ID, end.Fence); err != nil {
			return err
		}
		return t.endJob(ctx, end, outcome)
	})
}

func (t *Tx) endJob(ctx context.Context, end Job, outcome string) error {
	_, err := t.exec(ctx, "end the job "+end.ID, "UPDATE jobs SET lease_until = NULL, ended_at = ?, result = ?, error_kind = ?, message = ?, outcome = ? WHERE id = ?",
		micros(*end.EndedAt), string(end.Result), end.ErrorKind, end.Message, outcome, end.ID)
	return err
}

// RequeueJob puts a leased job back into the queue, not to be leased before a time.
func (c *Catalog) RequeueJob(ctx context.Context, id string, fence int64, notBefore time.Time, why string) error {
	return c.change(ctx, func(t *Tx) error {
		if _, err := t.held(ctx, id, fence); err != nil {
			return err
		}
		_, err := t.exec(ctx, "queue the job "+id+" again", "UPDATE jobs SET lease_until = NULL, not_before = ?, message = ? WHERE id = ?", micros(notBefore), why, id)
		return err
	})
}

// FreeJobs takes the leases of a worker that is known to be gone, and gives how many
// there were.
func (c *Catalog) FreeJobs(ctx context.Context, worker string) (n int64, err error) {
	err = c.change(ctx, func(t *Tx) error {
		n, err = t.exec(ctx, "free the jobs of "+worker, "UPDATE jobs SET lease_until = NULL WHERE ended_at IS NULL AND lease_until IS NOT NULL AND worker = ?", worker)
		return err
	})
	return n, err
}

// CancelJob asks that a job be ended. One that nobody works on ends at once; the
// worker of another learns of it with its next renewal.
func (c *Catalog) CancelJob(ctx context.Context, id, by string, now time.Time) (Job, error) {
	var j Job
	err := c.change(ctx, func(t *Tx) (err error) {
		if j, err = t.Job(ctx, id); err != nil {
			return err
		}
		if j.EndedAt != nil {
			return errkind.New(errkind.Exists, "job %s has ended already: %s", id, j.Result)
		}
		if j.CancelAt == nil {
			if _, err := t.exec(ctx, "cancel the job "+id, "UPDATE jobs SET cancel_at = ?, cancel_by = ? WHERE id = ?", micros(now), by, id); err != nil {
				return err
			}
		}
		if !j.Leased(now) {
			if err := t.endCancelled(ctx, id, by, now); err != nil {
				return err
			}
		}
		j, err = t.Job(ctx, id)
		return err
	})
	return j, err
}

func (t *Tx) endCancelled(ctx context.Context, id, by string, now time.Time) error {
	return t.endJob(ctx, Job{ID: id, EndedAt: &now, Result: ResultInterrupted, ErrorKind: errkind.Cancelled.String(), Message: "cancelled by " + by}, "")
}

// ReapJobs ends the jobs that were cancelled and whose worker did not answer before
// its lease ran out, and gives their ids.
func (c *Catalog) ReapJobs(ctx context.Context, now time.Time) ([]string, error) {
	const query = "SELECT " + jobColumns + " FROM jobs WHERE ended_at IS NULL AND cancel_at IS NOT NULL AND (lease_until IS NULL OR lease_until <= ?) ORDER BY queued_at, id"
	found, err := list(ctx, c.reads, "list cancelled jobs", scanJob, query, micros(now))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	var ids []string
	err = c.change(ctx, func(t *Tx) error {
		again, err := list(ctx, t.reads, "list cancelled jobs", scanJob, query, micros(now))
		if err != nil {
			return err
		}
		for _, j := range again {
			if err := t.endCancelled(ctx, j.ID, j.CancelBy, now); err != nil {
				return err
			}
			ids = append(ids, j.ID)
		}
		return nil
	})
	return ids, err
}
