// Package custody is what this installation holds in trust: its vaults with
// their keys, its sources and policies.
//
// What must always be true: the vault's store is told before the catalog, so that
// losing the catalog loses nothing; a key is durable before the vault it opens exists;
// a vault is written to only while this server owns it. Moving data is left to
// backup and restore, deciding to retention, permission to the gate.
package custody

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Stores opens the stores that vaults lie in; the drivers are chosen in
// wiring. The function returned with a bucket releases it.
type Stores interface {
	Open(ctx context.Context, url blob.URL) (*blob.Bucket, func() error, error)
	Create(ctx context.Context, url blob.URL) (*blob.Bucket, func() error, error)
}

// Config is what custody works with.
type Config struct {
	// DataDir is the installation's folder; keys lie in its "keys".
	DataDir string
	Catalog *catalog.Catalog
	Stores  Stores
	// Server identifies this installation to its vaults.
	Server vault.ID
	Host   string
	// Now is the trusted clock's receipt time.
	Now func() time.Time
	// AuditKey gives the audit log's secret, kept in each vault's keyring so that
	// the log can be taken up again from a vault and its key alone.
	AuditKey func(ctx context.Context) ([]byte, error)
	// Heads keeps what the newest governance record of each vault is; nil for nobody.
	Heads vault.Heads
}

// AuditKeyName is the name of the audit log's key in keyrings.
const AuditKeyName = "audit-log"

// Custody holds the vaults of one installation. It is safe for concurrent use.
type Custody struct {
	cfg Config

	mu     sync.Mutex // guards opened
	opened map[string]*opened
}

type opened struct {
	vault   *vault.Vault
	release func() error
	known   *known
}

// known is what the catalog knows of an opened vault. It changes while the vault is
// in use, which therefore need not be closed.
type known struct {
	// row is what new objects of the vault's own are locked by.
	row atomic.Pointer[catalog.Vault]
	// damaged are the objects that do not count as stored, so that the next backup
	// heals what it still can.
	damaged atomic.Pointer[map[string]bool]
}

// New makes the custody of an installation.
func New(cfg Config) *Custody {
	return &Custody{cfg: cfg, opened: map[string]*opened{}}
}

// Close releases the stores of the vaults that were opened.
func (c *Custody) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for id, o := range c.opened {
		errs = append(errs, o.release())
		delete(c.opened, id)
	}
	return errors.Join(errs...)
}

