package catalog

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// tmpfs mounts a file system of the size given.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		t.Skipf("this system does not let root mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func TestFullDisk_Write(t *testing.T) {
	ctx := t.Context()
	dir := tmpfs(t, "600k")
	path := filepath.Join(dir, "catalog.db")
	c := openAt(t, path)
	var err error
	added := 0
	for ; err == nil && added < 1000; added++ {
		err = c.AddEvent(ctx, fmt.Sprint(added), at(1), bytes.Repeat([]byte("x"), 5000))
	}
	added--
	wantKind(t, err, errkind.NoSpace)
	wantEqual(t, len(get[[]PendingEvent](t)(c.PendingEvents(ctx, 2000))), added)
	must(t, c.Check(ctx))

	must(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=8m"))
	must(t, c.AddEvent(ctx, "later", at(1), []byte("x")))
	wantEqual(t, len(get[[]PendingEvent](t)(c.PendingEvents(ctx, 2000))), added+1)
}

func TestFullDisk_Create(t *testing.T) {
	for size := 4; ; size += 12 {
		dir := tmpfs(t, fmt.Sprintf("%dk", size))
		err := openOnce(t, filepath.Join(dir, "catalog.db"))
		if err == nil {
			wantEqual(t, size > 120, true)
			return
		}
		wantKind(t, err, errkind.NoSpace)
		wantEqual(t, names(t, dir), "")
	}
}

func TestFullDisk_Open(t *testing.T) {
	dir := tmpfs(t, "700k")
	path := filepath.Join(dir, "catalog.db")
	must(t, openOnce(t, path))
	fillUp(t, filepath.Join(dir, "filler"))
	wantKind(t, openOnce(t, path), errkind.NoSpace)
	must(t, os.Remove(filepath.Join(dir, "filler")))
	must(t, openOnce(t, path))
}

func fillUp(t *testing.T, path string) {
	t.Helper()
	f := get[*os.File](t)(os.Create(path))
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return
		}
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	dir := tmpfs(t, "4m")
	path := filepath.Join(dir, "catalog.db")
	must(t, openOnce(t, path))
	must(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	wantKind(t, openOnce(t, path), errkind.ReadOnly)
	wantKind(t, openOnce(t, filepath.Join(dir, "new.db")), errkind.ReadOnly)
}
