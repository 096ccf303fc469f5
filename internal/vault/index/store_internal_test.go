package index

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// filled is a store to which segments were added of which the model tells all
// places; atOnce bounds what is merged while Add waits.
func filled(t *testing.T, dir string, atOnce, segments int) (*Store, model) {
	t.Helper()
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.atOnce = atOnce
	all := model{}
	r := rand.New(rand.NewPCG(11, uint64(segments)))
	for i := range segments {
		b, m := fill(r, 1+r.IntN(20), 300)
		var name [32]byte
		binary.BigEndian.PutUint64(name[:], uint64(i)+1)
		if err := s.Add(Named{Segment: b.Segment(), Name: name}); err != nil {
			t.Fatal(err)
		}
		for id, places := range m {
			all[id] = append(all[id], places...)
		}
	}
	return s, all
}

// holds compares all places of the tables with the model.
func holds(t *testing.T, tables []*Table, want model) {
	t.Helper()
	total := 0
	for _, table := range tables {
		total += table.Len()
	}
	for id, places := range want {
		var got []string
		for _, table := range tables {
			table.Lookup(id, func(p Place) bool {
				got = append(got, text(p))
				return true
			})
		}
		total -= len(got)
		slices.Sort(got)
		if want := slices.Sorted(slices.Values(places)); !slices.Equal(got, want) {
			t.Fatalf("id %x:\n%v\nwant\n%v", id, got, want)
		}
	}
	if total != 0 {
		t.Errorf("%d places are invented", total)
	}
	for _, table := range tables {
		if err := table.Err(); err != nil {
			t.Error(err)
		}
	}
}

// TestStore_MergesBehindTheCallersBack looks up while tables are merged, and
// again from the files.
func TestStore_MergesBehindTheCallersBack(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		s, want := filled(t, dir, 0, 60)
		holds(t, s.Tables(), want)
		s.Wait()
		if n := len(s.Tables()); n > 8 {
			t.Errorf("%d tables of 60 segments", n)
		}
		holds(t, s.Tables(), want)
		if dir == "" {
			continue
		}
		again, err := OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		if d := len(again.Tables()) - len(s.Tables()); d != 0 {
			t.Errorf("%d more tables in the folder", d)
		}
		holds(t, again.Tables(), want)
		for i := range 60 {
			var name [32]byte
			binary.BigEndian.PutUint64(name[:], uint64(i)+1)
			if !slices.ContainsFunc(again.Tables(), func(t *Table) bool { return t.Holds(name) }) {
				t.Errorf("segment %d is forgotten", i)
			}
		}
	}
}

func TestStore_PrunesPacks(t *testing.T) {
	dir := t.TempDir()
	s, all := filled(t, dir, 1<<20, 1)
	table := s.Tables()[0]
	want := model{}
	for id := range all {
		table.Lookup(id, func(p Place) bool {
			if p.Number%3 == 0 {
				want[id] = append(want[id], text(p))
			}
			return true
		})
	}
	s.Prune(table, func(n uint32) bool { return n%3 == 0 })
	s.Wait()
	if len(want) == 0 || s.Tables()[0].Packs() != (table.Packs()+2)/3 {
		t.Errorf("%d packs of %d are left", s.Tables()[0].Packs(), table.Packs())
	}
	holds(t, s.Tables(), want)
	if !s.Tables()[0].Holds([32]byte{7: 1}) {
		t.Error("the segment is forgotten")
	}
	s.Prune(table, nil) // it is not there any more
	s.Wait()
	holds(t, s.Tables(), want)
}

