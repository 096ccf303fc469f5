package vault

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Reader reads points. It keeps a bounded cache of opened frames and may be
// used from many goroutines.
type Reader struct {
	v *Vault

	mu     sync.Mutex // guards all below
	set    *packSet
	broken map[frameKey]error // frames that do not open, asked for once
	cache  map[frameKey][]byte
	order  []frameKey
	held   int
	heads  map[pack.Name]*seal.Sealer

	ranges sync.Pool // of *fetched
}

type frameKey struct {
	pack  pack.Name
	frame uint32
}

// maxHeads bounds the packs whose keys a reader remembers.
const maxHeads = 4096

// cacheRoom bounds the opened frames a reader keeps, in bytes.
const cacheRoom = 16 << 20

// NewReader makes a reader over the vault as it is now.
func (v *Vault) NewReader(ctx context.Context) (*Reader, error) {
	set, err := v.loadPacks(ctx)
	if err != nil {
		return nil, err
	}
	return v.newReader(set), nil
}

func (v *Vault) newReader(set *packSet) *Reader {
	return &Reader{v: v, set: set, cache: map[frameKey][]byte{}, broken: map[frameKey]error{}, heads: map[pack.Name]*seal.Sealer{}}
}

// Node reads a tree node.
func (r *Reader) Node(ctx context.Context, d Digest) ([]byte, error) {
	return r.chunk(ctx, seal.TreeChunk, d)
}

// Chunk reads a chunk of data.
func (r *Reader) Chunk(ctx context.Context, d Digest) ([]byte, error) {
	return r.chunk(ctx, seal.DataChunk, d)
}

// chunk tries all places of a chunk until one gives the right bytes.
func (r *Reader) chunk(ctx context.Context, kind seal.ChunkKind, d Digest) ([]byte, error) {
	id := index.ID(r.v.domain.ChunkID(kind, d))
	var places []index.Place
	err := r.look(ctx, func(set *packSet) { places = set.places(id) })
	if err != nil {
		return nil, err
	}
	if len(places) == 0 {
		return nil, errkind.New(errkind.Damaged, "chunk %s is in no usable pack", d)
	}
	for _, p := range places {
		var plain []byte
		if plain, err = r.frame(ctx, p.Pack, p.Frame); err != nil {
			if ctx.Err() != nil || !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound) {
				return nil, err
			}
			continue
		}
		if plain, err = cutPlace(plain, p, d); err == nil {
			return plain, nil
		}
	}
	return nil, errkind.Wrap(errkind.Damaged, err, "chunk %s", d)
}

