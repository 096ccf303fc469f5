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
			Policy: "sox", PolicyVersion: 2, Classes: []ClassPath{{"ledger", "/gl", "every_point"}}, Created: stamp, Extra: map[string]string{"a": "b", "c": "d"},
			State: SourceDeleted, Deleted: &Deletion{At: stamp, By: "ann", PurgeAfter: stamp}},
		&PolicyRecord{Name: "p", Version: 1, Document: []byte("{}")},
		&SettingsRecord{State: "locked", Minimum: "1y", Maximum: "10y", SoftDeleteDays: 14, SoftDeleteOn: true, Name: "n", LockAt: &stamp, Deleted: &Deletion{At: stamp, By: "ann", PurgeAfter: stamp}},
		&PacksRecord{Names: digest[:], Reason: "r"},
		&PlacementRecord{Pack: digest[:], By: digest[:]},
		&RemovedRecord{Point: objects.PointID{1}, Source: objects.SourceID{2}, Number: 3, Digest: digest},
		&BatchRecord{ID: "b", At: stamp, By: "ann", Points: []string{"p"}, Why: "w", As: SignedByOwner},
		&CertificateRecord{ID: "c", Point: objects.PointID{1}, Source: objects.SourceID{2}, SourceName: "books", Number: 3, Manifest: digest, Received: stamp, Size: 4, Entries: 5,
			Policy: "sox", PolicyVersion: 1, Until: stamp, Grounds: []string{"g"}, Batch: "b", Proven: stamp, Disposed: stamp, By: "ann", Event: "e", Record: 6, Packs: 7, SharedPacks: 2, Last: digest[:]},
		&ProofRecord{Point: objects.PointID{1}, At: stamp, Root: digest, Objects: 2, Until: stamp},
		&CanaryRecord{At: stamp, Object: "canary/x", Mode: "governance", Verdict: "pass", Attempts: []string{"delete: pass"}},
		&ErasureRecord{ID: "e", At: stamp, By: "ann", Subject: "s", Reason: "DSR-7", Sources: []objects.SourceID{{3}}, Paths: [][]byte{[]byte("hr/m\xfcller")}, Until: stamp},
		&WithdrawalRecord{Erasure: "e", At: stamp, By: "ann", Reason: "r"},
		&retention.Fact{},
	}
}

func TestWires_RoundTrip(t *testing.T) { canontest.RoundTrip(t, wires()...) }

func FuzzWires(f *testing.F) { canontest.Fuzz(f, wires()...) }