// TestStore_FolderThatCannotBeWritten adds where nothing can be written: what
// is there stays, and additions work again when they can.
func TestStore_FolderThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	s, want := filled(t, dir, 1<<20, 5)
	moved := dir + "-moved"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file where a folder belongs
		t.Fatal(err)
	}
	b, m := fill(rand.New(rand.NewPCG(9, 9)), 3, 300)
	seg := Named{Segment: b.Segment(), Name: [32]byte{1}}
	if err := s.Add(seg); err == nil {
		t.Fatal("added to a file")
	}
	holds(t, s.Tables(), want)
	if _, err := OpenStore(dir); err == nil {
		t.Error("a file was opened as a store")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(moved, dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Add(seg); err != nil {
		t.Fatal(err)
	}
	for id, places := range m {
		want[id] = append(want[id], places...)
	}
	holds(t, s.Tables(), want)
}

func TestStore_RemovesWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, tablePrefix+"x"+tempSuffix)
	other := filepath.Join(dir, "somebody's")
	for _, path := range []string{left, other} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	busy, err := os.Create(filepath.Join(dir, tablePrefix+"y"+tempSuffix))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }() // nothing was written
	if !lockFile(busy) {
		t.Fatal("a new file is locked")
	}
	if _, err := OpenStore(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := "somebody's table-y.tmp"; strings.Join(names, " ") != want {
		t.Errorf("%q, want %q", names, want)
	}
}

// TestTable_CutShortWhileMapped takes the file away under a table in use: that
// is damage, not the end of the process.
func TestTable_CutShortWhileMapped(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a mapping does then is known of Linux")
	}
	dir := t.TempDir()
	s, all := filled(t, dir, 1<<20, 1)
	table := s.Tables()[0]
	if table.mapped == nil {
		t.Fatal("not mapped")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"+tableSuffix))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	if err := os.Truncate(files[0], 0); err != nil {
		t.Fatal(err)
	}
	for id := range all {
		table.MayHold(id)
		table.Lookup(id, func(p Place) bool { t.Errorf("a place in nothing: %s", text(p)); return true })
		table.FindPack(Pack{}.Name)
	}
	if table.Err() == nil {
		t.Error("nothing was reported")
	}
	if len(s.Tables()) != 0 {
		t.Error("the table is still in use")
	}
}

// TestTable_DamageInAMappingNeverLies flips bytes of a mapped table: it is
// refused, or look-ups give what is true or report the damage.
func TestTable_DamageInAMappingNeverLies(t *testing.T) {
	b, want := fill(rand.New(rand.NewPCG(2, 5)), 20, 200)
	whole := &buffer{}
	if err := Merge(whole, Named{Segment: b.Segment()}); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 3))
	refused, reported := 0, 0
	for range 400 {
		data := bytes.Clone(whole.data)
		at := r.IntN(len(data))
		data[at] ^= byte(1 + r.IntN(255))
		table, err := openTable(bytes.NewReader(data), int64(len(data)), data)
		if err != nil {
			refused++
			continue
		}
		for id, places := range want {
			var got []string
			table.Lookup(id, func(p Place) bool {
				got = append(got, text(p))
				return true
			})
			for _, x := range got {
				if !slices.Contains(places, x) {
					t.Fatalf("byte %d: a place that is none: %s", at, x)
				}
			}
			if len(got) != len(places) && table.Err() == nil {
				t.Fatalf("byte %d: %d places of %d, and nothing was reported", at, len(got), len(places))
			}
		}
		if table.Err() != nil {
			reported++
		}
	}
	if refused == 0 || reported == 0 {
		t.Errorf("%d refused, %d reported", refused, reported)
	}
}

// TestTable_FindsWithoutRandomIDs looks up ids that crowd in a corner, where
// guessing the block goes far astray.
func TestTable_FindsWithoutRandomIDs(t *testing.T) {
	for _, corner := range []byte{0, 0x80, 0xff} {
		b := NewBuilder(func(_ seal.ChunkKind, d [32]byte) [32]byte { return d })
		f := pack.Frame{Sealed: 5000, Plain: 2000}
		var ids []ID
		for i := range 2000 {
			id := ID{0: corner, 1: corner, 2: corner, 3: corner}
			binary.BigEndian.PutUint32(id[6:], uint32(i/3)) // some share the first bytes
			id[30] = byte(i)
			ids = append(ids, id)
			f.Lengths, f.Digests = append(f.Lengths, 1), append(f.Digests, id[:]...)
		}
		b.Add(pack.Info{Kind: seal.DataChunk, Size: 6000, Frames: []pack.Frame{f}})
		table, err := InMemory(Named{Segment: b.Segment()})
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			if _, n := table.Find(id); n != 1 || !table.MayHold(id) {
				t.Fatalf("corner %x: id %d is found %d times", corner, i, n)
			}
			if _, n := table.Find(ID{0: corner, 1: 1, 31: byte(i)}); n != 0 {
				t.Fatalf("corner %x: a stranger is found", corner)
			}
		}
	}
}

