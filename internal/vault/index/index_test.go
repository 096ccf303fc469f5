package index

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// hashID stands in for the domain's id function.
func hashID(kind seal.ChunkKind, d [32]byte) [32]byte {
	return sha256.Sum256(append([]byte{byte(kind)}, d[:]...))
}

// model is the index as a map, for comparison.
type model map[ID][]string

func text(p Place) string {
	return fmt.Sprintf("%c %s %d frame %d at %d+%d in %+v", p.Pack.Kind, p.Pack.Name, p.Pack.Size, p.Frame, p.Offset, p.Length, p.Span())
}

// fill makes packs whose chunks come from a small set, so that many have
// several places, some of them within one pack.
func fill(r *rand.Rand, packs, chunks int) (*Builder, model) {
	b, m := NewBuilder(hashID), model{}
	for range packs {
		info := pack.Info{Kind: seal.DataChunk, Size: 32 << 20}
		if r.IntN(3) == 0 {
			info.Kind = seal.TreeChunk
		}
		binary.BigEndian.PutUint64(info.Name[:], r.Uint64())
		at := uint32(pack.FramesAt)
		for range r.IntN(4) {
			f := pack.Frame{Compression: seal.Compression(r.IntN(2)), Sealed: 28 + r.Uint32N(5000)}
			for range 1 + r.IntN(20) {
				var d [32]byte
				binary.BigEndian.PutUint32(d[:], r.Uint32N(uint32(chunks)))
				f.Lengths = append(f.Lengths, 1+r.Uint32N(9000))
				f.Digests = append(f.Digests, d[:]...)
				f.Plain += f.Lengths[len(f.Lengths)-1]
			}
			info.Frames = append(info.Frames, f)
		}
		b.Add(info)
		spans := make([]Span, len(info.Frames))
		for i := range info.Frames {
			f := &info.Frames[i]
			spans[i] = Span{Compression: f.Compression, Offset: at, Sealed: f.Sealed, Plain: f.Plain}
			at += f.Sealed
		}
		p := &Pack{Kind: info.Kind, Name: info.Name, Size: info.Size, Frames: spans}
		for i := range info.Frames {
			offset := uint32(0)
			for j, n := range info.Frames[i].Lengths {
				id := ID(hashID(info.Kind, info.Frames[i].Digest(j)))
				m[id] = append(m[id], text(Place{Pack: p, Frame: uint32(i), Offset: offset, Length: n}))
				offset += n
			}
		}
	}
	return b, m
}

func lookup(s *Segment, id ID) (places []string) {
	s.Lookup(id, func(p Place) bool {
		places = append(places, text(p))
		return true
	})
	slices.Sort(places)
	return places
}

func TestLookup_AgreesWithAMap(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		b, m := fill(r, 1+r.IntN(30), 1+r.IntN(200))
		built := b.Segment()
		decoded, err := Decode(built.Encode())
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for id, want := range m {
			total += len(want)
			slices.Sort(want)
			for _, s := range []*Segment{built, decoded} {
				if got := lookup(s, id); !slices.Equal(got, want) {
					t.Fatalf("seed %d id %x:\n%v\nwant\n%v", seed, id, got, want)
				}
			}
		}
		if built.Len() != total || decoded.Len() != total || len(decoded.Packs()) != b.Packs() {
			t.Errorf("seed %d: %d entries, %d decoded, want %d", seed, built.Len(), decoded.Len(), total)
		}
		for range 50 {
			var stranger ID
			binary.BigEndian.PutUint64(stranger[:], r.Uint64())
			if got := lookup(built, stranger); len(got) != len(m[stranger]) {
				t.Errorf("a stranger has %d places", len(got))
			}
		}
		if !bytes.Equal(built.Encode(), decoded.Encode()) {
			t.Error("encodes differently after decoding")
		}
	}
}

func TestLookup_EndsWhenTold(t *testing.T) {
	b, m := fill(rand.New(rand.NewPCG(3, 1)), 40, 5)
	s := b.Segment()
	for id, places := range m {
		calls := 0
		all := s.Lookup(id, func(Place) bool { calls++; return calls < 2 })
		if calls != min(2, len(places)) || all != (len(places) < 2) {
			t.Errorf("%d calls of %d places, %v", calls, len(places), all)
		}
	}
}

func TestSegment_Empty(t *testing.T) {
	s, err := Decode(NewBuilder(hashID).Segment().Encode())
	if err != nil {
		t.Fatal(err)
	}
	if s.Len() != 0 || len(lookup(s, ID{})) != 0 || !s.Lookup(ID{}, nil) {
		t.Error("something in an empty segment")
	}
}

