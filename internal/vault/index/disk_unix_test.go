//go:build linux || darwin || freebsd

package index_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// enoughDisk skips a test for which the temporary folder has too little room.
func enoughDisk(t *testing.T, bytes uint64) {
	t.Helper()
	var fs unix.Statfs_t
	if err := unix.Statfs(os.TempDir(), &fs); err != nil {
		t.Fatal(err)
	}
	if free := uint64(fs.Bavail) * uint64(fs.Bsize); free < bytes {
		t.Skipf("%d GB are free in %s, %d are needed", free>>30, os.TempDir(), bytes>>30)
	}
}
