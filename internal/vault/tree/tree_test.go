package tree

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
)

// store keeps nodes by their digest.
type store struct {
	t     testing.TB
	nodes map[Digest][]byte
}

func newStore(t testing.TB) *store { return &store{t: t, nodes: map[Digest][]byte{}} }

func (s *store) put(_ context.Context, d Digest, plain []byte) error {
	if have, ok := s.nodes[d]; ok && bytes.Equal(have, plain) {
		return nil
	}
	if DigestOf(plain) != d {
		s.t.Errorf("node under a wrong digest")
	}
	if len(plain) > 4<<20 {
		s.t.Errorf("a node of %d bytes is longer than a chunk", len(plain))
	}
	s.nodes[d] = bytes.Clone(plain)
	return nil
}

func (s *store) get(_ context.Context, d Digest) ([]byte, error) {
	plain, ok := s.nodes[d]
	if !ok {
		return nil, errkind.New(errkind.Damaged, "no node %s", d)
	}
	return plain, nil
}

// hostile stores a node as it is.
func (s *store) hostile(value any) Digest {
	s.t.Helper()
	plain, err := canon.Marshal(value)
	if err != nil {
		s.t.Fatal(err)
	}
	s.nodes[DigestOf(plain)] = plain
	return DigestOf(plain)
}

func fileEntry(name string, seed uint64) Entry {
	var d Digest
	binary.BigEndian.PutUint64(d[:], seed)
	return Entry{Name: []byte(name), Kind: Regular, Mode: 0o644, MTime: Stamp{Sec: 1, Nsec: 2}, Size: 5,
		Content: &Content{Cut: CutWhole, List: []ListItem{{Digest: d, Length: 5}}}}
}

func many(n int) []Entry {
	out := make([]Entry, n)
	for i := range out {
		out[i] = fileEntry(fmt.Sprintf("file-%07d", i), uint64(i))
	}
	return out
}

