// Package reader reads points: tree nodes, chunks one by one or many in the order
// in which they lie in packs, paths, and what differs between two points.
package reader

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/inventory"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Reader reads points. It keeps a bounded cache of opened frames and may be
// used from many goroutines.
type Reader struct {
	store *objects.Store
	packs *inventory.Inventory

	mu     sync.Mutex // guards all below
	set    *inventory.Set
	broken map[FrameKey]error // frames that do not open, asked for once
	cache  map[FrameKey][]byte
	order  []FrameKey
	held   int
	heads  map[pack.Name]*seal.Sealer

	ranges sync.Pool // of *fetched
}

// FrameKey names a frame.
type FrameKey struct {
	Pack  pack.Name
	Frame uint32
}

// maxHeads bounds the packs whose keys a reader remembers.
const maxHeads = 4096

// cacheRoom bounds the opened frames a reader keeps, in bytes.
const cacheRoom = 16 << 20

// New makes a reader of what a set of packs has.
func New(store *objects.Store, packs *inventory.Inventory, set *inventory.Set) *Reader {
	return &Reader{store: store, packs: packs, set: set, cache: map[FrameKey][]byte{}, broken: map[FrameKey]error{}, heads: map[pack.Name]*seal.Sealer{}}
}

// Node reads a tree node.
func (r *Reader) Node(ctx context.Context, d tree.Digest) ([]byte, error) {
	return r.Any(ctx, seal.TreeChunk, d)
}

// Chunk reads a chunk of data.
func (r *Reader) Chunk(ctx context.Context, d tree.Digest) ([]byte, error) {
	return r.Any(ctx, seal.DataChunk, d)
}

// Any reads a chunk of either kind: it tries all places of a chunk until one gives the right bytes.
func (r *Reader) Any(ctx context.Context, kind seal.ChunkKind, d tree.Digest) ([]byte, error) {
	id := index.ID(r.store.ChunkID(kind, d))
	var places []index.Place
	err := r.look(ctx, func(set *inventory.Set) { places = set.Places(id) })
	if err != nil {
		return nil, err
	}
	if len(places) == 0 {
		return nil, errkind.New(errkind.Damaged, "chunk %s is in no usable pack", d)
	}
	for _, p := range places {
		var plain []byte
		if plain, err = r.Frame(ctx, p.Pack, p.Frame); err != nil {
			if ctx.Err() != nil || !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound) {
				return nil, err
			}
			continue
		}
		if plain, err = Cut(plain, p, d); err == nil {
			return plain, nil
		}
	}
	return nil, errkind.Wrap(errkind.Damaged, err, "chunk %s", d)
}

