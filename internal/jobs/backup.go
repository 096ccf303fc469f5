package jobs

import (
	"context"
	"fmt"
	"slices"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/backup"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Backup asks for a point of a source.
type Backup struct {
	Source   string // name or id
	Rehash   bool
	Block    uint32
	Trigger  retention.Trigger
	Progress func(backup.Progress)
	// Note is told whom the backup waits for; it may be nil.
	Note func(string)
}

// BackedUp is the point that was made.
type BackedUp struct {
	backup.Result
	Row      catalog.Point
	Warnings []string
	// LeftOut are our own folders within the source, which are never backed up.
	LeftOut []string
}

// Backup takes a point of a source.
func (r *Runner) Backup(ctx context.Context, g access.Grant, b Backup) (BackedUp, error) {
	source, err := r.cfg.Catalog.Source(ctx, b.Source)
	if err != nil {
		return BackedUp{}, err
	}
	done, err := r.work.begin(ctx, ofSource("backup of "+source.Name, source), b.Note)
	if err != nil {
		return BackedUp{}, err
	}
	defer done()
	row, v, err := r.cfg.Custody.Vault(ctx, source.VaultID)
	if err != nil {
		return BackedUp{}, err
	}
	var out BackedUp
	run := catalog.Run{Kind: catalog.RunBackup, SourceID: source.ID, VaultID: row.ID}
	err = r.run(ctx, g, run, func() (catalog.RunResult, error) {
		result, err := r.backUp(ctx, g, b, source, row, v, &out)
		if err != nil {
			return "", fmt.Errorf("back up %q into vault %q at %s: %w", source.Name, row.Name, row.URL, err)
		}
		return result, nil
	})
	if err != nil {
		return out, err
	}
	if out.LeftOut, err = r.cfg.Custody.LeftOut(ctx, source.Paths); err != nil {
		return out, err
	}
	for _, w := range v.Warnings() {
		if !slices.Contains(out.Warnings, w) {
			out.Warnings = append(out.Warnings, w)
		}
	}
	out.Warnings = append(out.Warnings, out.Point.Body.Warnings...)
	return out, nil
}

// backUp first takes up the points of runs that were interrupted after their
// point was durable: they count in the retention of the next.
func (r *Runner) backUp(ctx context.Context, g access.Grant, b Backup, source catalog.Source, row catalog.Vault, v *vault.Vault, out *BackedUp) (catalog.RunResult, error) {
	found, err := r.cfg.Custody.CatchUp(ctx, g, row, v, source)
	if err != nil {
		return "", err
	}
	for _, id := range found {
		out.Warnings = append(out.Warnings, fmt.Sprintf("point %s of an interrupted run is whole and was entered into the catalog", id))
	}
	begin, err := r.standing(ctx, source.ID)
	if err != nil {
		return "", err
	}
	var decided uint64
	request, err := r.request(ctx, b, begin, v, &decided)
	if err != nil {
		return "", err
	}
	if out.Result, err = backup.Run(ctx, g, request); err != nil {
		return "", err
	}
	return r.index(ctx, g, source, v, decided, out)
}

// index enters the committed points into the catalog. They are durable by
// now: a fault here is repaired by the next run or by 'vault recover'.
func (r *Runner) index(ctx context.Context, g access.Grant, source catalog.Source, v *vault.Vault, decided uint64, out *BackedUp) (catalog.RunResult, error) {
	ctx = context.WithoutCancel(ctx)
	now, err := r.standing(ctx, source.ID)
	if err != nil {
		return "", err
	}
	if now.damage != nil {
		out.Warnings = append(out.Warnings, now.damage.Error())
	}
	if custody.MayCommit(now.row, now.source, now.records) != nil {
		out.Warnings = append(out.Warnings, fmt.Sprintf("source %q was deleted just when its point was made: the point stays, and has to be deleted by itself", source.Name))
	}
	facts := custody.PointRecords(now.records)
	made := make([]*backup.Made, 0, len(out.Remnants)+1)
	for i := range out.Remnants {
		made = append(made, &out.Remnants[i])
	}
	for _, m := range append(made, &out.Made) {
		if now.record() != decided {
			if err := r.relock(ctx, g, now.row, v, m, facts); err != nil {
				out.Warnings = append(out.Warnings, fmt.Sprintf("point %s is not locked as was recorded while it was made; 'vault locks %s --apply' does it: %v", m.Point.Envelope.ID, now.row.Name, err))
			}
		}
		if out.Row, err = r.enter(ctx, g, now.row, *m, facts); err != nil {
			return "", err
		}
	}
	for _, m := range out.Remnants {
		out.Warnings = append(out.Warnings, m.Sentence())
	}
	if err := r.cfg.Keep(ctx, out.Point.Envelope.Received.Time()); err != nil {
		out.Warnings = append(out.Warnings, fmt.Sprintf("the trusted clock's floor could not be kept: %v", err))
	}
	if !out.Row.Complete {
		return catalog.ResultIncomplete, nil
	}
	return catalog.ResultDone, nil
}

// enter puts a point that was made into the catalog, with what was recorded that
// concerns it.
func (r *Runner) enter(ctx context.Context, g access.Grant, row catalog.Vault, m backup.Made, facts []retention.Fact) (catalog.Point, error) {
	p, err := custody.PointRow(m.Point, facts)
	if err != nil {
		return p, err
	}
	if err := custody.SetLock(&p, m.Lock.Exact, row.Kind != catalog.VaultTrial && row.AssuranceLevel > 0); err != nil {
		return p, err
	}
	if err := r.cfg.Catalog.RecordPoint(ctx, g, p); err != nil {
		return p, fmt.Errorf("the point was made and is whole, but could not be entered into the catalog; the next run enters it: %w", err)
	}
	return p, nil
}

// request makes the request of a backup. decided is set to the last record that
// the terms of all its points take into account.
func (r *Runner) request(ctx context.Context, b Backup, s standing, v *vault.Vault, decided *uint64) (backup.Request, error) {
	reader, err := r.reader(ctx, s.source)
	if err != nil {
		return backup.Request{}, err
	}
	if err := custody.MayBackUp(s.row, s.source, s.records); err != nil {
		return backup.Request{}, err
	}
	terms, err := r.terms(ctx, s, v.Bucket().Caps())
	if err != nil {
		return backup.Request{}, err
	}
	// The clock's floor can be lost; no point is dated before the one before it.
	if n := len(terms.History); n > 0 && terms.History[n-1].ReceivedAt.After(r.cfg.Receipt()) {
		if err := r.cfg.Keep(ctx, terms.History[n-1].ReceivedAt); err != nil {
			return backup.Request{}, err
		}
	}
	again := func(ctx context.Context) (backup.Terms, error) {
		now, err := r.standing(ctx, s.source.ID)
		if err == nil {
			err = custody.MayCommit(now.row, now.source, now.records)
		}
		if err != nil {
			return backup.Terms{}, err
		}
		if *decided == 0 { // remnants are made by these, the point by later ones
			*decided = now.record()
		}
		return r.terms(ctx, now, v.Bucket().Caps())
	}
	trigger := b.Trigger
	if trigger == "" {
		trigger = retention.OnDemand
	}
	return backup.Request{Vault: v, Reader: reader, Terms: terms, Again: again, Trigger: trigger, Receipt: r.cfg.Receipt, HostNow: r.cfg.HostNow, Version: r.cfg.Version,
		Host: r.cfg.Host, Rehash: b.Rehash, Cut: vault.Cut(b.Block), Progress: b.Progress}, nil
}

func (r *Runner) reader(ctx context.Context, source catalog.Source) (*files.Reader, error) {
	protect, err := r.cfg.Custody.Protect(ctx)
	if err != nil {
		return nil, err
	}
	cfg := files.Config{Excludes: source.Excludes, ExcludeLarger: source.ExcludeLarger, ExcludeCaches: source.ExcludeCaches, OneFileSystem: source.OneFileSystem, Protect: protect}
	for _, p := range source.Paths {
		cfg.Paths = append(cfg.Paths, string(p))
	}
	return files.New(cfg)
}
