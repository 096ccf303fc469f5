// Package index maps chunk ids to all their places (docs/format/vault-1.md,
// section 8). Segments are derived from the packs' directories and can always
// be rebuilt from them. Nothing here is trusted: a place only says where to
// look, and the chunk's digest decides.
//
// On this machine the segments are kept merged in tables (table.go tells their
// layout, which is private and has its version in its magic): a cache that can be thrown
// away at any time.
package index

import (
	"bytes"
	"encoding/binary"
	"sort"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// ID is a chunk's id in its domain.
type ID [32]byte

// Span says where a frame lies in its pack and how it is stored.
type Span struct {
	Compression seal.Compression
	Offset      uint32
	Sealed      uint32
	Plain       uint32
}

// Pack is a pack as the index knows it.
type Pack struct {
	Kind   seal.ChunkKind
	Name   pack.Name
	Size   int64
	Frames []Span
}

// Place is one place of a chunk: a range in the plaintext of a frame.
type Place struct {
	Pack *Pack
	// Number is the pack's in its table or segment.
	Number uint32
	Frame  uint32
	Offset uint32
	Length uint32
}

// Span gives the frame of the place.
func (p Place) Span() Span { return p.Pack.Frames[p.Frame] }

const (
	// EntrySize is how many bytes an entry takes in a segment.
	EntrySize = 48

	packHead  = 32 + 1 + 8 + 4
	frameSize = 9
)

// Segment is a sorted, immutable part of the index.
type Segment struct {
	packs   []*Pack
	entries []byte
}

// Builder collects packs into a segment.
type Builder struct {
	packs   []*Pack
	entries []byte
	id      func(seal.ChunkKind, [32]byte) [32]byte
}

// NewBuilder makes a builder; id turns digests into ids.
func NewBuilder(id func(seal.ChunkKind, [32]byte) [32]byte) *Builder { return &Builder{id: id} }

// Add takes a pack's directory.
func (b *Builder) Add(info pack.Info) {
	number := uint32(len(b.packs))
	b.packs = append(b.packs, &Pack{Kind: info.Kind, Name: info.Name, Size: info.Size, Frames: spansOf(info)})
	for i := range info.Frames {
		f := &info.Frames[i]
		offset := uint32(0)
		for j, n := range f.Lengths {
			id := b.id(info.Kind, f.Digest(j))
			b.entries = append(b.entries, id[:]...)
			for _, v := range [4]uint32{number, uint32(i), offset, n} {
				b.entries = binary.BigEndian.AppendUint32(b.entries, v)
			}
			offset += n
		}
	}
}

func spansOf(info pack.Info) []Span {
	out := make([]Span, len(info.Frames))
	at := uint32(pack.FramesAt)
	for i := range info.Frames {
		f := &info.Frames[i]
		out[i] = Span{Compression: f.Compression, Offset: at, Sealed: f.Sealed, Plain: f.Plain}
		at += f.Sealed
	}
	return out
}

// Len is the size of the segment's data so far in bytes.
func (b *Builder) Len() int { return len(b.entries) }

// Packs is the number of packs so far.
func (b *Builder) Packs() int { return len(b.packs) }

// Segment sorts what was added. The builder must not be used afterwards.
func (b *Builder) Segment() *Segment {
	sort.Sort(sorter{data: b.entries})
	return &Segment{packs: b.packs, entries: b.entries}
}

type sorter struct{ data []byte }

func (s sorter) Len() int           { return len(s.data) / EntrySize }
func (s sorter) at(i int) []byte    { return s.data[i*EntrySize : (i+1)*EntrySize] }
func (s sorter) Less(i, j int) bool { return bytes.Compare(s.at(i), s.at(j)) < 0 }
func (s sorter) Swap(i, j int) {
	var t [EntrySize]byte
	copy(t[:], s.at(i))
	copy(s.at(i), s.at(j))
	copy(s.at(j), t[:])
}

// Packs gives the segment's packs.
func (s *Segment) Packs() []*Pack { return s.packs }

// Len is the number of entries.
func (s *Segment) Len() int { return len(s.entries) / EntrySize }

// Lookup calls fn for each place of id, until it returns false; the result is
// false if fn did.
func (s *Segment) Lookup(id ID, fn func(Place) bool) bool {
	e := sorter{data: s.entries}
	n := e.Len()
	for i := sort.Search(n, func(i int) bool { return bytes.Compare(e.at(i)[:32], id[:]) >= 0 }); i < n; i++ {
		if !bytes.Equal(e.at(i)[:32], id[:]) {
			return true
		}
		if !fn(s.place(e.at(i))) {
			return false
		}
	}
	return true
}

// Combine makes one segment of several: all places in packs for which keep
// is true, of each pack as the first segment that has it tells.
func Combine(segments []*Segment, keep func(pack.Name) bool) *Segment {
	out := &Segment{}
	seen := map[pack.Name]bool{}
	for _, s := range segments {
		numbers := make([]uint32, len(s.packs))
		for i, p := range s.packs {
			numbers[i] = dropped
			if !seen[p.Name] && keep(p.Name) {
				seen[p.Name] = true
				numbers[i] = uint32(len(out.packs))
				out.packs = append(out.packs, p)
			}
		}
		for rest := s.entries; len(rest) > 0; rest = rest[EntrySize:] {
			if n := numbers[binary.BigEndian.Uint32(rest[32:])]; n != dropped {
				at := len(out.entries)
				out.entries = append(out.entries, rest[:EntrySize]...)
				binary.BigEndian.PutUint32(out.entries[at+32:], n)
			}
		}
	}
	sort.Sort(sorter{data: out.entries})
	return out
}

// Has tells whether the segment has all places of another one in packs for
// which keep is true.
func (s *Segment) Has(other *Segment, keep func(pack.Name) bool) bool {
	kept := make([]bool, len(other.packs))
	for i, p := range other.packs {
		kept[i] = keep(p.Name)
	}
	for rest := other.entries; len(rest) > 0; rest = rest[EntrySize:] {
		want := other.place(rest[:EntrySize])
		if kept[want.Number] && s.Lookup(ID(rest[:32]), func(p Place) bool { return !p.same(want) }) {
			return false
		}
	}
	return true
}

// same tells whether two places are one, in segments that number packs
// differently.
func (p Place) same(q Place) bool {
	return p.Pack.Name == q.Pack.Name && p.Pack.Kind == q.Pack.Kind && p.Pack.Size == q.Pack.Size && p.Span() == q.Span() &&
		p.Frame == q.Frame && p.Offset == q.Offset && p.Length == q.Length
}

// IDs calls fn for the id of every entry.
func (s *Segment) IDs(fn func(ID)) {
	for rest := s.entries; len(rest) > 0; rest = rest[EntrySize:] {
		fn(ID(rest[:32]))
	}
}

func (s *Segment) place(entry []byte) Place {
	number := binary.BigEndian.Uint32(entry[32:])
	return Place{
		Pack:   s.packs[number],
		Number: number,
		Frame:  binary.BigEndian.Uint32(entry[36:]),
		Offset: binary.BigEndian.Uint32(entry[40:]),
		Length: binary.BigEndian.Uint32(entry[44:]),
	}
}

// Encode gives the segment's data as it is sealed.
func (s *Segment) Encode() []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(s.packs)))
	for _, p := range s.packs {
		out = append(out, p.Name[:]...)
		out = append(out, byte(p.Kind))
		out = binary.BigEndian.AppendUint64(out, uint64(p.Size))
		out = binary.BigEndian.AppendUint32(out, uint32(len(p.Frames)))
		for _, f := range p.Frames {
			out = append(out, byte(f.Compression))
			out = binary.BigEndian.AppendUint32(out, f.Sealed)
			out = binary.BigEndian.AppendUint32(out, f.Plain)
		}
	}
	out = binary.BigEndian.AppendUint64(out, uint64(s.Len()))
	return append(out, s.entries...)
}

