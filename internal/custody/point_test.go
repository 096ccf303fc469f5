package custody

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/retention"
)

func TestUncarried_NamesTheClassesWithoutAReason(t *testing.T) {
	state := retention.PointState{
		Classes: []string{"general_ledger", "financial_statements", "cardholder_data", "of_another_version", "payroll"},
		Reasons: []retention.Reason{{Kind: retention.KindTag, Tag: "daily"}, {Kind: retention.KindEventPending, Class: "payroll"}},
	}
	want := []string{
		"Has records of class general_ledger (7 years from audit_concluded): yearly and close points carry its period, and this is none.",
		"Has records of class financial_statements (without limit): yearly and close points carry its period, and this is none.",
	}
	if diff := cmp.Diff(want, Uncarried(state)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSetLock_RaisesTheLevelOnlyWhereStorageHoldsTheLock(t *testing.T) {
	until := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		before, after catalog.PointLevel
		held          bool
	}{
		{"captured", "captured", false}, {"captured", catalog.LevelLocked, true},
		{"restored", "restored", true}, {"application-checked", "application-checked", true},
	} {
		row := catalog.Point{ID: "p", Level: c.before, Detail: []byte(`{"object":"points/x","facts":{},"trial":true}`)}
		if err := SetLock(&row, until, c.held); err != nil {
			t.Fatal(err)
		}
		d, err := Detail(row)
		if err != nil || !d.LockUntil.Equal(until) || d.Object != "points/x" || !d.Trial || row.Level != c.after {
			t.Errorf("%+v: level %q, %+v, %v", c, row.Level, d, err)
		}
	}
	if err := SetLock(&catalog.Point{ID: "p", Detail: []byte("no JSON")}, until, true); err == nil || !strings.Contains(err.Error(), "p") {
		t.Errorf("a damaged row: %v", err)
	}
}

func TestHistory_TellsRemnantsAndDeletedPoints(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	rows := []catalog.Point{
		{ID: "A", ReceivedAt: at, Detail: []byte(`{"facts":{"id":"a","received_at":"2030-01-02T03:04:05Z","trigger":"scheduled"}}`), Complete: true, Entries: 3, Size: 9},
		{ID: "B", ReceivedAt: at, Detail: []byte(`{"facts":{"id":"b","received_at":"2030-01-02T03:04:05Z","trigger":"remnant"}}`), Complete: true, Entries: 2, Size: 4},
		{ID: "C", ReceivedAt: at, Detail: []byte(`{"facts":{"id":"c","received_at":"2030-01-02T03:04:05Z"}}`), Entries: 1},
	}
	chosen := func(id string) retention.Selector { return retention.Selector{Points: []string{id}} }
	facts := []retention.Fact{
		{Kind: retention.SoftDeleted, At: at, Soft: &retention.SoftDelete{At: at}, Selector: chosen("a")},
		{Kind: retention.SoftDeleted, At: at, Soft: &retention.SoftDelete{At: at}, Selector: chosen("b")},
		{Kind: retention.Undeleted, At: at, Selector: chosen("b")},
		{Kind: retention.Disposed, At: at, Certificate: "x", Selector: chosen("c")},
	}
	got, err := History(rows, facts)
	if err != nil {
		t.Fatal(err)
	}
	want := []retention.PastPoint{
		{ID: "a", ReceivedAt: at, Trigger: retention.Scheduled, Deleted: true, Complete: true, Entries: 3, Bytes: 9},
		{ID: "b", ReceivedAt: at, Trigger: retention.Remnant, Complete: true, Entries: 2, Bytes: 4},
		{ID: "c", ReceivedAt: at, Deleted: true, Disposed: true, Entries: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
