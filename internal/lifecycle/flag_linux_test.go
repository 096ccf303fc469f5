package lifecycle_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/blobtest"
	"github.com/counterfoil/counterfoil/internal/blob/diskblob"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
)

// TestVault_LockedOnDiskReachesL2WithItsFlags locks a vault whose host is said
// to be administered by others: it counts as L2 only while all that is locked
// bears the immutable flag.
func TestVault_LockedOnDiskReachesL2WithItsFlags(t *testing.T) {
	above := t.TempDir()
	blobtest.NeedFlag(t, above)
	store := filepath.Join(above, "store")
	r := newRig(t, options{disk: func(now func() time.Time) blob.Driver {
		d, err := diskblob.Create(store, diskblob.Options{Now: now, ImmutableFlag: true, AdministeredByOthers: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d
	}})
	r.backup()
	ctx, g := t.Context(), grant(access.VaultLock)
	lock := func() lifecycle.Locking {
		t.Helper()
		l, err := r.life.Lock(ctx, g, "books")
		r.must(err)
		return l
	}
	lock()
	r.wantLevel(1)
	r.now = r.now.Add(lifecycle.CoolingOff + time.Minute)
	if l := lock(); l.Converted != l.Objects || l.Objects == 0 {
		t.Fatalf("%+v", l)
	}
	r.wantLevel(2)

	blobtest.ClearFlags(t, store) // as a copy of the store is
	l, err := r.life.PreviewLock(ctx, "books")
	if err != nil || l.Converted != 0 || l.Objects == 0 {
		t.Fatalf("%+v, %v", l, err)
	}
	row, _, err := r.custody.Vault(ctx, "books")
	r.must(err)
	var detail custody.VaultDetail
	r.must(json.Unmarshal(row.Detail, &detail))
	url, err := blob.ParseURL(row.URL)
	r.must(err)
	_, err = r.custody.Recover(ctx, grant(access.VaultRecover), url, detail.RecoveryKit)
	r.must(err)
	r.wantLevel(1)
	if l := lock(); l.Converted != l.Objects {
		t.Fatalf("%+v", l)
	}
	r.wantLevel(2)

	blobtest.ClearFlags(t, store)
	if n := r.raise(); n == 0 {
		t.Error("no lock was set again")
	}
	if l, err := r.life.PreviewLock(ctx, "books"); err != nil || l.Converted != l.Objects {
		t.Errorf("%+v, %v", l, err)
	}
}

func (r *rig) wantLevel(want int) {
	r.t.Helper()
	row, err := r.catalog.Vault(r.t.Context(), "books")
	if err != nil || row.AssuranceLevel != want {
		r.t.Fatalf("level %d, %v; want %d", row.AssuranceLevel, err, want)
	}
}
