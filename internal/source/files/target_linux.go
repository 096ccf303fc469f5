package files

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// How many directories and unfinished files a target keeps open.
const (
	maxTargetDirs  = 128
	maxTargetFiles = 128
)

// Target is a directory that a point is restored into. The order of calls is:
// directories from the top down with MkDir; for each file Prepare, WriteAt as
// often as needed, then Finish or Abandon; MakeSpecial for what is neither;
// Link for further names of an object, once its first name is finished; then
// FinishDirs, Sync and Close. All up to FinishDirs may be called by several
// goroutines, for one path by one at a time (WriteAt by several).
//
// Paths are relative to the target, as bytes; those that could lead out of it
// are errors of kind Invalid, and symbolic links in the target are not
// followed. What policy, privileges or the file system do not allow is noted
// in Problems and no error; returned errors are faults.
//
// Until FinishDirs, directories are open to their owner only. An interrupted
// restore leaves files named ".cf-*.part" and no file with partial content
// under its own name. A power cut before Sync returns may still cost contents
// that the system had not written: repeat such a restore with OverwriteAlways.
type Target struct {
	opts   TargetOptions
	root   *os.File
	owners *owners
	parent *fdCache // directories by path, opened as paths
	files  *fdCache // unfinished files by path
	// scratch lends buffers of maxXattr bytes.
	scratch sync.Pool

	mu       sync.Mutex // guards what follows
	problems []source.Problem
	dirs     []delayedDir
	locked   []delayedFlags
	mounts   map[uint64]int // a directory of each file system restored to, by device
}

// NewTarget opens dir as a target, making it and its parents if need be.
func NewTarget(dir string, opts TargetOptions) (*Target, error) {
	if err := needProc(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, kinded(err, "make target")
	}
	fd, err := openAt(unix.AT_FDCWD, dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, kinded(err, "open target %q", dir)
	}
	t := &Target{
		opts: opts, root: os.NewFile(uintptr(fd), dir), owners: newOwners(),
		parent: newFDCache(maxTargetDirs), files: newFDCache(maxTargetFiles), mounts: map[uint64]int{},
		scratch: sync.Pool{New: func() any { b := make([]byte, maxXattr); return &b }},
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.root.Close()
		return nil, kinded(err, "stat target %q", dir)
	}
	t.keepMount(fd, uint64(st.Dev))
	return t, nil
}

// Close closes what is open. It finishes nothing.
func (t *Target) Close() error {
	t.files.clear()
	t.parent.clear()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, fd := range t.mounts {
		unix.Close(fd)
	}
	clear(t.mounts)
	return t.root.Close()
}

// Problems lists what could not be restored as it was, in the order found.
func (t *Target) Problems() []source.Problem {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.problems)
}

// problem notes what could not be applied to path.
func (t *Target) problem(path, op string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.problems = append(t.problems, source.Problem{Path: path, Op: op, Err: err})
}

// place is where an object goes: its open directory, its own name and the name
// it has until it is finished.
type place struct {
	path string
	dir  *cachedFD
	name string
	temp string
}

// locate checks a path and opens its directory. Give it back with t.done.
func (t *Target) locate(path string) (place, error) {
	if err := checkPath(path); err != nil {
		return place{}, err
	}
	dir, name := splitLast(path)
	held, err := t.parent.acquire(dir, func() (int, error) {
		return openBeneath(int(t.root.Fd()), dir, unix.O_PATH|unix.O_DIRECTORY)
	})
	if err != nil {
		return place{}, kinded(err, "open directory %q", dir)
	}
	return place{path: path, dir: held, name: name, temp: tempName(t.opts.Token, path)}, nil
}

func (t *Target) done(p place) { t.parent.release(p.dir) }

