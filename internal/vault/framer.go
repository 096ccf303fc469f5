package vault

import (
	"bytes"
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// inFlight bounds the plaintext between reading and the pack buffers.
const inFlight = 16 << 20

// memory hands out a bounded number of bytes; whoever asks for more waits.
type memory struct{ sem *semaphore.Weighted }

func (m *memory) init(limit int64) { m.sem = semaphore.NewWeighted(limit) }

func (m *memory) take(ctx context.Context, n int) error { return m.sem.Acquire(ctx, int64(n)) }
func (m *memory) give(n int)                            { m.sem.Release(int64(n)) }

// frame is plaintext on its way into a pack.
type frame struct {
	packer  *packer
	plain   []byte
	lengths []uint32
	digests []byte
}

func (f *frame) add(d tree.Digest, chunk []byte) {
	f.plain = append(f.plain, chunk...)
	f.lengths = append(f.lengths, uint32(len(chunk)))
	f.digests = append(f.digests, d[:]...)
}

// framer collects chunks of one kind until a frame is full.
type framer struct {
	s      *Session
	packer *packer
	mu     sync.Mutex // guards cur
	cur    *frame
}

// put takes a chunk that was claimed; it copies the bytes. It may wait for
// room in the pipeline.
func (f *framer) put(ctx context.Context, d tree.Digest, chunk []byte) error {
	f.s.stats.NewChunks.Add(1)
	f.s.stats.New.Add(int64(len(chunk)))
	if err := f.s.mem.take(f.s.ctx, len(chunk)); err != nil {
		return f.s.cause(err)
	}
	for _, full := range f.collect(d, chunk) {
		if err := f.s.send(ctx, full); err != nil {
			return err
		}
	}
	return nil
}

func (f *framer) collect(d tree.Digest, chunk []byte) []*frame {
	if len(chunk) >= frameTarget/2 {
		alone := f.s.newFrame(f.packer, len(chunk))
		alone.add(d, chunk)
		return []*frame{alone}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var full []*frame
	if f.cur != nil && (len(f.cur.plain)+len(chunk) > frameTarget || len(f.cur.lengths) >= frameChunks) {
		full, f.cur = append(full, f.cur), nil
	}
	if f.cur == nil {
		f.cur = f.s.newFrame(f.packer, frameTarget)
	}
	f.cur.add(d, chunk)
	return full
}

// flush sends what was collected.
func (f *framer) flush(ctx context.Context) error {
	f.mu.Lock()
	last := f.cur
	f.cur = nil
	f.mu.Unlock()
	if last == nil {
		return nil
	}
	return f.s.send(ctx, last)
}

// newFrame gives an empty frame with room for n bytes.
func (s *Session) newFrame(p *packer, n int) *frame {
	f, ok := s.spare.Get().(*frame)
	if !ok || cap(f.plain) < n {
		f = &frame{plain: make([]byte, 0, max(n, frameTarget))}
	}
	*f = frame{packer: p, plain: f.plain[:0]}
	return f
}

func (s *Session) send(ctx context.Context, f *frame) error {
	select {
	case s.frames <- f:
		return nil
	case <-s.drain:
		return errkind.New(errkind.Internal, "the session takes nothing more")
	case <-ctx.Done():
		return s.cause(ctx.Err()) // it may be the session's own
	case <-s.ctx.Done():
		return s.cause(s.ctx.Err())
	}
}

// cause gives the session's own failure rather than the cancellation it led to.
func (s *Session) cause(err error) error {
	if c := context.Cause(s.ctx); c != nil {
		return c
	}
	return err
}

// encode compresses, seals and proves frames until there are no more.
func (s *Session) encode() error {
	z := s.v.store.Zippers.Get()
	defer s.v.store.Zippers.Put(z)
	e := encoder{s: s, z: z}
	for {
		select {
		case f := <-s.frames:
			if err := e.frame(f); err != nil {
				return err
			}
			s.mem.give(len(f.plain))
			s.spare.Put(f)
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-s.drain:
			return nil
		}
	}
}

type encoder struct {
	s                 *Session
	z                 *seal.Zipper
	zipped, back, out []byte
}

func (e *encoder) frame(f *frame) error {
	stored := f.plain
	zipped, c := e.z.Compress(e.zipped[:0], f.plain)
	if c != seal.Stored {
		e.zipped = zipped
		stored = zipped
		e.s.stats.Compressed.Add(1)
	}
	slot, done, err := f.packer.reserve(len(stored), pack.Frame{
		Compression: c, Plain: uint32(len(f.plain)), Lengths: f.lengths, Digests: f.digests})
	if err != nil {
		return err
	}
	defer done()
	slot.Fill(stored)
	return e.prove(slot, c, f.plain)
}

// prove opens, decompresses and compares what was just sealed: nothing wrong
// may leave memory.
func (e *encoder) prove(slot pack.Slot, c seal.Compression, plain []byte) error {
	var err error
	if e.back, err = slot.Unseal(e.back[:0]); err != nil {
		e.s.stats.Rejects.Add(1)
		return errkind.Wrap(errkind.Internal, err, "frame does not open after sealing: the machine's memory or processor is faulty, nothing of it was stored")
	}
	got := e.back
	if c != seal.Stored {
		if e.out, err = e.z.Expand(e.out[:0], c, e.back, len(plain)); err == nil {
			got = e.out
		}
	}
	if err != nil || !bytes.Equal(got, plain) {
		e.s.stats.Rejects.Add(1)
		return errkind.New(errkind.Internal, "frame differs after sealing and opening: the machine's memory or processor is faulty, nothing of it was stored")
	}
	return nil
}
