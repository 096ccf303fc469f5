package jobs

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/backup"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
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
	done, err := r.exclusive("backup of " + source.Name)
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
	out.Warnings = append(out.Warnings, v.Warnings()...)
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
	request, err := r.request(ctx, b, source, row, v)
	if err != nil {
		return "", err
	}
	if out.Result, err = backup.Run(ctx, g, request); err != nil {
		return "", err
	}
	return r.index(ctx, g, row, v, out)
}

// index enters the committed points into the catalog. They are durable by
// now: a fault here is repaired by the next run or by 'vault recover'.
func (r *Runner) index(ctx context.Context, g access.Grant, row catalog.Vault, v *vault.Vault, out *BackedUp) (catalog.RunResult, error) {
	ctx = context.WithoutCancel(ctx)
	records, err := v.Records(ctx)
	if errkind.Is(err, errkind.Damaged) {
		out.Warnings = append(out.Warnings, err.Error())
	} else if err != nil {
		return "", err
	}
	facts := custody.PointRecords(records)
	for _, m := range out.Remnants {
		if _, err := r.enter(ctx, g, row, m, facts); err != nil {
			return "", err
		}
		out.Warnings = append(out.Warnings, m.Sentence())
	}
	if out.Row, err = r.enter(ctx, g, row, out.Made, facts); err != nil {
		return "", err
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

func (r *Runner) request(ctx context.Context, b Backup, source catalog.Source, row catalog.Vault, v *vault.Vault) (backup.Request, error) {
	record, detail, err := custody.SourceRecord(source)
	if err != nil {
		return backup.Request{}, err
	}
	reader, err := r.reader(ctx, source)
	if err != nil {
		return backup.Request{}, err
	}
	p, err := r.cfg.Custody.Policy(ctx, source.Policy, source.PolicyVersion)
	if err != nil {
		return backup.Request{}, err
	}
	zone, err := custody.Zone(p)
	if err != nil {
		return backup.Request{}, err
	}
	classes, err := custody.Classes(append(append([]policy.ClassRule(nil), p.Classes...), detail.Classes...))
	if err != nil {
		return backup.Request{}, err
	}
	bounds, err := custody.Bounds(row)
	if err != nil {
		return backup.Request{}, err
	}
	past, err := r.cfg.Catalog.History(ctx, source.ID)
	if err != nil {
		return backup.Request{}, err
	}
	records, err := v.Records(ctx)
	if err != nil && !errkind.Is(err, errkind.Damaged) {
		return backup.Request{}, err // damaged ones are told by verification and must not stop a backup
	}
	if row, err = custody.AsRecorded(row, records); err != nil {
		return backup.Request{}, err
	}
	if err := custody.MayBackUp(row, source, records); err != nil {
		return backup.Request{}, err
	}
	facts := custody.PointRecords(records)
	history, err := custody.History(past, facts)
	if err != nil {
		return backup.Request{}, err
	}
	// The clock's floor can be lost; no point is dated before the one before it.
	if n := len(past); n > 0 && past[n-1].ReceivedAt.After(r.cfg.Receipt()) {
		if err := r.cfg.Keep(ctx, past[n-1].ReceivedAt); err != nil {
			return backup.Request{}, err
		}
	}
	var known uint64
	var digest [32]byte
	for _, p := range past {
		if raw, err := hex.DecodeString(p.ManifestSHA256); err == nil && len(raw) == len(digest) && uint64(p.Number) > known {
			known, digest = uint64(p.Number), [32]byte(raw)
		}
	}
	trigger := b.Trigger
	if trigger == "" {
		trigger = retention.OnDemand
	}
	var base func() time.Time
	if r.cfg.LockBase != nil {
		base = func() time.Time { return r.cfg.LockBase(bounds.Max) }
	}
	return backup.Request{LockBase: base, Vault: v, Reader: reader, Source: record, Policy: p, Zone: zone, Classes: classes, Bounds: bounds, History: history, Events: custody.Events(facts), Holds: custody.Holds(facts), Known: known, KnownDigest: digest, Trigger: trigger,
		Trial: row.Kind == catalog.VaultTrial, Lock: custody.LockMode(row, v.Bucket().Caps()), Receipt: r.cfg.Receipt, HostNow: r.cfg.HostNow, Version: r.cfg.Version,
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
