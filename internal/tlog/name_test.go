package tlog

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestName_IsThatOfTheSpecification(t *testing.T) {
	cases := []struct {
		tile tile
		want string
	}{
		{tile{0, 1234067, 256}, "tile/0/x001/x234/067"},
		{tile{0, 0, 256}, "tile/0/000"},
		{tile{1, 5, 256}, "tile/1/005"},
		{tile{0, 273, 112}, "tile/0/273.p/112"},
		{tile{2, 0, 1}, "tile/2/000.p/1"},
		{tile{0, 1000, 256}, "tile/0/x001/000"},
		{tile{bundleLevel, 1234067, 8}, "tile/entries/x001/x234/067.p/8"},
		{tile{bundleLevel, 999, 256}, "tile/entries/999"},
		{tile{63, 0, 255}, "tile/63/000.p/255"},
	}
	for _, c := range cases {
		if got := c.tile.name(); got != c.want {
			t.Errorf("name of %v is %s, want %s", c.tile, got, c.want)
		}
		if got, ok := parseName(c.want); !ok || got != c.tile {
			t.Errorf("parse %s: %v %v", c.want, got, ok)
		}
	}
}

func TestParseName_RefusesOtherSpellings(t *testing.T) {
	for _, name := range []string{
		"", "tile", "tile/0", "tile/00/000", "tile/64/000", "tile/-1/000", "tile/data/000", "tile/8/0/000",
		"tile/0/0", "tile/0/0000", "tile/0/x000/001", "tile/0/001/002", "tile/0/x001", "tile/0/000.p/0",
		"tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p", "tile/0/000.p/1/2", "tile/0/+01", "tile/entries",
		"tile/0/x999/x999/x999/x999/x999/x999/999", "checkpoint", "tile/0/000.tmp",
	} {
		if got, ok := parseName(name); ok {
			t.Errorf("%q was read as %v", name, got)
		}
	}
}

// The specification: a tree of 70,000 has 273 full level 0 tiles and one of
// width 112, one full level 1 tile and one of width 17, one level 2 tile of
// width 1; a tree of 256 has a full level 0 tile and a level 1 tile of width 1.
func TestWidthOf_SpecificationExamples(t *testing.T) {
	type q struct {
		level       int
		index, size int64
	}
	got := map[q]int{}
	want := map[q]int{
		{0, 272, 70000}: 256, {0, 273, 70000}: 112, {0, 274, 70000}: 0,
		{1, 0, 70000}: 256, {1, 1, 70000}: 17, {2, 0, 70000}: 1, {3, 0, 70000}: 0,
		{0, 0, 256}: 256, {0, 1, 256}: 0, {1, 0, 256}: 1, {bundleLevel, 273, 70000}: 112,
	}
	for k := range want {
		got[k] = widthOf(k.level, k.index, k.size)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(q{})); d != "" {
		t.Error(d)
	}
}