// look has fn look something up. Where the index is found damaged, it is read
// again, and fn is called once more.
func (r *Reader) look(ctx context.Context, fn func(*inventory.Set)) error {
	r.mu.Lock()
	set := r.set
	r.mu.Unlock()
	if fn(set); set.Err() == nil {
		return nil
	}
	set, err := r.packs.Read(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.set = set
	r.mu.Unlock()
	fn(set)
	return set.Err()
}

// Cut cuts a chunk out of the frame that has it, and checks it.
func Cut(plain []byte, p index.Place, d tree.Digest) ([]byte, error) {
	from, to := uint64(p.Offset), uint64(p.Offset)+uint64(p.Length)
	if to > uint64(len(plain)) || tree.DigestOf(plain[from:to]) != d {
		return nil, errkind.New(errkind.Damaged, "pack %s frame %d does not hold chunk %s where the index says", p.Pack.Name, p.Frame, d)
	}
	return plain[from:to], nil
}

// Frame opens one frame, from the cache where it can.
func (r *Reader) Frame(ctx context.Context, p *index.Pack, number uint32) ([]byte, error) {
	key := FrameKey{p.Name, number}
	r.mu.Lock()
	plain, ok := r.cache[key]
	broken := r.broken[key]
	r.mu.Unlock()
	if ok || broken != nil {
		return plain, broken
	}
	span := p.Frames[number]
	sealed, err := r.store.ReadRange(ctx, pack.Object(p.Kind, p.Name), int64(span.Offset), int64(span.Offset)+int64(span.Sealed))
	if err != nil {
		return nil, err
	}
	z := r.store.Zippers.Get()
	defer r.store.Zippers.Put(z)
	if plain, err = r.OpenFrame(ctx, z, p, number, sealed, nil, nil); err != nil {
		if errkind.Is(err, errkind.Damaged) {
			r.mu.Lock()
			r.broken[key] = err
			r.mu.Unlock()
		}
		return nil, err
	}
	r.keep(key, plain)
	return plain, nil
}

// OpenFrame unseals and expands a frame's bytes. scratch and dst may be nil.
func (r *Reader) OpenFrame(ctx context.Context, z *seal.Zipper, p *index.Pack, number uint32, sealed, scratch, dst []byte) ([]byte, error) {
	s, err := r.sealer(ctx, p)
	if err != nil {
		return nil, err
	}
	span := p.Frames[number]
	stored, err := s.Unseal(scratch[:0], number, sealed)
	if err == nil {
		stored, err = pack.OpenFrame(dst[:0], z, span.Compression, stored, span.Plain)
	}
	if err != nil {
		return nil, errkind.Wrap(errkind.Damaged, err, "pack %s", p.Name)
	}
	return stored, nil
}

// sealer gives a pack's sealer, reading its head at first use.
func (r *Reader) sealer(ctx context.Context, p *index.Pack) (*seal.Sealer, error) {
	r.mu.Lock()
	s := r.heads[p.Name]
	r.mu.Unlock()
	if s != nil {
		return s, nil
	}
	head, err := r.store.ReadRange(ctx, pack.Object(p.Kind, p.Name), 0, pack.FramesAt)
	if err != nil {
		return nil, err
	}
	if s, err = pack.OpenHead(p.Kind, r.store.Vault, head, r.store.Ring); err != nil {
		return nil, errkind.Wrap(objects.Damage(err), err, "pack %s", p.Name)
	}
	r.mu.Lock()
	if len(r.heads) >= maxHeads {
		clear(r.heads)
	}
	r.heads[p.Name] = s
	r.mu.Unlock()
	return s, nil
}

func (r *Reader) keep(key FrameKey, plain []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.cache[key]; ok {
		return
	}
	r.cache[key] = plain
	r.order = append(r.order, key)
	r.held += len(plain)
	for r.held > cacheRoom && len(r.order) > 1 {
		old := r.order[0]
		r.order = r.order[1:]
		r.held -= len(r.cache[old])
		delete(r.cache, old)
	}
}

// Root reads the entry of a point's root.
func (r *Reader) Root(ctx context.Context, root tree.Digest) (tree.Entry, error) {
	return tree.GetRoot(ctx, r.Node, root)
}

// ReadDir calls fn for the entries of a directory in order. broken is called
// for a node that cannot be had and decides by its result whether to go on (nil) or end;
// a nil broken ends with the error.
func (r *Reader) ReadDir(ctx context.Context, dir tree.Digest, broken func(tree.Digest, error) error, fn func(tree.Entry) error) error {
	return tree.Walk(ctx, r.Node, dir, tree.Nodes{Broken: broken}, fn)
}

// Chunks calls fn for each chunk of a content stream in order.
func (r *Reader) Chunks(ctx context.Context, c *tree.Content, fn func(d tree.Digest, length int64) error) error {
	return tree.WalkContent(ctx, r.Node, c, nil, func(it tree.ListItem) error { return fn(it.Digest, it.Length) })
}

// Find gives the entry at a path within a point, by its slash-separated bytes
// relative to the root; "" is the root itself.
func (r *Reader) Find(ctx context.Context, root tree.Digest, parts []string) (tree.Entry, error) {
	e, err := r.Root(ctx, root)
	if err != nil {
		return e, err
	}
	for i, part := range parts {
		if e.Kind != tree.Dir {
			return e, errkind.New(errkind.NotFound, "%q is not a folder in this point", strings.Join(parts[:i], "/"))
		}
		found := false
		err := r.ReadDir(ctx, *e.Tree, nil, func(c tree.Entry) error {
			if string(c.Name) == part {
				e, found = c, true
				return errFound
			}
			return nil
		})
		if err != nil && err != errFound { //nolint:errorlint // our own marker, never wrapped
			return e, fmt.Errorf("look for %q: %w", part, err)
		}
		if !found {
			return e, errkind.New(errkind.NotFound, "there is no %q in this point; `counterfoil point ls POINT -R` lists what it holds", strings.Join(parts[:i+1], "/"))
		}
	}
	return e, nil
}

var errFound = errkind.New(errkind.Internal, "found") // ends a walk early
