package restore

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func TestLayout_StreamGoesToTheExtents(t *testing.T) {
	extents := []vault.Extent{{Offset: 10, Length: 5}, {Offset: 20, Length: 1}, {Offset: 30, Length: 10}}
	for _, c := range []struct {
		name       string
		e          vault.Entry
		at, length int64
		want       []string
	}{
		{"dense", vault.Entry{Size: 100}, 10, 90, []string{"10: 0-90"}},
		{"beyond a dense file", vault.Entry{Size: 100}, 10, 91, nil},
		{"before it", vault.Entry{Size: 100}, -1, 5, nil},
		{"length that overflows", vault.Entry{Size: 100}, 10, 1<<63 - 1, nil},
		{"all extents", vault.Entry{Size: 50, Sparse: true, Extents: extents}, 0, 16, []string{"10: 0-5", "20: 5-6", "30: 6-16"}},
		{"within one", vault.Entry{Size: 50, Sparse: true, Extents: extents}, 1, 3, []string{"11: 0-3"}},
		{"from one into the next", vault.Entry{Size: 50, Sparse: true, Extents: extents}, 4, 3, []string{"14: 0-1", "20: 1-2", "30: 2-3"}},
		{"the last", vault.Entry{Size: 50, Sparse: true, Extents: extents}, 6, 10, []string{"30: 0-10"}},
		{"beyond the extents", vault.Entry{Size: 50, Sparse: true, Extents: extents}, 6, 11, nil},
		{"all hole", vault.Entry{Size: 50, Sparse: true}, 0, 1, nil},
	} {
		l, err := layoutOf(c.e)
		if err != nil {
			t.Fatal(c.name, err)
		}
		var got []string
		err = l.each(c.at, c.length, func(off, from, to int64) error {
			got = append(got, fmt.Sprintf("%d: %d-%d", off, from, to))
			return nil
		})
		if diff := cmp.Diff(c.want, got); diff != "" || (c.want == nil) != errkind.Is(err, errkind.Damaged) {
			t.Errorf("%s: %v (-want +got)\n%s", c.name, err, diff)
		}
	}
}

func TestLayout_ImpossibleExtentsAreDamage(t *testing.T) {
	for name, extents := range map[string][]vault.Extent{
		"beyond the size":  {{Offset: 40, Length: 11}},
		"overlapping":      {{Offset: 0, Length: 10}, {Offset: 9, Length: 1}},
		"descending":       {{Offset: 20, Length: 1}, {Offset: 10, Length: 1}},
		"empty":            {{Offset: 5, Length: 0}},
		"negative offset":  {{Offset: -1, Length: 1}},
		"end overflows":    {{Offset: 1, Length: 1<<63 - 1}},
		"offset past size": {{Offset: 60, Length: 1}},
	} {
		if _, err := layoutOf(vault.Entry{Size: 50, Sparse: true, Extents: extents}); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSelection_PathsAreRelativeToTheRoot(t *testing.T) {
	for _, c := range []struct {
		wanted  string
		sources []string
		want    string
		kind    errkind.Kind
	}{
		{"a/b", nil, "a/b", 0},
		{"./a//b/", nil, "a/b", 0},
		{".", nil, "", 0},
		{"", nil, "", 0},
		{"..", nil, "", errkind.Invalid},
		{"a/../..", nil, "", errkind.Invalid},
		{"..hidden", nil, "..hidden", 0},
		{"/srv/books/a", []string{"/srv/books"}, "a", 0},
		{"/srv/books/a", []string{"/srv/books/"}, "a", 0},
		{"/srv/books", []string{"/srv/books"}, "", 0},
		{"/srv/bookshelf", []string{"/srv/books"}, "", errkind.NotFound},
		{"/srv", []string{"/srv/books"}, "", errkind.NotFound},
		{"/srv/books/a", []string{"/"}, "srv/books/a", 0},
		{"/srv/books/a", []string{"/srv/books", "/etc"}, "srv/books/a", 0},
		{"/srv/books/a/b", []string{"/srv/books/a", "/srv/books"}, "a/b", 0},
		{"/srv/books/a", []string{"/srv/books", "/srv/books"}, "a", 0},
		{"/a", nil, "a", 0},
	} {
		var sources [][]byte
		for _, s := range c.sources {
			sources = append(sources, []byte(s))
		}
		got, err := relativePath(c.wanted, sources)
		if got != c.want || errkind.Of(err) != c.kind {
			t.Errorf("%q of %q: %q, %v; want %q, %v", c.wanted, c.sources, got, err, c.want, c.kind)
		}
	}
}
