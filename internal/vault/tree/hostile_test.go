package tree

import (
	"bytes"
	"math"
	"runtime"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

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
