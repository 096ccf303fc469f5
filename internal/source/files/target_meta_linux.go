package files

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// meta is what remains of an entry once it is made: small, because it waits in
// memory for every directory.
type meta struct {
	mode, uid, gid, flags uint32
	mtime                 vault.Stamp
	xattrs                []vault.Xattr
}

// metaOf takes an entry's metadata, its owner as this host knows it.
func (t *Target) metaOf(e vault.Entry) meta {
	m := meta{mode: e.Mode, uid: e.UID, gid: e.GID, flags: e.Flags, mtime: e.MTime, xattrs: e.Xattrs}
	if t.opts.Removable {
		m.flags &^= lockFlags
	}
	if t.opts.Owner == OwnerByName {
		m.uid, m.gid = t.owners.uid(e.User, e.UID), t.owners.gid(e.Group, e.GID)
	}
	return m
}

// object is something restored, held by a descriptor. One of a symbolic link
// or special file is opened as a path only and takes no calls by descriptor.
type object struct {
	path     string // in the target, for problems
	fd       int
	pathOnly bool
	link     bool // a symbolic link: it has no mode
}

// apply gives an object its metadata but for flags. The order matters: a
// change of owner clears setuid bits and capabilities, an ACL changes the
// group's bits. What cannot be applied becomes a problem.
func (t *Target) apply(o object, m meta) {
	mode := t.chown(o, m)
	t.setXattrs(o, m.xattrs)
	if !o.link {
		if err := o.chmod(mode); err != nil {
			t.problem(o.path, "chmod", err)
		}
	}
	// The access time is left as it is: it says when the copy was read.
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: m.mtime.Sec, Nsec: int64(m.mtime.Nsec)}}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, procFD(o.fd), times, 0); err != nil {
		t.problem(o.path, "mtime", err)
	}
}

// chown gives an object its owner and returns the mode it may have then: a
// program never runs with the rights of another owner than its own.
func (t *Target) chown(o object, m meta) uint32 {
	var st unix.Stat_t
	if err := unix.Fstat(o.fd, &st); err != nil {
		t.problem(o.path, "chown", err)
		return m.mode & 0o1777
	}
	if t.opts.Owner != OwnerNone && (st.Uid != m.uid || st.Gid != m.gid) {
		err := o.chown(int(m.uid), int(m.gid))
		if err == nil {
			return m.mode
		}
		t.problem(o.path, "chown", err)
		if st.Gid != m.gid && o.chown(-1, int(m.gid)) == nil {
			st.Gid = m.gid
		}
	}
	mode := m.mode
	if st.Uid != m.uid {
		mode &^= unix.S_ISUID
	}
	if st.Gid != m.gid && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		mode &^= unix.S_ISGID
	}
	if mode != m.mode {
		t.problem(o.path, "chmod", errkind.New(errkind.NotAllowed, "setuid and setgid need their owner, which could not be set"))
	}
	return mode
}

func (o object) chown(uid, gid int) error {
	if o.pathOnly {
		return unix.Fchownat(o.fd, "", uid, gid, unix.AT_EMPTY_PATH)
	}
	return unix.Fchown(o.fd, uid, gid)
}

func (o object) chmod(mode uint32) error {
	if o.pathOnly {
		return unix.Chmod(procFD(o.fd), mode)
	}
	return unix.Fchmod(o.fd, mode)
}

// setXattrs makes an object's extended attributes those wanted. Others are
// removed if they came by inheritance (ACLs) or from an earlier state; labels
// that the system sets on its own stay.
func (t *Target) setXattrs(o object, want []vault.Xattr) {
	proc := procFD(o.fd)
	calls := xattrCalls{list: func(buf []byte) (int, error) { return unix.Listxattr(proc, buf) }}
	if !o.pathOnly {
		calls = xattrsOfOpen(o.fd)
	}
	buf := t.scratch.Get().(*[]byte)
	names, err := calls.names(*buf)
	t.scratch.Put(buf)
	if err != nil {
		t.problem(o.path, "xattr", err)
	}
	wanted := make(map[string]bool, len(want))
	for _, x := range want {
		wanted[string(x.Name)] = true
	}
	for _, name := range names {
		if wanted[name] || !ours(name) {
			continue
		}
		if err := unix.Removexattr(proc, name); err != nil && !errors.Is(err, unix.ENODATA) {
			t.problem(o.path, "xattr", &xattrError{name: name, err: err})
		}
	}
	for _, x := range want {
		if err := unix.Setxattr(proc, string(x.Name), x.Value, 0); err != nil {
			t.problem(o.path, "xattr", &xattrError{name: string(x.Name), err: err})
		}
	}
}

// ours tells whether an attribute is there only because somebody set it.
func ours(name string) bool {
	for _, prefix := range []string{"user.", "trusted.", "system.posix_acl_", "security.capability"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
