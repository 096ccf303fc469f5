package sourcetest

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TreeOptions says what a tree holds beside what any user can make.
type TreeOptions struct {
	// Root adds what only root can make: devices, other owners, capabilities,
	// trusted and security attributes, attributes of symbolic links.
	Root bool
	// Flags adds files with inode flags, where the file system has them.
	Flags bool
	// Deep adds directories whose path is longer than the kernel takes at once.
	Deep bool
	// Large is the logical size of the sparse file; 0 means 64 MiB. Comparing by
	// checksum reads every zero of it.
	Large int64
}

// treeMaker makes one tree; the first failure ends the test.
type treeMaker struct {
	t    testing.TB
	dir  string
	opts TreeOptions
}

// MakeTree fills the empty or missing directory dir.
func MakeTree(t testing.TB, dir string, opts TreeOptions) {
	t.Helper()
	m := &treeMaker{t: t, dir: dir, opts: opts}
	m.mkdir("")
	m.names()
	m.contents()
	m.links()
	m.modes()
	m.specials()
	m.attributes()
	if opts.Root {
		m.privileged()
	}
	if opts.Deep {
		m.deep()
	}
	if opts.Flags {
		m.flags()
	}
	m.times()
}

func (m *treeMaker) path(name string) string {
	if name == "" {
		return m.dir
	}
	return m.dir + "/" + name // not filepath.Join: names are kept as they are
}

func (m *treeMaker) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("make tree: %v", err)
	}
}

func (m *treeMaker) mkdir(name string) { m.t.Helper(); m.must(os.MkdirAll(m.path(name), 0o755)) }

func (m *treeMaker) file(name string, content []byte) {
	m.t.Helper()
	m.must(os.WriteFile(m.path(name), content, 0o644))
}

// names makes entries whose names are unusual but allowed.
func (m *treeMaker) names() {
	m.mkdir("names")
	m.mkdir("names/empty directory")
	for _, name := range []string{
		"plain", "-rf", "~", "*", "with space ", " leading", "new\nline", "tab\t", "quo\"te'", "back\\slash",
		"bell\a", "\x01\x7f", "not utf-8 \xff\xfe\x80", "ünïcode", "u\u0308 decomposed", "日本語", "...", "..hidden",
		"CON", "a:b", strings.Repeat("n", 255), strings.Repeat("é", 127) + "x", "#comment", "!not", "name.cfpart",
	} {
		m.file("names/"+name, []byte("content of "+name))
	}
	m.mkdir("names/dir\nwith \xff")
	m.file("names/dir\nwith \xff/inside", []byte("inside"))
	// "a", "a-b" and "a/": bytewise order of names is not that of paths.
	m.mkdir("names/a")
	m.file("names/a/z", []byte("z"))
	m.file("names/a-b", []byte("a-b"))
}

// contents makes files of many sizes, dense and sparse.
func (m *treeMaker) contents() {
	m.mkdir("contents")
	random := rand.New(rand.NewPCG(1, 2))
	for name, size := range map[string]int{"0": 0, "1": 1, "4095": 4095, "4096": 4096, "100k": 100_000, "3M": 3 << 20} {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		m.file("contents/"+name, b)
	}
	m.file("contents/zeros", make([]byte, 300_000))
	size := m.opts.Large
	if size == 0 {
		size = 64 << 20
	}
	m.sparse("contents/sparse", size, 0, 1<<20, size-1)
	m.sparse("contents/all hole", 1<<20)
	m.sparse("contents/hole at end", 1<<20, 0)
	m.sparse("contents/hole at start", 1<<20, 1<<19)
}

// sparse makes a file of that size with a few bytes at each of the places.
func (m *treeMaker) sparse(name string, size int64, at ...int64) {
	m.t.Helper()
	f, err := os.Create(m.path(name))
	m.must(err)
	m.must(f.Truncate(size))
	for _, off := range at {
		_, err := f.WriteAt([]byte("data")[:min(4, size-off)], off)
		m.must(err)
	}
	m.must(f.Close())
}