// decide says what to do about path, given what is there now.
func (t *Target) decide(p place, e vault.Entry) (Action, error) {
	var st unix.Stat_t
	err := unix.Fstatat(p.dir.fd, p.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return Write, nil
	}
	if err != nil {
		return 0, kinded(err, "stat %q", p.path)
	}
	kind, _ := kindOf(st.Mode)
	same := t.opts.Overwrite != OverwriteAlways && kind == e.Kind && t.same(p, e, &st)
	switch {
	case same:
		return SkipSame, nil
	case kind == vault.Dir:
		t.exists(p.path, "a directory is in its place")
		return SkipExisting, nil
	case t.opts.Overwrite == OverwriteAlways:
		return Write, nil
	case t.opts.Overwrite == OverwriteIfNewer:
		if later(e.MTime, stampOf(st.Mtim)) {
			return Write, nil
		}
		return SkipExisting, nil
	}
	t.exists(p.path, "something else is in its place")
	return SkipExisting, nil
}

// same tells whether the object found, of the entry's kind, is what would be
// restored. Objects get their names last, so one of the same time is whole.
func (t *Target) same(p place, e vault.Entry, st *unix.Stat_t) bool {
	switch e.Kind {
	case vault.Regular:
		return st.Size == e.Size && stampOf(st.Mtim) == e.MTime
	case vault.Symlink:
		target, err := readLink(p.dir.fd, p.name)
		return err == nil && string(target) == string(e.Target)
	case vault.CharDevice, vault.BlockDevice:
		return uint64(st.Rdev) == unix.Mkdev(e.Major, e.Minor)
	case vault.Fifo, vault.Socket:
		return true
	case vault.Dir:
	}
	return false
}

func (t *Target) exists(path, why string) {
	t.problem(path, "exists", errkind.New(errkind.Exists, "%s", why))
}

// later tells whether a is after b.
func later(a, b vault.Stamp) bool {
	return a.Sec > b.Sec || a.Sec == b.Sec && a.Nsec > b.Nsec
}

// publish gives a finished object its own name. Where something appeared under
// that name since it was decided to write, policy holds again.
func (t *Target) publish(p place) error {
	err := t.rename(p)
	if errors.Is(err, unix.EPERM) && t.opts.Overwrite != OverwriteNever && unlock(p) {
		err = t.rename(p)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EEXIST), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENOTEMPTY):
		t.exists(p.path, "something else appeared in its place")
		_ = unix.Unlinkat(p.dir.fd, p.temp, 0) // the problem is noted already; a leftover is recognisable
		return nil
	}
	return kinded(err, "name %q", p.path)
}

func (t *Target) rename(p place) error {
	if t.opts.Overwrite != OverwriteNever {
		return unix.Renameat(p.dir.fd, p.temp, p.dir.fd, p.name)
	}
	err := unix.Renameat2(p.dir.fd, p.temp, p.dir.fd, p.name, unix.RENAME_NOREPLACE)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	// The file system cannot refuse to replace: look first.
	var st unix.Stat_t
	if err := unix.Fstatat(p.dir.fd, p.name, &st, unix.AT_SYMLINK_NOFOLLOW); !errors.Is(err, unix.ENOENT) {
		return unix.EEXIST
	}
	return unix.Renameat(p.dir.fd, p.temp, p.dir.fd, p.name)
}

// unlock takes flags that forbid changes from the file that is to be replaced.
func unlock(p place) bool {
	fd, err := openAt(p.dir.fd, p.name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	flags := getFlags(fd)
	return flags&lockFlags != 0 && setFlags(fd, flags&^lockFlags) == nil
}

// kinded adds context to an error and the kind that its number means.
func kinded(err error, format string, args ...any) error {
	context := fmt.Sprintf(format, args...)
	for _, known := range []struct {
		errno error
		kind  errkind.Kind
	}{
		{unix.ENOSPC, errkind.NoSpace}, {unix.EDQUOT, errkind.NoSpace},
		{unix.EROFS, errkind.ReadOnly},
		{unix.EACCES, errkind.NotAllowed}, {unix.EPERM, errkind.NotAllowed},
		{unix.ENOENT, errkind.NotFound},
		{unix.ENAMETOOLONG, errkind.Unsupported},
		{unix.ELOOP, errkind.Exists}, {unix.ENOTDIR, errkind.Exists}, // something else than a directory is in the way
	} {
		if errors.Is(err, known.errno) {
			return errkind.Wrap(known.kind, err, "%s", context)
		}
	}
	return fmt.Errorf("%s: %w", context, err)
}
