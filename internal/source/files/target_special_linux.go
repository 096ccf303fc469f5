package files

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// MakeSpecial makes a symbolic link, FIFO, device or socket with its metadata.
// A device that may not be made, and anything that policy keeps from being
// replaced, is a problem and no error.
func (t *Target) MakeSpecial(path string, e vault.Entry) error {
	p, err := t.locate(path)
	if err != nil {
		return err
	}
	defer t.done(p)
	action, err := t.decide(p, e)
	if err != nil || action != Write {
		return err
	}
	if err := removeTemp(p); err != nil {
		return kinded(err, "remove unfinished %q", path)
	}
	err = makeTemp(p, e)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) {
		t.problem(path, "make", err)
		return nil
	}
	if err != nil {
		return kindedOrNil(err, "make %q", path)
	}
	fd, err := openAt(p.dir.fd, p.temp, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return kinded(err, "open unfinished %q", path)
	}
	defer unix.Close(fd)
	t.apply(object{path: path, fd: fd, pathOnly: true, link: e.Kind == vault.Symlink}, t.metaOf(e))
	return t.publish(p)
}

// makeTemp makes the object under its temporary name, usable by nobody else.
func makeTemp(p place, e vault.Entry) error {
	var kind uint32
	switch e.Kind {
	case vault.Symlink:
		return unix.Symlinkat(string(e.Target), p.dir.fd, p.temp)
	case vault.Fifo:
		kind = unix.S_IFIFO
	case vault.Socket:
		kind = unix.S_IFSOCK
	case vault.CharDevice:
		kind = unix.S_IFCHR
	case vault.BlockDevice:
		kind = unix.S_IFBLK
	case vault.Regular, vault.Dir:
		return errkind.New(errkind.Invalid, "entry is a file or directory")
	default:
		return errkind.New(errkind.Invalid, "unknown kind %d", e.Kind)
	}
	return unix.Mknodat(p.dir.fd, p.temp, kind|0o600, int(unix.Mkdev(e.Major, e.Minor)))
}

// Link gives the finished object at existing a further name. Something else
// under that name is replaced if policy allows, else a problem of kind Exists.
func (t *Target) Link(existing, path string) error {
	from, err := t.locate(existing)
	if err != nil {
		return err
	}
	defer t.done(from)
	p, err := t.locate(path)
	if err != nil {
		return err
	}
	defer t.done(p)
	err = unix.Linkat(from.dir.fd, from.name, p.dir.fd, p.name, 0)
	if errors.Is(err, unix.EEXIST) {
		return t.relink(from, p)
	}
	return kindedOrNil(err, "link %q to %q", path, existing)
}

// relink decides about a link whose name is taken.
func (t *Target) relink(from, p place) error {
	var want, have unix.Stat_t
	if err := unix.Fstatat(from.dir.fd, from.name, &want, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return kinded(err, "stat %q", from.path)
	}
	if err := unix.Fstatat(p.dir.fd, p.name, &have, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return kinded(err, "stat %q", p.path)
	}
	wantID, _ := hintOf(&want)
	haveID, _ := hintOf(&have)
	switch {
	case wantID == haveID:
		return nil
	case have.Mode&unix.S_IFMT == unix.S_IFDIR:
		t.exists(p.path, "a directory is in its place")
		return nil
	case t.opts.Overwrite == OverwriteNever:
		t.exists(p.path, "something else is in its place")
		return nil
	case t.opts.Overwrite == OverwriteIfNewer && later(stampOf(have.Mtim), stampOf(want.Mtim)):
		return nil
	}
	if err := removeTemp(p); err != nil {
		return kinded(err, "remove unfinished %q", p.path)
	}
	if err := unix.Linkat(from.dir.fd, from.name, p.dir.fd, p.temp, 0); err != nil {
		return kinded(err, "link %q to %q", p.path, from.path)
	}
	return t.publish(p)
}
