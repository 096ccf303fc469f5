package backup

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/vault"
)

func TestRegion_HasAndMeets(t *testing.T) {
	r := newRegion("gl/2026", "pay/a")
	for path, want := range map[string][2]bool{ // has, meets
		"": {false, true}, "gl": {false, true}, "gl/2026": {true, true}, "gl/2026/01/x": {true, true}, "gl/20": {false, false},
		"gl/2026x": {false, false}, "pay": {false, true}, "pay/ab": {false, false}, "x": {false, false},
	} {
		if got := [2]bool{r.has(path), r.meets(path)}; got != want {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
	}
	if all := newRegion(""); !all.has("any/path") || !all.meets("any") || all.empty() {
		t.Error("the whole is not everything")
	}
	if none := newRegion(); none.has("") || none.meets("") || !none.empty() {
		t.Error("nothing is something")
	}
}

func TestRegion_Meet(t *testing.T) {
	for _, c := range []struct{ a, b, want []string }{
		{[]string{""}, []string{"gl", "pay/a"}, []string{"gl", "pay/a"}},
		{[]string{"gl/sub", "x"}, []string{"gl"}, []string{"gl/sub"}},
		{[]string{"gl"}, []string{"gl"}, []string{"gl"}},
		{[]string{"gl/a"}, []string{"gl/b"}, nil},
	} {
		for _, m := range []region{newRegion(c.a...).meet(newRegion(c.b...)), newRegion(c.b...).meet(newRegion(c.a...))} {
			if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(m.tops))); diff != "" {
				t.Errorf("%q and %q: %s", c.a, c.b, diff)
			}
		}
	}
}

func TestUnread_OnlyWhatHidesPaths(t *testing.T) {
	var problems []vault.PointProblem
	for _, op := range []string{"list", "open", "read", "stat", "kind", "protected", "xattr", "vanished"} {
		problems = append(problems, vault.PointProblem{Path: []byte(op), Op: op})
	}
	want := []string{"kind", "list", "open", "protected", "read", "stat"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(unread(problems).tops))); diff != "" {
		t.Error(diff)
	}
}