// Vault opens a vault of the catalog by name or id.
func (c *Custody) Vault(ctx context.Context, nameOrID string) (catalog.Vault, *vault.Vault, error) {
	row, err := c.cfg.Catalog.Vault(ctx, nameOrID)
	if err != nil {
		return row, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.opened[row.ID]; o != nil {
		return row, o.vault, nil
	}
	kek, err := c.platformKey(row)
	if err != nil {
		return row, nil, err
	}
	url, err := blob.ParseURL(row.URL)
	if err != nil {
		return row, nil, err
	}
	k := &known{}
	k.row.Store(&row)
	v, release, err := c.open(ctx, url, kek, k)
	if errkind.Is(err, errkind.NotFound) {
		err = errkind.Wrap(errkind.Unavailable, err, "its store is not there: mount it or bring it back")
	}
	if errkind.Is(err, errkind.WrongKey) {
		err = errkind.New(errkind.WrongKey, "the key in %s is not its key; move that file away and run 'vault recover %s --key-file FILE' with the recovery kit", c.keyFile(row.ID), row.URL)
	}
	if err != nil {
		return row, nil, fmt.Errorf("open vault %q at %s: %w", row.Name, row.URL, err)
	}
	c.opened[row.ID] = &opened{vault: v, release: release, known: k}
	return row, v, nil
}

// platformKey reads the key by which this installation opens a vault. Whoever
// asked for the vault did not name the key, so its absence is not theirs.
func (c *Custody) platformKey(row catalog.Vault) (*keys.Held, error) {
	path := c.keyFile(row.ID)
	kek, err := keys.ReadFile(path)
	switch {
	case errkind.Is(err, errkind.NotFound):
		return nil, errkind.New(errkind.WrongKey, "open vault %q: its key file %s is gone; 'vault recover %s --key-file FILE' with the recovery kit makes a new one", row.Name, path, row.URL)
	case errkind.Is(err, errkind.Invalid):
		return nil, errkind.Wrap(errkind.WrongKey, err, "open vault %q: its key file is damaged; move it away and run 'vault recover %s --key-file FILE' with the recovery kit", row.Name, row.URL)
	case err != nil:
		return nil, fmt.Errorf("open vault %q: %w", row.Name, err)
	}
	return kek, nil
}

func (c *Custody) open(ctx context.Context, url blob.URL, kek *keys.Held, k *known) (*vault.Vault, func() error, error) {
	bucket, release, err := c.cfg.Stores.Open(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	options, err := c.options(ctx, k, bucket.Caps())
	var v *vault.Vault
	if err == nil {
		v, err = vault.Open(ctx, bucket, kek, options)
	}
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return v, release, nil
}

// options are those of a vault of the catalog, by what is known of it as time goes
// on.
func (c *Custody) options(ctx context.Context, k *known, caps blob.Caps) (vault.Options, error) {
	o, id := c.bare(), k.row.Load().ID
	if err := c.readDamage(ctx, id, k); err != nil {
		return o, err
	}
	o.Exclude = func(object string) bool { return (*k.damaged.Load())[object] }
	o.Cache = filepath.Join(c.cfg.DataDir, "cache", "index", id)
	o.OwnLock = func() blob.Lock { return ownLockOf(*k.row.Load(), caps, c.cfg.Now()) }
	_, err := Bounds(*k.row.Load())
	return o, err
}

// readDamage reads which objects of a vault are known to be damaged.
func (c *Custody) readDamage(ctx context.Context, id string, k *known) error {
	damages, err := c.cfg.Catalog.Damages(ctx, id)
	if err != nil {
		return err
	}
	bad := map[string]bool{}
	for _, d := range damages {
		bad[d.Object] = true
	}
	k.damaged.Store(&bad)
	return nil
}

// bare are the options of a vault of which nothing is known.
func (c *Custody) bare() vault.Options {
	return vault.Options{Server: c.cfg.Server, Host: c.cfg.Host, Now: c.cfg.Now, Heads: c.cfg.Heads}
}

// ownLockOf gives the lock of a vault's own objects, none if its bounds are none.
func ownLockOf(row catalog.Vault, caps blob.Caps, now time.Time) blob.Lock {
	bounds, err := Bounds(row)
	if err != nil {
		return blob.Lock{}
	}
	return OwnLock(LockMode(row, caps), bounds, now)
}

// forget closes a vault, so that the next use opens it anew.
func (c *Custody) forget(id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.opened[id]
	if o == nil {
		return nil
	}
	delete(c.opened, id)
	return o.release()
}

func (c *Custody) keyFile(vaultID string) string {
	return filepath.Join(c.cfg.DataDir, "keys", vaultID+".key")
}

// KeyFile is where the platform key of a vault lies.
func (c *Custody) KeyFile(vaultID string) string { return c.keyFile(vaultID) }

// Protect lists the paths that a backup on this host must not descend into:
// the installation itself and the stores of its vaults.
func (c *Custody) Protect(ctx context.Context) ([]string, error) {
	paths := []string{c.cfg.DataDir}
	rows, err := c.cfg.Catalog.Vaults(ctx)
	for _, row := range rows {
		if url, err := blob.ParseURL(row.URL); err == nil && url.Scheme == blob.SchemeFile {
			paths = append(paths, url.Path)
		}
	}
	return paths, err
}

// Found notes what a verification found damaged in a vault, and clears what it
// found whole again.
func (c *Custody) Found(ctx context.Context, g access.Grant, vaultID string, report *vault.VerifyReport) error {
	var damages []catalog.Damage
	for _, p := range report.Problems {
		if p.Unlocked {
			continue // whole, and to be locked again
		}
		damages = append(damages, catalog.Damage{VaultID: vaultID, Object: p.Object, Reason: p.Reason, FoundAt: report.Ended})
	}
	var err error
	if report.Mode == vault.Full {
		err = c.cfg.Catalog.ReplaceDamage(ctx, g, vaultID, damages)
	} else {
		err = c.cfg.Catalog.RecordDamage(ctx, g, damages)
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	o := c.opened[vaultID]
	c.mu.Unlock()
	if o == nil {
		return nil
	}
	return c.readDamage(ctx, vaultID, o.known)
}

func (c *Custody) writeKey(path, text string) error {
	if err := durable.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.WriteFileExclusive(path, []byte(text), 0o600)
}

func idText(id vault.ID) string { return hex.EncodeToString(id[:]) }

// removeKey takes back a key file whose vault was not made.
func removeKey(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errkind.Wrap(errkind.Unavailable, err, "remove the key file of a vault that was not made")
	}
	return nil
}

// stillTrial refuses a vault of which its own records say that it is no trial any
// more, whatever the catalog has. One that is out of reach says nothing.
func (c *Custody) stillTrial(ctx context.Context, row catalog.Vault) error {
	_, v, err := c.Vault(ctx, row.ID)
	if err != nil {
		return nil //nolint:nilerr // a trial whose store or key is gone can be removed
	}
	records, err := v.Records(ctx)
	if err != nil && !errkind.Is(err, errkind.Damaged) {
		return err
	}
	if s, ok := Settings(records); ok && s.State != vault.StateTrial {
		return errkind.New(errkind.Refused, "vault %q is no trial any more, as its own records say: it cannot be removed this way", row.Name)
	}
	return nil
}

// RemoveTrial takes the trial vault and its sources out of the catalog and
// releases its store. The caller then removes the store's folder.
func (c *Custody) RemoveTrial(ctx context.Context, g access.Grant) error {
	if err := g.Require(access.VaultRemove); err != nil {
		return err
	}
	rows, err := c.cfg.Catalog.Vaults(ctx)
	if err != nil {
		return err
	}
	sources, err := c.cfg.Catalog.Sources(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.Kind != catalog.VaultTrial {
			continue
		}
		if err := c.stillTrial(ctx, row); err != nil {
			return err
		}
		if err := c.forget(row.ID); err != nil {
			return err
		}
		for _, s := range sources {
			if s.VaultID != row.ID {
				continue
			}
			if err := c.cfg.Catalog.DeleteSource(ctx, g, s.ID); err != nil {
				return err
			}
		}
		if err := c.cfg.Catalog.DeleteVault(ctx, g, row.ID); err != nil {
			return err
		}
		if err := removeKey(c.keyFile(row.ID)); err != nil {
			return err
		}
	}
	return nil
}