// look has fn look something up. Where the index is found damaged, it is read
// again, and fn is called once more.
func (r *Reader) look(ctx context.Context, fn func(*packSet)) error {
	r.mu.Lock()
	set := r.set
	r.mu.Unlock()
	if fn(set); set.err() == nil {
		return nil
	}
	set, err := r.v.readPackSet(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.set = set
	r.mu.Unlock()
	fn(set)
	return set.err()
}

func cutPlace(plain []byte, p index.Place, d Digest) ([]byte, error) {
	from, to := uint64(p.Offset), uint64(p.Offset)+uint64(p.Length)
	if to > uint64(len(plain)) || tree.DigestOf(plain[from:to]) != d {
		return nil, errkind.New(errkind.Damaged, "pack %s frame %d does not hold chunk %s where the index says", p.Pack.Name, p.Frame, d)
	}
	return plain[from:to], nil
}

// frame opens one frame, from the cache where it can.
func (r *Reader) frame(ctx context.Context, p *index.Pack, number uint32) ([]byte, error) {
	key := frameKey{p.Name, number}
	r.mu.Lock()
	plain, ok := r.cache[key]
	broken := r.broken[key]
	r.mu.Unlock()
	if ok || broken != nil {
		return plain, broken
	}
	span := p.Frames[number]
	sealed, err := r.v.readRange(ctx, pack.Object(p.Kind, p.Name), int64(span.Offset), int64(span.Offset)+int64(span.Sealed))
	if err != nil {
		return nil, err
	}
	z := r.v.zippers.Get()
	defer r.v.zippers.Put(z)
	if plain, err = r.openFrame(ctx, z, p, number, sealed, nil, nil); err != nil {
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

// openFrame unseals and expands a frame's bytes. scratch and dst may be nil.
func (r *Reader) openFrame(ctx context.Context, z *seal.Zipper, p *index.Pack, number uint32, sealed, scratch, dst []byte) ([]byte, error) {
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
	head, err := r.v.readRange(ctx, pack.Object(p.Kind, p.Name), 0, pack.FramesAt)
	if err != nil {
		return nil, err
	}
	if s, err = pack.OpenHead(p.Kind, r.v.header.Vault, head, r.v.ring); err != nil {
		return nil, errkind.Wrap(damagedUnlessNewer(err), err, "pack %s", p.Name)
	}
	r.mu.Lock()
	if len(r.heads) >= maxHeads {
		clear(r.heads)
	}
	r.heads[p.Name] = s
	r.mu.Unlock()
	return s, nil
}

func (r *Reader) keep(key frameKey, plain []byte) {
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
func (r *Reader) Root(ctx context.Context, root Digest) (Entry, error) {
	return tree.GetRoot(ctx, r.Node, root)
}

// ReadDir calls fn for the entries of a directory in order. broken is called
// for a node that cannot be had and decides by its result whether to go on (nil) or end;
// a nil broken ends with the error.
func (r *Reader) ReadDir(ctx context.Context, dir Digest, broken func(Digest, error) error, fn func(Entry) error) error {
	return tree.Walk(ctx, r.Node, dir, tree.Nodes{Broken: broken}, fn)
}

// Chunks calls fn for each chunk of a content stream in order.
func (r *Reader) Chunks(ctx context.Context, c *Content, fn func(d Digest, length int64) error) error {
	return tree.WalkContent(ctx, r.Node, c, nil, func(it tree.ListItem) error { return fn(it.Digest, it.Length) })
}

// Want is one chunk to be read by [Reader.ReadMany].
type Want struct {
	Digest Digest
	// Tag is the caller's.
	Tag int
}

// fetchGap is how many unwanted bytes between two frames are read along rather
// than asking twice; fetchMax bounds one range.
const (
	fetchGap = 256 << 10
	fetchMax = 4 << 20
)

type placed struct {
	Want
	place index.Place
}

// Got is what came of one [Want].
type Got struct {
	Want
	// Data are the chunk's checked bytes, until the call they are given to
	// returns. Neighbours whose Offset fits lie one after the other in memory.
	Data   []byte
	Offset int
	// Err is of kind Damaged when the chunk cannot be had.
	Err error
}

// ReadMany reads chunks in the order in which they lie in packs: every frame
// is fetched and opened once, near ranges together, two at a time. fn is called from
// several goroutines, once with each want, those of a frame together. An error of
// fn or of the store ends the work and is returned.
func (r *Reader) ReadMany(ctx context.Context, wants []Want, fn func([]Got) error) error {
	list := make([]placed, 0, len(wants))
	for _, w := range wants {
		p, ok, err := r.place(ctx, w.Digest)
		if err != nil {
			return err
		}
		if !ok {
			if err := fn([]Got{{Want: w, Err: errkind.New(errkind.Damaged, "chunk %s is in no usable pack", w.Digest)}}); err != nil {
				return err
			}
			continue
		}
		list = append(list, placed{Want: w, place: p})
	}
	slices.SortStableFunc(list, func(a, b placed) int {
		if c := slices.Compare(a.place.Pack.Name[:], b.place.Pack.Name[:]); c != 0 {
			return c
		}
		if a.place.Frame != b.place.Frame {
			return int(a.place.Frame) - int(b.place.Frame)
		}
		return int(a.place.Offset) - int(b.place.Offset)
	})
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for len(list) > 0 && inner.Err() == nil {
		n := rangeEnd(list)
		part := list[:n]
		list = list[n:]
		g.Go(func() error { return r.readRanges(inner, part, fn) })
	}
	return cmp.Or(g.Wait(), ctx.Err())
}

// place gives the first place to read a chunk of data from.
func (r *Reader) place(ctx context.Context, d Digest) (p index.Place, ok bool, err error) {
	id := index.ID(r.v.domain.ChunkID(seal.DataChunk, d))
	err = r.look(ctx, func(set *packSet) {
		if p, ok = set.place(id); ok {
			return
		}
		if places := set.places(id); len(places) > 0 {
			p, ok = places[0], true
		}
	})
	return p, ok, err
}

// rangeEnd tells how many of the wants at the front are read with one range.
func rangeEnd(list []placed) int {
	first := list[0].place
	end := int64(first.Span().Offset) + int64(first.Span().Sealed)
	for i := 1; i < len(list); i++ {
		p := list[i].place
		to := int64(p.Span().Offset) + int64(p.Span().Sealed)
		if p.Pack.Name != first.Pack.Name || int64(p.Span().Offset) > end+fetchGap || to-int64(first.Span().Offset) > fetchMax && to != end {
			return i
		}
		end = max(end, to)
	}
	return len(list)
}

// fetched is the memory that one range takes, used again for the next.
type fetched struct {
	data, scratch, plain []byte
	got                  []Got
}

// readRanges fetches the range of part and serves it frame by frame. What does
// not open there is looked for elsewhere.
func (r *Reader) readRanges(ctx context.Context, part []placed, fn func([]Got) error) error {
	m, ok := r.ranges.Get().(*fetched)
	if !ok {
		m = new(fetched)
	}
	defer r.ranges.Put(m)
	first, last := part[0].place, part[len(part)-1].place
	from := int64(first.Span().Offset)
	n := int(int64(last.Span().Offset) + int64(last.Span().Sealed) - from)
	m.data = slices.Grow(m.data[:0], n)[:n]
	err := r.v.readInto(ctx, pack.Object(first.Pack.Kind, first.Pack.Name), m.data, from)
	if err != nil && !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound) {
		return err
	}
	z := r.v.zippers.Get()
	defer r.v.zippers.Put(z)
	for len(part) > 0 {
		n := 1
		for n < len(part) && part[n].place.Frame == part[0].place.Frame {
			n++
		}
		if err := r.serve(ctx, z, m, part[:n], from, err); err != nil {
			return err
		}
		if err := fn(m.got); err != nil {
			return err
		}
		part = part[n:]
	}
	return nil
}

// serve opens the frame of part, whose bytes were read at from unless bad says
// why not, and cuts the wants out of it.
func (r *Reader) serve(ctx context.Context, z *seal.Zipper, m *fetched, part []placed, from int64, bad error) error {
	m.got = m.got[:0]
	if bad == nil {
		span := part[0].place.Span()
		at := int64(span.Offset) - from
		m.scratch = slices.Grow(m.scratch[:0], int(span.Sealed))
		plain, err := r.openFrame(ctx, z, part[0].place.Pack, part[0].place.Frame, m.data[at:at+int64(span.Sealed)], m.scratch, m.plain[:0])
		if bad = err; err == nil {
			m.plain = plain
		}
	}
	for _, w := range part {
		got := Got{Want: w.Want, Offset: int(w.place.Offset), Err: bad}
		if got.Err == nil {
			got.Data, got.Err = cutPlace(m.plain, w.place, w.Digest)
		}
		if got.Err != nil {
			got.Data, got.Err = r.chunk(ctx, seal.DataChunk, w.Digest)
			got.Offset = -1
		}
		if got.Err != nil && !errkind.Is(got.Err, errkind.Damaged) {
			return got.Err
		}
		m.got = append(m.got, got)
	}
	return nil
}

// Find gives the entry at a path within a point, by its slash-separated bytes
// relative to the root; "" is the root itself.
func (r *Reader) Find(ctx context.Context, root Digest, parts []string) (Entry, error) {
	e, err := r.Root(ctx, root)
	if err != nil {
		return e, err
	}
	for i, part := range parts {
		if e.Kind != Dir {
			return e, errkind.New(errkind.NotFound, "%q is not a folder in this point", strings.Join(parts[:i], "/"))
		}
		found := false
		err := r.ReadDir(ctx, *e.Tree, nil, func(c Entry) error {
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