func (s *store) dir(entries []Entry) Digest {
	s.t.Helper()
	b := NewBuilder(s.put)
	name := make([]byte, 0, 300) // one buffer for all names, as a walker may have
	for _, e := range entries {
		name = append(name[:0], e.Name...)
		e.Name = name
		if err := b.Add(context.Background(), e); err != nil {
			s.t.Fatal(err)
		}
	}
	d, err := b.Finish(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *store) walk(d Digest) (entries []Entry, err error) {
	err = Walk(context.Background(), s.get, d, Nodes{}, func(e Entry) error {
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

func TestBuilder_RoundTripAndCanonical(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1023, 1024, 1025, 1026, 4097, 20_000} {
		s, again := newStore(t), newStore(t)
		want := many(n)
		d := s.dir(want)
		if again.dir(want) != d {
			t.Errorf("%d entries: another digest the second time", n)
		}
		got, err := s.walk(d)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != n {
			t.Errorf("%d of %d entries came back", len(got), n)
		}
		for i := range got {
			if !bytes.Equal(got[i].Name, want[i].Name) || got[i].Content.List[0] != want[i].Content.List[0] {
				t.Fatalf("entry %d is %q", i, got[i].Name)
			}
		}
		if n <= 1024 && len(s.nodes) != 1 || n > 4096 && len(s.nodes) < 3 {
			t.Errorf("%d entries make %d nodes", n, len(s.nodes))
		}
	}
}

// TestBuilder_AsTheFormatSays splits by the format document, all at once.
func TestBuilder_AsTheFormatSays(t *testing.T) {
	entries := many(30_000)
	s := newStore(t)
	d := s.dir(entries)
	slow := newStore(t)
	var refs []branchItem
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && n < 4096 && !endsPiece(entries[n-1].Name) {
			n++
		}
		refs = append(refs, branchItem{First: entries[0].Name, Digest: slow.hostile(node[Entry]{Type: typeDirectory, Items: entries[:n]}), Count: uint64(n)})
		entries = entries[n:]
	}
	for len(refs) > 1 {
		var up []branchItem
		for len(refs) > 0 {
			n := 1
			for n < len(refs) && n < 4096 && (n == 1 || binary.BigEndian.Uint16(refs[n-1].Digest[:])&511 != 0) {
				n++
			}
			item := branchItem{First: refs[0].First, Digest: slow.hostile(node[branchItem]{Type: typeBranch, Items: refs[:n]})}
			for _, r := range refs[:n] {
				item.Count += r.Count
			}
			up, refs = append(up, item), refs[n:]
		}
		refs = up
	}
	if refs[0].Digest != d || len(slow.nodes) != len(s.nodes) {
		t.Errorf("%s in %d nodes, by the document %s in %d", d, len(s.nodes), refs[0].Digest, len(slow.nodes))
	}
}

func TestBuilder_OneChangeCostsFewNodes(t *testing.T) {
	const n = 100_000
	s := newStore(t)
	entries := many(n)
	s.dir(entries)
	before := len(s.nodes)
	change := map[string]func() []Entry{
		"changed": func() []Entry {
			out := append([]Entry(nil), entries...)
			out[n/2].Mode = 0o600
			return out
		},
		"removed":        func() []Entry { return append(append([]Entry(nil), entries[:777]...), entries[778:]...) },
		"added at start": func() []Entry { return append([]Entry{fileEntry("aaa", 1)}, entries...) },
		"added in middle": func() []Entry {
			return append(append(append([]Entry(nil), entries[:50_000]...), fileEntry("file-0049999a", 1)), entries[50_000:]...)
		},
	}
	for name, c := range change {
		s.dir(c())
		if more := len(s.nodes) - before; more < 2 || more > 5 {
			t.Errorf("%s: %d new nodes beside %d", name, more, before)
		}
		before = len(s.nodes)
	}
}

// TestBuilder_LongEntriesStayBelowAChunk has directories whose entries are so
// long that counting them alone would make nodes longer than a chunk.
func TestBuilder_LongEntriesStayBelowAChunk(t *testing.T) {
	long := func(i, bytes int) Entry {
		return Entry{Name: fmt.Appendf(nil, "link-%06d", i), Kind: Symlink, Mode: 0o777, Target: []byte(strings.Repeat("x", bytes))}
	}
	for _, c := range []struct{ count, bytes int }{{1000, 4095}, {1025, 4095}, {2000, 4095}, {40, 64 << 10}, {3, MaxEntry - 100}} {
		s := newStore(t)
		var want []Entry
		for i := range c.count {
			want = append(want, long(i, c.bytes))
		}
		d := s.dir(want)
		if newStore(t).dir(want) != d {
			t.Errorf("%+v: not canonical", c)
		}
		got, err := s.walk(d)
		if err != nil || len(got) != c.count {
			t.Errorf("%+v: %d came back, %v", c, len(got), err)
		}
	}
	b := NewBuilder(newStore(t).put)
	if err := b.Add(t.Context(), long(1, MaxEntry)); !errkind.Is(err, errkind.Unsupported) {
		t.Errorf("an entry longer than any may be: %v", err)
	}
	if _, err := PutRoot(t.Context(), newStore(t).put, Entry{Kind: Symlink, Target: make([]byte, MaxEntry)}); !errkind.Is(err, errkind.Unsupported) {
		t.Errorf("a root longer than any may be: %v", err)
	}
}

func TestBuilder_RefusesDisorder(t *testing.T) {
	for _, names := range [][]string{{"b", "a"}, {"a", "a"}, {"a", "a/b"}, {""}, {"."}, {".."}, {"a\x00"}, {strings.Repeat("n", 256)}} {
		b := NewBuilder(newStore(t).put)
		var err error
		for _, n := range names {
			if err = b.Add(t.Context(), fileEntry(n, 1)); err != nil {
				break
			}
		}
		if err == nil {
			t.Errorf("%q were taken", names)
		}
	}
}

func TestRoot_RoundTrip(t *testing.T) {
	s := newStore(t)
	below := s.dir(many(3))
	want := Entry{Name: []byte{}, Kind: Dir, Mode: 0o755, Tree: &below}
	d, err := PutRoot(t.Context(), s.put, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := GetRoot(t.Context(), s.get, d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, bad := range map[string]Digest{
		"a directory":  below,
		"two entries":  s.hostile(node[Entry]{Type: typeDirectory, Items: []Entry{want, want}}),
		"none":         s.hostile(node[Entry]{Type: typeDirectory, Items: []Entry{}}),
		"a branch":     s.hostile(node[branchItem]{Type: typeBranch, Items: []branchItem{{Digest: d}}}),
		"not there":    {1},
		"no directory": s.hostile(node[Entry]{Type: typeDirectory, Items: []Entry{{Name: []byte{}, Kind: Dir}}}),
	} {
		if _, err := GetRoot(t.Context(), s.get, bad); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("%s as a root: %v", name, err)
		}
	}
}

func TestCheckEntry_RefusesWhatNoHonestWriterMakes(t *testing.T) {
	var d Digest
	content := func(depth uint8, lengths ...int64) *Content {
		c := &Content{Depth: depth}
		for _, n := range lengths {
			c.List = append(c.List, ListItem{Length: n})
		}
		return c
	}
	tests := map[string]Entry{
		"no name":             {Kind: Regular},
		"slash":               {Name: []byte("a/b"), Kind: Regular},
		"absolute":            {Name: []byte("/etc"), Kind: Regular},
		"dot":                 {Name: []byte("."), Kind: Dir, Tree: &d},
		"dot dot":             {Name: []byte(".."), Kind: Dir, Tree: &d},
		"NUL":                 {Name: []byte("a\x00b"), Kind: Regular},
		"256 bytes":           {Name: bytes.Repeat([]byte("n"), 256), Kind: Regular},
		"kind 0":              {Name: []byte("a")},
		"kind 8":              {Name: []byte("a"), Kind: 8},
		"negative size":       {Name: []byte("a"), Kind: Regular, Size: -1},
		"directory of none":   {Name: []byte("a"), Kind: Dir},
		"file with a tree":    {Name: []byte("a"), Kind: Regular, Tree: &d},
		"link with content":   {Name: []byte("a"), Kind: Symlink, Content: content(0, 1)},
		"size without data":   {Name: []byte("a"), Kind: Regular, Size: 5},
		"less data":           {Name: []byte("a"), Kind: Regular, Size: 5, Content: content(0, 4)},
		"more data":           {Name: []byte("a"), Kind: Regular, Size: 5, Content: content(0, 4, 2)},
		"empty chunk":         {Name: []byte("a"), Kind: Regular, Size: 5, Content: content(0, 5, 0)},
		"negative chunk":      {Name: []byte("a"), Kind: Regular, Size: 5, Content: content(0, 6, -1)},
		"lengths wrap":        {Name: []byte("a"), Kind: Regular, Size: 5, Content: content(0, math.MaxInt64, math.MaxInt64, 7)},
		"list too deep":       {Name: []byte("a"), Kind: Regular, Size: 5, Content: content(9, 5)},
		"extents, not sparse": {Name: []byte("a"), Kind: Regular, Size: 5, Extents: []Extent{{Offset: 0, Length: 5}}, Content: content(0, 5)},
		"extent past the end": {Name: []byte("a"), Kind: Regular, Size: 5, Sparse: true, Extents: []Extent{{Offset: 3, Length: 3}}, Content: content(0, 3)},
		"extent wraps":        {Name: []byte("a"), Kind: Regular, Size: 5, Sparse: true, Extents: []Extent{{Offset: math.MaxInt64, Length: 1}}, Content: content(0, 1)},
		"extents overlap":     {Name: []byte("a"), Kind: Regular, Size: 9, Sparse: true, Extents: []Extent{{Offset: 0, Length: 5}, {Offset: 4, Length: 5}}, Content: content(0, 10)},
		"negative extent":     {Name: []byte("a"), Kind: Regular, Size: 9, Sparse: true, Extents: []Extent{{Offset: -1, Length: 5}}, Content: content(0, 5)},
		"empty extent":        {Name: []byte("a"), Kind: Regular, Size: 9, Sparse: true, Extents: []Extent{{Offset: 1, Length: 0}}},
		"sparse, other data":  {Name: []byte("a"), Kind: Regular, Size: 9, Sparse: true, Extents: []Extent{{Offset: 1, Length: 2}}, Content: content(0, 9)},
		"mode with a type":    {Name: []byte("a"), Kind: Regular, Mode: 0o100644},
		"nanoseconds":         {Name: []byte("a"), Kind: Regular, MTime: Stamp{Nsec: 1_000_000_000}},
		"short link group":    {Name: []byte("a"), Kind: Regular, LinkGroup: []byte{1}},
	}
	for name, e := range tests {
		t.Run(name, func(t *testing.T) {
			if err := CheckEntry(&e, false); !errkind.Is(err, errkind.Damaged) {
				t.Errorf("%v", err)
			}
			s := newStore(t)
			d := s.hostile(node[Entry]{Type: typeDirectory, Items: []Entry{e}})
			if got, err := s.walk(d); !errkind.Is(err, errkind.Damaged) || len(got) != 0 {
				t.Errorf("walked: %d entries, %v", len(got), err)
			}
		})
	}
	good := []Entry{
		{Name: []byte("\xff\n"), Kind: Regular},
		{Name: bytes.Repeat([]byte("n"), 255), Kind: Fifo, Mode: 0o7777},
		{Name: []byte("..."), Kind: Dir, Tree: &d},
		{Name: []byte("a"), Kind: Regular, Size: 1 << 40, Sparse: true},
		{Name: []byte("a"), Kind: Regular, Size: 9, Sparse: true, Extents: []Extent{{Offset: 1, Length: 2}, {Offset: 3, Length: 1}}, Content: content(0, 1, 2)},
		{Name: []byte("a"), Kind: CharDevice, Major: 1, Minor: 3, MTime: Stamp{Sec: -1, Nsec: 999_999_999}},
	}
	for _, e := range good {
		if err := CheckEntry(&e, false); err != nil {
			t.Errorf("%q: %v", e.Name, err)
		}
	}
}

func TestWalk_HostileNodesAreRefused(t *testing.T) {
	s := newStore(t)
	leaf := s.dir(many(2))
	refs := func(digests ...Digest) Digest {
		var items []branchItem
		for _, d := range digests {
			items = append(items, branchItem{Digest: d})
		}
		return s.hostile(node[branchItem]{Type: typeBranch, Items: items})
	}
	deep := leaf
	for range maxDepth + 1 {
		deep = refs(deep)
	}
	later := s.dir([]Entry{fileEntry("zzz", 1)})
	full := make([]int, 200_000)
	tests := map[string]Digest{
		"out of order":         s.hostile(node[Entry]{Type: typeDirectory, Items: []Entry{fileEntry("b", 1), fileEntry("a", 1)}}),
		"a name twice":         s.hostile(node[Entry]{Type: typeDirectory, Items: []Entry{fileEntry("a", 1), fileEntry("a", 2)}}),
		"pieces out of order":  refs(later, leaf),
		"the same piece twice": refs(leaf, leaf),
		"branches too deep":    deep,
		"a list":               s.hostile(node[ListItem]{Type: typeList, Items: []ListItem{{Length: 1}}}),
		"unknown type":         s.hostile(node[Entry]{Type: 4}),
		"type 0":               s.hostile(node[Entry]{Type: 0}),
		"not an array of two":  s.hostile([]int{1}),
		"no CBOR":              s.hostile(nil),
		"too many items":       s.hostile(node[int]{Type: typeDirectory, Items: full}),
		"too many pieces":      s.hostile(node[int]{Type: typeBranch, Items: full}),
		"not there":            {9},
	}
	for name, d := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := s.walk(d); !errkind.Is(err, errkind.Damaged) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("one level less", func(t *testing.T) {
		d := leaf
		for range maxDepth {
			d = refs(d)
		}
		if got, err := s.walk(d); err != nil || len(got) != 2 {
			t.Errorf("%d %v", len(got), err)
		}
	})
}

// TestWalk_HugeItemCountsAreNotAllocated has a small node that claims, and
// holds, far more items than any writer makes.
func TestWalk_HugeItemCountsAreNotAllocated(t *testing.T) {
	s := newStore(t)
	d := s.hostile(node[int]{Type: typeDirectory, Items: make([]int, 1<<20)})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := s.walk(d); !errkind.Is(err, errkind.Damaged) {
		t.Errorf("%v", err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes allocated", got)
	}
}

func TestWalk_BrokenPieceIsSkippedWhenTold(t *testing.T) {
	s := newStore(t)
	d := s.dir(many(5000))
	var victim Digest
	for n, plain := range s.nodes {
		if n != d && typeOf(plain) == typeDirectory {
			victim = n
			break
		}
	}
	lost := len(mustParse[Entry](t, s.nodes[victim]))
	delete(s.nodes, victim)
	if _, err := s.walk(d); !errkind.Is(err, errkind.Damaged) {
		t.Errorf("%v", err)
	}
	got, broken := 0, 0
	nodes := Nodes{Broken: func(n Digest, err error) error {
		if n != victim || err == nil {
			t.Errorf("%s broken: %v", n, err)
		}
		broken++
		return nil
	}}
	err := Walk(t.Context(), s.get, d, nodes, func(Entry) error { got++; return nil })
	if err != nil || got != 5000-lost || broken != 1 {
		t.Errorf("%d entries beside %d lost, %d broken, %v", got, lost, broken, err)
	}
}

func mustParse[T any](t *testing.T, plain []byte) []T {
	t.Helper()
	items, err := parseNode[T](plain, typeOf(plain))
	if err != nil {
		t.Fatal(err)
	}
	return items
}

func someItems(n int) []ListItem {
	r := rand.New(rand.NewPCG(1, 5))
	items := make([]ListItem, n)
	for i := range items {
		for j := 0; j < 32; j += 8 {
			binary.BigEndian.PutUint64(items[i].Digest[j:], r.Uint64())
		}
		items[i].Length = 1 + int64(r.IntN(1<<20))
	}
	return items
}

func TestContent_RoundTripAndCanonical(t *testing.T) {
	for _, n := range []int{0, 1, 31, 32, 33, 1000, 8193, 60_000} {
		s := newStore(t)
		items := someItems(n)
		c, err := PutContent(t.Context(), s.put, 16384, items)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			if c != nil {
				t.Error("content of nothing")
			}
			continue
		}
		if len(c.List) > inlineItems || (n <= inlineItems) != (c.Depth == 0) {
			t.Errorf("%d items: %d in the entry, depth %d", n, len(c.List), c.Depth)
		}
		size := int64(0)
		for _, it := range items {
			size += it.Length
		}
		e := Entry{Name: []byte("f"), Kind: Regular, Size: size, Content: c}
		if err := CheckEntry(&e, false); err != nil {
			t.Error(err)
		}
		var got []ListItem
		nodes := 0
		err = WalkContent(t.Context(), s.get, c, func(Digest) { nodes++ }, func(it ListItem) error { got = append(got, it); return nil })
		if err != nil || !slices.Equal(items, got) || nodes != len(s.nodes) {
			t.Errorf("%d items: %d came back, %v, %d nodes of %d", n, len(got), err, nodes, len(s.nodes))
		}
		again, err := PutContent(t.Context(), newStore(t).put, 16384, items)
		if err != nil || !cmp.Equal(c, again) {
			t.Errorf("%d items: not canonical", n)
		}
	}
}

func TestContent_OneChangeCostsFewNodes(t *testing.T) {
	s := newStore(t)
	items := someItems(60_000)
	if _, err := PutContent(t.Context(), s.put, 16384, items); err != nil {
		t.Fatal(err)
	}
	before := len(s.nodes)
	items[30_000].Digest[0] ^= 1
	if _, err := PutContent(t.Context(), s.put, 16384, items); err != nil {
		t.Fatal(err)
	}
	if more := len(s.nodes) - before; more > 3 {
		t.Errorf("%d new nodes beside %d", more, before)
	}
}

func TestContent_HostileListsAreRefused(t *testing.T) {
	s := newStore(t)
	list := func(items ...ListItem) Digest { return s.hostile(node[ListItem]{Type: typeList, Items: items}) }
	chunk := ListItem{Digest: Digest{1}, Length: 5}
	tests := map[string]*Content{
		"another sum":    {Depth: 1, List: []ListItem{{Digest: list(chunk), Length: 6}}},
		"empty list":     {Depth: 1, List: []ListItem{{Digest: list(), Length: 1}}},
		"negative":       {Depth: 1, List: []ListItem{{Digest: list(chunk, ListItem{Length: -1}), Length: 4}}},
		"wraps":          {Depth: 1, List: []ListItem{{Digest: list(ListItem{Length: math.MaxInt64}, ListItem{Length: math.MaxInt64}, ListItem{Length: 7}), Length: 5}}},
		"a directory":    {Depth: 1, List: []ListItem{{Digest: s.dir(many(2)), Length: 10}}},
		"not there":      {Depth: 1, List: []ListItem{{Digest: Digest{7}, Length: 5}}},
		"chunks as list": {Depth: 2, List: []ListItem{{Digest: list(chunk), Length: 5}}},
		"too many items": {Depth: 1, List: []ListItem{{Digest: s.hostile(node[int]{Type: typeList, Items: make([]int, 9000)}), Length: 5}}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			err := WalkContent(t.Context(), s.get, c, nil, func(ListItem) error { return nil })
			if !errkind.Is(err, errkind.Damaged) {
				t.Errorf("%v", err)
			}
		})
	}
}

// fuzzNode checks that a node's parse either fails as damaged or gives items
// that encode to something that parses alike.
func fuzzNode[T any](t *testing.T, plain []byte, want nodeType) []T {
	t.Helper()
	items, err := parseNode[T](plain, want)
	if err != nil {
		if !errkind.Is(err, errkind.Damaged) {
			t.Fatal(err)
		}
		return nil
	}
	first, err := canon.Marshal(node[T]{Type: want, Items: items})
	if err != nil {
		t.Fatal(err)
	}
	again, err := parseNode[T](first, want)
	if err != nil {
		t.Fatalf("%x: %v", first, err)
	}
	second, err := canon.Marshal(node[T]{Type: want, Items: again})
	if err != nil || !bytes.Equal(first, second) {
		t.Fatalf("%x became %x: %v", first, second, err)
	}
	return items
}

func FuzzNode(f *testing.F) {
	s := newStore(f)
	s.dir(append(many(3), Entry{Name: []byte("z"), Kind: Regular, Size: 9, Sparse: true, Extents: []Extent{{Offset: 1, Length: 2}}, LinkGroup: make([]byte, 16),
		Xattrs: []Xattr{{Name: []byte("user.a"), Value: []byte("b")}}, Content: &Content{List: []ListItem{{Length: 2}}}, User: "root"}))
	s.dir(many(1100))
	if _, err := PutContent(context.Background(), s.put, 2, someItems(40)); err != nil {
		f.Fatal(err)
	}
	for _, plain := range s.nodes {
		if len(plain) < 4096 {
			f.Add(plain)
		}
	}
	f.Add([]byte{0x82, 1, 0x9a, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, plain []byte) {
		for _, e := range fuzzNode[Entry](t, plain, typeDirectory) {
			if CheckEntry(&e, false) == nil && (len(e.Name) == 0 || bytes.ContainsAny(e.Name, "/\x00")) {
				t.Fatalf("%q", e.Name)
			}
			_ = CheckEntry(&e, true)
		}
		fuzzNode[branchItem](t, plain, typeBranch)
		fuzzNode[ListItem](t, plain, typeList)
		get := func(context.Context, Digest) ([]byte, error) { return plain, nil } // every node below is this one
		visits := 0
		enough := fmt.Errorf("enough")
		_ = Walk(t.Context(), get, Digest{}, Nodes{Node: func(Digest) bool { visits++; return visits < 1000 }}, func(Entry) error { return nil })
		_ = WalkContent(t.Context(), get, &Content{Depth: 3, List: []ListItem{{Length: 1}}}, nil, func(ListItem) error {
			if visits++; visits > 2000 {
				return enough
			}
			return nil
		})
	})
}

func BenchmarkBuilder(b *testing.B) {
	for _, n := range []int{100, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			entries := many(n)
			put := func(context.Context, Digest, []byte) error { return nil }
			b.ReportAllocs()
			for b.Loop() {
				x := NewBuilder(put)
				for i := range entries {
					if err := x.Add(b.Context(), entries[i]); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := x.Finish(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
