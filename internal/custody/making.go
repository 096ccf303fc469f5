package custody

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// making is a vault being made, and what to take back should that fail.
type making struct {
	custody *Custody
	id      vault.ID
	new     NewVault
	log     logKey

	// written are the files of keys that were written, by us alone.
	written []string
	bucket  *blob.Bucket
	release func() error
	// before says what was at the store's place when we came.
	before place
	vault  *vault.Vault
	row    catalog.Vault
}

// place is what is where a store is to be made.
type place int

const (
	untouched place = iota // not looked at yet
	taken                  // something is there, or that is not known
	empty
	absent
)

// make writes keys and kit, each where nothing is, before the vault that they
// open; the catalog comes last.
func (m *making) make(ctx context.Context, g access.Grant) error {
	c, n := m.custody, m.new
	platform, recovery := keys.NewHeld(keys.FileProvider, m.id), keys.NewHeld(keys.RecoveryProvider, m.id)
	if err := m.write(c.keyFile(idText(m.id)), platform.Line()+"\n"); err != nil {
		return fmt.Errorf("write the vault's platform key: %w", err)
	}
	if err := m.write(n.RecoveryKit, m.kitText(recovery)); err != nil {
		return fmt.Errorf("write the recovery kit: %w", err)
	}
	m.before = look(n.URL)
	var err error
	if m.bucket, m.release, err = c.cfg.Stores.Create(ctx, n.URL); err != nil {
		return fmt.Errorf("make the store of vault %q: %w", n.Name, err)
	}
	mode := LockMode(catalog.Vault{Kind: catalog.VaultKind(n.Kind)}, m.bucket.Caps())
	own := func() blob.Lock { return OwnLock(mode, retention.Bounds{Min: n.Minimum, Max: n.Maximum}, c.cfg.Now()) }
	options := vault.CreateOptions{ID: m.id, Name: n.Name, Kind: n.Kind, Attachments: map[string][]byte{AuditKeyName: m.log.secret},
		Options: vault.Options{Server: c.cfg.Server, Host: c.cfg.Host, Now: c.cfg.Now, OwnLock: own, Heads: c.cfg.Heads}}
	v, err := vault.Create(ctx, g, m.bucket, map[string]vault.KEK{"platform key": platform, "recovery kit": recovery}, options)
	if err != nil {
		return err
	}
	m.vault = v
	if err := durable.WriteFile(n.RecoveryKit, []byte(m.kitText(recovery)), 0o600); err != nil {
		return fmt.Errorf("complete the recovery kit: %w", err)
	}
	if err := c.recordVault(ctx, g, v, n); err != nil {
		return err
	}
	if err := c.ensurePolicies(ctx, g, v); err != nil {
		return err
	}
	if m.row, err = vaultRow(v, n, n.RecoveryKit); err != nil {
		return err
	}
	return c.cfg.Catalog.CreateVault(ctx, g, m.row)
}

func (m *making) write(path, text string) error {
	if err := m.custody.writeKey(path, text); err != nil {
		return err
	}
	m.written = append(m.written, path)
	return nil
}

// undo takes back what was made. What was at the store's place before, or was
// put there by somebody else at the same time, stays.
func (m *making) undo(ctx context.Context, g access.Grant, cause error) error {
	cleared, err := m.clearStore(ctx, g, cause)
	errs := []error{err}
	if m.release != nil {
		errs = append(errs, m.release())
	}
	switch {
	case cleared:
	case m.vault != nil:
		// A vault stands there: its keys must outlive it.
		return errors.Join(append(errs, errkind.New(errkind.Incomplete,
			"the unfinished vault in %s stays, and its keys in %q: empty that folder before a vault is made there", m.new.URL, m.written))...)
	case !errkind.Is(cause, errkind.Exists):
		errs = append(errs, errkind.New(errkind.Incomplete, "what was written so far stays in %s: empty that folder before a vault is made there", m.new.URL))
	}
	for _, path := range m.written {
		errs = append(errs, removeKey(path))
	}
	return errors.Join(errs...)
}

// clearStore empties the store's folder if it was empty, and removes it if it
// was not there. It tells whether nothing of ours is left.
func (m *making) clearStore(ctx context.Context, g access.Grant, cause error) (bool, error) {
	folder := m.new.URL.Path
	switch {
	case m.before == untouched:
		return true, nil
	case m.before == taken || m.vault == nil && (errkind.Is(cause, errkind.Exists) || m.othersVault(ctx)):
		return m.bucket == nil, nil
	case m.bucket != nil:
		if err := m.bucket.Abandon(ctx, g); err != nil {
			return false, err
		}
	}
	if m.before == absent {
		if _, err := os.Lstat(folder); errors.Is(err, os.ErrNotExist) {
			return true, nil // on a read-only file system, removing even nothing fails
		}
		err := os.RemoveAll(folder)
		return err == nil, errkind.Wrap(errkind.Unavailable, err, "remove the store that was begun at %s", m.new.URL)
	}
	entries, err := os.ReadDir(folder)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(folder, e.Name())))
	}
	return err == nil, errkind.Wrap(errkind.Unavailable, err, "empty the store that was begun at %s", m.new.URL)
}

