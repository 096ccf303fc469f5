package index

import (
	"bytes"
	"slices"
)

// Input is what a table is made of: segments and other tables.
type Input interface {
	inputLen() uint64
	packCount() uint32
	// packCursor gives the packs in the order of their names, with their
	// numbers, until ok is false.
	packCursor() func() (h packHeader, number uint32, ok bool, err error)
	spans(number uint32) ([]Span, error)
	// cursor gives the entries in order, until it gives nil.
	cursor() func() ([]byte, error)
	names() [][32]byte
}

// Named is a segment with the name it has in the store.
type Named struct {
	*Segment
	Name [32]byte
}

func (s Named) inputLen() uint64 { return uint64(s.Len()) }

func (s Named) names() [][32]byte {
	if s.Name == [32]byte{} {
		return nil
	}
	return [][32]byte{s.Name}
}

func (s Named) packCount() uint32 { return uint32(len(s.packs)) }

func (s Named) packCursor() func() (packHeader, uint32, bool, error) {
	order := make([]uint32, len(s.packs))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return bytes.Compare(s.packs[a].Name[:], s.packs[b].Name[:]) })
	return func() (packHeader, uint32, bool, error) {
		if len(order) == 0 {
			return packHeader{}, 0, false, nil
		}
		n := order[0]
		order = order[1:]
		p := s.packs[n]
		return packHeader{name: p.Name, kind: p.Kind, size: p.Size}, n, true, nil
	}
}

func (s Named) spans(number uint32) ([]Span, error) { return s.packs[number].Frames, nil }

func (s Named) cursor() func() ([]byte, error) {
	rest := s.entries
	return func() ([]byte, error) {
		if len(rest) == 0 {
			return nil, nil
		}
		e := rest[:EntrySize]
		rest = rest[EntrySize:]
		return e, nil
	}
}

func (t *Table) inputLen() uint64 { return t.counts.Entries }

func (t *Table) names() [][32]byte {
	out := make([][32]byte, 0, len(t.segments))
	for n := range t.segments {
		out = append(out, n)
	}
	return out
}

func (t *Table) packCount() uint32 { return uint32(t.Packs()) }

func (t *Table) spans(number uint32) ([]Span, error) {
	p, err := t.readPack(number)
	if err != nil {
		t.fail(err)
		return nil, err
	}
	return p.Frames, nil
}

func (t *Table) cursor() func() ([]byte, error) {
	b := &block{data: make([]byte, blockSize)}
	next, i := int64(0), 0
	return func() ([]byte, error) {
		if i == b.n {
			if next == t.counts.blocks() {
				return nil, nil
			}
			if err := t.readBlock(b, next); err != nil {
				t.fail(err)
				return nil, err
			}
			next++
			i = 0
		}
		i++
		return b.at(i - 1), nil
	}
}

// pruned is a table without some of its packs.
type pruned struct {
	*Table
	keep func(number uint32) bool
}

func (p pruned) packCursor() func() (packHeader, uint32, bool, error) {
	next := p.Table.packCursor()
	return func() (h packHeader, number uint32, ok bool, err error) {
		for {
			if h, number, ok, err = next(); !ok || err != nil || p.keep(number) {
				return h, number, ok, err
			}
		}
	}
}
