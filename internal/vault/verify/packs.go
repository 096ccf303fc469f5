package verify

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/reader"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"golang.org/x/sync/errgroup"
)

// packsAtOnce bounds the packs in memory: one for each processor, but a
// machine with many need not hold them all.
func packsAtOnce() int { return min(max(runtime.GOMAXPROCS(0), 2), 4) }

// packBytes reads every pack whole.
func (w *verifier) packBytes(ctx context.Context) error {
	var mu sync.Mutex // guards problems, badFrame, suspect and counters while packs are read
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(packsAtOnce())
	buffers := sync.Pool{New: func() any { return new(packCheck) }}
	for _, i := range w.infos {
		kind, name, ok := pack.ParseObject(i.Name)
		if !ok || w.set.Pack(name) == nil && w.byObject[i.Name] != nil {
			continue
		}
		g.Go(func() error {
			b := buffers.Get().(*packCheck) //nolint:forcetypeassert // nothing else is put
			defer buffers.Put(b)
			c, err := w.onePack(ctx, b, kind, name, i)
			mu.Lock()
			defer mu.Unlock()
			w.step(i.Size)
			w.report.Frames += c.Frames
			w.report.Chunks += c.Chunks
			for _, n := range c.Bad {
				w.badFrame[reader.FrameKey{Pack: name, Frame: n}] = true
			}
			w.suspect[name] = w.suspect[name] || err != nil
			return w.finding(i.Name, err)
		})
	}
	return g.Wait()
}

// packCheck is the memory that checking a pack takes.
type packCheck struct {
	data    []byte
	checker pack.Checker
}

// onePack checks a pack's bytes.
func (w *verifier) onePack(ctx context.Context, b *packCheck, kind seal.ChunkKind, name pack.Name, i blob.Info) (pack.Checked, error) {
	if i.Size > pack.MaxSize {
		return pack.Checked{}, errkind.New(errkind.Damaged, "impossible length %d", i.Size)
	}
	b.data = slices.Grow(b.data[:0], int(i.Size))[:i.Size]
	if n, err := w.store.Bucket.ReadAt(ctx, i.Name, b.data, 0); n < len(b.data) {
		if err == nil || objects.IsEOF(err) {
			err = errkind.New(errkind.Damaged, "cut short while it was read")
		}
		return pack.Checked{}, err
	}
	z := w.store.Zippers.Get()
	defer w.store.Zippers.Put(z)
	c := b.checker.Check(kind, w.store.Vault, w.store.Ring, z, name, b.data)
	if c.Unread {
		c.Bad = w.unreadable(b, z, name)
	}
	return c, c.Err
}

// unreadable lists the frames of a pack without a directory that cannot be
// read by the index either.
func (w *verifier) unreadable(b *packCheck, z *seal.Zipper, name pack.Name) []uint32 {
	p := w.set.Pack(name)
	if p == nil {
		return nil
	}
	var bad []uint32
	reader := w.reader()
	for n := range p.Frames {
		span := p.Frames[n]
		end := int64(span.Offset) + int64(span.Sealed)
		if end <= int64(len(b.data)) {
			if _, err := reader.OpenFrame(context.Background(), z, p, uint32(n), b.data[span.Offset:end], nil, nil); err == nil {
				continue
			}
		}
		bad = append(bad, uint32(n))
	}
	return bad
}
