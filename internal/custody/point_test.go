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
