package catalog

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Damage is an object of a vault's storage that is not what was stored.
type Damage struct {
	VaultID string
	// Object is its name in storage.
	Object  string
	Reason  string
	FoundAt time.Time
}

const damageColumns = "vault_id, object, reason, found_at"

func (d Damage) check() error {
	var c checks
	c.vaultID(d.VaultID)
	c.want(d.Object != "", "the damaged object has no name")
	c.instant("the time when damage was found", d.FoundAt)
	return c.err
}

func scanDamage(r row) (Damage, error) {
	var d Damage
	var found int64
	err := r.Scan(&d.VaultID, &d.Object, &d.Reason, &found)
	d.FoundAt = timeOf(found)
	return d, err
}

// Damages gives the known damage of a vault, by object; an empty id means all
// vaults, by vault first.
func (r reads) Damages(ctx context.Context, vaultID string) ([]Damage, error) {
	var w where
	if vaultID != "" {
		w.add("vault_id = ?", vaultID)
	}
	return list(ctx, r, "list damage", scanDamage,
		"SELECT "+damageColumns+" FROM damages"+w.String()+" ORDER BY vault_id, object", w.args...)
}

// RecordDamage adds damage. Of an object known to be damaged it takes the new
// reason and keeps the time when the damage was first found.
func (t *Tx) RecordDamage(ctx context.Context, g access.Grant, damage []Damage) error {
	if err := g.Require(damageActions()...); err != nil {
		return err
	}
	return t.putDamage(ctx, damage)
}

// ReplaceDamage makes damage all that is known of a vault, as after a full
// verification.
func (t *Tx) ReplaceDamage(ctx context.Context, g access.Grant, vaultID string, damage []Damage) error {
	if err := g.Require(damageActions()...); err != nil {
		return err
	}
	known, err := t.Damages(ctx, vaultID)
	if err != nil {
		return err
	}
	first := map[string]time.Time{}
	for _, d := range known {
		first[d.Object] = d.FoundAt
	}
	if _, err := t.exec(ctx, "replace the damage", "DELETE FROM damages WHERE vault_id = ?", vaultID); err != nil {
		return err
	}
	kept := make([]Damage, 0, len(damage))
	for _, d := range damage {
		if d.VaultID != vaultID {
			return errkind.New(errkind.Invalid, "the damage of %s is of the vault %s, not %s", d.Object, d.VaultID, vaultID)
		}
		if at, ok := first[d.Object]; ok {
			d.FoundAt = at
		}
		kept = append(kept, d)
	}
	return t.putDamage(ctx, kept)
}

// ClearDamage removes what is known of objects that are whole again. Objects
// not known to be damaged are passed over.
func (t *Tx) ClearDamage(ctx context.Context, g access.Grant, vaultID string, objects ...string) error {
	if err := g.Require(damageActions()...); err != nil {
		return err
	}
	for _, object := range objects {
		if _, err := t.exec(ctx, "clear damage", "DELETE FROM damages WHERE vault_id = ? AND object = ?", vaultID, object); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) putDamage(ctx context.Context, damage []Damage) error {
	query := insert("damages", damageColumns) + " ON CONFLICT (vault_id, object) DO UPDATE SET reason = excluded.reason"
	for _, d := range damage {
		if err := d.check(); err != nil {
			return err
		}
		if _, err := t.exec(ctx, "record damage", query, d.VaultID, d.Object, d.Reason, micros(d.FoundAt)); err != nil {
			return vaultMissing(err, d.VaultID)
		}
	}
	return nil
}

// damageActions are what can come upon damage or mend it.
func damageActions() []access.Action {
	return []access.Action{access.VaultVerify, vaultRepair, access.VaultRecover, vaultCopy, access.BackupRun, access.RestoreRun, drillRun}
}

// RecordDamage is [Tx.RecordDamage] in a transaction of its own.
func (c *Catalog) RecordDamage(ctx context.Context, g access.Grant, damage []Damage) error {
	return c.change(ctx, func(tx *Tx) error { return tx.RecordDamage(ctx, g, damage) })
}

// ReplaceDamage is [Tx.ReplaceDamage] in a transaction of its own.
func (c *Catalog) ReplaceDamage(ctx context.Context, g access.Grant, vaultID string, damage []Damage) error {
	return c.change(ctx, func(tx *Tx) error { return tx.ReplaceDamage(ctx, g, vaultID, damage) })
}

// ClearDamage is [Tx.ClearDamage] in a transaction of its own.
func (c *Catalog) ClearDamage(ctx context.Context, g access.Grant, vaultID string, objects ...string) error {
	return c.change(ctx, func(tx *Tx) error { return tx.ClearDamage(ctx, g, vaultID, objects...) })
}
