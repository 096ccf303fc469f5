package diskblob

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/blobtest"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// mountSmall mounts a file system in memory and returns its folder.
func mountSmall(t *testing.T, options string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	folder := t.TempDir()
	if err := unix.Mount("counterfoil-test", folder, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting a file system is not possible here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return folder
}

func createAt(t *testing.T, folder string, now func() time.Time) *Driver {
	t.Helper()
	d, err := Create(folder, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	// The file system is unmounted after this.
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestFullDisk_ChangesNothingAndRecovers(t *testing.T) {
	clock := blobtest.NewClock()
	folder := mountSmall(t, "size=1m,mode=0755")
	d := createAt(t, folder, clock.Now)
	lock := blob.Lock{Mode: blob.Compliance, Until: clock.Now().Add(time.Hour)}
	for i := range 3 {
		put(t, d, fmt.Sprintf("packs/%d", i), blobtest.Bytes(uint64(i), 200_000), blob.PutOptions{})
	}
	put(t, d, "packs/locked", blobtest.Bytes(9, 1000), blob.PutOptions{Lock: lock})
	before := files(t, folder)
	stored := func() {
		t.Helper()
		if diff := cmp.Diff(before, files(t, folder)); diff != "" {
			t.Fatalf("files (-before +after):\n%s", diff)
		}
		for i := range 3 {
			wantContent(t, d, fmt.Sprintf("packs/%d", i), blobtest.Bytes(uint64(i), 200_000))
		}
		wantContent(t, d, "packs/locked", blobtest.Bytes(9, 1000))
	}

	_, err := d.Put(t.Context(), "packs/big", blobtest.Bytes(5, 800_000), blob.PutOptions{Lock: lock})
	wantKind(t, "put on a full disk", err, errkind.NoSpace)
	_, err = d.Put(t.Context(), "packs/0", blobtest.Bytes(5, 800_000), blob.PutOptions{Replace: true})
	wantKind(t, "replace on a full disk", err, errkind.NoSpace)
	stored()

	fill(t, folder)
	before = files(t, folder)
	wantKind(t, "lock on a full disk", d.SetLock(t.Context(), "packs/0", lock), errkind.NoSpace)
	longer := blob.Lock{Mode: blob.Compliance, Until: lock.Until.Add(time.Hour)}
	wantKind(t, "raise on a full disk", d.SetLock(t.Context(), "packs/locked", longer), errkind.NoSpace)
	info, err := d.Stat(t.Context(), "packs/locked")
	if err != nil || info.Lock != lock {
		t.Fatalf("the old lock became %+v, %v", info.Lock, err)
	}
	stored()

	if err := d.Delete(t.Context(), "packs/1"); err != nil {
		t.Fatalf("delete on a full disk: %v", err)
	}
	put(t, d, "packs/3", blobtest.Bytes(3, 100_000), blob.PutOptions{Lock: lock})
	wantContent(t, d, "packs/3", blobtest.Bytes(3, 100_000))
}

// fill writes a file outside the names of objects until nothing more fits.
func fill(t *testing.T, folder string) {
	t.Helper()
	f, err := os.Create(filepath.Join(folder, "FILLER"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFullDisk_NoInodesLeft(t *testing.T) {
	folder := mountSmall(t, "size=1m,nr_inodes=5,mode=0755")
	d := createAt(t, folder, nil)
	put(t, d, "header", []byte("kept"), blob.PutOptions{})
	before := files(t, folder)
	for i := range 3 {
		_, err := d.Put(t.Context(), fmt.Sprintf("packs/deep/%d", i), nil, blob.PutOptions{})
		wantKind(t, "put without inodes", err, errkind.NoSpace)
	}
	if diff := cmp.Diff(before, files(t, folder)); diff != "" {
		t.Fatalf("files (-before +after):\n%s", diff)
	}
}

func TestReadOnlyStore_IsReadAndNotChanged(t *testing.T) {
	clock := blobtest.NewClock()
	folder := mountSmall(t, "size=1m,mode=0755")
	d := createAt(t, folder, clock.Now)
	put(t, d, "packs/a", []byte("kept"), blob.PutOptions{})
	// An open store must not keep the file system from being remounted.
	if err := unix.Mount("", folder, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatalf("remount read-only: %v", err)
	}
	for _, d := range []*Driver{d, reopen(t, folder, clock.Now)} {
		for _, name := range []string{"packs/b", "new/folder/b"} {
			_, err := d.Put(t.Context(), name, []byte("x"), blob.PutOptions{})
			wantKind(t, "put "+name, err, errkind.ReadOnly)
		}
		_, err := d.Put(t.Context(), "packs/a", []byte("x"), blob.PutOptions{Replace: true})
		wantKind(t, "replace", err, errkind.ReadOnly)
		_, err = d.Put(t.Context(), "packs/a", []byte("x"), blob.PutOptions{})
		wantKind(t, "put over an object", err, errkind.Exists)
		wantKind(t, "delete", d.Delete(t.Context(), "packs/a"), errkind.ReadOnly)
		lock := blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Hour)}
		wantKind(t, "lock", d.SetLock(t.Context(), "packs/a", lock), errkind.ReadOnly)
		wantContent(t, d, "packs/a", []byte("kept"))
		if objects, size, err := blob.New(d, blob.Options{}).Count(t.Context(), ""); objects != 1 || size != 4 || err != nil {
			t.Fatalf("%d objects of %d bytes, %v", objects, size, err)
		}
	}
}
