package blobtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// flagImmutable is FS_IMMUTABLE_FL of the kernel's linux/fs.h.
const flagImmutable = 0x10

// Flagged reports whether the file at path bears the immutable flag.
func Flagged(t testing.TB, path string) bool {
	t.Helper()
	flagged, err := changeFlag(path, func(flags uint32) uint32 { return flags })
	if err != nil {
		t.Fatalf("flags of %s: %v", path, err)
	}
	return flagged
}

// SetFlag sets the immutable flag on the file at path.
func SetFlag(t testing.TB, path string) {
	t.Helper()
	if _, err := changeFlag(path, func(flags uint32) uint32 { return flags | flagImmutable }); err != nil {
		t.Fatalf("set the flag of %s: %v", path, err)
	}
}

// ClearFlags clears the flag of every file below folder.
func ClearFlags(t testing.TB, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		_, err = changeFlag(path, func(flags uint32) uint32 { return flags &^ flagImmutable })
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatalf("clear the flags below %s: %v", folder, err)
	}
}

// NeedFlag skips a test where the immutable flag cannot be set in folder, and has
// the flags below it cleared before the folder is removed.
func NeedFlag(t testing.TB, folder string) {
	t.Helper()
	probe := filepath.Join(folder, "probe")
	if err := os.WriteFile(probe, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := changeFlag(probe, func(flags uint32) uint32 { return flags | flagImmutable }); err != nil {
		t.Skipf("the immutable flag cannot be set in %s, for which root and a file system like ext4 are needed: %v", folder, err)
	}
	ClearFlags(t, folder)
	if err := os.Remove(probe); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ClearFlags(t, folder) })
}

// changeFlag gives a file's flags to change, sets what comes back, and reports
// whether it bore the immutable flag before.
func changeFlag(path string, change func(uint32) uint32) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	have, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return false, err
	}
	if want := change(have); want != have {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(want))
	}
	return have&flagImmutable != 0, err
}

// ForgoFlag runs the test program again in this process without the right to
// set the immutable flag, if it has that: then no store that a test makes, or a
// program that it starts, has files that only root can remove. Call it at the
// beginning of TestMain, or of the test of a child process.
func ForgoFlag() error {
	held, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_LINUX_IMMUTABLE, 0, 0, 0)
	if err != nil || held == 0 || os.Geteuid() != 0 {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// What a program may do follows from the thread that starts it.
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_LINUX_IMMUTABLE, 0, 0, 0); err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, os.Environ())
}