func TestFilter_FewAbsentIDsPass(t *testing.T) {
	const n = 20_000
	r := rand.New(rand.NewPCG(1, 9))
	random := func() (id ID) {
		for i := range 4 {
			binary.BigEndian.PutUint64(id[8*i:], r.Uint64())
		}
		return id
	}
	f := newFilter(n)
	var ids []ID
	for range n {
		ids = append(ids, random())
		f.add(ids[len(ids)-1])
	}
	for _, id := range ids {
		if !f.has(id) {
			t.Fatalf("%x is filtered out", id)
		}
	}
	passed := 0
	for range n {
		if f.has(random()) {
			passed++
		}
	}
	if passed > n/50 || bytes.Count(f, []byte{0}) == len(f) {
		t.Errorf("%d of %d absent ids pass", passed, n)
	}
}

// resealed makes all checksums of a table right again, as far as its parts can
// be found.
func resealed(data []byte) {
	put := func(at int64, sum uint32) { binary.BigEndian.PutUint32(data[at:], sum) }
	put(48, crc32.Checksum(data[:48], castagnoli))
	c, err := parseHeader(data, int64(len(data)))
	if err != nil {
		return
	}
	for at := int64(blockSize); at < c.filterAt(); at += blockSize {
		put(at+blockSize-4, crc32.Checksum(data[at:at+blockSize-4], castagnoli))
	}
	for at := c.packsAt(); at < c.framesAt(); at += packRecord {
		frames, first := int64(binary.BigEndian.Uint32(data[at+41:])), binary.BigEndian.Uint64(data[at+45:])
		if first <= c.Frames && uint64(frames) <= c.Frames-first {
			from := c.framesAt() + int64(first)*spanRecord
			put(at+53, crc32.Checksum(data[from:from+frames*spanRecord], castagnoli))
		}
		put(at+60, crc32.Checksum(data[at:at+60], castagnoli))
	}
	sum := crc32.Checksum(data[c.filterAt():c.packsAt()], castagnoli)
	put(c.tailAt(), crc32.Update(sum, castagnoli, data[c.segmentsAt():c.tailAt()]))
}

// FuzzTable changes a table and makes its checksums right: whatever it then
// says, nothing is read outside of it.
func FuzzTable(f *testing.F) {
	b, want := fill(rand.New(rand.NewPCG(6, 6)), 12, 30)
	whole := &buffer{}
	if err := Merge(whole, Named{Segment: b.Segment(), Name: [32]byte{1}}); err != nil {
		f.Fatal(err)
	}
	ids := []ID{{}, {0: 255}}
	for id := range want {
		ids = append(ids, id)
	}
	f.Add([]byte{0, 0, 8, 1, 0, 16, 40, 255})
	f.Fuzz(func(_ *testing.T, edits []byte) {
		data := bytes.Clone(whole.data)
		for ; len(edits) >= 4; edits = edits[4:] { // where, and what
			data[(int(edits[0])<<16|int(edits[1])<<8|int(edits[2]))%len(data)] ^= edits[3]
		}
		resealed(data)
		for _, mapped := range [][]byte{nil, data} {
			t, err := openTable(bytes.NewReader(data), int64(len(data)), mapped)
			if err != nil {
				continue
			}
			for _, id := range ids {
				t.MayHold(id)
				t.Lookup(id, func(p Place) bool { _ = p.Span(); return true })
			}
			_ = t.Each(func(int, ID, Place) error { return nil }) // it may fail
			_, _ = t.Segment()                                    // it may fail
			t.FindPack(pack.Name{7})
			t.Walk()(pack.Name{255})
			_ = Merge(&buffer{}, t, t) // it may fail
		}
	})
}
