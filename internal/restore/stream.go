package restore

import (
	"context"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// windowRoom bounds a window in bytes. Two are in memory: one is written while
// the next one is read.
const windowRoom = 8 << 20

// Stream writes the content of a regular file to w, in order and with the
// zeros of its holes. Where a chunk is damaged it ends with an error of that
// kind, having written nothing but the right bytes before it.
func Stream(ctx context.Context, r *vault.Reader, e vault.Entry, w io.Writer) error {
	if e.Kind != vault.Regular {
		return errkind.New(errkind.Invalid, "%q is not a regular file", e.Name)
	}
	l, err := layoutOf(e)
	if err != nil {
		return err
	}
	g, working := errgroup.WithContext(ctx)
	s := &stream{reader: r, layout: l, windows: make(chan *window), spare: make(chan []byte, 2)}
	room := min(windowRoom, l.stream)
	s.spare <- make([]byte, room)
	s.spare <- make([]byte, room)
	g.Go(func() error {
		defer close(s.windows)
		return s.read(working, e)
	})
	g.Go(func() error { return s.write(working, w) })
	if err := g.Wait(); err != nil {
		return err
	}
	return s.zeros(ctx, w, e.Size)
}

type stream struct {
	reader  *vault.Reader
	layout  layout
	windows chan *window
	spare   chan []byte
	pos     int64 // written so far
	blank   []byte
}

// window is a stretch of the content stream.
type window struct {
	at    int64
	buf   []byte
	used  int64
	wants []vault.Want
	spans []span

	mu   sync.Mutex // guards good and why
	good int64      // bytes before the first chunk that cannot be had
	why  error
}

type span struct{ from, to int64 }

// read lists the chunks and reads them window by window.
func (s *stream) read(ctx context.Context, e vault.Entry) error {
	at := int64(0)
	win, err := s.window(ctx, at)
	if err != nil {
		return err
	}
	err = s.reader.Chunks(ctx, e.Content, func(d vault.Digest, length int64) error {
		if !s.layout.holds(at, length) || length > int64(cap(win.buf)) {
			return errkind.New(errkind.Damaged, "the content of %q does not fit the file", e.Name)
		}
		if win.used+length > int64(cap(win.buf)) {
			if err := s.send(ctx, win); err != nil {
				return err
			}
			if win, err = s.window(ctx, at); err != nil {
				return err
			}
		}
		win.wants = append(win.wants, vault.Want{Digest: d, Tag: len(win.wants)})
		win.spans = append(win.spans, span{win.used, win.used + length})
		win.used += length
		at += length
		return nil
	})
	if err == nil && at != s.layout.stream {
		err = errkind.New(errkind.Damaged, "the content of %q has %d bytes where %d belong", e.Name, at, s.layout.stream)
	}
	if err != nil {
		return err
	}
	return s.send(ctx, win)
}

func (s *stream) window(ctx context.Context, at int64) (*window, error) {
	select {
	case buf := <-s.spare:
		return &window{at: at, buf: buf}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fill puts a chunk into its place, or notes why it cannot be had.
func (win *window) fill(g vault.Got) {
	place, err := win.spans[g.Tag], g.Err
	if err == nil && int64(len(g.Data)) != place.to-place.from {
		err = errkind.New(errkind.Damaged, "a chunk of %d bytes stands where %d belong", len(g.Data), place.to-place.from)
	}
	if err != nil {
		win.lose(place.from, err)
		return
	}
	copy(win.buf[place.from:place.to], g.Data)
}

// send reads what a window wants and hands it to the writer.
func (s *stream) send(ctx context.Context, win *window) error {
	win.good = win.used
	err := s.reader.ReadMany(ctx, win.wants, func(got []vault.Got) error {
		for _, g := range got {
			win.fill(g)
		}
		return nil
	})
	if err == nil {
		err = ctx.Err() // a cancelled reader may have left wants out
	}
	if err != nil {
		return err
	}
	select {
	case s.windows <- win:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lose notes that the window is good only up to a place.
func (win *window) lose(at int64, why error) {
	win.mu.Lock()
	defer win.mu.Unlock()
	if at < win.good || win.why == nil {
		win.good, win.why = at, why
	}
}

func (s *stream) write(ctx context.Context, w io.Writer) error {
	for win := range s.windows {
		err := s.layout.each(win.at, win.good, func(off, from, to int64) error {
			if err := s.zeros(ctx, w, off); err != nil {
				return err
			}
			return s.put(w, win.buf[from:to])
		})
		if err != nil {
			return err
		}
		if win.why != nil {
			return win.why
		}
		s.spare <- win.buf
	}
	return nil
}

// zeros writes a hole from the present position up to end.
func (s *stream) zeros(ctx context.Context, w io.Writer, end int64) error {
	if s.blank == nil && s.pos < end {
		s.blank = make([]byte, 256<<10)
	}
	for s.pos < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.put(w, s.blank[:min(int64(len(s.blank)), end-s.pos)]); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) put(w io.Writer, p []byte) error {
	n, err := w.Write(p)
	s.pos += int64(n)
	if err != nil {
		return fmt.Errorf("write at byte %d: %w", s.pos, err)
	}
	return nil
}
