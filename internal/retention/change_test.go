package retention

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/policy"
)

// points makes points as backups under the input's old policy would, at the
// times given.
func points(in *ChangeInput, at ...time.Time) {
	var history []PastPoint
	for i, received := range at {
		a := AssignInput{Point: fmt.Sprintf("p%02d", i), Source: "s", Policy: in.Old, Zone: in.OldZone, ReceivedAt: received, SourceCreatedAt: in.SourceCreatedAt,
			Trigger: Scheduled, Complete: true, Entries: 100, Bytes: 5e9, History: history, Classes: in.OldClasses, Bounds: Bounds{DefaultMin, DefaultMax}}
		assigned := Assign(a)
		history = append(history, PastPoint{ID: a.Point, ReceivedAt: received, Complete: true, Tags: assigned.Tags, Entries: a.Entries, Bytes: a.Bytes})
		in.Points = append(in.Points, ChangePoint{Facts: factsOf(a, assigned), Entries: a.Entries, Bytes: a.Bytes, Stored: 1e9})
	}
}

func nightly(from time.Time, n int) []time.Time {
	var out []time.Time
	for i := range n {
		out = append(out, from.AddDate(0, 0, i))
	}
	return out
}

func start() time.Time { return time.Date(2026, 1, 1, 22, 0, 0, 0, time.UTC) }

// withFor gives a policy with other periods for its tags.
func withFor(p policy.Policy, periods map[policy.TagName]calendar.Period) policy.Policy {
	p.Keep = append([]policy.KeepRule(nil), p.Keep...)
	for i := range p.Keep {
		if x, ok := periods[p.Keep[i].Tag]; ok {
			p.Keep[i].For = x
		}
	}
	p.Version++
	return p
}

func describe(in ChangeInput, c Change) string {
	var b strings.Builder
	for _, r := range c.Rules {
		fmt.Fprintf(&b, "rule %s\n", r.Sentence())
	}
	for _, p := range c.Points {
		fmt.Fprintf(&b, "point %s %s: %s -> %s, %d bytes, %d stored, held %v\n", p.Point, p.ReceivedAt.Format(time.DateOnly), p.Before, p.After, p.Bytes, p.Stored, p.Held)
		for _, r := range p.Reasons {
			fmt.Fprintf(&b, "  %s: %s\n", r.Kind, r.Sentence(zoneOr(in.NewZone)))
		}
	}
	for _, f := range c.Facts {
		fmt.Fprintf(&b, "fact %s %v %s until %s by %s %d\n", f.Kind, f.Selector.Points, f.Tag.Period, f.Until, f.Policy, f.PolicyVersion)
	}
	fmt.Fprintf(&b, "spared %d, %d bytes, shows from %s, %.3f GB months, endless %d\n", c.Spared, c.SparedBytes, c.ShowsFrom.Format(time.RFC3339), c.GBMonths, c.Endless)
	return b.String()
}

func goldenChange(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".change")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

func TestPlanChange_ExplainsItself(t *testing.T) {
	sox := policy.SOX()
	class := func(id string, start string) policy.Class {
		return policy.Class{ID: id, Minimum: calendar.Years(7), ClockStart: start, Basis: policy.Law}
	}
	contract, ledger := class("contract", "contract_end"), class("general_ledger", policy.Received)
	cases := map[string]func(in *ChangeInput) int{ // how many nights were backed up
		"longer": func(in *ChangeInput) int {
			in.New = withFor(sox, map[policy.TagName]calendar.Period{policy.Daily: calendar.Days(60), policy.Weekly: calendar.Forever()})
			return 10
		},
		"shorter": func(in *ChangeInput) int {
			in.New = withFor(sox, map[policy.TagName]calendar.Period{policy.Daily: calendar.Days(10), policy.Monthly: calendar.Months(12)})
			in.New.Keep = in.New.Keep[:3]
			return 34
		},
		"new_rule": func(in *ChangeInput) int {
			in.Old.Keep = sox.Keep[:2]
			in.New = withFor(sox, nil)
			return 34
		},
		"every_point": func(in *ChangeInput) int {
			in.New = withFor(sox, nil)
			in.New.EveryPoint = calendar.Days(45)
			in.Facts = []Fact{{Kind: HoldPlaced, At: in.Now, Hold: &hold.Hold{ID: "h", Matter: "m", Scope: hold.Scope{Points: []string{"p02"}}}}}
			return 6
		},
		"class_on_every_point": func(in *ChangeInput) int {
			in.OldClasses = []FoundClass{{Class: ledger, CarriedBy: policy.CloseYearly}, {Class: contract, CarriedBy: policy.CloseYearly}}
			in.NewClasses = []FoundClass{{Class: ledger, CarriedBy: policy.EveryPoint}, {Class: contract, CarriedBy: policy.EveryPoint}}
			in.New = withFor(sox, nil)
			return 3
		},
		"no_difference": func(in *ChangeInput) int { in.New = withFor(sox, nil); return 34 },
	}
	for name, set := range cases {
		in := ChangeInput{Old: sox, OldZone: time.UTC, NewZone: time.UTC, SourceCreatedAt: start().AddDate(-1, 0, 0), Now: start().AddDate(0, 0, 34)}
		nights := set(&in)
		points(&in, nightly(start(), nights)...)
		c := PlanChange(in)
		goldenChange(t, name, describe(in, c))
		checkChange(t, in, c)
	}
}

