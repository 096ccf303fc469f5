package index_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// spot is a place as a test tells it.
type spot struct {
	Pack                  pack.Name
	Kind                  seal.ChunkKind
	Size                  int64
	Span                  index.Span
	Frame, Offset, Length uint32
}

func spotOf(p index.Place) spot {
	return spot{p.Pack.Name, p.Pack.Kind, p.Pack.Size, p.Span(), p.Frame, p.Offset, p.Length}
}

// idOf is as good as a MAC, and the same for equal digests.
func idOf(kind seal.ChunkKind, d [32]byte) [32]byte {
	var key [32]byte
	copy(key[:], d[:])
	key[31] ^= byte(kind)
	var out [32]byte
	_, _ = rand.NewChaCha8(key).Read(out[:]) // never fails
	return out
}

// packOf is a pack of a number, with chunks of the numbers given.
func packOf(number uint64, chunks []uint64) pack.Info {
	info := pack.Info{Kind: seal.DataChunk, Name: pack.Name(idOf('p', digestOf(number))), Size: 1 << 24}
	for part := range slices.Chunk(chunks, 3) {
		f := pack.Frame{Compression: seal.Zstd, Sealed: 5000}
		for _, c := range part {
			d := digestOf(c)
			f.Lengths = append(f.Lengths, 100+uint32(c%50))
			f.Digests = append(f.Digests, d[:]...)
			f.Plain += 100 + uint32(c%50)
		}
		info.Frames = append(info.Frames, f)
	}
	return info
}

func digestOf(n uint64) (d [32]byte) {
	binary.BigEndian.PutUint64(d[:], n)
	return d
}

func chunkID(n uint64) index.ID { return index.ID(idOf(seal.DataChunk, digestOf(n))) }

// segmentOf makes a segment, and notes its places in the model.
func segmentOf(model map[index.ID][]spot, seen map[uint64]bool, packs map[uint64][]uint64) *index.Segment {
	b := index.NewBuilder(idOf)
	for _, n := range slices.Sorted(maps(packs)) {
		b.Add(packOf(n, packs[n]))
	}
	s := b.Segment()
	for _, n := range slices.Sorted(maps(packs)) {
		if seen[n] {
			continue
		}
		seen[n] = true
		for _, c := range packs[n] {
			s.Lookup(chunkID(c), func(p index.Place) bool {
				at := spotOf(p)
				if at.Pack == pack.Name(idOf('p', digestOf(n))) && !slices.Contains(model[chunkID(c)], at) {
					model[chunkID(c)] = append(model[chunkID(c)], at)
				}
				return true
			})
		}
	}
	return s
}

func maps(m map[uint64][]uint64) func(func(uint64) bool) {
	return func(yield func(uint64) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func lookup(t *index.Table, id index.ID) (out []spot) {
	t.Lookup(id, func(p index.Place) bool {
		out = append(out, spotOf(p))
		return true
	})
	return out
}

func byPlace(a, b spot) int {
	return cmp0(bytes.Compare(a.Pack[:], b.Pack[:]), int(a.Frame)-int(b.Frame), int(a.Offset)-int(b.Offset))
}

func cmp0(all ...int) int {
	for _, c := range all {
		if c != 0 {
			return c
		}
	}
	return 0
}

// TestStore_IsAMap adds segments of random packs, some twice, and compares
// every look-up with a map.
func TestStore_IsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "index-")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }() // a leftover in the temporary folder harms nobody
		s, err := index.OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		model, seen := map[index.ID][]spot{}, map[uint64]bool{}
		var names [][32]byte
		content := map[uint64][]uint64{}
		for i := range rapid.IntRange(1, 8).Draw(t, "segments") {
			packs := map[uint64][]uint64{}
			for range rapid.IntRange(1, 5).Draw(t, "packs") {
				n := rapid.Uint64Range(0, 12).Draw(t, "pack")
				if content[n] == nil { // a pack's name is that of its bytes: it has one content
					content[n] = slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(rapid.Uint64Range(0, 400), 1, 120).Draw(t, "chunks"))))
				}
				packs[n] = content[n]
			}
			name := digestOf(uint64(1000 + i))
			names = append(names, name)
			if err := s.Add(index.Named{Segment: segmentOf(model, seen, packs), Name: name}); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "reopen") {
				if s, err = index.OpenStore(dir); err != nil {
					t.Fatal(err)
				}
			}
		}
		compare(t, s, model, names)
	})
}

type reporter interface {
	Errorf(string, ...any)
	Helper()
}

