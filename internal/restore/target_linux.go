package restore

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/vault"
)

// isThere tells whether the object at path is the special one that an entry
// describes. Only what it is counts, not its metadata.
func isThere(dir, path string, e vault.Entry) bool {
	full := dir + "/" + path
	var st unix.Stat_t
	if err := unix.Lstat(full, &st); err != nil {
		return false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := os.Readlink(full)
		return err == nil && e.Kind == vault.Symlink && target == string(e.Target)
	case unix.S_IFIFO:
		return e.Kind == vault.Fifo
	case unix.S_IFSOCK:
		return e.Kind == vault.Socket
	case unix.S_IFCHR:
		return e.Kind == vault.CharDevice && uint64(st.Rdev) == unix.Mkdev(e.Major, e.Minor)
	case unix.S_IFBLK:
		return e.Kind == vault.BlockDevice && uint64(st.Rdev) == unix.Mkdev(e.Major, e.Minor)
	}
	return false
}

// nextData gives where the next data of a file begins at or after off; ok is
// false when there is none.
func nextData(f *os.File, off int64) (at int64, ok bool, err error) {
	at, err = f.Seek(off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return 0, false, nil
	case errors.Is(err, unix.EINVAL):
		return off, true, nil // the file system does not tell: everything may be data
	}
	return at, err == nil, err
}

// openQuietly is for files that may have been replaced by a FIFO, which would
// keep an opener waiting.
const openQuietly = os.O_RDONLY | unix.O_NONBLOCK
