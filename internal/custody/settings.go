package custody

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
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

// Settle brings the catalog's row of a vault in line with settings that were
// recorded in the vault.
func (c *Custody) Settle(ctx context.Context, g access.Grant, row catalog.Vault, s vault.SettingsRecord) error {
	row.Kind, row.MinRetention, row.MaxRetention, row.SoftDeleteDays = kindOf(s.State), s.Minimum, s.Maximum, s.SoftDeleteDays
	_, v, err := c.Vault(ctx, row.ID)
	if err != nil {
		return err
	}
	row.AssuranceLevel = assurance(row.Kind, v.Bucket().Caps())
	if err := c.cfg.Catalog.UpdateVault(ctx, g, row); err != nil {
		return err
	}
	return c.forget(row.ID)
}

// kindOf gives the catalog's kind of a vault's state: one that is about to be
// locked is not locked yet.
func kindOf(state string) catalog.VaultKind {
	if state == vault.StateLocking {
		return catalog.VaultUnlocked
	}
	return catalog.VaultKind(state)
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
