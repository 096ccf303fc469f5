package vault

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// packBytes reads every pack whole, two at a time.
func (w *verifier) packBytes(ctx context.Context) error {
	var mu sync.Mutex // guards problems, badFrame, suspect and counters while packs are read
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	buffers := sync.Pool{}
	for _, i := range w.infos {
		kind, name, ok := pack.ParseObject(i.Name)
		if !ok || w.set.pack(name) == nil && w.byObject[i.Name] != nil {
			continue
		}
		g.Go(func() error {
			b, _ := buffers.Get().(*packCheck)
			if b == nil {
				b = &packCheck{}
			}
			defer buffers.Put(b)
			err := w.onePack(ctx, b, kind, name, i)
			mu.Lock()
			defer mu.Unlock()
			w.step(i.Size)
			w.report.Frames += b.frames
			w.report.Chunks += b.chunks
			for _, n := range b.bad {
				w.badFrame[frameKey{name, n}] = true
			}
			w.suspect[name] = w.suspect[name] || err != nil
			return w.finding(i.Name, err)
		})
	}
	return g.Wait()
}

// packCheck is the memory that checking a pack takes, and what came of it.
type packCheck struct {
	data           []byte
	lanes          [2]lane
	frames, chunks int64
	bad            []uint32
}

// lane checks frames of a pack, one after the other; a pack has two at work.
type lane struct {
	stored, plain []byte
	chunks        int64
	bad           []badFrame
}

type badFrame struct {
	number uint32
	at     int64
	err    error
}

// onePack checks a pack's name, directory, frames and chunks. Which frames are
// bad is in b; the error describes the first fault.
func (w *verifier) onePack(ctx context.Context, b *packCheck, kind seal.ChunkKind, name pack.Name, i blob.Info) error {
	b.frames, b.chunks, b.bad = 0, 0, b.bad[:0]
	if i.Size > pack.MaxSize {
		return errkind.New(errkind.Damaged, "impossible length %d", i.Size)
	}
	b.data = slices.Grow(b.data[:0], int(i.Size))[:i.Size]
	if n, err := w.v.bucket.ReadAt(ctx, i.Name, b.data, 0); n < len(b.data) {
		if err == nil || isEOF(err) {
			err = errkind.New(errkind.Damaged, "cut short while it was read")
		}
		return err
	}
	var fault error
	if sha256.Sum256(b.data) != name {
		fault = errkind.New(errkind.Damaged, "its bytes do not have the SHA-256 of its name")
	}
	sealer, frames, err := w.openPack(b.data, kind)
	if err != nil {
		w.markAll(b, name)
		return errkind.Wrap(errkind.Damaged, err, "its directory cannot be read")
	}
	if pack.FramesEnd(frames) > i.Size {
		return errkind.New(errkind.Damaged, "its directory lists frames beyond its end")
	}
	for _, x := range w.checkFrames(b, sealer, frames) {
		b.bad = append(b.bad, x.number)
		fault = errkind.Wrap(errkind.Damaged, x.err, "its bytes do not have the SHA-256 of its name, at offset %d", x.at)
	}
	return fault
}

// checkFrames opens every frame and gives the bad ones in order.
func (w *verifier) checkFrames(b *packCheck, sealer *seal.Sealer, frames []pack.Frame) []badFrame {
	starts := make([]int64, len(frames)+1)
	starts[0] = pack.FramesAt
	for n := range frames {
		starts[n+1] = starts[n] + int64(frames[n].Sealed)
	}
	var next atomic.Int64
	var work sync.WaitGroup
	for k := range b.lanes {
		l := &b.lanes[k]
		l.chunks, l.bad = 0, l.bad[:0]
		work.Go(func() {
			z := w.v.zippers.Get()
			defer w.v.zippers.Put(z)
			for n := next.Add(1) - 1; n < int64(len(frames)); n = next.Add(1) - 1 {
				if err := l.frame(sealer, z, uint32(n), &frames[n], b.data[starts[n]:starts[n+1]]); err != nil {
					l.bad = append(l.bad, badFrame{uint32(n), starts[n], err})
				}
			}
		})
	}
	work.Wait()
	var bad []badFrame
	for k := range b.lanes {
		b.chunks += b.lanes[k].chunks
		bad = append(bad, b.lanes[k].bad...)
	}
	b.frames += int64(len(frames) - len(bad))
	slices.SortFunc(bad, func(x, y badFrame) int { return cmp.Compare(x.number, y.number) })
	return bad
}

