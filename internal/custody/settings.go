package custody

import (
	"context"
	"encoding/json"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// OwnLock gives the lock of what a vault itself needs to be read: header, keys
// and records. They outlast every point, so they are locked as far ahead as the
// vault may lock, and renewed as that runs down.
func OwnLock(mode blob.Mode, bounds retention.Bounds, now time.Time) blob.Lock {
	if mode == blob.NoLock {
		return blob.Lock{}
	}
	return blob.Lock{Mode: mode, Until: OwnTerm(bounds, now).Target}
}

// OwnTerm is the sliding lock of a vault's own objects.
func OwnTerm(bounds retention.Bounds, now time.Time) retention.Lock {
	step := bounds.Max
	if step.IsZero() || step.Unlimited {
		step = retention.DefaultMax
	}
	return retention.LockFor(now, now, retention.Until{OpenEnded: true, Step: step}, bounds.Max)
}

// Settings gives a vault's settings as last recorded in it; false where there
// are none.
func Settings(records []vault.Record) (vault.SettingsRecord, bool) {
	s := readRecords(records).vault
	if s == nil {
		return vault.SettingsRecord{}, false
	}
	return *s, true
}

// SourcesOf gives the sources of a vault, each as last recorded in it.
func SourcesOf(records []vault.Record) []vault.SourceRecord { return readRecords(records).sources }

// AsRecorded gives a vault's row with what its own records say, by which alone is
// decided what may be deleted and what is locked: a catalog may lag behind, or lie.
func AsRecorded(row catalog.Vault, records []vault.Record) (catalog.Vault, error) {
	s, ok := Settings(records)
	if !ok {
		return row, nil
	}
	return settled(row, s)
}

// MayBackUp refuses a backup of a source that is stopped or deleted, or into a
// vault that is deleted. The vault's records decide over the catalog.
func MayBackUp(row catalog.Vault, source catalog.Source, records []vault.Record) error {
	if s, ok := Settings(records); ok && s.Deleted != nil {
		return deletedVault(row)
	}
	record, _, err := SourceRecord(source)
	if err != nil {
		return err
	}
	for _, s := range SourcesOf(records) {
		if s.ID == record.ID {
			record = s
		}
	}
	switch record.State {
	case vault.SourceProtected:
		return nil
	case vault.SourceStopped, vault.SourceStoppedForEver:
		return errkind.New(errkind.Refused, "source %q is stopped: 'source resume %s' takes its backups up again", source.Name, source.Name)
	case vault.SourceDeleted, vault.SourcePurged:
		return errkind.New(errkind.Refused, "source %q is deleted: 'source undelete %s' brings it back while its time lasts", source.Name, source.Name)
	}
	return errkind.New(errkind.Refused, "source %q is in a state %q that this version does not know", source.Name, record.State)
}

func deletedVault(row catalog.Vault) error {
	return errkind.New(errkind.Refused, "vault %q is deleted: 'vault undelete %s' brings it back while its time lasts", row.Name, row.Name)
}

// Stricter gives the row with what the vault's own records say, where that
// locks more.
func Stricter(row catalog.Vault, records []vault.Record) catalog.Vault {
	s, ok := Settings(records)
	if !ok {
		return row
	}
	if kind := kindOf(s.State); !row.Kind.Immutable() || kind == catalog.VaultLocked {
		row.Kind = kind
	}
	row.MinRetention, row.MaxRetention = s.Minimum, s.Maximum
	return row
}

// Settle brings the catalog's row of a vault in line with settings that were
// recorded in the vault.
func (c *Custody) Settle(ctx context.Context, g access.Grant, row catalog.Vault, s vault.SettingsRecord) error {
	row, err := settled(row, s)
	if err != nil {
		return err
	}
	_, v, err := c.Vault(ctx, row.ID)
	if err != nil {
		return err
	}
	// A locked vault reaches the level of its store once every lock is converted.
	row.AssuranceLevel = min(assurance(row.Kind, v.Bucket().Caps()), 1)
	records, err := v.Records(ctx)
	if err != nil && !errkind.Is(err, errkind.Damaged) {
		return err
	}
	if CanaryFailed(records) {
		row.AssuranceLevel = 0
	}
	if err := c.cfg.Catalog.UpdateVault(ctx, g, row); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.opened[row.ID]; o != nil {
		o.known.row.Store(&row)
	}
	return nil
}

// settled gives a vault's row with what its settings say.
func settled(row catalog.Vault, s vault.SettingsRecord) (catalog.Vault, error) {
	row.Kind, row.MinRetention, row.MaxRetention, row.SoftDeleteDays = kindOf(s.State), s.Minimum, s.Maximum, s.SoftDeleteDays
	d, err := DetailOfVault(row)
	if err != nil {
		return row, err
	}
	d.SoftDeleteOn, d.PurgeAfter, d.LockAt = s.SoftDeleteOn, time.Time{}, time.Time{}
	if s.LockAt != nil {
		d.LockAt = s.LockAt.Time()
	}
	if s.Deleted != nil {
		d.PurgeAfter = s.Deleted.PurgeAfter.Time()
	}
	row.Detail, err = json.Marshal(d)
	return row, err
}

// kindOf gives the catalog's kind of a vault's state: one that is about to be
// locked is not locked yet.
func kindOf(state string) catalog.VaultKind {
	if state == vault.StateLocking {
		return catalog.VaultUnlocked
	}
	return catalog.VaultKind(state)
}

// ReachLevel counts a vault at the level that its store gives, unless its last
// canary failed.
func (c *Custody) ReachLevel(ctx context.Context, g access.Grant, id string, records []vault.Record) error {
	row, v, err := c.Vault(ctx, id)
	if err != nil {
		return err
	}
	row.AssuranceLevel = assurance(row.Kind, v.Bucket().Caps())
	if CanaryFailed(records) {
		row.AssuranceLevel = 0
	}
	return c.cfg.Catalog.UpdateVault(ctx, g, row)
}

// CanaryFailed reports whether the last canary of a vault found that its store
// does not keep what it promises.
func CanaryFailed(records []vault.Record) bool {
	failed := false
	for _, r := range records {
		for _, f := range r.Facts {
			var c vault.CanaryRecord
			if f.Kind == vault.FactCanary && f.Decode(&c) == nil && c.Verdict != "inconclusive" {
				failed = c.Verdict == "fail"
			}
		}
	}
	return failed
}

// DropLevel takes a vault down to L0: its store did not keep what it promised.
func (c *Custody) DropLevel(ctx context.Context, g access.Grant, id string) error {
	row, err := c.cfg.Catalog.Vault(ctx, id)
	if err != nil {
		return err
	}
	row.AssuranceLevel = 0
	return c.cfg.Catalog.UpdateVault(ctx, g, row)
}
