package index

import (
	"slices"
	"sort"

	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// Segment gives all of a table as a segment, in memory.
func (t *Table) Segment() (*Segment, error) {
	s := &Segment{entries: make([]byte, 0, t.Len()*EntrySize)}
	for n := range t.Packs() {
		p, err := t.readPack(uint32(n))
		if err != nil {
			t.fail(err)
			return nil, err
		}
		s.packs = append(s.packs, p)
	}
	next := t.cursor()
	for {
		e, err := next()
		if err != nil {
			return nil, err
		}
		if e == nil {
			break
		}
		s.entries = append(s.entries, e...)
	}
	sort.Sort(sorter{data: s.entries}) // places of one chunk come in any order from a table
	return s, s.check()
}

// Covers tells whether the table has a pack as its directory tells, with all
// of its chunks; id turns digests into ids.
func (t *Table) Covers(info pack.Info, id func(seal.ChunkKind, [32]byte) [32]byte) bool {
	head, ok := t.FindPack(info.Name)
	if !ok || head.Kind != info.Kind || head.Size != info.Size {
		return false
	}
	p, err := t.Pack(head.Number)
	if err != nil || !slices.Equal(p.Frames, spansOf(info)) {
		return false
	}
	for i := range info.Frames {
		f := &info.Frames[i]
		offset := uint32(0)
		for j, n := range f.Lengths {
			want := Place{Pack: p, Number: head.Number, Frame: uint32(i), Offset: offset, Length: n}
			if t.Lookup(id(info.Kind, f.Digest(j)), func(p Place) bool { return p != want }) {
				return false
			}
			offset += n
		}
	}
	return true
}
