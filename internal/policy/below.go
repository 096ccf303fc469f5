package policy

import (
	"slices"
	"strings"
)

// MatchBelow reports whether a pattern, as [MatchPath] reads it, can match any
// path below the folder given; "" is the whole source.
func MatchBelow(pattern, folder string) bool {
	want, have := names(pattern), names(folder)
	if !strings.Contains(pattern, "*") {
		n := min(len(want), len(have))
		return slices.Equal(want[:n], have[:n])
	}
	reach := reached(want, have)
	return slices.Contains(reach[:len(want)], true)
}