// checkChange fails if the change keeps a point shorter, or changes something
// again when it is repeated.
func checkChange(t interface{ Fatalf(string, ...any) }, in ChangeInput, c Change) {
	all := append(append([]Fact(nil), in.Facts...), c.Facts...)
	for _, f := range c.Facts {
		if err := f.Validate(); err != nil {
			t.Fatalf("%v", err)
		}
	}
	for _, p := range c.Points {
		if p.After.Shorter(p.Before) || p.Before.equal(p.After) || len(p.Reasons) == 0 {
			t.Fatalf("%+v", p)
		}
	}
	for _, p := range in.Points {
		before, after := Fold(p.Facts, in.Facts), Fold(p.Facts, all)
		if after.Computed.Shorter(before.Computed) || after.RetainUntil.Shorter(before.RetainUntil) {
			t.Fatalf("point %s: %+v became %+v", before.ID, before.Computed, after.Computed)
		}
	}
	again := in
	again.Facts = all
	if second := PlanChange(again); len(second.Facts)+len(second.Points) != 0 {
		t.Fatalf("repeated, it records %+v", second.Facts)
	}
}

func TestPlanChange_NeverShortensAndIsDoneOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := genInput(t)
		in := ChangeInput{Old: drawn.Policy, OldZone: drawn.Zone, NewZone: drawn.Zone, OldClasses: drawn.Classes, SourceCreatedAt: drawn.SourceCreatedAt}
		in.New = policy.Policy{Name: "next", Version: 2, Keep: genRules(t), OnDemand: genPeriod(t, "on demand"), EveryPoint: genPeriod(t, "every point")}
		for i := range rapid.IntRange(0, 2).Draw(t, "new classes") {
			in.NewClasses = append(in.NewClasses, genClass(t, i))
		}
		at := drawn.ReceivedAt
		var history []PastPoint
		for i := range rapid.IntRange(1, 10).Draw(t, "points") {
			a := drawn
			a.Point, a.History, a.ReceivedAt = fmt.Sprint("p", i), history, at
			a.Complete, a.Entries = rapid.IntRange(0, 3).Draw(t, "complete") > 0, rapid.Int64Range(0, 100).Draw(t, "entries")
			a.Trigger = rapid.SampledFrom([]Trigger{Scheduled, Scheduled, OnDemand, AtClose, Remnant}).Draw(t, "why")
			assigned := Assign(a)
			history = append(history, PastPoint{ID: a.Point, ReceivedAt: at, Complete: a.Complete, Tags: assigned.Tags, Entries: a.Entries, Bytes: a.Bytes})
			in.Points = append(in.Points, ChangePoint{Facts: factsOf(a, assigned), Entries: a.Entries, Bytes: a.Bytes})
			at = at.Add(time.Duration(rapid.Int64Range(1, 20*24*3600).Draw(t, "later")) * time.Second)
		}
		in.Now = at
		in.Facts = genFacts(t)
		checkChange(t, in, PlanChange(in))
	})
}

// A shorter policy and then the old one again leave every point as it was.
func TestPlanChange_ThereAndBackKeepsWhatWasPromised(t *testing.T) {
	in := ChangeInput{Old: policy.SOX(), OldZone: time.UTC, NewZone: time.UTC, SourceCreatedAt: start().AddDate(-1, 0, 0), Now: start().AddDate(0, 0, 20)}
	points(&in, nightly(start(), 20)...)
	in.New = withFor(policy.SOX(), map[policy.TagName]calendar.Period{policy.Daily: calendar.Days(8), policy.Weekly: calendar.Weeks(2)})
	there := PlanChange(in)
	if len(there.Facts) != 0 || there.Spared == 0 || there.ShowsFrom != in.Now.AddDate(0, 0, 8) {
		t.Errorf("%+v", there)
	}
	in.Old, in.New = in.New, withFor(policy.SOX(), nil)
	if back := PlanChange(in); len(back.Facts) != 0 || back.Spared != 0 {
		t.Errorf("%+v", back)
	}
}

