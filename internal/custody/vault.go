package custody

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/tlog"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// NewVault is a vault to be made.
type NewVault struct {
	Name string
	URL  blob.URL
	// Kind is vault.Trial or vault.Unlocked.
	Kind string
	// Minimum and Maximum bound retention; zero means the defaults.
	Minimum, Maximum calendar.Period
	SoftDeleteDays   int
	// RecoveryKit is where the kit is written; empty for the data directory.
	RecoveryKit string
}

// VaultDetail is what the catalog keeps of a vault beyond its columns.
type VaultDetail struct {
	RecoveryKit string `json:"recovery_kit,omitempty"`
	Enforcer    string `json:"enforcer"`
	// SoftDeleteOn says that soft delete is always on.
	SoftDeleteOn bool `json:"soft_delete_on,omitempty"`
	// LockAt is when a locking that was asked for can be finished, zero for none.
	LockAt time.Time `json:"lock_at,omitzero"`
	// PurgeAfter is until when the deletion of the vault can be undone, zero for one
	// that is not deleted.
	PurgeAfter time.Time `json:"purge_after,omitzero"`
}

// DetailOfVault reads the catalog's detail of a vault.
func DetailOfVault(row catalog.Vault) (VaultDetail, error) {
	var d VaultDetail
	err := json.Unmarshal(row.Detail, &d)
	return d, errkind.Wrap(errkind.Damaged, err, "catalog row of vault %q", row.Name)
}

func (n *NewVault) fill() error {
	if n.Name == "" || strings.ContainsAny(n.Name, "/\\ \t\n") {
		return errkind.New(errkind.Invalid, "a vault's name is a word without spaces or slashes, %q is not", n.Name)
	}
	if err := catalog.CheckName("vault", n.Name); err != nil {
		return err
	}
	if n.Minimum.IsZero() && n.Kind != vault.Trial {
		n.Minimum = retention.DefaultMin
	}
	if n.Maximum.IsZero() {
		n.Maximum = retention.DefaultMax
	}
	if n.SoftDeleteDays == 0 && n.Kind != vault.Trial {
		n.SoftDeleteDays = 14
	}
	if n.Maximum.Unlimited || n.Maximum.Compare(retention.MostMax) > 0 {
		return errkind.New(errkind.Invalid, "vault %q would lock up to %s ahead, which nobody can take back: the maximum is %s at most; longer retention is kept by locks that are renewed", n.Name, n.Maximum.Words(), retention.MostMax.Words())
	}
	if n.Minimum.Compare(n.Maximum) > 0 {
		return errkind.New(errkind.Invalid, "vault %q would keep points at least %s and lock nothing beyond %s: the minimum must not be longer than the maximum", n.Name, n.Minimum.Words(), n.Maximum.Words())
	}
	for _, p := range policy.Presets()[:1] {
		bounds := retention.Bounds{Min: n.Minimum, Max: n.Maximum}
		if err := bounds.Check(p, nil); err != nil {
			return errkind.Wrap(errkind.Invalid, err, "the bounds of vault %q do not fit policy %q", n.Name, p.Name)
		}
	}
	return nil
}

// CreateVault makes a vault: first its keys, then its store, last its row in
// the catalog. When it fails, no vault by that name exists and what was written
// is taken back, or the error says what is left.
func (c *Custody) CreateVault(ctx context.Context, g access.Grant, n NewVault) (catalog.Vault, error) {
	if err := g.Require(access.VaultCreate); err != nil {
		return catalog.Vault{}, err
	}
	if err := n.fill(); err != nil {
		return catalog.Vault{}, err
	}
	if _, err := c.cfg.Catalog.Vault(ctx, n.Name); err == nil {
		return catalog.Vault{}, errkind.New(errkind.Exists, "there is a vault %q already", n.Name)
	} else if !errkind.Is(err, errkind.NotFound) {
		return catalog.Vault{}, err
	}
	id := vault.NewID()
	if n.RecoveryKit == "" {
		n.RecoveryKit = filepath.Join(c.cfg.DataDir, "recovery-kits", n.Name+"-"+idText(id)[:8]+".txt")
	}
	if err := c.checkPlaces(ctx, n); err != nil {
		return catalog.Vault{}, err
	}
	log, err := c.logKey(ctx)
	if err != nil {
		return catalog.Vault{}, err
	}
	m := &making{custody: c, id: id, new: n, log: log}
	if err := m.make(ctx, g); err != nil {
		// What is left over is no more than a remark on the cause.
		return catalog.Vault{}, errkind.Wrap(errkind.Of(err), errors.Join(err, m.undo(context.WithoutCancel(ctx), g, err)), "")
	}
	return m.row, m.release() // whoever uses it next opens it by its row
}