// links makes hard links across directories and symbolic links of all sorts.
func (m *treeMaker) links() {
	m.mkdir("links/sub")
	m.file("links/first", []byte("shared content"))
	m.must(os.Link(m.path("links/first"), m.path("links/second")))
	m.must(os.Link(m.path("links/first"), m.path("links/sub/third")))
	m.file("links/empty", nil)
	m.must(os.Link(m.path("links/empty"), m.path("links/sub/empty too")))
	for name, target := range map[string]string{
		"to file": "first", "to dir": "sub", "dangling": "nowhere/at all", "absolute": "/etc", "up": "../../..",
		"loop": "loop", "bytes": "\xff\n\x01", "long": strings.Repeat("t/", 2000) + "x",
	} {
		m.must(os.Symlink(target, m.path("links/"+name)))
	}
	m.must(unix.Link(m.path("links/dangling"), m.path("links/dangling too")))
}

// modes makes files and directories of all modes. Those that only root can
// read, or remove again, are left to root.
func (m *treeMaker) modes() {
	m.mkdir("modes")
	root := os.Geteuid() == 0
	for name, mode := range map[string]uint32{
		"none": 0, "setuid": 0o4755, "setgid": 0o2755, "both": 0o6711, "sticky": 0o1644, "write only": 0o200, "all": 0o777,
	} {
		if !root && mode&0o400 == 0 {
			continue
		}
		m.file("modes/"+name, []byte(name))
		m.must(unix.Chmod(m.path("modes/"+name), mode))
	}
	for name, mode := range map[string]uint32{"read only dir": 0o555, "sticky dir": 0o1777, "setgid dir": 0o2775} {
		if !root && mode&0o200 == 0 {
			continue
		}
		m.mkdir("modes/" + name)
		m.file("modes/"+name+"/inside", []byte(name))
		m.must(unix.Chmod(m.path("modes/"+name), mode))
	}
}

