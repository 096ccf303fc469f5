package backup

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// tries is how often a file that changes while it is read is read at most.
const tries = 3

// unreadableError is a fault of the source, not of the vault.
type unreadableError struct {
	op  string
	err error
}

func (e *unreadableError) Error() string { return e.op + ": " + e.err.Error() }
func (e *unreadableError) Unwrap() error { return e.err }

// readFile stores a file's content and gives its entry as it was read.
func (a *assembler) readFile(ctx context.Context, j fileJob) (vault.Entry, source.Hint, error) {
	f, err := j.open()
	if err != nil {
		return vault.Entry{}, source.Hint{}, &unreadableError{"open", err}
	}
	defer func() { _ = f.Close() }() // only read from
	for try := 1; ; try++ {
		extents, whole := f.Extents()
		size := f.Size()
		cut, err := a.cutFor(ctx, f, size, j.before)
		if err != nil {
			return vault.Entry{}, source.Hint{}, err
		}
		extents = alignExtents(extents, cut, size)
		content, n, err := a.storeFile(ctx, f, extents, whole, size, cut)
		if err != nil {
			return vault.Entry{}, source.Hint{}, err
		}
		e, h, changed, err := f.Refresh()
		var partial *source.PartialError
		if err != nil && !errors.As(err, &partial) {
			return vault.Entry{}, source.Hint{}, &unreadableError{"stat", err}
		}
		short := n != streamLength(extents, whole, size)
		if (changed || short) && try < tries {
			continue
		}
		e.Name, e.LinkGroup, e.Content = j.entry.Name, j.entry.LinkGroup, content
		e.Size, e.Sparse, e.Extents = size, !whole, extents
		if changed || short {
			e.Fuzzy = true
			fit(&e, n)
		}
		if partial != nil {
			return e, h, partial
		}
		return e, h, nil
	}
}

// fit makes the entry of a file that shrank while it was read say what was got.
func fit(e *vault.Entry, n int64) {
	if !e.Sparse {
		e.Size = n
		return
	}
	var kept []vault.Extent
	for _, x := range e.Extents {
		if x.Length = min(x.Length, n); x.Length > 0 {
			kept = append(kept, x)
			n -= x.Length
		}
	}
	e.Extents = kept
}

func streamLength(extents []vault.Extent, whole bool, size int64) int64 {
	if whole {
		return size
	}
	n := int64(0)
	for _, x := range extents {
		n += x.Length
	}
	return n
}

func (a *assembler) storeFile(ctx context.Context, f source.File, extents []vault.Extent, whole bool, size int64, cut vault.Cut) (*vault.Content, int64, error) {
	if whole {
		extents = []vault.Extent{{Length: size}}
	}
	r := &extentReader{f: f, extents: extents}
	content, n, err := a.session.StoreContent(ctx, r, streamLength(extents, false, size), cut)
	if r.err != nil {
		return nil, 0, &unreadableError{"read", r.err}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("store a file's content: %w", err)
	}
	return content, n, nil
}

// extentReader reads a file's data extents one after the other. A file that
// ends early ends the stream; a fault of reading is kept apart in err. The list
// of extents is the file's: it stays as it is.
type extentReader struct {
	f       source.File
	extents []vault.Extent
	done    int64 // bytes of the first of the extents that were read
	err     error
}

func (r *extentReader) Read(p []byte) (int, error) {
	for len(r.extents) > 0 && r.extents[0].Length == r.done {
		r.extents, r.done = r.extents[1:], 0
	}
	if len(r.extents) == 0 {
		return 0, io.EOF
	}
	x := r.extents[0]
	n, err := r.f.ReadAt(p[:min(int64(len(p)), x.Length-r.done)], x.Offset+r.done)
	r.done += int64(n)
	switch {
	case err == nil || n > 0 && errors.Is(err, io.EOF):
		return n, nil
	case errors.Is(err, io.EOF):
		r.extents, r.done = nil, 0
		return n, io.EOF
	default:
		r.err = err
		return n, err
	}
}
