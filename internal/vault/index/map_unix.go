//go:build unix

package index

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// openMapped opens a table with its file mapped, so that look-ups read it in
// place. Where that cannot be done, it is read piece by piece. The file keeps its length
// and bytes: it has been renamed into place and is only ever removed.
func openMapped(f *os.File, size int64) (*Table, error) {
	data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return openTable(f, size, nil)
	}
	t, err := openTable(f, size, data)
	if err != nil {
		_ = unix.Munmap(data) // what was mapped can be unmapped
		return nil, err
	}
	_ = unix.Madvise(data, unix.MADV_RANDOM) // advice only
	runtime.AddCleanup(t, func(data []byte) { _ = unix.Munmap(data) }, data)
	return t, nil
}

// lockFile takes a lock that holds until f is closed; false when another has it.
func lockFile(f *os.File) bool { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil }
