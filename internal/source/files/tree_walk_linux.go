package files

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// treeWalk walks what is below one root.
type treeWalk struct {
	*walk
	base   string // path of the root within the source
	device uint64 // file system of the root
	dirs   dirStack
	parts  []string // names from the root to the object looked at
}

// leaf is something that is not a directory, about to be reported.
type leaf struct {
	dir  int    // open directory that holds it
	real string // name in that directory
	name string // name in the point; differs for a root that is a symbolic link
	rel  string // path from the root's handle, for opening
	full string // path within the source
}

// top walks the root directory itself.
func (t *treeWalk) top(name string) error {
	fd, err := openDirAt(int(t.dirs.root.file.Fd()), ".")
	if err != nil {
		return t.closedDir(int(t.dirs.root.file.Fd()), ".", name, t.base, err)
	}
	return t.openedDir(fd, name, "", false)
}

// loneFile reports a source that is one file as its parent holding only it.
func (t *treeWalk) loneFile(parent, name, real string) error {
	e, h, err := t.above(parent, "")
	if err != nil {
		return t.problem("", opStat, err)
	}
	if err := t.v.EnterDir("", e, h); err != nil {
		return err
	}
	dir := int(t.dirs.root.file.Fd())
	var st unix.Stat_t
	if err := unix.Fstatat(dir, real, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		if err := t.problem(name, opStat, err); err != nil {
			return err
		}
	} else if err := t.leaf(leaf{dir: dir, real: real, name: name, rel: real, full: name}, &st); err != nil {
		return err
	}
	return t.v.LeaveDir("")
}

// object looks at one name of the deepest open directory.
func (t *treeWalk) object(up *openDir, name string) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	rel := join(up.path, name)
	full := join(t.base, rel)
	var st unix.Stat_t
	if err := unix.Fstatat(up.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		op := opStat
		if errors.Is(err, unix.ENOENT) {
			op = opVanished
		}
		return t.problem(full, op, err)
	}
	t.parts = append(t.parts, name)
	defer func() { t.parts = t.parts[:len(t.parts)-1] }()
	if rule, out := t.excluded(&st); out {
		return t.v.Excluded(full, rule)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return t.leaf(leaf{dir: up.fd, real: name, name: name, rel: rel, full: full}, &st)
	}
	return t.dir(up, name, rel, full)
}

// excluded decides by the rules whether the object at t.parts is left out.
func (t *treeWalk) excluded(st *unix.Stat_t) (string, bool) {
	id, _ := hintOf(st)
	if t.protect[id] {
		return ruleProtected, true
	}
	cfg := &t.reader.cfg
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if rule, out := excludedBy(t.reader.rules, t.parts, isDir); out {
		return rule, true
	}
	if cfg.ExcludeLarger > 0 && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size > cfg.ExcludeLarger {
		return ruleLarger(cfg.ExcludeLarger), true
	}
	if cfg.OneFileSystem && !isDir && id.device != t.device {
		return ruleMount, true
	}
	return "", false
}

// dir enters the directory name of up.
func (t *treeWalk) dir(up *openDir, name, rel, full string) error {
	fd, err := openDirAt(up.fd, name)
	switch {
	case errors.Is(err, unix.ENOENT):
		return t.problem(full, opVanished, err)
	case err != nil:
		return t.closedDir(up.fd, name, name, full, err)
	}
	return t.openedDir(fd, name, rel, t.reader.cfg.OneFileSystem)
}

// closedDir reports a directory that could not be opened, empty and with a
// problem, from what can be learned without opening it.
func (t *treeWalk) closedDir(dir int, real, name, full string, why error) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, real, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return t.problem(full, opStat, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR { // replaced since it was looked at
		return t.problem(full, opList, why)
	}
	e := entryOf(name, vault.Dir, &st, t.owners)
	var bad error
	e.Xattrs, bad = xattrsOf(procFD(dir) + "/" + real).read(t.xattrs)
	if err := t.v.EnterDir(full, e, hint(&st)); err != nil {
		return err
	}
	if bad != nil {
		if err := t.problem(full, opXattr, bad); err != nil {
			return err
		}
	}
	if err := t.problem(full, opList, why); err != nil {
		return err
	}
	return t.v.LeaveDir(full)
}

// openedDir reports a directory and what is in it; it takes over fd. With
// sameDevice a directory on another file system stays empty.
func (t *treeWalk) openedDir(fd int, name, rel string, sameDevice bool) error {
	full := join(t.base, rel)
	d := &openDir{fd: fd, path: rel}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		d.close()
		return t.problem(full, opStat, err)
	}
	d.id, _ = hintOf(&st)
	e := entryOf(name, vault.Dir, &st, t.owners)
	e.Flags = getFlags(fd)
	var bad error
	e.Xattrs, bad = xattrsOfOpen(fd).read(t.xattrs)
	t.dirs.push(d)
	err := t.v.EnterDir(full, e, hint(&st))
	if err == nil && bad != nil {
		err = t.problem(full, opXattr, bad)
	}
	if err == nil && sameDevice && d.id.device != t.device {
		err = t.v.Excluded(full, ruleMount)
	} else if err == nil {
		err = t.contents(d, full)
	}
	if err == nil {
		err = t.leave()
	}
	if err != nil {
		return err // the walk ends; closeAll closes what is open
	}
	return t.v.LeaveDir(full)
}

// contents reports what is in a directory just entered.
func (t *treeWalk) contents(d *openDir, full string) error {
	names, err := listNames(d.fd, t.listing)
	if err != nil {
		if err := t.problem(full, opList, err); err != nil {
			return err
		}
	}
	tagged := t.reader.cfg.ExcludeCaches && slices.Contains(names, cacheTag) && isCache(d.fd)
	for _, name := range names {
		if tagged && name != cacheTag {
			err = t.v.Excluded(join(full, name), ruleCache)
		} else {
			err = t.object(d, name)
		}
		if err != nil {
			return err
		}
		if d.fd < 0 {
			break // gone while a directory below was read: already a problem
		}
	}
	return nil
}

// leave steps up to the parent directory. If that is gone, it reports that the
// rest of the parent is missing.
func (t *treeWalk) leave() error {
	err := t.dirs.pop()
	if err == nil {
		return nil
	}
	up := t.dirs.dirs[len(t.dirs.dirs)-1]
	return t.problem(join(t.base, up.path), opList, err)
}

// leaf reports what is not a directory.
func (t *treeWalk) leaf(l leaf, st *unix.Stat_t) error {
	kind, ok := kindOf(st.Mode)
	if !ok || kind == vault.Dir {
		return t.problem(l.full, opKind, errUnknownKind)
	}
	e := entryOf(l.name, kind, st, t.owners)
	if kind == vault.Symlink {
		target, err := readLink(l.dir, l.real)
		if err != nil {
			return t.problem(l.full, opStat, err)
		}
		e.Target = target
	}
	var bad error
	if kind != vault.Regular {
		e.Xattrs, bad = xattrsOf(procFD(l.dir) + "/" + l.real).read(t.xattrs)
	}
	if errors.Is(bad, unix.ENOENT) {
		return t.problem(l.full, opVanished, bad)
	}
	id, _ := hintOf(st)
	e.LinkGroup = t.links.group(id, uint64(st.Nlink), l.full)
	var open func() (source.File, error)
	if kind == vault.Regular {
		o := &opener{root: t.dirs.root, path: l.rel, name: e.Name, group: e.LinkGroup, id: id, owners: t.owners, scratch: t.scratch}
		open = o.open
	}
	if err := t.v.Entry(l.full, e, hint(st), open); err != nil {
		return err
	}
	if bad != nil {
		return t.problem(l.full, opXattr, bad)
	}
	return nil
}

// isCache tells whether an open directory's CACHEDIR.TAG is a real one.
func isCache(dir int) bool {
	var st unix.Stat_t
	err := unix.Fstatat(dir, cacheTag, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	fd, err := openQuiet(func(flags int) (int, error) {
		return openAt(dir, cacheTag, flags, 0)
	}, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	buf := make([]byte, len(cacheSignature))
	n, err := unix.Pread(fd, buf, 0)
	return err == nil && string(buf[:n]) == cacheSignature
}
