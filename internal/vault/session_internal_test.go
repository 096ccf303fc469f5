package vault

import (
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/inventory"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// packsOf makes directories of packs with one chunk each.
func packsOf(from, to int) (infos []pack.Info) {
	for i := from; i < to; i++ {
		d := digestOf(i)
		infos = append(infos, pack.Info{Kind: seal.DataChunk, Name: pack.Name{byte(i), byte(i >> 8)}, Size: 4096,
			Frames: []pack.Frame{{Sealed: 128, Plain: 100, Lengths: []uint32{100}, Digests: d[:]}}})
	}
	return infos
}

// keyed is a vault of which only the ids of chunks are known.
func keyed(t *testing.T) *Vault {
	t.Helper()
	domain, err := seal.NewKeyring(seal.NewID(), time.Unix(0, 0)).Domain(seal.VaultDomain)
	if err != nil {
		t.Fatal(err)
	}
	return &Vault{store: &objects.Store{Domain: domain}}
}

func digestOf(i int) Digest { return Digest{byte(i), byte(i >> 8), 7} }

func segmentOf(v *Vault, infos []pack.Info) *index.Segment {
	b := index.NewBuilder(v.store.ChunkID)
	for _, i := range infos {
		b.Add(i)
	}
	return b.Segment()
}

// TestSession_ClaimsMoveToTables claims chunks, stores them, and claims them
// again: each is the caller's to store exactly once.
func TestSession_ClaimsMoveToTables(t *testing.T) {
	v := keyed(t)
	s := &Session{v: v, set: inventory.NewSet(v.store.ChunkID), claimed: map[index.ID]struct{}{}, needed: map[pack.Name]seal.ChunkKind{}}
	claims := func(from, to int) (n int) {
		for i := from; i < to; i++ {
			if s.claim(seal.DataChunk, digestOf(i)) {
				n++
			}
		}
		return n
	}
	if n := claims(0, 300); n != 300 {
		t.Fatalf("%d of 300 chunks were claimed", n)
	}
	for _, part := range [][2]int{{0, 100}, {100, 250}} {
		s.moveClaims(segmentOf(v, packsOf(part[0], part[1])))
	}
	if n := len(s.claimed); n != 50 {
		t.Errorf("%d claims are in memory, 50 belong there", n)
	}
	if n := claims(0, 300); n != 0 {
		t.Errorf("%d chunks were claimed twice", n)
	}
	if n := claims(300, 310); n != 10 {
		t.Errorf("%d of 10 more chunks were claimed", n)
	}
}
