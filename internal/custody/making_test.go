package custody

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/diskblob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/tlog"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// folders are stores on disk; created is called when one was made.
type folders struct{ created func() }

func (f folders) Open(_ context.Context, url blob.URL) (*blob.Bucket, func() error, error) {
	d, err := diskblob.Open(url.Path, diskblob.Options{})
	if err != nil {
		return nil, nil, err
	}
	return blob.New(d, blob.Options{}), d.Close, nil
}

func (f folders) Create(_ context.Context, url blob.URL) (*blob.Bucket, func() error, error) {
	d, err := diskblob.Create(url.Path, diskblob.Options{})
	if err != nil {
		return nil, nil, err
	}
	f.created()
	return blob.New(d, blob.Options{}), d.Close, nil
}

func newCustody(t *testing.T, dir string, created func()) *Custody {
	t.Helper()
	index, err := catalog.Open(t.Context(), filepath.Join(dir, "catalog.db"), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err := tlog.NewKey("counterfoil/test", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Config{DataDir: dir, Catalog: index, Stores: folders{created}, Server: vault.NewID(), Host: "h", Now: time.Now,
		AuditKey: func(context.Context) ([]byte, error) { return []byte(secret), nil }})
	t.Cleanup(func() { _, _ = c.Close(), index.Close() })
	return c
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestCreateVault_FailureTakesBackWhatWasMade(t *testing.T) {
	for name, before := range map[string]func(store string) error{
		"nothing there":   func(string) error { return nil },
		"an empty folder": func(store string) error { return os.Mkdir(store, 0o750) },
		"an empty store": func(store string) error {
			d, err := diskblob.Create(store, diskblob.Options{})
			if err != nil {
				return err
			}
			return d.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			store := filepath.Join(t.TempDir(), "store")
			if err := before(store); err != nil {
				t.Fatal(err)
			}
			was := names(t, store)
			_, statErr := os.Stat(store)
			ctx, cancel := context.WithCancel(t.Context())
			c := newCustody(t, dir, cancel) // the vault cannot be made in the store that was
			n := NewVault{Name: "books", Kind: vault.Unlocked, URL: blob.URL{Scheme: blob.SchemeFile, Path: store}}
			g := access.Issue(access.VaultCreate, "vault books", "owner", "e", time.Now())
			_, err := c.CreateVault(ctx, g, n)
			if !errkind.Is(err, errkind.Cancelled) {
				t.Fatalf("error %v", err)
			}
			if left := append(names(t, filepath.Join(dir, "keys")), names(t, filepath.Join(dir, "recovery-kits"))...); len(left) > 0 {
				t.Errorf("keys left: %q", left)
			}
			_, after := os.Stat(store)
			if got := names(t, store); len(got) != len(was) || os.IsNotExist(after) != os.IsNotExist(statErr) {
				t.Errorf("in the store: %q, before %q", got, was)
			}
			if said := strings.Contains(err.Error(), "what was written so far stays"); said != (name == "an empty store") {
				t.Errorf("what is left: %v", err)
			}
			c.cfg.Stores = folders{func() {}}
			row, err := c.CreateVault(t.Context(), g, n)
			if err != nil {
				t.Fatalf("the same again: %v", err)
			}
			kit := names(t, filepath.Join(dir, "recovery-kits"))
			text, err := os.ReadFile(filepath.Join(dir, "recovery-kits", kit[0]))
			if err != nil || !strings.Contains(string(text), row.SigningKey) || !strings.Contains(string(text), "counterfoil/test+") {
				t.Errorf("the kit lacks the signing key or the log's: %v\n%s", err, text)
			}
		})
	}
}

func TestCreateVault_StoreOfAnotherVaultIsLeftAlone(t *testing.T) {
	dir, store := t.TempDir(), filepath.Join(t.TempDir(), "store")
	c := newCustody(t, dir, func() {})
	g := access.Issue(access.VaultCreate, "vault", "owner", "e", time.Now())
	n := NewVault{Name: "books", Kind: vault.Unlocked, URL: blob.URL{Scheme: blob.SchemeFile, Path: store}}
	if _, err := c.CreateVault(t.Context(), g, n); err != nil {
		t.Fatal(err)
	}
	was := names(t, store)
	other := newCustody(t, t.TempDir(), func() {})
	if _, err := other.CreateVault(t.Context(), g, n); !errkind.Is(err, errkind.Exists) {
		t.Errorf("error %v", err)
	}
	if got := names(t, store); len(got) != len(was) || len(names(t, filepath.Join(other.cfg.DataDir, "keys"))) > 0 {
		t.Errorf("in the store: %q, before %q", got, was)
	}
}
