package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// VaultKind says how much of a vault can be undone.
type VaultKind string

// The kinds of vaults.
const (
	// VaultTrial can be removed whole.
	VaultTrial VaultKind = "trial"
	// VaultOff is not immutable: points can be deleted before their time.
	VaultOff VaultKind = "off"
	// VaultUnlocked is immutable until that is switched off.
	VaultUnlocked VaultKind = "unlocked"
	// VaultLocked is immutable for ever.
	VaultLocked VaultKind = "locked"
)

// Immutable reports whether points of such a vault stay until their time.
func (k VaultKind) Immutable() bool { return k == VaultUnlocked || k == VaultLocked }

// Vault is what the catalog knows of a vault.
type Vault struct {
	// ID is 32 lower-case hexadecimal digits.
	ID   string
	Name string
	// URL names the store, as file:///srv/vault.
	URL       string
	Kind      VaultKind
	CreatedAt time.Time
	// MinRetention and MaxRetention are ISO 8601 durations.
	MinRetention, MaxRetention string
	SoftDeleteDays             int
	// AssuranceLevel is 0 to 3, for L0 to L3.
	AssuranceLevel int
	// SigningKey is the public key of the vault, as its key list prints it.
	SigningKey string
	Detail     json.RawMessage
}

const vaultColumns = "id, name, url, kind, created_at, min_retention, max_retention, soft_delete_days, assurance_level, signing_key, detail"

func (v Vault) check() error {
	var c checks
	c.vaultID(v.ID)
	c.name("vault", v.Name)
	c.want(v.URL != "", "the vault %q needs a URL", v.Name)
	oneOf(&c, "kind of vault", v.Kind, []VaultKind{VaultTrial, VaultOff, VaultUnlocked, VaultLocked})
	c.instant("the creation time of the vault", v.CreatedAt)
	c.period("the minimum retention", v.MinRetention)
	c.period("the maximum retention", v.MaxRetention)
	c.want(v.SoftDeleteDays >= 0, "soft delete cannot last %d days", v.SoftDeleteDays)
	c.want(v.AssuranceLevel >= 0 && v.AssuranceLevel <= 3, "the assurance level is 0 to 3, not %d", v.AssuranceLevel)
	return c.err
}

func (v Vault) values() ([]any, error) {
	detail, err := rawText("the vault's detail", v.Detail)
	return []any{
		v.ID, v.Name, v.URL, string(v.Kind), micros(v.CreatedAt), v.MinRetention, v.MaxRetention,
		v.SoftDeleteDays, v.AssuranceLevel, v.SigningKey, detail,
	}, errors.Join(v.check(), err)
}

func scanVault(r row) (Vault, error) {
	var v Vault
	var created int64
	var detail string
	err := r.Scan(&v.ID, &v.Name, &v.URL, &v.Kind, &created, &v.MinRetention, &v.MaxRetention,
		&v.SoftDeleteDays, &v.AssuranceLevel, &v.SigningKey, &detail)
	v.CreatedAt, v.Detail = timeOf(created), rawOf(detail)
	return v, err
}

// Vault gives the vault of that name or id.
func (r reads) Vault(ctx context.Context, nameOrID string) (Vault, error) {
	return one(ctx, r, noVault(nameOrID), scanVault,
		"SELECT "+vaultColumns+" FROM vaults WHERE name = ? OR id = ?", nameOrID, nameOrID)
}

// Vaults gives all vaults by name.
func (r reads) Vaults(ctx context.Context) ([]Vault, error) {
	return list(ctx, r, "list vaults", scanVault, "SELECT "+vaultColumns+" FROM vaults ORDER BY name")
}

func noVault(nameOrID string) string {
	return fmt.Sprintf("there is no vault %q; `counterfoil vault list` shows those there are", nameOrID)
}

