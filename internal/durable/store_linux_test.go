package durable

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// smallDisk mounts a tmpfs of 64 KiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("this system does not let us mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func TestWriteFile_FullDiskKeepsTheOldFile(t *testing.T) {
	dir := smallDisk(t)
	path := filepath.Join(dir, "file")
	if err := WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := WriteFile(path, bytes.Repeat([]byte("x"), 128<<10), 0o644)
	if !errkind.Is(err, errkind.NoSpace) {
		t.Fatalf("error %v has kind %v, want no_space", err, errkind.Of(err))
	}
	if got := mustRead(t, path); string(got) != "old" {
		t.Errorf("file holds %d bytes, want the old ones", len(got))
	}
	if left := temps(t, dir); len(left) > 0 {
		t.Errorf("temporary files fill the disk further: %v", left)
	}
	if err := WriteFile(path, []byte("new"), 0o644); err != nil {
		t.Errorf("a write that fits fails afterwards: %v", err)
	}
}

func TestWriteFile_ReadOnlyStore(t *testing.T) {
	dir := smallDisk(t)
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"WriteFile":          WriteFile(filepath.Join(dir, "file"), nil, 0o644),
		"WriteFileExclusive": WriteFileExclusive(filepath.Join(dir, "file"), nil, 0o644),
		"MkdirAll":           MkdirAll(filepath.Join(dir, "a", "b"), 0o755),
	} {
		if !errkind.Is(err, errkind.ReadOnly) {
			t.Errorf("%s: %v has kind %v, want read_only", name, err, errkind.Of(err))
		}
	}
	if _, err := Lock(filepath.Join(dir, "lock"), "test"); !errkind.Is(err, errkind.ReadOnly) {
		t.Errorf("Lock: %v, want kind read_only", err)
	}
}

func TestLock_WorksOnAFullDisk(t *testing.T) {
	dir := smallDisk(t)
	path := filepath.Join(dir, "lock")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fill"), bytes.Repeat([]byte("x"), 128<<10), 0o644); err == nil {
		t.Fatal("the disk is not full")
	}
	l, err := Lock(path, "make room")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path, "second"); !errkind.Is(err, errkind.Busy) {
		t.Errorf("second lock: %v, want kind busy", err)
	}
	if err := l.Unlock(); err != nil {
		t.Error(err)
	}
}