// one is a segment of one pack, one frame and two chunks, with offsets of its parts.
func one() []byte {
	b := NewBuilder(hashID)
	b.Add(pack.Info{Kind: seal.DataChunk, Size: 1000, Frames: []pack.Frame{{Sealed: 100, Plain: 50, Lengths: []uint32{20, 30}, Digests: make([]byte, 64)}}})
	return b.Segment().Encode()
}

func TestDecode_RefusesWhatIsOutOfRange(t *testing.T) {
	const (
		packAt  = 4
		kindAt  = packAt + 32
		sizeAt  = kindAt + 1
		countAt = sizeAt + 8
		frameAt = countAt + 4
		entryAt = frameAt + frameSize + 8
	)
	put := func(at int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint32(b[at:], v); return b }
	}
	tests := map[string]func([]byte) []byte{
		"pack number":          put(entryAt+32, 1),
		"pack number huge":     put(entryAt+32, math.MaxUint32),
		"frame number":         put(entryAt+36, 1),
		"frame number huge":    put(entryAt+36, math.MaxUint32),
		"offset past frame":    put(entryAt+40, 31),
		"length past frame":    put(entryAt+44, 51),
		"length wraps":         put(entryAt+44, math.MaxUint32),
		"order":                put(entryAt, math.MaxUint32),
		"plain over the bound": put(frameAt+5, seal.MaxPlain+1),
		"plain too small":      put(frameAt+5, 49),
		"frame past pack":      put(frameAt+1, 1000),
		"sealed wraps":         put(frameAt+1, math.MaxUint32),
		"pack too large":       put(sizeAt+4, pack.MaxSize+1),
		"pack size negative":   put(sizeAt, math.MaxUint32),
		"unknown kind":         func(b []byte) []byte { b[kindAt] = 'x'; return b },
		"more packs":           put(0, 2),
		"packs without end":    put(0, math.MaxUint32),
		"frames without end":   put(countAt, math.MaxUint32),
		"more entries":         put(entryAt-4, 3),
		"entries without end":  put(entryAt-8, math.MaxUint32),
		"entries that wrap":    func(b []byte) []byte { binary.BigEndian.PutUint64(b[entryAt-8:], math.MaxUint64/48+1); return b },
		"cut short":            func(b []byte) []byte { return b[:len(b)-1] },
		"a byte more":          func(b []byte) []byte { return append(b, 0) },
		"nothing":              func([]byte) []byte { return nil },
	}
	if _, err := Decode(one()); err != nil {
		t.Fatal(err)
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Decode(change(one())); !errkind.Is(err, errkind.Damaged) {
				t.Errorf("%v", err)
			}
		})
	}
	for n := range one() {
		if _, err := Decode(one()[:n]); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(one())
	b, _ := fill(rand.New(rand.NewPCG(1, 1)), 3, 9)
	f.Add(b.Segment().Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode(data)
		if err != nil {
			if !errkind.Is(err, errkind.Damaged) {
				t.Fatal(err)
			}
			return
		}
		for i := range s.Len() { // every place can be used
			id := ID(sorter{data: s.entries}.at(i)[:32])
			if len(lookup(s, id)) == 0 {
				t.Fatal("an entry is not found")
			}
		}
		if !bytes.Equal(s.Encode(), data) {
			t.Fatal("another encoding")
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1 << 12, 1 << 18} {
		bld := NewBuilder(hashID)
		var ids []ID
		for at := 0; at < n; at += 1 << 10 {
			f := pack.Frame{Sealed: 1 << 20, Plain: 1 << 20}
			for i := range 1 << 10 {
				var d [32]byte
				binary.BigEndian.PutUint64(d[:], uint64(at+i))
				f.Lengths, f.Digests = append(f.Lengths, 1<<10), append(f.Digests, d[:]...)
				ids = append(ids, hashID(seal.DataChunk, d))
			}
			bld.Add(pack.Info{Kind: seal.DataChunk, Size: 2 << 20, Frames: []pack.Frame{f}})
		}
		s := bld.Segment()
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.Lookup(ids[i*7919%len(ids)], func(Place) bool { return false })
				i++
			}
		})
	}
}

func BenchmarkSegment(b *testing.B) {
	data := make([]byte, 0, 48<<16)
	r := rand.New(rand.NewPCG(1, 1))
	for len(data) < 48<<16 {
		data = binary.BigEndian.AppendUint64(data, r.Uint64())
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		(&Builder{entries: bytes.Clone(data)}).Segment()
	}
}