// CreateVault adds a vault. A taken name or id is errkind.Exists.
func (t *Tx) CreateVault(ctx context.Context, g access.Grant, v Vault) error {
	if err := g.Require(access.VaultCreate, access.VaultRecover); err != nil {
		return err
	}
	values, err := v.values()
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "create the vault "+v.Name, insert("vaults", vaultColumns), values...)
	return existing(err, "there is a vault %q already, by name or id", v.Name)
}

// UpdateVault changes all but the id and creation time of a vault. A locked
// vault stays locked: anything else is errkind.Refused.
func (t *Tx) UpdateVault(ctx context.Context, g access.Grant, v Vault) error {
	if err := g.Require(access.VaultUpdate, access.VaultWeaken, access.VaultHarden, access.VaultDelete, access.VaultUndelete, access.VaultLock, access.VaultCallBack, access.CanaryRun, access.VaultVerify, access.VaultRecover); err != nil {
		return err
	}
	old, err := one(ctx, t.reads, noVault(v.ID), scanVault, "SELECT "+vaultColumns+" FROM vaults WHERE id = ?", v.ID)
	if err != nil {
		return err
	}
	if old.Kind == VaultLocked && v.Kind != VaultLocked {
		return errkind.New(errkind.Refused, "the vault %q is locked and stays so", old.Name)
	}
	v.CreatedAt = old.CreatedAt
	return t.putVault(ctx, v)
}

// ReplaceVault writes a vault as recover found it in storage.
func (t *Tx) ReplaceVault(ctx context.Context, g access.Grant, v Vault) error {
	if err := g.Require(access.VaultRecover); err != nil {
		return err
	}
	return t.putVault(ctx, v)
}

func (t *Tx) putVault(ctx context.Context, v Vault) error {
	values, err := v.values()
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "write the vault "+v.Name, upsert("vaults", vaultColumns, "id"), values...)
	return existing(err, "there is another vault %q already", v.Name)
}

// DeleteVault takes a vault with its sources, points and damage out of the
// catalog; its storage is not touched. Runs stay.
func (t *Tx) DeleteVault(ctx context.Context, g access.Grant, id string) error {
	if err := g.Require(access.VaultRemove); err != nil {
		return err
	}
	for _, table := range []string{"damages", "points", "sources", "erasure_facts", "erasure_subjects"} {
		if _, err := t.exec(ctx, "delete the vault's "+table, "DELETE FROM "+table+" WHERE vault_id = ?", id); err != nil {
			return err
		}
	}
	return t.execOne(ctx, "delete the vault", noVault(id), "DELETE FROM vaults WHERE id = ?", id)
}

// existing puts a sentence in place of a database's complaint about a value
// that must be unique.
func existing(err error, format string, args ...any) error {
	if errkind.Is(err, errkind.Exists) {
		return errkind.New(errkind.Exists, format, args...)
	}
	return err
}

// CreateVault is [Tx.CreateVault] in a transaction of its own.
func (c *Catalog) CreateVault(ctx context.Context, g access.Grant, v Vault) error {
	return c.change(ctx, func(tx *Tx) error { return tx.CreateVault(ctx, g, v) })
}

// UpdateVault is [Tx.UpdateVault] in a transaction of its own.
func (c *Catalog) UpdateVault(ctx context.Context, g access.Grant, v Vault) error {
	return c.change(ctx, func(tx *Tx) error { return tx.UpdateVault(ctx, g, v) })
}

// ReplaceVault is [Tx.ReplaceVault] in a transaction of its own.
func (c *Catalog) ReplaceVault(ctx context.Context, g access.Grant, v Vault) error {
	return c.change(ctx, func(tx *Tx) error { return tx.ReplaceVault(ctx, g, v) })
}

// DeleteVault is [Tx.DeleteVault] in a transaction of its own.
func (c *Catalog) DeleteVault(ctx context.Context, g access.Grant, id string) error {
	return c.change(ctx, func(tx *Tx) error { return tx.DeleteVault(ctx, g, id) })
}
