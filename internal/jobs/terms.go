package jobs

import (
	"context"
	"encoding/hex"
	"slices"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/backup"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// standing is a source and its vault as they are at one moment.
type standing struct {
	source  catalog.Source
	row     catalog.Vault
	records []vault.Record
	// damage says what is wrong with the records; those before it are there.
	damage error
}

// record is the number of the last record taken into account.
func (s standing) record() uint64 {
	if n := len(s.records); n > 0 {
		return s.records[n-1].Number
	}
	return 0
}

// standing reads both, the vault by what its own records say. Damaged ones are told
// by verification and must not stop a backup: they count where they lock more.
func (r *Runner) standing(ctx context.Context, sourceID string) (standing, error) {
	var s standing
	var err error
	if s.source, err = r.cfg.Catalog.Source(ctx, sourceID); err != nil {
		return s, err
	}
	var v *vault.Vault
	if s.row, v, err = r.cfg.Custody.Vault(ctx, s.source.VaultID); err != nil {
		return s, err
	}
	s.records, err = v.Records(ctx)
	switch {
	case err == nil:
		s.row, err = custody.AsRecorded(s.row, s.records)
	case errkind.Is(err, errkind.Damaged):
		s.row, s.damage, err = custody.Stricter(s.row, s.records), err, nil
	}
	return s, err
}

// terms gives the terms of a point that is made now.
func (r *Runner) terms(ctx context.Context, s standing, caps blob.Caps) (backup.Terms, error) {
	t := backup.Terms{LockBase: r.cfg.LockBase, Trial: s.row.Kind == catalog.VaultTrial, Lock: custody.LockMode(s.row, caps)}
	record, detail, err := custody.SourceRecord(s.source)
	if err != nil {
		return t, err
	}
	t.Source = record
	if t.Policy, err = r.cfg.Custody.Policy(ctx, s.source.Policy, s.source.PolicyVersion); err != nil {
		return t, err
	}
	if t.Zone, err = custody.Zone(t.Policy); err != nil {
		return t, err
	}
	if t.Classes, err = custody.Classes(slices.Concat(t.Policy.Classes, detail.Classes)); err != nil {
		return t, err
	}
	if t.Bounds, err = custody.Bounds(s.row); err != nil {
		return t, err
	}
	past, err := r.cfg.Catalog.History(ctx, s.source.ID)
	if err != nil {
		return t, err
	}
	for _, p := range past {
		if raw, err := hex.DecodeString(p.ManifestSHA256); err == nil && len(raw) == len(t.KnownDigest) && uint64(p.Number) > t.Known {
			t.Known, t.KnownDigest = uint64(p.Number), [32]byte(raw)
		}
	}
	facts := custody.PointRecords(s.records)
	t.Events, t.Holds = custody.Events(facts), custody.Holds(facts)
	t.History, err = custody.History(past, facts)
	return t, err
}

// relock raises the locks of a point that was just made to what was recorded
// since its terms were read. Whoever records anything later finds the point in the
// store, and locks it.
func (r *Runner) relock(ctx context.Context, g access.Grant, row catalog.Vault, v *vault.Vault, m *backup.Made, facts []retention.Fact) error {
	mode := custody.LockMode(row, v.Bucket().Caps())
	if mode == blob.NoLock {
		return nil
	}
	bounds, err := custody.Bounds(row)
	if err != nil {
		return err
	}
	base := r.cfg.Receipt()
	if r.cfg.LockBase != nil {
		base = r.cfg.LockBase(bounds.Max)
	}
	state := retention.Fold(custody.Facts(m.Point), facts)
	m.Lock = retention.LockFor(base, state.ReceivedAt, state.RetainUntil, bounds.Max)
	return v.LockPoint(ctx, g, m.Point, blob.Lock{Mode: mode, Until: m.Lock.Target}, blob.Lock{Mode: mode, Until: m.Lock.Exact})
}
