package files

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// readAheadFrom is the size from which telling the kernel that we read in
// order is worth a system call.
const readAheadFrom = 256 << 10

// opener opens one regular file of a walk. It keeps what the walk saw, to
// make sure that the same object is opened.
type opener struct {
	root    *rootDir
	path    string // below root
	name    []byte // in the point
	group   []byte // of hard links
	id      objectID
	owners  *owners
	scratch *sync.Pool // of *[]byte, maxXattr long
}

// open opens the file for reading. It is an error when the name is gone or
// belongs to another object by now ([ErrReplaced]).
func (o *opener) open() (source.File, error) {
	fd, err := openQuiet(func(flags int) (int, error) {
		return o.root.open(o.path, flags)
	}, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	f := &file{fd: fd, from: o}
	if err := f.start(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return f, nil
}

// file is an opened regular file.
type file struct {
	fd      int
	from    *opener
	st      unix.Stat_t // as of opening or the last refresh
	extents []vault.Extent
	whole   bool
}

var _ source.File = (*file)(nil)

// start looks at the file for the first time.
func (f *file) start() error {
	if err := unix.Fstat(f.fd, &f.st); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	id, _ := hintOf(&f.st)
	if f.st.Mode&unix.S_IFMT != unix.S_IFREG || id != f.from.id {
		return errkind.Wrap(errkind.Incomplete, ErrReplaced, "open")
	}
	if f.st.Size >= readAheadFrom {
		// Advice only: without it we read as correctly, more slowly.
		_ = unix.Fadvise(f.fd, 0, 0, unix.FADV_SEQUENTIAL)
	}
	return f.locate()
}

// locate finds the ranges that hold data. Only a file with fewer blocks than its
// size needs can have holes.
func (f *file) locate() error {
	f.extents, f.whole = nil, true
	if f.st.Size == 0 || f.st.Blocks*512 >= f.st.Size {
		return nil
	}
	extents, whole, err := findExtents(f.fd, f.st.Size)
	if err != nil {
		return fmt.Errorf("find holes: %w", err)
	}
	f.extents, f.whole = extents, whole
	return nil
}

// Extents implements [source.File]; after a refresh that found a change they
// are those of the changed file.
func (f *file) Extents() ([]vault.Extent, bool) { return f.extents, f.whole }

// Size implements [source.File]; after a refresh that found a change it is
// that of the changed file.
func (f *file) Size() int64 { return f.st.Size }

// ReadAt implements [source.File].
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Pread(f.fd, p[done:], off+int64(done))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return done, fmt.Errorf("read at %d: %w", off+int64(done), err)
		case n == 0:
			return done, io.EOF
		default:
			done += n
		}
	}
	return done, nil
}

// Refresh implements [source.File]. The entry has everything but content:
// flags, extended attributes, extents and the link group the walk gave.
func (f *file) Refresh() (vault.Entry, source.Hint, bool, error) {
	before := f.st
	if err := unix.Fstat(f.fd, &f.st); err != nil {
		return vault.Entry{}, source.Hint{}, false, fmt.Errorf("stat: %w", err)
	}
	changed := f.st.Size != before.Size || f.st.Mtim != before.Mtim || f.st.Ctim != before.Ctim
	if changed {
		if err := f.locate(); err != nil {
			return vault.Entry{}, source.Hint{}, true, err
		}
	}
	e, err := f.entry()
	return e, hint(&f.st), changed, err
}

func (f *file) entry() (vault.Entry, error) {
	buf := f.from.scratch.Get().(*[]byte)
	defer f.from.scratch.Put(buf)
	e := entryOf(string(f.from.name), vault.Regular, &f.st, f.from.owners)
	e.LinkGroup = f.from.group
	e.Flags = getFlags(f.fd)
	e.Sparse, e.Extents = !f.whole, f.extents
	var err error
	if e.Xattrs, err = xattrsOfOpen(f.fd).read(*buf); err != nil {
		return e, &source.PartialError{Op: opXattr, Err: err}
	}
	return e, nil
}

// Close implements [io.Closer].
func (f *file) Close() error { return unix.Close(f.fd) }
