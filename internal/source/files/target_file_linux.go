package files

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Prepare decides about a regular file. For Write it makes an empty file under
// a temporary name, readable by nobody else, in place of one that an earlier
// run left.
func (t *Target) Prepare(path string, e vault.Entry) (Action, error) {
	if e.Kind != vault.Regular {
		return 0, errkind.New(errkind.Invalid, "%q is not a regular file", path)
	}
	p, err := t.locate(path)
	if err != nil {
		return 0, err
	}
	defer t.done(p)
	action, err := t.decide(p, e)
	if err != nil || action != Write {
		return action, err
	}
	fd, err := createTemp(p)
	if err != nil {
		return 0, kinded(err, "create %q", path)
	}
	if early := e.Flags & earlyFlags; early != 0 {
		_ = setFlags(fd, early) // Finish sets all flags again and reports
	}
	t.files.release(t.files.put(path, fd))
	return Write, nil
}

// createTemp makes the unfinished file. It is always a new one: a leftover may
// have other names, attributes or readers.
func createTemp(p place) (int, error) {
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW
	fd, err := openAt(p.dir.fd, p.temp, flags, 0o600)
	if !errors.Is(err, unix.EEXIST) {
		return fd, err
	}
	if err := removeTemp(p); err != nil {
		return -1, err
	}
	return openAt(p.dir.fd, p.temp, flags, 0o600)
}

// removeTemp removes the unfinished object, if there is one.
func removeTemp(p place) error {
	err := unix.Unlinkat(p.dir.fd, p.temp, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// unfinished lends the open file that Prepare made.
func (t *Target) unfinished(path string) (*cachedFD, error) {
	return t.files.acquire(path, func() (int, error) {
		p, err := t.locate(path)
		if err != nil {
			return -1, err
		}
		defer t.done(p)
		fd, err := openAt(p.dir.fd, p.temp, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		return fd, kindedOrNil(err, "open unfinished %q", path)
	})
}

// WriteAt writes a piece of a file that Prepare made. Pieces may come in any
// order and at once; what is not written is a hole.
func (t *Target) WriteAt(path string, p []byte, off int64) error {
	f, err := t.unfinished(path)
	if err != nil {
		return err
	}
	defer t.files.release(f)
	for len(p) > 0 {
		n, err := unix.Pwrite(f.fd, p, off)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return kinded(err, "write %q at %d", path, off)
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// Finish gives a file its length, metadata and name. A file whose content is
// visibly not what e says is left unfinished: an error of kind Damaged.
func (t *Target) Finish(path string, e vault.Entry) error {
	p, err := t.locate(path)
	if err != nil {
		return err
	}
	defer t.done(p)
	f, err := t.unfinished(path)
	if err != nil {
		return err
	}
	defer t.files.drop(path)
	defer t.files.release(f)
	if err := setLength(f.fd, path, e); err != nil {
		return err
	}
	m := t.metaOf(e)
	t.apply(object{path: path, fd: f.fd}, m)
	if m.flags != 0 {
		if err := setFlags(f.fd, m.flags&^lockFlags); err != nil {
			t.problem(path, "flags", err)
		}
	}
	if err := t.publish(p); err != nil {
		return err
	}
	if m.flags&lockFlags != 0 {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.locked = append(t.locked, delayedFlags{path: path, flags: m.flags})
	}
	return nil
}

// setLength adds the hole at the end of a sparse file and makes sure that any
// other was written up to its end.
func setLength(fd int, path string, e vault.Entry) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return kinded(err, "stat unfinished %q", path)
	}
	if st.Size == e.Size {
		return nil
	}
	if st.Size > e.Size || !e.Sparse {
		return errkind.New(errkind.Damaged, "finish %q: %d bytes of %d were written", path, st.Size, e.Size)
	}
	if err := unix.Ftruncate(fd, e.Size); err != nil {
		return kinded(err, "set the length of %q", path)
	}
	return nil
}

// Abandon removes a file that Prepare made and that cannot be finished. What
// had the file's name before stays.
func (t *Target) Abandon(path string) error {
	t.files.drop(path)
	p, err := t.locate(path)
	if err != nil {
		return err
	}
	defer t.done(p)
	return kindedOrNil(removeTemp(p), "remove unfinished %q", path)
}

// kindedOrNil is kinded for errors that may be nil.
func kindedOrNil(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return kinded(err, format, args...)
}