// A point that is past its retention and still there is kept again, unless the
// longer time has passed as well.
func TestPlanChange_ReachesPointsThatHaveNotGoneYet(t *testing.T) {
	in := ChangeInput{Old: policy.SOX(), OldZone: time.UTC, NewZone: time.UTC, SourceCreatedAt: start().AddDate(-1, 0, 0), Now: start().AddDate(0, 0, 65)}
	points(&in, nightly(start(), 34)...)
	in.New = withFor(policy.SOX(), map[policy.TagName]calendar.Period{policy.Daily: calendar.Days(60)})
	c := PlanChange(in)
	for _, p := range c.Points {
		if !p.After.After(in.Now) || p.Before.After(in.Now) && p.Before.Time.Before(in.Now) {
			t.Errorf("%+v", p)
		}
	}
	if len(c.Points) == 0 || c.Points[0].Before.After(in.Now) {
		t.Errorf("no point past its retention was reached: %+v", c.Points)
	}
}

// A point that only stood in for another does not last longer with its tag.
func TestPlanChange_AStandInKeepsItsOwn(t *testing.T) {
	in := ChangeInput{Old: policy.SOX(), OldZone: time.UTC, NewZone: time.UTC, SourceCreatedAt: start().AddDate(-1, 0, 0), Now: start().AddDate(0, 0, 9)}
	points(&in, nightly(start(), 8)...)
	in.Facts = []Fact{{Kind: LevelChanged, At: in.Now, Level: VerifiedLevel, Failed: true, Selector: Selector{Points: []string{"p00"}}}}
	in.New = withFor(policy.SOX(), map[policy.TagName]calendar.Period{policy.Yearly: calendar.Years(11)})
	c := PlanChange(in)
	if len(c.Points) != 1 || c.Points[0].Point != "p01" || c.Facts[0].Kind != TagMoved || c.Facts[0].From != "p00" {
		t.Errorf("%+v", c.Points)
	}
	checkChange(t, in, c)
}

func TestPlanChange_ADeletedPointIsRaisedForWhenItIsBroughtBack(t *testing.T) {
	in := ChangeInput{Old: policy.SOX(), OldZone: time.UTC, NewZone: time.UTC, SourceCreatedAt: start().AddDate(-1, 0, 0), Now: start().AddDate(0, 0, 9)}
	points(&in, nightly(start(), 3)...)
	deleted := Fact{Kind: SoftDeleted, At: in.Now, Selector: Selector{Points: []string{"p01"}}, Soft: &SoftDelete{At: in.Now, PurgeAfter: in.Now.AddDate(0, 0, 14)}}
	in.Facts = []Fact{deleted}
	in.New = withFor(policy.SOX(), map[policy.TagName]calendar.Period{policy.Daily: calendar.Days(90)})
	c := PlanChange(in)
	if len(c.Points) != 2 || c.Points[0].Point != "p01" || c.Points[1].Point != "p02" {
		t.Errorf("%+v", c.Points)
	}
	gone := Fold(in.Points[1].Facts, append(in.Facts, c.Facts...))
	after := deleted.Soft.PurgeAfter.Add(time.Second)
	if d := Decide(Item{State: gone, Mutable: true}, after, nil); d.Verdict != Expire {
		t.Errorf("it does not follow its deletion: %+v", d)
	}
	back := Fold(in.Points[1].Facts, append(append(in.Facts, c.Facts...), Fact{Kind: Undeleted, At: in.Now, Selector: deleted.Selector}))
	if at := back.ReceivedAt.AddDate(0, 0, 89); back.Computed.Past(at) {
		t.Errorf("brought back, it is kept until %s", back.Computed)
	}
}

func TestPlanChange_YearsThatGetFiscalNamesCountOnce(t *testing.T) {
	calendarYears := policy.KeepRule{Tag: policy.Yearly, For: calendar.Years(5), Month: 1, Day: 1, Cycles: 10}
	fiscalYears := policy.KeepRule{Tag: policy.Yearly, For: calendar.Years(5), FiscalYearEnd: 12, Cycles: 10}
	in := ChangeInput{Old: policy.Policy{Name: "p", Version: 1, Keep: []policy.KeepRule{calendarYears}},
		New: policy.Policy{Name: "p", Version: 2, Keep: []policy.KeepRule{fiscalYears}}, Now: utcTime(2026, 2, 1, 0)}
	for y := 2017; y <= 2026; y++ {
		at := utcTime(y, 1, 1, 22)
		in.Points = append(in.Points, ChangePoint{Facts: PointFacts{ID: fmt.Sprint(y), Source: "s", ReceivedAt: at, Complete: true,
			Tags: []Tag{{Name: policy.Yearly, Period: fmt.Sprint(y)}}, Computed: Until{Time: at.AddDate(5, 0, 0)}}, Entries: 5, Bytes: 5})
	}
	c := PlanChange(in)
	if len(c.Facts) == 0 {
		t.Fatal("no point takes a fiscal year")
	}
	var after []CyclePoint
	for _, p := range in.Points {
		s := Fold(p.Facts, c.Facts)
		after = append(after, CyclePoint{ID: s.ID, ReceivedAt: s.ReceivedAt, Tags: s.Tags, Rules: in.Old.Keep})
	}
	if got := kept(after, in.New.Keep); len(got) != 10 {
		t.Errorf("of the last 10 year-ends are kept %v", got)
	}
}
