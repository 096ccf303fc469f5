package objects_test

import (
	"testing"

	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/canon/canontest"
	"github.com/counterfoil/counterfoil/internal/vault/chunk"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

func wires() []any {
	stamp := tree.Stamp{Sec: -5, Nsec: 7}
	return []any{
		&objects.Header{Format: 1, Vault: seal.ID{1}, Created: stamp, Name: "n", Kind: "trial", Cutter: chunk.Default(), PackSize: 32 << 20},
		&objects.SigningKey{Vault: seal.ID{1}, Algorithm: canon.Ed25519, Public: []byte{1}, From: stamp, To: &stamp},
		&seal.SlotInfo{Vault: seal.ID{1}, Slot: seal.ID{2}, Version: 1, Created: stamp, Derivation: &seal.Derivation{Algorithm: "a", Salt: []byte{1}, Iterations: 5}},
	}
}

func TestWires_RoundTrip(t *testing.T) { canontest.RoundTrip(t, wires()...) }

func FuzzWires(f *testing.F) { canontest.Fuzz(f, wires()...) }
