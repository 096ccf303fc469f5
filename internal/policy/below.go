package policy

import (
	"slices"
	"strings"
)

// MatchBelow reports whether a pattern, as [MatchPath] reads it, can match
// anything below a folder. Where it cannot, nothing there need be looked at.
func MatchBelow(pattern, folder string) bool {
	want, have := names(pattern), names(folder)
	if !strings.Contains(pattern, "*") {
		n := min(len(want), len(have))
		return equal(want[:n], have[:n])
	}
	reach := positions(want, have)
	return slices.Contains(reach[:len(want)], true)
}
