package tlog_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/counterfoil/counterfoil/internal/tlog"
)

// treeHash is the definition of RFC 6962, section 2.1, as it stands there.
func treeHash(leaves [][]byte) [32]byte {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	default:
		k := 1
		for 2*k < n {
			k *= 2
		}
		left, right := treeHash(leaves[:k]), treeHash(leaves[k:])
		return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
	}
}

func TestRoot_IsThatOfTheDefinition(t *testing.T) {
	var leaves [][]byte
	for n := 1; n <= 600; n++ {
		leaves = append(leaves, fmt.Appendf(nil, "leaf %d", n))
		if got := tlog.Root(leaves); got != treeHash(leaves) {
			t.Fatalf("%d leaves: %x", n, got)
		}
	}
}
