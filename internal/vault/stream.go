package vault

import (
	"context"
	"io"
	"slices"
	"sync"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/digest"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Cut says how a content stream is cut into chunks.
type Cut uint32

// Ways to cut, besides fixed block sizes in bytes (8192 to 65536, multiples of 4096).
const (
	// CutAuto keeps a small stream whole and cuts a larger one by content.
	CutAuto Cut = 0
)

// Fixed reports whether c is a block size.
func (c Cut) Fixed() bool { return c >= 8192 && c <= 65536 && c%4096 == 0 }

// Check refuses a way to cut that is none.
func (c Cut) Check() error {
	if c == CutAuto || c.Fixed() {
		return nil
	}
	return errkind.New(errkind.Invalid, "block size %d: a multiple of 4096 from 8192 to 65536 is needed", c)
}

// streamBuffer holds a stretch of stream; at least the longest chunk fits
// twice, so that little is moved.
type streamBuffer struct {
	data []byte
	cuts []int
	sums []tree.Digest
}

const streamRoom = 8 << 20

// StoreContent reads a content stream to its end and stores what is not known.
// size is what the stream is expected to hold; the length that was really read
// is returned. The chunks are on their way to the store when it returns, durable
// only after Commit.
func (s *Session) StoreContent(ctx context.Context, r io.Reader, size int64, cut Cut) (*Content, int64, error) {
	if err := cut.Check(); err != nil {
		return nil, 0, err
	}
	b := s.streamBuffer(size)
	defer s.buffers.Put(b)
	list := tree.NewList(s.putNode)
	total := int64(0)
	for rest, eof := []byte(nil), false; ; {
		n := copy(b.data[:cap(b.data)], rest)
		var err error
		if rest, eof, err = fillBuffer(ctx, r, b, n); err != nil {
			return nil, total, err
		}
		if rest = s.cutBuffer(b, rest, eof, cut); len(b.cuts) > 0 {
			if err = s.storeChunks(ctx, b, list); err != nil {
				return nil, total, err
			}
			total += int64(b.cuts[len(b.cuts)-1])
		}
		if eof {
			break
		}
	}
	c, err := list.Finish(ctx, contentCut(cut, list.Len()))
	return c, total, err
}

func contentCut(cut Cut, chunks int64) uint32 {
	switch {
	case cut != CutAuto:
		return uint32(cut)
	case chunks == 1:
		return tree.CutWhole
	default:
		return tree.CutContent
	}
}

func (s *Session) streamBuffer(size int64) *streamBuffer {
	room := streamRoom
	if size < int64(s.cutter.Params().Min) {
		room = int(s.cutter.Params().Min) + 1
	}
	if b, ok := s.buffers.Get().(*streamBuffer); ok && cap(b.data) >= room {
		return b
	}
	return &streamBuffer{data: make([]byte, 0, room)}
}

// fillBuffer reads behind the first n bytes until the buffer is full or the
// stream ends.
func fillBuffer(ctx context.Context, r io.Reader, b *streamBuffer, n int) (data []byte, eof bool, err error) {
	b.data = b.data[:cap(b.data)]
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	m, err := io.ReadFull(r, b.data[n:])
	b.data = b.data[:n+m]
	if objects.IsEOF(err) {
		return b.data, true, nil
	}
	return b.data, false, err
}

// cutBuffer notes where the chunks in data end and gives what is left for the
// next round.
func (s *Session) cutBuffer(b *streamBuffer, data []byte, eof bool, cut Cut) []byte {
	b.cuts = b.cuts[:0]
	at := 0
	least := int(s.cutter.Params().Max)
	if cap(b.data) < streamRoom {
		least = cap(b.data) // a file that grew: still cut, at the buffer's end
	}
	for len(data)-at > 0 {
		left := data[at:]
		var n int
		switch {
		case cut != CutAuto:
			n = min(int(cut), len(left))
			if n < int(cut) && !eof {
				return left
			}
		case !eof && len(left) < least:
			return left
		default:
			n = s.cutter.Cut(left)
		}
		at += n
		b.cuts = append(b.cuts, at)
	}
	return nil
}

// storeChunks hashes the chunks of the buffer, side by side where there are
// several, and stores those that are new.
func (s *Session) storeChunks(ctx context.Context, b *streamBuffer, list *tree.List) error {
	b.sums = append(b.sums[:0], make([]tree.Digest, len(b.cuts))...)
	hashCuts(b)
	from := 0
	for i, to := range b.cuts {
		chunk := b.data[from:to]
		if err := s.put(s.framers[0], seal.DataChunk, b.sums[i], chunk); err != nil {
			return err
		}
		if err := list.Add(ctx, tree.ListItem{Digest: b.sums[i], Length: int64(len(chunk))}); err != nil {
			return err
		}
		s.stats.Read.Add(int64(len(chunk)))
		from = to
	}
	return nil
}

func hashCuts(b *streamBuffer) {
	const worth = 512 << 10 // below, a second goroutine costs more than it saves
	n := len(b.cuts)
	if n < 2 || b.cuts[n-1] < worth {
		digest.Runs(b.data, 0, b.cuts, b.sums)
		return
	}
	half, _ := slices.BinarySearch(b.cuts, b.cuts[n-1]/2)
	half++ // the run in which the middle lies belongs to the first
	var second sync.WaitGroup
	second.Go(func() { digest.Runs(b.data, b.cuts[half-1], b.cuts[half:], b.sums[half:]) })
	digest.Runs(b.data, 0, b.cuts[:half], b.sums[:half])
	second.Wait()
}

func (s *Session) put(f *framer, kind seal.ChunkKind, d tree.Digest, chunk []byte) error {
	if !s.claim(kind, d) {
		return s.Err()
	}
	return f.put(s.ctx, d, chunk)
}

// putNode stores a tree node.
func (s *Session) putNode(_ context.Context, d Digest, plain []byte) error {
	return s.put(s.framers[1], seal.TreeChunk, d, plain)
}

// Directory builds one directory's node; see [Session.NewDirectory].
type Directory struct{ b *tree.Builder }

// NewDirectory begins a directory. Entries are added in ascending bytewise
// order of their names.
func (s *Session) NewDirectory() *Directory { return &Directory{b: tree.NewBuilder(s.putNode)} }

// Add takes the next entry.
func (d *Directory) Add(ctx context.Context, e Entry) error { return d.b.Add(ctx, e) }

// Finish stores the directory and gives its digest.
func (d *Directory) Finish(ctx context.Context) (Digest, error) { return d.b.Finish(ctx) }

// PutRoot stores the root node of a point.
func (s *Session) PutRoot(ctx context.Context, root Entry) (Digest, error) {
	return tree.PutRoot(ctx, s.putNode, root)
}
