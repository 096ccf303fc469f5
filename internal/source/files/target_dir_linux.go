package files

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// delayedDir is a directory whose metadata waits until everything is in it.
type delayedDir struct {
	path string
	meta meta
}

// delayedFlags are flags that forbid changes, of a file that may yet get
// further names.
type delayedFlags struct {
	path  string
	flags uint32
}

// MkDir makes a directory, "" being the target itself, or takes the one that
// is there. Its metadata is applied by FinishDirs. Anything but a directory in
// its place is replaced if policy allows, else an error of kind Exists: then
// nothing below can be restored.
func (t *Target) MkDir(path string, e vault.Entry) error {
	if e.Kind != vault.Dir {
		return errkind.New(errkind.Invalid, "%q is not a directory", path)
	}
	if path == "" {
		if err := t.reopenDir(path, int(t.root.Fd())); err != nil {
			return err
		}
	} else if err := t.makeDir(path, e); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dirs = append(t.dirs, delayedDir{path: path, meta: t.metaOf(e)})
	return nil
}

func (t *Target) makeDir(path string, e vault.Entry) error {
	p, err := t.locate(path)
	if err != nil {
		return err
	}
	defer t.done(p)
	err = unix.Mkdirat(p.dir.fd, p.name, 0o700)
	if errors.Is(err, unix.EEXIST) {
		err = t.takeDir(p, e)
	}
	if errkind.Is(err, errkind.Exists) {
		return err
	}
	if err != nil {
		return kinded(err, "make directory %q", path)
	}
	return nil
}

// takeDir takes an existing directory, or replaces what is no directory.
func (t *Target) takeDir(p place, e vault.Entry) error {
	fd, err := openBeneath(p.dir.fd, p.name, unix.O_PATH|unix.O_DIRECTORY)
	if err == nil {
		defer unix.Close(fd)
		return t.reopenDir(p.path, fd)
	}
	if !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(p.dir.fd, p.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	replace := t.opts.Overwrite == OverwriteAlways ||
		t.opts.Overwrite == OverwriteIfNewer && later(e.MTime, stampOf(st.Mtim))
	if !replace {
		return errkind.New(errkind.Exists, "make directory %q: something that is no directory is in its place", p.path)
	}
	if err := unix.Unlinkat(p.dir.fd, p.name, 0); err != nil {
		return err
	}
	return unix.Mkdirat(p.dir.fd, p.name, 0o700)
}

// reopenDir makes an existing directory writable for its owner and free of
// flags that forbid it; FinishDirs sets both as they should be. A failure here
// shows when something is to be made in it.
func (t *Target) reopenDir(path string, fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return kinded(err, "stat directory %q", path)
	}
	readable, err := openDirAt(fd, ".")
	if err != nil {
		_ = unix.Chmod(procFD(fd), st.Mode&0o7777|0o700)
		if readable, err = openDirAt(fd, "."); err != nil {
			return nil
		}
	}
	t.keepMount(readable, uint64(st.Dev))
	defer unix.Close(readable)
	if flags := getFlags(readable); flags&lockFlags != 0 {
		_ = setFlags(readable, flags&^lockFlags)
	}
	if st.Mode&0o700 != 0o700 {
		_ = unix.Fchmod(readable, st.Mode&0o7777|0o700)
	}
	return nil
}

// keepMount remembers a file system for Sync.
func (t *Target) keepMount(fd int, device uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.mounts[device]; ok {
		return
	}
	if kept, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
		t.mounts[device] = kept
	}
}

// FinishDirs gives all directories their metadata, the deepest first, and sets
// the flags that forbid changes. Nothing can be restored after it.
func (t *Target) FinishDirs() error {
	t.files.clear()
	t.parent.clear()
	t.mu.Lock()
	dirs, locked := t.dirs, t.locked
	t.dirs, t.locked = nil, nil
	t.mu.Unlock()
	for _, l := range locked {
		t.lockFile(l)
	}
	// A directory is made before what is in it, so backwards is deepest first.
	for _, d := range slices.Backward(dirs) {
		fd, err := openBeneath(int(t.root.Fd()), d.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
		if err != nil {
			t.problem(d.path, "metadata", kinded(err, "open directory"))
			continue
		}
		t.apply(object{path: d.path, fd: fd}, d.meta)
		if err := setFlags(fd, d.meta.flags); err != nil {
			t.problem(d.path, "flags", err)
		}
		unix.Close(fd)
	}
	return nil
}

// lockFile sets the flags of a file, including those that forbid changes.
func (t *Target) lockFile(l delayedFlags) {
	fd, err := openBeneath(int(t.root.Fd()), l.path, unix.O_RDONLY|unix.O_NONBLOCK)
	if err == nil {
		err = setFlags(fd, l.flags)
		unix.Close(fd)
	}
	if err != nil {
		t.problem(l.path, "flags", err)
	}
}

// Sync makes everything restored durable, on each file system it went to.
func (t *Target) Sync() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, fd := range t.mounts {
		if err := unix.Syncfs(fd); err != nil {
			return kinded(err, "sync target")
		}
	}
	return nil
}
