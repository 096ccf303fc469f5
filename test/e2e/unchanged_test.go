//go:build linux

package e2e

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// readings tells which of the files were read while fn ran. Opening a file is
// not reading it.
func readings(t *testing.T, files []string, fn func()) []string {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Skipf("this system does not tell who reads files: %v", err)
	}
	defer unix.Close(fd)
	names := map[int32]string{}
	for _, file := range files {
		wd, err := unix.InotifyAddWatch(fd, file, unix.IN_ACCESS)
		if err != nil {
			t.Fatalf("watch %s: %v", file, err)
		}
		names[int32(wd)] = file
	}
	fn()
	var read []string
	defer func() { slices.Sort(read) }()
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(fd, buf)
		if err != nil || n <= 0 {
			return read
		}
		for at := 0; at+unix.SizeofInotifyEvent <= n; at += unix.SizeofInotifyEvent {
			name := names[int32(buf[at])|int32(buf[at+1])<<8|int32(buf[at+2])<<16|int32(buf[at+3])<<24]
			if !slices.Contains(read, name) {
				read = append(read, name)
			}
		}
	}
}

// TestBackup_UnchangedFilesAreNotRead watches who reads the files. One changed
// just before a backup is read once more by the next, since its times could not
// tell another change; so the first runs do not count.
func TestBackup_UnchangedFilesAreNotRead(t *testing.T) {
	t.Parallel()
	s, src := newSite(t), smallTree(t)
	s.realVault("books", "ledgers", src)
	files := []string{src + "/2025/gl.csv", src + "/2026/gl.csv", src + "/readme.txt"}
	settled := false
	for n := 0; n < 100 && !settled; n++ {
		settled = len(readings(t, files, func() { s.ok("backup", "run", "ledgers") })) == 0
	}
	if !settled {
		t.Fatal("files that never change are read by every run")
	}
	writeFile(t, files[1], "another content")
	if diff := cmp.Diff(files[1:2], readings(t, files, func() { s.ok("backup", "run", "ledgers") })); diff != "" {
		t.Errorf("files read (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(files, readings(t, files, func() { s.ok("backup", "run", "ledgers", "--rehash") })); diff != "" {
		t.Errorf("files read with --rehash (-want +got):\n%s", diff)
	}
}