func compare(t reporter, s *index.Store, model map[index.ID][]spot, names [][32]byte) {
	t.Helper()
	tables := s.Tables()
	for n := range uint64(401) {
		id := chunkID(n)
		var got []spot
		for _, table := range tables {
			here := lookup(table, id)
			if len(here) > 0 && !table.MayHold(id) {
				t.Errorf("chunk %d is filtered out", n)
			}
			for _, x := range here {
				if !slices.Contains(got, x) { // two tables may have one pack
					got = append(got, x)
				}
			}
		}
		want := slices.Clone(model[id])
		slices.SortFunc(got, byPlace)
		slices.SortFunc(want, byPlace)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("chunk %d: %s", n, d)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(tables, func(t *index.Table) bool { return t.Holds(name) }) {
			t.Errorf("segment %x is forgotten", name)
		}
	}
	for _, table := range tables {
		count := 0
		err := table.Each(func(i int, id index.ID, p index.Place) error {
			if i != count {
				t.Errorf("entry %d comes as %d", count, i)
			}
			count++
			if !slices.Contains(model[id], spotOf(p)) {
				t.Errorf("entry %d is invented: %+v", i, spotOf(p))
			}
			head, ok := table.FindPack(p.Pack.Name)
			if !ok || head.Number != p.Number || head.Kind != p.Pack.Kind || head.Size != p.Pack.Size {
				t.Errorf("pack %s: %+v, %v", p.Pack.Name, head, ok)
			}
			return nil
		})
		if err != nil || count != table.Len() {
			t.Errorf("%d entries of %d, %v", count, table.Len(), err)
		}
		if _, ok := table.FindPack(pack.Name{1}); ok {
			t.Errorf("a pack that is nowhere was found")
		}
	}
}

func someTable(t *testing.T) (path string, model map[index.ID][]spot) {
	t.Helper()
	model = map[index.ID][]spot{}
	packs := map[uint64][]uint64{}
	for n := range uint64(6) {
		for c := range uint64(100) {
			packs[n] = append(packs[n], (c*7+n*31)%401)
		}
		packs[n] = slices.Compact(slices.Sorted(slices.Values(packs[n])))
	}
	dir := t.TempDir()
	s, err := index.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(index.Named{Segment: segmentOf(model, map[uint64]bool{}, packs), Name: digestOf(1)}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	return files[0], model
}

// TestTable_DamageNeverLies flips bytes all over a table: it is refused, or a
// look-up gives what is true or reports the damage.
func TestTable_DamageNeverLies(t *testing.T) {
	path, model := someTable(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(5, 6))
	for i := range 600 {
		data := slices.Clone(whole)
		at := random.IntN(len(data))
		if i < 60 {
			at = i // the header, byte by byte
		}
		data[at] ^= byte(1 + random.IntN(255))
		checkDamaged(t, fmt.Sprintf("byte %d", at), data, model)
	}
	for range 40 {
		checkDamaged(t, "cut short", whole[:random.IntN(len(whole))], model)
	}
	checkDamaged(t, "longer", append(slices.Clone(whole), 0), model)
}

func checkDamaged(t *testing.T, what string, data []byte, model map[index.ID][]spot) {
	t.Helper()
	table, err := index.OpenTable(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return
	}
	for n := range uint64(401) {
		got := lookup(table, chunkID(n))
		for _, x := range got {
			if !slices.Contains(model[chunkID(n)], x) {
				t.Fatalf("%s: a place that is none: %+v", what, x)
			}
		}
		if len(got) != len(model[chunkID(n)]) && table.Err() == nil {
			t.Fatalf("%s: chunk %d has %d places of %d, and nothing was reported", what, n, len(got), len(model[chunkID(n)]))
		}
	}
}

func TestStore_DamagedTableIsThrownAway(t *testing.T) {
	path, _ := someTable(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[9] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := index.OpenStore(filepath.Dir(path))
	if err != nil || len(s.Tables()) != 0 {
		t.Errorf("%d tables, %v", len(s.Tables()), err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it is still there")
	}
}

func TestStore_FewTables(t *testing.T) {
	s, err := index.OpenStore("")
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(200) {
		b := index.NewBuilder(idOf)
		b.Add(packOf(i, []uint64{3 * i, 3*i + 1, 3*i + 2}))
		if err := s.Add(index.Named{Segment: b.Segment(), Name: digestOf(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.Tables()); n > 6 {
		t.Errorf("%d tables for 600 entries", n)
	}
	for n := range uint64(600) {
		found := 0
		for _, table := range s.Tables() {
			found += len(lookup(table, chunkID(n)))
		}
		if found != 1 {
			t.Errorf("chunk %d has %d places", n, found)
		}
	}
}

func FuzzOpenTable(f *testing.F) {
	b := index.NewBuilder(idOf)
	b.Add(packOf(1, []uint64{1, 2, 3}))
	table := &sink{}
	if err := index.Merge(table, index.Named{Segment: b.Segment()}); err != nil {
		f.Fatal(err)
	}
	f.Add(table.data)
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := index.OpenTable(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for n := range uint64(5) {
			lookup(table, chunkID(n))
		}
		_ = table.Each(func(int, index.ID, index.Place) error { return nil })
		table.FindPack(pack.Name{})
	})
}

// sink is a file in memory.
type sink struct {
	data []byte
	at   int
}

func (s *sink) Seek(off int64, _ int) (int64, error) {
	s.at = int(off)
	return off, nil
}

func (s *sink) Write(p []byte) (int, error) {
	if end := s.at + len(p); end > len(s.data) {
		s.data = append(s.data, make([]byte, end-len(s.data))...)
	}
	s.at += copy(s.data[s.at:], p)
	return len(p), nil
}
