package tree

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

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
		err = WalkContent(t.Context(), s.get, c, func(Digest) bool { nodes++; return true }, func(it ListItem) error { got = append(got, it); return nil })
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
