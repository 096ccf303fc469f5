package pack

import (
	"slices"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// ParseNames takes a list of joined names apart.
func ParseNames(joined []byte) ([]Name, error) {
	const n = len(Name{})
	if len(joined)%n != 0 {
		return nil, errkind.New(errkind.Damaged, "a list of pack names of %d bytes", len(joined))
	}
	out := make([]Name, 0, len(joined)/n)
	for ; len(joined) > 0; joined = joined[n:] {
		out = append(out, Name(joined[:n]))
	}
	return out, nil
}

// JoinNames joins names, ascending and each once.
func JoinNames(names []Name) []byte {
	sorted := slices.Clone(names)
	slices.SortFunc(sorted, func(a, b Name) int { return slices.Compare(a[:], b[:]) })
	var out []byte
	for _, n := range slices.Compact(sorted) {
		out = append(out, n[:]...)
	}
	return out
}
