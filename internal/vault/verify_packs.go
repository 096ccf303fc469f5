package vault

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
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
		if !ok || w.set.pack(name) == nil && w.byObject[i.Name] != nil {
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
				w.badFrame[frameKey{name, n}] = true
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
	if n, err := w.v.bucket.ReadAt(ctx, i.Name, b.data, 0); n < len(b.data) {
		if err == nil || isEOF(err) {
			err = errkind.New(errkind.Damaged, "cut short while it was read")
		}
		return pack.Checked{}, err
	}
	z := w.v.zippers.Get()
	defer w.v.zippers.Put(z)
	c := b.checker.Check(kind, w.v.header.Vault, w.v.ring, z, name, b.data)
	if c.Unread {
		c.Bad = w.unreadable(b, z, name)
	}
	return c, c.Err
}

// unreadable lists the frames of a pack without a directory that cannot be
// read by the index either.
func (w *verifier) unreadable(b *packCheck, z *seal.Zipper, name pack.Name) []uint32 {
	p := w.set.pack(name)
	if p == nil {
		return nil
	}
	var bad []uint32
	reader := w.v.newReader(w.set)
	for n := range p.Frames {
		span := p.Frames[n]
		end := int64(span.Offset) + int64(span.Sealed)
		if end <= int64(len(b.data)) {
			if _, err := reader.openFrame(context.Background(), z, p, uint32(n), b.data[span.Offset:end], nil, nil); err == nil {
				continue
			}
		}
		bad = append(bad, uint32(n))
	}
	return bad
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
