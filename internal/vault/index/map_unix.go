//go:build unix

package index

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// mapFile maps a table's file, so that look-ups read it in place. Where that
// cannot be done, it is read block by block. The file keeps its length and bytes: it
// has been renamed into place and is only ever removed.
func mapFile(t *Table, f *os.File, size int64) {
	data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return
	}
	_ = unix.Madvise(data, unix.MADV_RANDOM) // advice only
	t.use(data)
	runtime.AddCleanup(t, func(data []byte) { _ = unix.Munmap(data) }, data)
}
