package points_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/canon/canontest"
	"github.com/counterfoil/counterfoil/internal/vault/inventory"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/points"
	"github.com/counterfoil/counterfoil/internal/vault/records"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

func wires() []any {
	stamp, digest, id := tree.Stamp{Sec: -5, Nsec: 7}, tree.Digest{1}, objects.PointID{2}
	when := time.Date(2033, 3, 31, 0, 0, 0, 5, time.UTC)
	source := records.SourceRecord{ID: objects.SourceID{3}, Name: "books", Kind: "files", Created: stamp}
	return []any{
		&points.Envelope{Vault: seal.ID{1}, ID: id, Number: 4, Previous: digest[:], Started: stamp, Received: stamp, RetainUntil: &stamp, Term: points.Fixed, Root: digest,
			Packs: points.PackList{Names: digest[:], Base: &id, Add: digest[:], Drop: digest[:]}, Complete: true, Trial: true, Size: 5, Entries: 6},
		&points.Body{Source: source, Host: "h", Retention: retention.PointFacts{Source: "s", Policy: "sox", PolicyVersion: 3, Complete: true, Classes: []string{"ledger"}, Computed: retention.Until{Time: when}},
			Statistics: map[string]int64{"files": 3}, Classes: []points.PointClass{{Class: "c", Path: "p", Files: 1, Bytes: 2}}, Problems: []points.PointProblem{{Path: []byte("x"), Op: "open", Message: "no"}},
			Fuzzy: [][]byte{{1}}, Close: &points.PointClose{Period: "2026-03", Provisional: true}, Events: []string{"e"}, Holds: []string{"h"}, Version: "v", Warnings: []string{"w"}},
		&points.Intent{Vault: seal.ID{1}, Point: id, At: stamp, Object: "points/x/1", Digest: digest, Lock: &points.IntentLock{Mode: "governance", Until: stamp}},
		&tree.Entry{Name: []byte("n"), Kind: tree.Regular, Size: 5, Extents: []tree.Extent{{Offset: 1, Length: 2}}, Content: &tree.Content{}, Tree: &digest},
	}
}

func TestWires_RoundTrip(t *testing.T) { canontest.RoundTrip(t, wires()...) }

func FuzzWires(f *testing.F) { canontest.Fuzz(f, wires()...) }

// FuzzParsePoint gives arbitrary envelopes and bodies, signed and sealed by the
// vault itself, to the parser of points, and what it accepts to the pack list.
func FuzzParsePoint(f *testing.F) {
	ring := seal.NewKeyring(seal.NewID(), time.Unix(0, 0))
	store := &objects.Store{}
	if err := store.Unlock(ring.Vault, ring); err != nil {
		f.Fatal(err)
	}
	for _, w := range wires() {
		if e, ok := w.(*points.Envelope); ok {
			e.Vault = ring.Vault
			clear, err := canon.Marshal(e)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(clear, []byte{0xa0})
		}
	}
	f.Fuzz(func(t *testing.T, clear, plain []byte) {
		var e points.Envelope
		if canon.Unmarshal(clear, &e) != nil {
			return
		}
		body, err := store.Box(canon.Point, plain)
		if err != nil {
			return
		}
		e.BodyDigest, e.Vault = sha256.Sum256(body), ring.Vault
		if clear, err = canon.Marshal(e); err != nil {
			t.Fatal(err)
		}
		object, err := canon.Sign(canon.Point, clear, body, ring.SigningKey())
		if err != nil {
			t.Fatal(err)
		}
		p, err := points.New(store).Parse(objects.PointName(e.Source, e.Number), object)
		if err != nil {
			if k := errkind.Of(err); k != errkind.Damaged && k != errkind.NewerFormat {
				t.Fatalf("kind %v: %v", k, err)
			}
			return
		}
		if names, err := inventory.NewSet(store.ChunkID).Objects(p.Envelope); err == nil && len(names)*32 != len(p.Envelope.Packs.Names) {
			t.Fatal("pack list")
		}
		if p.Digest != sha256.Sum256(object) {
			t.Fatal("digest")
		}
	})
}
