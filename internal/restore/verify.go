package restore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// verifier reads restored files again and compares them with the point by the
// digests of their chunks; nothing is fetched but the tree. Further hard links
// of a file are not read.
type verifier struct {
	j       *job
	root    *os.Root
	buffers sync.Pool // *[]byte
	unsure  atomic.Bool
}

// chunkRoom is the longest chunk of the format (section 7).
const chunkRoom = 4 << 20

func (j *job) verify(ctx context.Context) error {
	root, err := os.OpenRoot(j.opts.To)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // only read from
	v := &verifier{j: j, root: root, buffers: sync.Pool{New: func() any { b := make([]byte, chunkRoom); return &b }}}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	w := walk{
		reader: j.reader,
		enter:  func(path string, _ vault.Entry, _ *selection) (bool, error) { return !j.isAside(path), nil },
		entry: func(path string, e vault.Entry) error {
			if e.Kind == vault.Regular && !j.isAside(path) {
				g.Go(func() error { return v.file(ctx, path, e) })
			}
			return ctx.Err()
		},
		lost:   func(string, error) {}, // counted when it was restored
		erased: j.opts.Erased,
	}
	walkErr := w.dir(ctx, "", j.root, j.wanted)
	if err := g.Wait(); err != nil {
		return err
	}
	j.tally.verified(walkErr == nil && !v.unsure.Load())
	return walkErr
}

// file verifies one file and notes what it finds. Errors are those of the
// store.
func (v *verifier) file(ctx context.Context, path string, e vault.Entry) error {
	err := v.compare(ctx, path, e)
	if err == nil {
		return nil
	}
	var own *targetError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errkind.Is(err, errkind.Damaged):
		v.j.tally.damaged(path, "verify", err)
	case errors.As(err, &own):
		v.j.tally.problem(source.Problem{Path: path, Op: "verify", Err: err})
	default:
		return err
	}
	v.unsure.Store(true)
	return nil
}

// targetError is what keeps a file from being read again.
type targetError struct{ err error }

func (e *targetError) Error() string { return "cannot be read again: " + e.err.Error() }
func (e *targetError) Unwrap() error { return e.err }

func (v *verifier) compare(ctx context.Context, path string, e vault.Entry) error {
	f, err := v.root.OpenFile(path, openQuietly, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return errkind.New(errkind.Damaged, "the file is not there")
	}
	if err != nil {
		return &targetError{err}
	}
	defer func() { _ = f.Close() }() // only read from
	info, err := f.Stat()
	if err != nil {
		return &targetError{err}
	}
	if !info.Mode().IsRegular() || info.Size() != e.Size {
		return errkind.New(errkind.Damaged, "%s of %d bytes stands where a file of %d belongs", info.Mode().Type(), info.Size(), e.Size)
	}
	l, err := layoutOf(e)
	if err != nil {
		return err
	}
	buf := v.buffers.Get().(*[]byte)
	defer v.buffers.Put(buf)
	c := comparison{f: f, layout: l, buf: *buf}
	err = v.j.reader.Chunks(ctx, e.Content, func(d vault.Digest, length int64) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		v.j.tally.advance(0, 0, length)
		return c.chunk(d, length)
	})
	if err != nil {
		return err
	}
	return c.hole(e.Size)
}

// comparison goes through one file from its beginning to its end.
type comparison struct {
	f      *os.File
	layout layout
	buf    []byte
	at     int64 // in the stream
	pos    int64 // in the file
}

// chunk compares the next chunk and the holes before and within it.
func (c *comparison) chunk(d vault.Digest, length int64) error {
	if length > int64(len(c.buf)) {
		return errkind.New(errkind.Damaged, "a chunk of %d bytes", length)
	}
	sum := sha256.New()
	err := c.layout.each(c.at, length, func(off, from, to int64) error {
		if err := c.hole(off); err != nil {
			return err
		}
		part := c.buf[:to-from]
		if err := c.read(part, off); err != nil {
			return err
		}
		sum.Write(part)
		c.pos = off + int64(len(part))
		return nil
	})
	c.at += length
	if err == nil && vault.Digest(sum.Sum(nil)) != d {
		err = errkind.New(errkind.Damaged, "what was read back before byte %d is not what the point holds", c.pos)
	}
	return err
}

// hole makes sure that everything from the present position up to end reads
// as zeros, without reading what the file system knows to be a hole.
func (c *comparison) hole(end int64) error {
	for c.pos < end {
		at, ok, err := nextData(c.f, c.pos)
		if err != nil {
			return &targetError{err}
		}
		if !ok || at >= end {
			break
		}
		part := c.buf[:min(64<<10, end-at)]
		if err := c.read(part, at); err != nil {
			return err
		}
		if len(bytes.TrimLeft(part, "\x00")) > 0 {
			return errkind.New(errkind.Damaged, "data near byte %d, where the point has a hole", at)
		}
		c.pos = at + int64(len(part))
	}
	c.pos = max(c.pos, end)
	return nil
}

func (c *comparison) read(p []byte, off int64) error {
	_, err := c.f.ReadAt(p, off)
	if errors.Is(err, io.EOF) {
		return errkind.New(errkind.Damaged, "the file ends early")
	}
	if err != nil {
		return &targetError{err}
	}
	return nil
}
