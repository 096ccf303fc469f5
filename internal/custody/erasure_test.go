package custody

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/erasure"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func erasureFact(t *testing.T, kind string, v any) vault.Fact {
	t.Helper()
	f, err := vault.NewFact(kind, v)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestErasures_AreThoseOfTheRecordsWithTheirWithdrawals(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 5, time.UTC)
	source := vault.NewSourceID(at)
	stamp := vault.StampOf(at)
	records := []vault.Record{
		{Number: 1, Facts: []vault.Fact{erasureFact(t, vault.FactErasure, vault.ErasureRecord{ID: "a", At: stamp, By: "ann", Subject: "s", Reason: "r", Sources: []vault.SourceID{source}, Paths: [][]byte{[]byte("m\xfc")}, Until: stamp})}},
		{Number: 2, Facts: []vault.Fact{
			erasureFact(t, vault.FactErasure, vault.ErasureRecord{ID: "b", Subject: "s", Until: stamp, At: stamp}),
			erasureFact(t, vault.FactErasureWithdrawn, vault.WithdrawalRecord{Erasure: "a", At: stamp, By: "ben", Reason: "slip"}),
			erasureFact(t, vault.FactErasureWithdrawn, vault.WithdrawalRecord{Erasure: "nobody's"}),
		}},
	}
	got, err := Erasures(records)
	want := erasure.List{
		{ID: "a", Subject: "s", Reason: "r", By: "ann", At: at, Sources: []string{source.String()}, Paths: []string{"m\xfc"}, Until: at, Withdrawn: &erasure.Withdrawal{Reason: "slip", By: "ben", At: at}},
		{ID: "b", Subject: "s", At: at, Until: at},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
	for _, kind := range []string{vault.FactErasure, vault.FactErasureWithdrawn} {
		_, err := Erasures(append(records, vault.Record{Number: 3, Facts: []vault.Fact{{Kind: kind, Value: []byte{0x80}}}}))
		if !errkind.Is(err, errkind.NewerFormat) {
			t.Errorf("%s that is not understood: %v", kind, err)
		}
	}
}