func (w *verifier) openPack(data []byte, kind seal.ChunkKind) (*seal.Sealer, []pack.Frame, error) {
	size := int64(len(data))
	from, to, err := pack.DirectoryAt(data, size)
	if err != nil {
		return nil, nil, err
	}
	s, err := pack.OpenHead(kind, w.v.header.Vault, data, w.v.ring)
	if err != nil {
		return nil, nil, err
	}
	frames, err := pack.ParseDirectory(s, data[from:to])
	return s, frames, err
}

// markAll takes every frame of a pack as bad unless it can still be read by the
// index; the trees' walk finds out which.
func (w *verifier) markAll(b *packCheck, name pack.Name) {
	p := w.set.pack(name)
	if p == nil {
		return
	}
	reader := w.v.newReader(w.set)
	for n := range p.Frames {
		span := p.Frames[n]
		end := int64(span.Offset) + int64(span.Sealed)
		if end <= int64(len(b.data)) {
			z := w.v.zippers.Get()
			_, err := reader.openFrame(context.Background(), z, p, uint32(n), b.data[span.Offset:end], nil, nil)
			w.v.zippers.Put(z)
			if err == nil {
				continue
			}
		}
		b.bad = append(b.bad, uint32(n))
	}
}

func (b *lane) frame(s *seal.Sealer, z *seal.Zipper, n uint32, f *pack.Frame, sealed []byte) error {
	var err error
	if b.stored, err = s.Unseal(b.stored[:0], n, sealed); err != nil {
		return err
	}
	plain, err := pack.OpenFrame(b.plain[:0], z, f.Compression, b.stored, f.Plain)
	if err != nil {
		return fmt.Errorf("frame %d: %w", n, err)
	}
	b.plain = plain
	at := uint32(0)
	for i, length := range f.Lengths {
		if tree.DigestOf(b.plain[at:at+length]) != f.Digest(i) {
			return errkind.New(errkind.Damaged, "frame %d: chunk %d has not the digest in the directory", n, i)
		}
		at += length
	}
	b.chunks += int64(len(f.Lengths))
	return nil
}

// pointTrees walks every point and checks that each chunk it refers to has a
// whole place. A subtree found whole is not walked again for another point.
func (w *verifier) pointTrees(ctx context.Context) error {
	t := &treeCheck{w: w, ctx: ctx, whole: map[Digest]bool{}, reader: w.v.newReader(w.set)}
	for _, p := range w.points {
		if err := t.point(ctx, p); err != nil {
			return err
		}
		if t.err != nil {
			return t.err
		}
	}
	return nil
}

type treeCheck struct {
	w      *verifier
	ctx    context.Context
	reader *Reader
	whole  map[Digest]bool
	now    Point
	err    error // the store's, met where only yes or no can be said
}

func (t *treeCheck) point(ctx context.Context, p Point) error {
	t.now = p
	if !t.usable(seal.TreeChunk, p.Envelope.Root, "/") {
		return nil
	}
	root, err := t.reader.Root(ctx, p.Envelope.Root)
	if err != nil {
		return t.w.finding(p.Object, err)
	}
	if root.Kind != Dir {
		_, err := t.file(ctx, "/", root)
		return err
	}
	_, err = t.dir(ctx, *root.Tree, "")
	return err
}

