package files

import (
	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/vault"
)

// kindOf gives the kind of a stat mode; ok is false for one we do not know.
func kindOf(mode uint32) (kind vault.Kind, ok bool) {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return vault.Regular, true
	case unix.S_IFDIR:
		return vault.Dir, true
	case unix.S_IFLNK:
		return vault.Symlink, true
	case unix.S_IFIFO:
		return vault.Fifo, true
	case unix.S_IFCHR:
		return vault.CharDevice, true
	case unix.S_IFBLK:
		return vault.BlockDevice, true
	case unix.S_IFSOCK:
		return vault.Socket, true
	}
	return 0, false
}

// entryOf gives what stat tells about an object of a known kind.
func entryOf(name string, kind vault.Kind, st *unix.Stat_t, who *owners) vault.Entry {
	e := vault.Entry{
		Name: []byte(name), Kind: kind, Mode: st.Mode & 0o7777,
		UID: st.Uid, GID: st.Gid, MTime: stampOf(st.Mtim),
	}
	e.User, e.Group = who.names(st.Uid, st.Gid)
	switch kind {
	case vault.Regular:
		e.Size = st.Size
	case vault.CharDevice, vault.BlockDevice:
		e.Major, e.Minor = unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))
	case vault.Dir, vault.Symlink, vault.Fifo, vault.Socket: // nothing more
	}
	return e
}

// hintOf gives what does not belong in a tree.
func hintOf(st *unix.Stat_t) (id objectID, ctime vault.Stamp) {
	return objectID{device: uint64(st.Dev), inode: st.Ino}, stampOf(st.Ctim)
}

func stampOf(ts unix.Timespec) vault.Stamp {
	return vault.Stamp{Sec: int64(ts.Sec), Nsec: uint32(ts.Nsec)}
}

// readLink gives the target of the symbolic link name in dir.
func readLink(dir int, name string) ([]byte, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(dir, name, buf)
		if err != nil {
			return nil, err
		}
		if n < size {
			return buf[:n:n], nil
		}
	}
}
