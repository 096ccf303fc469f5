package vault

import (
	"sync"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// How many packs of a kind exist at once: one being filled, one on its way to
// the store, of data one more being hashed.
const (
	dataPackBuffers = 3
	treePackBuffers = 2
)

// packer fills packs of one kind.
type packer struct {
	s       *Session
	kind    seal.ChunkKind
	room    int // bytes of frames in a pack
	size    int // of a buffer at most, with room for directory and padding
	buffers chan []byte

	mu  sync.Mutex // guards cur
	cur *openPack
}

type openPack struct {
	w       *pack.Writer
	buf     []byte
	pending sync.WaitGroup // frames reserved and not yet filled
}

func newPacker(s *Session, kind seal.ChunkKind, room, size, buffers int) *packer {
	p := &packer{s: s, kind: kind, room: room, size: size, buffers: make(chan []byte, buffers)}
	for range buffers {
		p.buffers <- nil // allocated at first use
	}
	return p
}

// reserve makes room for one frame in a pack. done must be called when the
// slot is filled.
func (p *packer) reserve(n int, f pack.Frame) (pack.Slot, func(), error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cur != nil && (p.cur.w.Len()+n+seal.Overhead > p.room || p.cur.w.Chunks()+len(f.Lengths) > packChunks) {
		p.ship()
	}
	if p.cur == nil {
		if err := p.open(); err != nil {
			return pack.Slot{}, nil, err
		}
	}
	slot, ok := p.cur.w.Reserve(n, f)
	for !ok {
		if cap(p.cur.buf) >= p.size {
			return pack.Slot{}, nil, errkind.New(errkind.Internal, "a frame of %d bytes does not fit into an empty pack", n)
		}
		p.grow()
		slot, ok = p.cur.w.Reserve(n, f)
	}
	p.cur.pending.Add(1)
	return slot, p.cur.pending.Done, nil
}

// grow moves the current pack to a larger buffer, when the frames on their way
// into the old one are there. A small session thus needs little memory.
func (p *packer) grow() {
	p.cur.pending.Wait()
	p.cur.buf = make([]byte, 0, p.size)
	p.cur.w.Move(p.cur.buf)
}

func (p *packer) open() error {
	var buf []byte
	select {
	case buf = <-p.buffers:
	case <-p.s.ctx.Done():
		return p.s.cause(p.s.ctx.Err())
	}
	if buf == nil {
		buf = make([]byte, 0, packBufferStart)
	}
	sealer := seal.New(p.kind.Magic(), p.s.v.store.Vault, p.s.v.store.Ring.Current, p.s.id, p.s.key)
	p.cur = &openPack{w: pack.NewWriter(buf, p.kind, p.s.v.store.Vault, sealer), buf: buf}
	return nil
}

// ship sends the current pack to the store in the background. The caller
// holds mu.
func (p *packer) ship() {
	full := p.cur
	p.cur = nil
	if full == nil {
		return
	}
	p.s.work.Go(func() error {
		full.pending.Wait()
		if err := p.s.ctx.Err(); err != nil {
			return err
		}
		info, data, err := full.w.Finish()
		if err != nil {
			return err
		}
		info.Kind = p.kind
		_, err = p.s.v.store.Bucket.Put(p.s.ctx, pack.Object(p.kind, info.Name), data, blob.PutOptions{Lock: p.s.provisionalLock(), SHA256: info.Name, Hashed: true})
		if err != nil {
			return err
		}
		if err := p.s.packStored(info); err != nil {
			return err
		}
		p.buffers <- full.buf
		return nil
	})
}

// flush ships what is there.
func (p *packer) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ship()
}