// specials makes what is neither file, directory nor symbolic link.
func (m *treeMaker) specials() {
	m.mkdir("specials")
	m.must(unix.Mkfifo(m.path("specials/fifo"), 0o640))
	m.must(unix.Link(m.path("specials/fifo"), m.path("specials/fifo too")))
	m.must(unix.Mknod(m.path("specials/socket"), unix.S_IFSOCK|0o600, 0))
	if m.opts.Root {
		m.must(unix.Mknod(m.path("specials/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		m.must(unix.Mknod(m.path("specials/block"), unix.S_IFBLK|0o660, int(unix.Mkdev(259, 70000))))
	}
}

// acl is the xattr form of an ACL with an entry for user 1234:
// user::rw- user:1234:r-- group::r-- mask::r-- other::---.
var acl = []byte("\x02\x00\x00\x00" +
	"\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\xd2\x04\x00\x00" + "\x04\x00\x04\x00\xff\xff\xff\xff" +
	"\x10\x00\x04\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff")

// attributes makes extended attributes and ACLs.
func (m *treeMaker) attributes() {
	m.mkdir("attributes/with default acl")
	m.file("attributes/user", []byte("x"))
	m.setxattr("attributes/user", "user.empty", nil)
	m.setxattr("attributes/user", "user.bytes", []byte("\x00\xff\n"))
	m.setxattr("attributes/user", "user.long", bytes.Repeat([]byte("v"), 1500))
	m.setxattr("attributes", "user.on a directory", []byte("yes"))
	m.file("attributes/acl", []byte("x"))
	m.setxattr("attributes/acl", "system.posix_acl_access", acl)
	m.setxattr("attributes/with default acl", "system.posix_acl_default", acl)
	m.file("attributes/with default acl/inherits", []byte("x"))
	m.mkdir("attributes/with default acl/and a directory")
	m.file("attributes/with default acl/without", []byte("x"))
	m.must(unix.Removexattr(m.path("attributes/with default acl/without"), "system.posix_acl_access"))
	m.must(unix.Chmod(m.path("attributes/with default acl/without"), 0o640))
}

func (m *treeMaker) setxattr(name, attr string, value []byte) {
	m.t.Helper()
	err := unix.Lsetxattr(m.path(name), attr, value, 0)
	if err == unix.EOPNOTSUPP {
		m.t.Logf("the file system does not take attribute %s", attr)
		return
	}
	m.must(err)
}

// privileged makes what only root can.
func (m *treeMaker) privileged() {
	m.mkdir("privileged/dir of another")
	for name, owner := range map[string]int{"of another": 1234, "of nobody": 65534, "setuid of another": 1235, "capable": 0} {
		m.file("privileged/"+name, []byte(name))
		m.must(os.Lchown(m.path("privileged/"+name), owner, owner+1))
	}
	m.must(unix.Chmod(m.path("privileged/setuid of another"), 0o6755))
	m.must(os.Lchown(m.path("privileged/dir of another"), 1236, 1237))
	m.must(os.Symlink("x", m.path("privileged/link of another")))
	m.must(os.Lchown(m.path("privileged/link of another"), 1238, 1239))
	m.setxattr("privileged/link of another", "trusted.on a link", []byte("yes"))
	m.setxattr("privileged/of another", "trusted.secret", []byte("\x00"))
	m.setxattr("privileged/of another", "security.label", []byte("label"))
	m.setxattr("specials/fifo", "trusted.on a fifo", []byte("yes"))
	// cap_net_bind_service+ep, version 2.
	m.setxattr("privileged/capable", "security.capability",
		[]byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
}

// deep makes a path of more than 4096 bytes.
func (m *treeMaker) deep() {
	fd, err := unix.Open(m.dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	m.must(err)
	for i := range 60 {
		name := strings.Repeat(string(rune('a'+i%26)), 100)
		m.must(unix.Mkdirat(fd, name, 0o755))
		next, err := unix.Openat(fd, name, unix.O_PATH|unix.O_CLOEXEC, 0)
		m.must(err)
		unix.Close(fd)
		fd = next
		file, err := unix.Openat(fd, "file", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
		m.must(err)
		_, err = unix.Write(file, []byte(name))
		m.must(err)
		unix.Close(file)
		m.must(unix.Mkdirat(fd, "zz after", 0o755)) // visited after the way down
	}
	unix.Close(fd)
}

// flags makes files with inode flags and clears those that would keep the tree
// from being removed when the test ends.
func (m *treeMaker) flags() {
	m.mkdir("flags/dir")
	const immutable, appendOnly, noDump, noATime = 0x10, 0x20, 0x40, 0x80
	m.file("flags/dir/inside", []byte("inside"))
	m.file("flags/immutable", []byte("immutable"))
	m.must(os.Link(m.path("flags/immutable"), m.path("flags/immutable too")))
	m.file("flags/append", []byte("append"))
	m.file("flags/nodump", []byte("nodump"))
	for name, flags := range map[string]int{
		"immutable": immutable, "append": appendOnly | noATime, "nodump": noDump, "dir": immutable | noDump,
	} {
		m.setFlags("flags/"+name, flags)
	}
	m.t.Cleanup(func() { ClearFlags(m.t, m.path("flags")) })
}

func (m *treeMaker) setFlags(name string, flags int) {
	m.t.Helper()
	f, err := os.Open(m.path(name))
	m.must(err)
	defer f.Close()
	have, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(have)|flags)
	}
	if err != nil {
		m.t.Logf("no inode flags on %s: %v", name, err)
	}
}

// ClearFlags takes the immutable and append flags from all that is in dir, so
// that it can be removed.
func ClearFlags(t testing.TB, dir string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return nil
		}
		defer f.Close()
		if have, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS); err == nil && have&0x30 != 0 {
			_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(have&^0x30))
		}
		return nil
	})
}

// times gives entries unusual modification times, directories last.
func (m *treeMaker) times() {
	m.mkdir("times/dir")
	m.must(os.Symlink("x", m.path("times/link")))
	for name, ts := range map[string]unix.Timespec{
		"1901": {Sec: -2147483648, Nsec: 1}, "1969": {Sec: -1, Nsec: 999_999_999}, "1970": {},
		"2038": {Sec: 2147483648, Nsec: 123_456_789}, "2400": {Sec: 13_569_465_600},
	} {
		m.file("times/"+name, []byte(name))
		m.settime("times/"+name, ts)
	}
	m.settime("times/link", unix.Timespec{Sec: -86400, Nsec: 5})
	m.settime("times/dir", unix.Timespec{Sec: -1_000_000_000, Nsec: 7})
	m.settime("specials/fifo", unix.Timespec{Sec: 1, Nsec: 1})
	m.settime("links", unix.Timespec{Sec: 1_000_000_000, Nsec: 999})
	m.settime("", unix.Timespec{Sec: 1_234_567_890, Nsec: 987_654_321})
}

func (m *treeMaker) settime(name string, ts unix.Timespec) {
	m.t.Helper()
	m.must(unix.UtimesNanoAt(unix.AT_FDCWD, m.path(name), []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
}
