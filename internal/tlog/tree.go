package tlog

import merkle "golang.org/x/mod/sumdb/tlog"

// Root gives the Merkle tree hash (RFC 6962, section 2.1) of leaves in their
// order.
func Root(leaves [][]byte) Hash {
	var f frontier
	for _, leaf := range leaves {
		// Tiles that become full need not be kept, so nothing can fail.
		_ = f.push(merkle.RecordHash(leaf), func(tile, []Hash) error { return nil })
	}
	return f.root()
}
