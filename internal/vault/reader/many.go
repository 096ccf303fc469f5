package reader

import (
	"cmp"
	"context"
	"slices"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/inventory"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
	"golang.org/x/sync/errgroup"
)

// Want is one chunk to be read by [Reader.ReadMany].
type Want struct {
	Digest tree.Digest
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
func (r *Reader) place(ctx context.Context, d tree.Digest) (p index.Place, ok bool, err error) {
	id := index.ID(r.store.ChunkID(seal.DataChunk, d))
	err = r.look(ctx, func(set *inventory.Set) {
		if p, ok = set.Usable(id); ok {
			return
		}
		if places := set.Places(id); len(places) > 0 {
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
	err := r.store.ReadInto(ctx, pack.Object(first.Pack.Kind, first.Pack.Name), m.data, from)
	if err != nil && !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound) {
		return err
	}
	z := r.store.Zippers.Get()
	defer r.store.Zippers.Put(z)
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
		plain, err := r.OpenFrame(ctx, z, part[0].place.Pack, part[0].place.Frame, m.data[at:at+int64(span.Sealed)], m.scratch, m.plain[:0])
		if bad = err; err == nil {
			m.plain = plain
		}
	}
	for _, w := range part {
		got := Got{Want: w.Want, Offset: int(w.place.Offset), Err: bad}
		if got.Err == nil {
			got.Data, got.Err = Cut(m.plain, w.place, w.Digest)
		}
		if got.Err != nil {
			got.Data, got.Err = r.Any(ctx, seal.DataChunk, w.Digest)
			got.Offset = -1
		}
		if got.Err != nil && !errkind.Is(got.Err, errkind.Damaged) {
			return got.Err
		}
		m.got = append(m.got, got)
	}
	return nil
}