// TestSegment_HasWhatItWasCombinedOf combines segments and takes places away
// from the result: each one that lacks is noticed.
func TestSegment_HasWhatItWasCombinedOf(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	a, _ := fill(r, 6, 60)
	b, _ := fill(r, 6, 60)
	parts := []*Segment{a.Segment(), b.Segment()}
	gone := parts[0].packs[2].Name
	keep := func(n pack.Name) bool { return n != gone }
	all := Combine(parts, keep)
	for i, p := range parts {
		if !all.Has(p, keep) {
			t.Errorf("part %d is not in it", i)
		}
	}
	if all.Has(parts[0], func(pack.Name) bool { return true }) != (parts[0].count(2) == 0) {
		t.Error("a pack that was dropped is said to be there")
	}
	for i := range all.Len() {
		less := &Segment{packs: all.packs, entries: slices.Delete(bytes.Clone(all.entries), i*EntrySize, (i+1)*EntrySize)}
		if less.Has(parts[0], keep) && less.Has(parts[1], keep) {
			t.Fatalf("entry %d is not missed", i)
		}
	}
}

// count gives the number of entries in a pack.
func (s *Segment) count(number uint32) (n int) {
	for rest := s.entries; len(rest) > 0; rest = rest[EntrySize:] {
		if s.place(rest).Number == number {
			n++
		}
	}
	return n
}

func TestTable_SegmentAndBack(t *testing.T) {
	for seed := range uint64(20) {
		b, m := fill(rand.New(rand.NewPCG(seed, 8)), 12, 40)
		table, err := InMemory(Named{Segment: b.Segment()})
		if err != nil {
			t.Fatal(err)
		}
		s, err := table.Segment()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(s.Encode()); err != nil || len(s.Packs()) != table.Packs() || s.Len() != table.Len() {
			t.Fatalf("%d packs, %d entries, %v", len(s.Packs()), s.Len(), err)
		}
		for id, want := range m {
			slices.Sort(want)
			if got := lookup(s, id); !slices.Equal(got, want) {
				t.Fatalf("id %x:\n%v\nwant\n%v", id, got, want)
			}
		}
	}
}

func TestTable_CoversWhatItHas(t *testing.T) {
	info := func() pack.Info {
		return pack.Info{Kind: seal.DataChunk, Name: pack.Name{7}, Size: 9000, Frames: []pack.Frame{
			{Sealed: 100, Plain: 50, Lengths: []uint32{20, 30}, Digests: bytes.Repeat([]byte{1}, 64)},
			{Sealed: 200, Plain: 60, Lengths: []uint32{60}, Digests: bytes.Repeat([]byte{2}, 32)}}}
	}
	b := NewBuilder(hashID)
	b.Add(info())
	table, err := InMemory(Named{Segment: b.Segment()})
	if err != nil {
		t.Fatal(err)
	}
	if !table.Covers(info(), hashID) {
		t.Error("it does not cover what it was made of")
	}
	changes := map[string]func(*pack.Info){
		"name":   func(i *pack.Info) { i.Name[0]++ },
		"kind":   func(i *pack.Info) { i.Kind = seal.TreeChunk },
		"size":   func(i *pack.Info) { i.Size++ },
		"frame":  func(i *pack.Info) { i.Frames[1].Sealed++ },
		"frames": func(i *pack.Info) { i.Frames = i.Frames[:1] },
		"digest": func(i *pack.Info) { i.Frames[1].Digests[0]++ },
		"length": func(i *pack.Info) { i.Frames[0].Lengths[0]++; i.Frames[0].Lengths[1]-- },
	}
	for name, change := range changes {
		other := info()
		change(&other)
		if table.Covers(other, hashID) {
			t.Errorf("another %s is covered", name)
		}
	}
}

func BenchmarkTable(b *testing.B) {
	for _, n := range []int{1 << 12, 1 << 18} {
		bld := NewBuilder(hashID)
		var ids []ID
		for at := 0; at < n; at += 1 << 10 {
			f := pack.Frame{Sealed: 1 << 20, Plain: 1 << 20}
			for i := range 1 << 10 {
				var d [32]byte
				binary.BigEndian.PutUint64(d[:], uint64(at+i))
				f.Lengths, f.Digests = append(f.Lengths, 1<<10), append(f.Digests, d[:]...)
				ids = append(ids, hashID(seal.DataChunk, d))
			}
			name := pack.Name{byte(at >> 10), byte(at >> 18)}
			bld.Add(pack.Info{Kind: seal.DataChunk, Name: name, Size: 2 << 20, Frames: []pack.Frame{f}})
		}
		s, err := OpenStore(b.TempDir())
		if err == nil {
			err = s.Add(Named{Segment: bld.Segment()})
		}
		if err != nil {
			b.Fatal(err)
		}
		table := s.Tables()[0]
		b.Run(fmt.Sprint("present ", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if id := ids[i*7919%len(ids)]; table.MayHold(id) {
					table.Lookup(id, func(Place) bool { return false })
				}
				i++
			}
		})
		b.Run(fmt.Sprint("absent ", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				id := ids[i*7919%len(ids)]
				id[23] += byte(1 + i%200) // another one in the filter's eyes
				if table.MayHold(id) {
					table.Lookup(id, func(Place) bool { return false })
				}
				i++
			}
		})
	}
}