// Decode reads a segment's data. It keeps a part of data.
func Decode(data []byte) (*Segment, error) {
	d := decoder{rest: data}
	s := &Segment{}
	for n := d.u32(); n > 0 && !d.bad; n-- {
		s.packs = append(s.packs, d.pack())
	}
	n := d.u64()
	if d.bad || n > uint64(len(d.rest)) || n*EntrySize != uint64(len(d.rest)) {
		return nil, errkind.New(errkind.Damaged, "index segment does not have the length it announces")
	}
	s.entries = d.rest
	return s, s.check()
}

func (s *Segment) check() error {
	e := sorter{data: s.entries}
	for i := range e.Len() {
		entry := e.at(i)
		p, f := binary.BigEndian.Uint32(entry[32:]), binary.BigEndian.Uint32(entry[36:])
		end := uint64(binary.BigEndian.Uint32(entry[40:])) + uint64(binary.BigEndian.Uint32(entry[44:]))
		if int64(p) >= int64(len(s.packs)) || int64(f) >= int64(len(s.packs[p].Frames)) || end > uint64(s.packs[p].Frames[f].Plain) {
			return errkind.New(errkind.Damaged, "index entry %d points outside its packs", i)
		}
		if i > 0 && bytes.Compare(e.at(i-1), entry) > 0 {
			return errkind.New(errkind.Damaged, "index entry %d is out of order", i)
		}
	}
	return nil
}

type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) take(n int) []byte {
	if len(d.rest) < n {
		d.bad = true
		return make([]byte, n)
	}
	p := d.rest[:n]
	d.rest = d.rest[n:]
	return p
}

func (d *decoder) u32() uint32 { return binary.BigEndian.Uint32(d.take(4)) }
func (d *decoder) u64() uint64 { return binary.BigEndian.Uint64(d.take(8)) }

func (d *decoder) pack() *Pack {
	head := d.take(packHead)
	p := &Pack{Name: pack.Name(head[:32]), Kind: seal.ChunkKind(head[32]), Size: int64(binary.BigEndian.Uint64(head[33:]))}
	n := int64(binary.BigEndian.Uint32(head[41:]))
	known := p.Kind == seal.DataChunk || p.Kind == seal.TreeChunk
	if !known || n*frameSize > int64(len(d.rest)) || p.Size < 0 || p.Size > pack.MaxSize {
		d.bad = true
		return p
	}
	p.Frames = make([]Span, n)
	at := uint64(pack.FramesAt)
	for i := range p.Frames {
		f := d.take(frameSize)
		sp := Span{Compression: seal.Compression(f[0]), Offset: uint32(at), Sealed: binary.BigEndian.Uint32(f[1:]), Plain: binary.BigEndian.Uint32(f[5:])}
		if at += uint64(sp.Sealed); at > uint64(p.Size) || sp.Plain > seal.MaxPlain {
			d.bad = true
		}
		p.Frames[i] = sp
	}
	return p
}
