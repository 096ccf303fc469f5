package policy

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestMatchBelow(t *testing.T) {
	for _, c := range []struct {
		pattern, folder string
		want            bool
	}{
		{"", "a", true},
		{"hr/ann", "", true},
		{"hr/ann", "hr", true},
		{"hr/ann", "hr/ann", true},
		{"hr/ann", "hr/ann/2025", true},
		{"hr/ann", "hr/bob", false},
		{"hr/ann", "sales", false},
		{"hr/*.csv", "hr", true},
		{"hr/*.csv", "hr/x", false},
		{"hr/*.csv", "hr/a.csv", false},
		{"hr/**", "hr/a/b", true},
		{"hr/**/a", "sales", false},
		{"**/ann*", "anywhere/at/all", true},
		{"*/ann", "a/b", false},
		{"", "", true},
		{"gl/2026", "gl/2025", false},
		{"/gl/**", "", true},
		{"*/*.csv", "gl", true},
		{"*/*.csv", "gl/2026", false},
		{"**/payroll/*.pdf", "a/b/c", true},
	} {
		if got := MatchBelow(c.pattern, c.folder); got != c.want {
			t.Errorf("%q below %q: got %v", c.pattern, c.folder, got)
		}
	}
}

// TestMatchBelow_HidesNoMatch holds the pruning against the matching: a path
// that matches has no parent below which nothing can.
func TestMatchBelow_HidesNoMatch(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11)) //nolint:gosec // the same in each run
	draw := func(words ...string) string {
		var parts []string
		for range 1 + random.IntN(5) {
			parts = append(parts, words[random.IntN(len(words))])
		}
		return strings.Join(parts, "/")
	}
	matched := 0
	for range 50_000 {
		pattern, path := draw("a", "b", "ab", "*", "a*", "**"), draw("a", "b", "ab", "\xffa")
		if !MatchPath(pattern, path) {
			continue
		}
		matched++
		for i, c := range path {
			if c == '/' && !MatchBelow(pattern, path[:i]) {
				t.Fatalf("%q matches %q and is said to match nothing below %q", pattern, path, path[:i])
			}
		}
	}
	if matched < 1000 {
		t.Errorf("only %d of the paths matched", matched)
	}
}