// logKey gives the audit log's key, of which every vault keeps the secret and
// every recovery kit the public part.
func (c *Custody) logKey(ctx context.Context) (logKey, error) {
	secret, err := c.cfg.AuditKey(ctx)
	if err != nil {
		return logKey{}, err
	}
	key, err := tlog.ParseSigner(string(secret))
	return logKey{secret: secret, public: key.Public}, errkind.Wrap(errkind.Damaged, err, "the audit log's key")
}

type logKey struct {
	secret []byte
	public string
}

// AuditPublic is the public key of the audit log that a vault's keyring holds,
// empty if it holds none.
func AuditPublic(v *vault.Vault) string {
	key, err := tlog.ParseSigner(string(v.Attachment(AuditKeyName)))
	if err != nil {
		return ""
	}
	return key.Public
}

func (c *Custody) recordVault(ctx context.Context, g access.Grant, v *vault.Vault, n NewVault) error {
	fact, err := vault.NewFact(vault.FactVault, vault.SettingsRecord{State: n.Kind, Minimum: n.Minimum.String(), Maximum: n.Maximum.String(),
		SoftDeleteDays: n.SoftDeleteDays, Name: n.Name})
	if err != nil {
		return err
	}
	_, err = v.RecordFacts(ctx, g, fact)
	return err
}

func vaultRow(v *vault.Vault, n NewVault, kit string) (catalog.Vault, error) {
	caps := v.Bucket().Caps()
	detail, err := json.Marshal(VaultDetail{RecoveryKit: kit, Enforcer: caps.Enforcer})
	if err != nil {
		return catalog.Vault{}, err
	}
	h := v.Header()
	return catalog.Vault{
		ID: idText(h.Vault), Name: n.Name, URL: n.URL.String(), Kind: catalog.VaultKind(n.Kind), CreatedAt: h.Created.Time(),
		MinRetention: n.Minimum.String(), MaxRetention: n.Maximum.String(), SoftDeleteDays: n.SoftDeleteDays,
		AssuranceLevel: assurance(catalog.VaultKind(n.Kind), caps), SigningKey: v.SigningKeyID(), Detail: detail,
	}, nil
}

// assurance says what really stops deletion: nothing in a trial vault; in a
// locked one whoever keeps the compliance locks; else no more than that a credential
// which may lift them is kept away.
func assurance(kind catalog.VaultKind, caps blob.Caps) int {
	switch {
	case !kind.Immutable() || len(caps.Modes) == 0:
		return 0
	case kind == catalog.VaultLocked:
		return caps.Assurance
	default:
		return 1
	}
}

// LockMode is the mode in which a vault's objects are locked.
func LockMode(row catalog.Vault, caps blob.Caps) blob.Mode {
	switch {
	case !row.Kind.Immutable() || len(caps.Modes) == 0:
		return blob.NoLock
	case row.Kind == catalog.VaultLocked:
		return blob.Compliance
	default:
		return blob.Governance
	}
}

// Bounds reads a vault's retention bounds.
func Bounds(row catalog.Vault) (retention.Bounds, error) {
	low, err := calendar.ParsePeriod(row.MinRetention)
	if err != nil {
		return retention.Bounds{}, err
	}
	high, err := calendar.ParsePeriod(row.MaxRetention)
	return retention.Bounds{Min: low, Max: high}, err
}
