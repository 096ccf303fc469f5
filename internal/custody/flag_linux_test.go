package custody

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/blobtest"
	"github.com/counterfoil/counterfoil/internal/blob/diskblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// flagged are stores on disk whose locked files bear the immutable flag.
type flagged struct{ folders }

func (f flagged) Create(_ context.Context, url blob.URL) (*blob.Bucket, func() error, error) {
	d, err := diskblob.Create(url.Path, diskblob.Options{ImmutableFlag: true})
	if err != nil {
		return nil, nil, err
	}
	f.created()
	return blob.New(d, blob.Options{}), d.Close, nil
}

// TestCreateVault_FailureTakesBackWhatBearsTheFlag has the catalog fail when all
// of the vault stands in its store.
func TestCreateVault_FailureTakesBackWhatBearsTheFlag(t *testing.T) {
	for name, before := range map[string]func(store string) error{
		"nothing there":   func(string) error { return nil },
		"an empty folder": func(store string) error { return os.Mkdir(store, 0o750) },
	} {
		t.Run(name, func(t *testing.T) {
			above := t.TempDir()
			blobtest.NeedFlag(t, above)
			store := filepath.Join(above, "store")
			if err := before(store); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			c := newCustody(t, dir, func() {})
			c.cfg.Stores = flagged{folders{func() { _ = c.cfg.Catalog.Close() }}}
			g := access.Issue(access.VaultCreate, "vault books", "owner", "e", time.Now())
			n := NewVault{Name: "books", Kind: vault.Unlocked, URL: blob.URL{Scheme: blob.SchemeFile, Path: store}}
			if _, err := c.CreateVault(t.Context(), g, n); err == nil || errkind.Is(err, errkind.Incomplete) {
				t.Fatalf("error %v", err)
			}
			if left := append(names(t, store), names(t, filepath.Join(dir, "keys"))...); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}
