package tree

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
)

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