// othersVault tells whether the store may hold a vault that somebody else made
// meanwhile: ours was not finished, so a header there is not ours.
func (m *making) othersVault(ctx context.Context) bool {
	if m.bucket == nil {
		_, err := os.Lstat(filepath.Join(m.new.URL.Path, "header"))
		return !errors.Is(err, os.ErrNotExist)
	}
	_, err := m.bucket.Stat(ctx, "header")
	return !errkind.Is(err, errkind.NotFound)
}

// look tells what is where a store is to be made.
func look(url blob.URL) place {
	if url.Scheme != blob.SchemeFile {
		return taken
	}
	entries, err := os.ReadDir(url.Path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return absent
	case err == nil && len(entries) == 0:
		return empty
	default:
		return taken
	}
}

// checkPlaces refuses a store or a recovery kit in a place where it would be
// lost with, or mixed into, something else of ours.
func (c *Custody) checkPlaces(ctx context.Context, n NewVault) error {
	if !filepath.IsAbs(n.RecoveryKit) {
		return errkind.New(errkind.Invalid, "the path of the recovery kit %q is not absolute", n.RecoveryKit)
	}
	rows, err := c.cfg.Catalog.Vaults(ctx)
	if err != nil {
		return err
	}
	var stores []string
	for _, row := range rows {
		if url, err := blob.ParseURL(row.URL); err == nil && url.Scheme == blob.SchemeFile {
			stores = append(stores, url.Path)
		}
	}
	if n.URL.Scheme == blob.SchemeFile {
		if p, ok := Inside(n.URL.Path, stores); ok && resolve(p) != resolve(n.URL.Path) {
			return errkind.New(errkind.Invalid, "the store %q lies in %q, the store of another vault: give it a place of its own", n.URL.Path, p)
		}
		if _, ok := Inside(n.URL.Path, []string{c.cfg.DataDir}); ok {
			home := filepath.Join(c.cfg.DataDir, "vaults")
			if _, ok := Inside(n.URL.Path, []string{home}); !ok || resolve(home) == resolve(n.URL.Path) {
				return errkind.New(errkind.Invalid, "the store %q lies among counterfoil's own files in %q: give it another place, or one below %q", n.URL.Path, c.cfg.DataDir, home)
			}
		}
		stores = append(stores, n.URL.Path)
	}
	if p, ok := Inside(n.RecoveryKit, stores); ok {
		return errkind.New(errkind.Invalid, "the recovery kit %q would lie in the store %q: whoever takes the store would have its key too; write it to another place", n.RecoveryKit, p)
	}
	return nil
}

// StoreWarnings says, a sentence for each, which sources hold the folder of a
// store.
func (c *Custody) StoreWarnings(ctx context.Context, url blob.URL) ([]string, error) {
	sources, err := c.cfg.Catalog.Sources(ctx)
	if err != nil || url.Scheme != blob.SchemeFile {
		return nil, err
	}
	var out []string
	for _, s := range sources {
		var paths []string
		for _, p := range s.Paths {
			paths = append(paths, string(p))
		}
		if p, ok := Inside(url.Path, paths); ok {
			out = append(out, fmt.Sprintf("the store lies in %q, which source %s protects: backups leave the store out, and what destroys that folder destroys the vault too", p, s.Name))
		}
	}
	return out, nil
}

func (m *making) kitText(key *keys.Held) string {
	n, made, signing := m.new, m.custody.cfg.Now(), "not made yet"
	if m.vault != nil {
		made, signing = m.vault.Header().Created.Time(), m.vault.SigningKeyID()
	}
	return fmt.Sprintf(`Counterfoil recovery kit

Keep this on paper, away from the server and from the vault's storage.
Whoever has this and the storage can read everything in the vault.

vault:        %s
vault id:     %x
storage:      %s
made:         %s
signing key:  %s
audit log:    %s

%s

To recover on a machine that has nothing but counterfoil:

    counterfoil vault recover %s --key-file THIS-FILE

To check the audit log, or a vault's copy of it in its folder log, without counterfoil:

    counterfoil-verify log FOLDER --vkey '%s'
`, n.Name, m.id, n.URL, made.UTC().Format("2006-01-02 15:04:05Z07:00"), signing, m.log.public, key.Line(), n.URL, m.log.public)
}
