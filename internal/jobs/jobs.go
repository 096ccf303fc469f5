// Package jobs carries out the work that takes time - backup, verification,
// restore, recovery - for one source or vault of the catalog, and keeps a run of each.
//
// What must always be true: a run that began has a row that says how it ended,
// or that its process died; the vault's copy of the audit log is brought up
// to date after work on it; findings of a verification reach the catalog before
// anybody relies on the vault again.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Config is what jobs work with.
type Config struct {
	DataDir string
	Catalog *catalog.Catalog
	Custody *custody.Custody
	// Receipt reads the trusted clock, Keep raises its floor to a time used.
	Receipt func() time.Time
	Keep    func(ctx context.Context, t time.Time) error
	// LockBase dates locks in a vault with a maximum; nil is the receipt time.
	LockBase func(maximum calendar.Period) time.Time
	// Latched says why nothing may be deleted, nil while something may.
	Latched func() error
	// HostNow reads this host's own clock.
	HostNow func() time.Time
	// Publish brings a vault's copy of the audit log up to date.
	Publish func(ctx context.Context, v *vault.Vault) error
	Host    string
	Version string
}

// Runner runs jobs: backups of several sources of a vault at once, and what must be
// alone with a vault when its turn has come. Only one process at a time
// works with a data directory.
type Runner struct {
	cfg  Config
	work *work
}

// New makes a runner.
func New(cfg Config) *Runner { return &Runner{cfg: cfg, work: newWork(cfg.DataDir)} }

// run keeps a row of a piece of work.
func (r *Runner) run(ctx context.Context, g access.Grant, row catalog.Run, fn func() (catalog.RunResult, error)) error {
	return r.runNoting(ctx, g, &row, fn)
}

// runNoting is run for work that puts a detail into its row before it ends.
func (r *Runner) runNoting(ctx context.Context, g access.Grant, row *catalog.Run, fn func() (catalog.RunResult, error)) error {
	row.ID = ulid.Make().String()
	row.Host, row.PID, row.StartedAt = r.cfg.Host, os.Getpid(), r.cfg.Receipt()
	if err := r.cfg.Catalog.BeginRun(ctx, g, *row, durable.ProcessAlive); err != nil {
		return err
	}
	result, err := fn()
	ended := r.cfg.Receipt()
	row.EndedAt, row.Result = &ended, result
	if err != nil {
		row.Result, row.ErrorKind, row.Message = catalog.ResultFailed, errkind.Of(err).String(), err.Error()
		if errkind.Is(err, errkind.Cancelled) {
			row.Result = catalog.ResultInterrupted
		}
	}
	// What became of the work must be known even if the caller has gone.
	if endErr := r.cfg.Catalog.EndRun(context.WithoutCancel(ctx), g, *row); endErr != nil {
		return errors.Join(err, fmt.Errorf("note how the run ended: %w", endErr))
	}
	return err
}

// PublishLog brings a vault's copy of the audit log up to date with what
// happened since the work on it ended.
func (r *Runner) PublishLog(ctx context.Context, vaultID string) error {
	_, v, err := r.cfg.Custody.Vault(ctx, vaultID)
	if err != nil {
		return err
	}
	if err := v.CheckOwner(ctx); err != nil {
		return nil //nolint:nilerr // what another server owns is only read
	}
	if err := r.cfg.Publish(context.WithoutCancel(ctx), v); err != nil {
		return fmt.Errorf("the vault's copy of the audit log could not be brought up to date: %w", err)
	}
	return nil
}

// Recover rebuilds what is known of a vault from its store and a key.
func (r *Runner) Recover(ctx context.Context, g access.Grant, url blob.URL, keyFile string) (custody.Recovered, error) {
	done, err := r.work.now(ofAll("recovery"))
	if err != nil {
		return custody.Recovered{}, err
	}
	defer done()
	var out custody.Recovered
	err = r.run(ctx, g, catalog.Run{Kind: catalog.RunRecover}, func() (catalog.RunResult, error) {
		out, err = r.cfg.Custody.Recover(ctx, g, url, keyFile)
		if err == nil && len(out.Missing) > 0 {
			return catalog.ResultIncomplete, nil
		}
		return catalog.ResultDone, err
	})
	return out, err
}

// PointState folds what was recorded of a point since its commit over what its
// manifest says, as the vault has both.
func (r *Runner) PointState(ctx context.Context, row catalog.Point) (retention.PointState, error) {
	_, v, p, err := r.OpenPoint(ctx, row.ID)
	if err != nil {
		return retention.PointState{}, err
	}
	records, err := v.Records(ctx)
	if err != nil {
		return retention.PointState{}, err
	}
	return retention.Fold(custody.Facts(p), custody.PointRecords(records)), nil
}

// raiseLevel records that points reached a level of evidence, in the vault and
// then in the catalog. Points that are there already are left alone.
func (r *Runner) raiseLevel(ctx context.Context, g access.Grant, v *vault.Vault, rows []catalog.Point, level retention.Level, why string) error {
	var ids []string
	for _, row := range rows {
		if !retention.Level(strings.ReplaceAll(string(row.Level), "-", "_")).AtLeast(level) {
			ids = append(ids, row.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	now := r.cfg.Receipt()
	lower := make([]string, len(ids))
	for i, id := range ids {
		lower[i] = strings.ToLower(id)
	}
	fact, err := vault.NewFact(vault.FactPoint, retention.Fact{Kind: retention.LevelChanged, At: now, By: g.Subject(), Why: why, Level: level,
		Selector: retention.Selector{Points: lower}})
	if err != nil {
		return err
	}
	if _, err := v.RecordFacts(ctx, g, fact); err != nil {
		return err
	}
	for _, id := range ids {
		if err := r.cfg.Catalog.SetPointLevel(ctx, g, id, catalog.PointLevel(strings.ReplaceAll(string(level), "_", "-")), now); err != nil {
			return err
		}
	}
	return nil
}
