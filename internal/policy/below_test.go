package policy

import "testing"

func TestMatchBelow(t *testing.T) {
	for _, c := range []struct {
		pattern, folder string
		want            bool
	}{
		{"", "", true},
		{"", "any/folder", true},
		{"gl/2026", "", true},
		{"gl/2026", "gl", true},
		{"gl/2026", "gl/2026/01", true},
		{"gl/2026", "gl/2025", false},
		{"gl/2026", "hr", false},
		{"/gl/**", "gl/2026/01", true},
		{"/gl/**", "", true},
		{"/gl/**", "hr", false},
		{"*/*.csv", "gl", true},
		{"*/*.csv", "gl/2026", false},
		{"gl/*.csv", "gl/x.csv", false},
		{"**/payroll/*.pdf", "a/b/c", true},
	} {
		if got := MatchBelow(c.pattern, c.folder); got != c.want {
			t.Errorf("%q below %q: %v", c.pattern, c.folder, got)
		}
	}
}
