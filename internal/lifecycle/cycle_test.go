package lifecycle_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// monthly keeps the last points of months whatever their age.
func monthly(cycles int) *policy.Policy {
	p := policy.SOX()
	p.Name = "cycles"
	p.Keep = []policy.KeepRule{{Tag: policy.Monthly, MonthDay: 1, For: calendar.Days(10), Cycles: cycles}}
	p.EveryPoint = calendar.Days(7)
	return &p
}

func (r *rig) months() string {
	r.t.Helper()
	var out []string
	for _, p := range r.points() {
		out = append(out, p.ReceivedAt.Format("Jan"))
	}
	return strings.Join(out, " ")
}

func TestExpiry_CyclesOutlastTheDateAndLetGoByNewerPoints(t *testing.T) {
	r := newRig(t, options{written: monthly(3)})
	for range 5 {
		r.backup()
		r.now = r.now.AddDate(0, 1, 0)
	}
	// All dates are long past: only the number of points counts.
	r.now = r.now.AddDate(2, 0, 0)
	if plan := r.plan(); len(plan.Expire) != 2 || plan.Kept[retention.GroundCycle] != 2 || plan.Kept[retention.GroundNewest] != 1 {
		t.Fatalf("%d go, %v", len(plan.Expire), plan.Kept)
	}
	rows := r.points()
	for i, want := range []retention.Cycle{{}, {}, {Tag: policy.Monthly, Number: 3}} {
		if got, err := r.life.Cycle(t.Context(), rows[i]); err != nil || got != want {
			t.Errorf("point %d: %v, %v", i, got, err)
		}
	}
	r.expire()
	if got := r.months(); got != "Mar Apr May" {
		t.Fatalf("left: %s", got)
	}
	r.backup()
	if plan := r.plan(); len(plan.Expire) != 1 {
		t.Fatalf("%d go", len(plan.Expire))
	}
	r.expire()
	if got := r.months(); got != "Apr May Jun" {
		t.Fatalf("left: %s", got)
	}
}

func TestExpiry_AFailedPointDoesNotPushAnotherOut(t *testing.T) {
	r := newRig(t, options{written: monthly(2)})
	for range 3 {
		r.backup()
		r.now = r.now.AddDate(0, 1, 0)
	}
	last := r.points()[2]
	r.must(failed(r, last.ID))
	r.now = r.now.AddDate(2, 0, 0)
	if plan := r.plan(); len(plan.Expire) != 0 {
		t.Fatalf("%+v", plan.Expire)
	}
}

// failed records that a point failed verification, as a job does.
func failed(r *rig, id string) error {
	f := retention.Fact{Kind: retention.LevelChanged, At: r.now, Level: retention.VerifiedLevel, Failed: true,
		Selector: retention.Selector{Points: []string{strings.ToLower(id)}}}
	x, err := vault.NewFact(vault.FactPoint, f)
	if err != nil {
		return err
	}
	_, err = r.vault().RecordFacts(r.t.Context(), grant(access.VaultVerify), x)
	return err
}

func TestAttack_ACatalogThatInventsNewerPeriods(t *testing.T) {
	r := newRig(t, options{written: monthly(3)})
	for range 3 {
		r.backup()
		r.now = r.now.AddDate(0, 1, 0)
	}
	r.now = r.now.AddDate(2, 0, 0)
	r.forge(func(rows []catalog.Point) []catalog.Point {
		const held = `{"name":"monthly","period":"2026-03"}`
		detail := string(rows[2].Detail)
		if !strings.Contains(detail, held) {
			t.Fatalf("no tag to forge in %s", detail)
		}
		more := held
		for _, m := range []string{"04", "05", "06", "07"} {
			more += `,{"name":"monthly","period":"2026-` + m + `"}`
		}
		rows[2].Detail = []byte(strings.Replace(detail, held, more, 1))
		return rows
	})
	if plan := r.plan(); len(plan.Expire) != 0 {
		t.Errorf("%d of the last three points go", len(plan.Expire))
	}
}

func TestAttack_ACatalogWithAnotherPolicyLetsNothingGo(t *testing.T) {
	p := monthly(3)
	r := newRig(t, options{written: p})
	r.recordPolicy(p)
	for range 4 {
		r.backup()
		r.now = r.now.AddDate(0, 1, 0)
	}
	r.now = r.now.AddDate(2, 0, 0)
	forged, err := json.Marshal(monthly(0))
	r.must(err)
	r.must(r.catalog.ReplacePolicy(t.Context(), grant(access.VaultRecover), catalog.Policy{Name: p.Name, Version: p.Version, Body: forged, CreatedAt: r.now}))
	if plan := r.plan(); len(plan.Expire) != 1 {
		t.Errorf("%d go, want the one before the last three", len(plan.Expire))
	}
}

// recordPolicy puts a policy into the vault's records, as it is.
func (r *rig) recordPolicy(p *policy.Policy) {
	r.t.Helper()
	body, err := json.Marshal(p)
	r.must(err)
	x, err := vault.NewFact(vault.FactPolicy, vault.PolicyRecord{Name: p.Name, Version: p.Version, Document: body})
	r.must(err)
	_, err = r.vault().RecordFacts(r.t.Context(), grant(access.PolicyCreate), x)
	r.must(err)
}

func TestExpiry_OfTwoDocumentsWithOneNumberTheMoreCyclesCount(t *testing.T) {
	for name, documents := range map[string][]*policy.Policy{"fewer first": {monthly(1), monthly(3)}, "fewer last": {monthly(3), monthly(1)}} {
		r := newRig(t, options{written: monthly(1)})
		for _, p := range documents {
			r.recordPolicy(p)
		}
		for range 4 {
			r.backup()
			r.now = r.now.AddDate(0, 1, 0)
		}
		r.now = r.now.AddDate(2, 0, 0)
		if plan := r.plan(); len(plan.Expire) != 1 {
			t.Errorf("%s: %d go, want the one before the last three", name, len(plan.Expire))
		}
	}
}