// dir reports whether everything below is whole.
func (t *treeCheck) dir(ctx context.Context, d Digest, path string) (bool, error) {
	if t.whole[d] {
		return true, nil
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	ok := true
	var below []Entry
	nodes := tree.Nodes{
		Node: func(n Digest) bool {
			if t.usable(seal.TreeChunk, n, path+"/") {
				return true
			}
			ok = false
			return false
		},
		Broken: func(n Digest, err error) error {
			if !errkind.Is(err, errkind.Damaged) {
				return err // the store's trouble is not damage
			}
			ok = false
			t.lost(seal.TreeChunk, n, path+"/", err)
			return nil
		},
	}
	err := tree.Walk(ctx, t.reader.Node, d, nodes, func(e Entry) error {
		if e.Kind == Dir {
			below = append(below, e)
			return nil
		}
		whole, err := t.file(ctx, join(path, e.Name), e)
		ok = ok && whole
		return err
	})
	if err != nil {
		return false, err
	}
	for _, e := range below {
		whole, err := t.dir(ctx, *e.Tree, join(path, e.Name))
		if err != nil {
			return false, err
		}
		ok = ok && whole
	}
	if ok {
		t.whole[d] = true
	}
	return ok, nil
}

func join(path string, name []byte) string {
	if path == "" {
		return string(name)
	}
	return path + "/" + string(name)
}

func (t *treeCheck) file(ctx context.Context, path string, e Entry) (bool, error) {
	ok := true
	get := func(ctx context.Context, d Digest) ([]byte, error) {
		if !t.usable(seal.TreeChunk, d, path) {
			return nil, errFound
		}
		return t.reader.Node(ctx, d)
	}
	err := tree.WalkContent(ctx, get, e.Content, nil, func(it tree.ListItem) error {
		if !t.usable(seal.DataChunk, it.Digest, path) {
			ok = false
			return errFound // the file is lost; one finding is enough
		}
		return nil
	})
	switch {
	case err == nil:
		return ok, nil
	case err == errFound: //nolint:errorlint // our own marker, never wrapped
		return false, nil
	case errkind.Is(err, errkind.Damaged):
		t.w.problem(t.now.Object, err).affects(AffectedFile{Point: t.now.Envelope.ID, Path: path})
		return false, nil
	default:
		return false, err
	}
}

// usable reports whether a chunk has a whole place, and notes the file where
// it has none.
func (t *treeCheck) usable(kind seal.ChunkKind, d Digest, path string) bool {
	for _, p := range t.w.set.places(index.ID(t.w.v.domain.ChunkID(kind, d))) {
		if t.holds(p, d) {
			return true
		}
	}
	t.lost(kind, d, path, nil)
	return false
}

// holds reports whether a place has the chunk. In a pack with a fault only its
// bytes can tell: another pack may lie under its name, whole in itself.
func (t *treeCheck) holds(p index.Place, d Digest) bool {
	key := frameKey{p.Pack.Name, p.Frame}
	if t.w.badFrame[key] {
		return false
	}
	if !t.w.suspect[p.Pack.Name] {
		return true
	}
	plain, err := t.reader.frame(t.ctx, p.Pack, p.Frame)
	switch {
	case err == nil:
		_, err = cutPlace(plain, p, d)
		return err == nil
	case errkind.Is(err, errkind.Damaged), errkind.Is(err, errkind.NotFound):
		t.w.badFrame[key] = true
		return false
	default:
		t.err = err
		return true
	}
}

// lost notes a file against the pack that should have held the chunk.
func (t *treeCheck) lost(kind seal.ChunkKind, d Digest, path string, cause error) {
	object := ""
	id := index.ID(t.w.v.domain.ChunkID(kind, d))
	for _, table := range t.w.set.tables {
		table.Lookup(id, func(p index.Place) bool {
			object = pack.Object(p.Pack.Kind, p.Pack.Name)
			return false
		})
	}
	if cause == nil {
		cause = errkind.New(errkind.Damaged, "chunk %s is in no whole pack", d)
	}
	if object == "" {
		object = t.blame()
	}
	t.w.problem(object, cause).affects(AffectedFile{Point: t.now.Envelope.ID, Path: cmp.Or(strings.TrimPrefix(path, "/"), "/")})
}

// blame finds the pack of this point that is known to be wrong, for a chunk of
// which no directory tells where it was.
func (t *treeCheck) blame() string {
	objects, err := t.w.set.objects(t.now.Envelope)
	if err == nil {
		for _, o := range objects {
			if t.w.byObject[o] != nil {
				return o
			}
		}
	}
	return t.now.Object
}
