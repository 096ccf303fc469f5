package records

import (
	"testing"

	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault/canon/canontest"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

func wires() []any {
	stamp, digest := tree.Stamp{Sec: -5, Nsec: 7}, tree.Digest{1}
	return []any{
		&Owner{Vault: seal.ID{1}, Epoch: 3, Server: seal.ID{2}, At: stamp, Host: "h"},
		&recordClear{Vault: seal.ID{1}, Number: 5, Previous: digest[:], At: stamp, Count: 2},
		&recordBody{Actor: "a", Event: "e", Facts: []Fact{{FactSource, []byte{0xa0}}}},
		&SourceRecord{ID: objects.SourceID{3}, Name: "books", Kind: "files", Paths: [][]byte{[]byte("/srv\xff")}, Excludes: []string{"*.tmp"}, ExcludeLarger: 5, ExcludeCaches: true,
			Policy: "sox", PolicyVersion: 2, Classes: []ClassPath{{"ledger", "/gl"}}, Created: stamp, Extra: map[string]string{"a": "b", "c": "d"}},
		&PolicyRecord{Name: "p", Version: 1, Document: []byte("{}")},
		&SettingsRecord{State: "locked", Minimum: "1y", Maximum: "10y", SoftDeleteDays: 14, SoftDeleteOn: true, Name: "n"},
		&PacksRecord{Names: digest[:], Reason: "r"},
		&PlacementRecord{Pack: digest[:], By: digest[:]},
		&RemovedRecord{Point: objects.PointID{1}, Source: objects.SourceID{2}, Number: 3, Digest: digest},
		&retention.Fact{},
	}
}

func TestWires_RoundTrip(t *testing.T) { canontest.RoundTrip(t, wires()...) }

func FuzzWires(f *testing.F) { canontest.Fuzz(f, wires()...) }
