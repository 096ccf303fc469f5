package retention

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/policy"
)

func lastYears(n int) []policy.KeepRule {
	return []policy.KeepRule{{Tag: policy.Yearly, For: calendar.Years(1), Month: 1, Day: 1, Cycles: n}, {Tag: policy.Daily, For: calendar.Days(30)}}
}

// yearEnds are points of following years, the first in 2020.
func yearEnds(n int) []CyclePoint {
	var out []CyclePoint
	for i := range n {
		year := fmt.Sprint(2020 + i)
		out = append(out, CyclePoint{ID: year, ReceivedAt: utcTime(2020+i, 1, 1, 22), Tags: []Tag{{Name: policy.Yearly, Period: year}, {Name: policy.Daily, Period: year + "-01-01"}}})
	}
	return out
}

func kept(points []CyclePoint, rules []policy.KeepRule) []string {
	out := []string{}
	found := KeptByCycles(points, rules)
	for _, p := range points {
		if _, ok := found[p.ID]; ok {
			out = append(out, p.ID)
		}
	}
	return out
}

func TestKeptByCycles_TheLastYearsStayWhateverTheirAge(t *testing.T) {
	points := yearEnds(5)
	for name, c := range map[string]struct {
		change func([]CyclePoint) []CyclePoint
		rules  []policy.KeepRule
		want   []string
	}{
		"three":             {nil, lastYears(3), []string{"2022", "2023", "2024"}},
		"more than are":     {nil, lastYears(9), []string{"2020", "2021", "2022", "2023", "2024"}},
		"no rule":           {nil, lastYears(0), []string{}},
		"a failed one":      {func(p []CyclePoint) []CyclePoint { p[4].Verified = Failed; return p }, lastYears(2), []string{"2022", "2023", "2024"}},
		"a deleted one":     {func(p []CyclePoint) []CyclePoint { p[3].Gone = true; return p }, lastYears(2), []string{"2022", "2024"}},
		"a stand-in":        {func(p []CyclePoint) []CyclePoint { p[4].Tags[0].Provisional = true; return p }, lastYears(2), []string{"2022", "2023", "2024"}},
		"its own policy":    {func(p []CyclePoint) []CyclePoint { p[0].Rules = lastYears(5); return p }, lastYears(1), []string{"2020", "2024"}},
		"a policy gone by":  {func(p []CyclePoint) []CyclePoint { p[0].Rules = lastYears(2); return p }, lastYears(1), []string{"2024"}},
		"without yearly":    {nil, []policy.KeepRule{{Tag: policy.Monthly, Cycles: 3}}, []string{}},
		"handed over twice": {handedOver, lastYears(2), []string{"2021", "2023", "2023b"}},
		"years renamed":     {renamed, lastYears(3), []string{"2022", "2023", "2024"}},
		"renamed and twice": {func(p []CyclePoint) []CyclePoint { return handedOver(renamed(p)) }, lastYears(2), []string{"2022", "2023", "2023b"}},
		"a second stand-in": {standsIn, lastYears(2), []string{"2023", "2024"}},
	} {
		var in []CyclePoint
		for _, p := range points {
			p.Tags = slices.Clone(p.Tags)
			in = append(in, p)
		}
		if c.change != nil {
			in = c.change(in)
		}
		if d := cmp.Diff(c.want, kept(in, c.rules)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// handedOver gives 2023 a second holder, as after a failed verification that
// was an error of reading, and leaves nothing of 2022 and 2024.
func handedOver(p []CyclePoint) []CyclePoint {
	again := p[3]
	again.ID, again.ReceivedAt = "2023b", again.ReceivedAt.AddDate(0, 0, 1)
	p[2].Tags = p[2].Tags[1:]
	return append(p[1:4], again)
}

// renamed gives each point its year under a second name too, as a rule does that
// goes from calendar to fiscal years.
func renamed(p []CyclePoint) []CyclePoint {
	for i := range p {
		p[i].Tags = append(p[i].Tags, Tag{Name: policy.Yearly, Period: fmt.Sprintf("FY%d", p[i].ReceivedAt.Year()-1)})
	}
	return p
}

// standsIn adds an incomplete point of a year that a whole one holds.
func standsIn(p []CyclePoint) []CyclePoint {
	other := p[4]
	other.ID, other.Tags = "2024i", []Tag{{Name: policy.Yearly, Period: "2024", Provisional: true}}
	return append(p, other)
}

func TestKeptByCycles_ACloseTakenAgainIsOneCycle(t *testing.T) {
	at := func(id, period string, month time.Month) CyclePoint {
		return CyclePoint{ID: id, ReceivedAt: utcTime(2026, month, 5, 22), Tags: []Tag{{Name: policy.Close, Period: period}}}
	}
	points := []CyclePoint{at("p1", "FY2026-P01", 2), at("p2", "FY2026-P02", 3), at("p2b", "FY2026-P02.2", 4), at("p3", "FY2026-P03", 5)}
	rules := []policy.KeepRule{{Tag: policy.Close, For: calendar.Years(1), Cycles: 2}}
	if d := cmp.Diff([]string{"p2", "p2b", "p3"}, kept(points, rules)); d != "" {
		t.Error(d)
	}
	if c := KeptByCycles(points, rules)["p2"]; c != (Cycle{policy.Close, 2}) || c.String() != "2 close" {
		t.Errorf("got %v", c)
	}
}

func TestKeptByCycles_ASecondNameForEachPeriodChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points, rules := genCyclePoints(t, 0), genCycleRules(t)
		before := KeptByCycles(points, rules)
		for i := range points {
			for _, x := range points[i].Tags {
				x.Period = "again " + x.Period
				points[i].Tags = append(points[i].Tags, x)
			}
		}
		if d := cmp.Diff(before, KeptByCycles(points, rules)); d != "" {
			t.Fatal(d)
		}
	})
}

func genCyclePoints(t *rapid.T, from int) []CyclePoint {
	var out []CyclePoint
	for i := range rapid.IntRange(0, 12).Draw(t, "points") {
		p := CyclePoint{ID: fmt.Sprint("p", from+i), ReceivedAt: genTime(t, "received").Truncate(24 * time.Hour), Gone: rapid.IntRange(0, 5).Draw(t, "gone") == 0}
		p.Verified = rapid.SampledFrom([]Verified{Unknown, OK, Failed}).Draw(t, "verified")
		for _, name := range []policy.TagName{policy.Yearly, policy.Close} {
			if rapid.Bool().Draw(t, "tagged") {
				period := rapid.SampledFrom([]string{"FY2026-P01", "FY2026-P01.2", "FY2026-P02", "FY2026-P03", "FY2026-P04"}).Draw(t, "period")
				p.Tags = append(p.Tags, Tag{Name: name, Period: period, Provisional: rapid.Bool().Draw(t, "provisional")})
			}
		}
		if rapid.IntRange(0, 4).Draw(t, "old policy") == 0 {
			p.Rules = genCycleRules(t)
		}
		out = append(out, p)
	}
	return out
}

func genCycleRules(t *rapid.T) []policy.KeepRule {
	return []policy.KeepRule{{Tag: policy.Yearly, Cycles: rapid.IntRange(0, 4).Draw(t, "yearly")}, {Tag: policy.Close, Cycles: rapid.IntRange(0, 4).Draw(t, "close")}}
}

func TestKeptByCycles_MorePointsReleaseAndNeverResurrect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points, rules := genCyclePoints(t, 0), genCycleRules(t)
		before := KeptByCycles(points, rules)
		if d := cmp.Diff(before, KeptByCycles(rapid.Permutation(points).Draw(t, "order"), rules)); d != "" {
			t.Fatalf("the order counts: %s", d)
		}
		after := KeptByCycles(append(slices.Clone(points), genCyclePoints(t, 100)...), rules)
		for _, p := range points {
			if after[p.ID].Number > before[p.ID].Number {
				t.Fatalf("%s: %v before, %v with more points", p.ID, before[p.ID], after[p.ID])
			}
		}
		more := []policy.KeepRule{{Tag: policy.Yearly, Cycles: rules[0].Cycles + 1}, {Tag: policy.Close, Cycles: rules[1].Cycles + 1}}
		for id := range before {
			if _, ok := KeptByCycles(points, more)[id]; !ok {
				t.Fatalf("%s goes with a cycle more", id)
			}
		}
	})
}

func TestKeptByCycles_KeepsAsManyPeriodsAsItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := genCyclePoints(t, 0)
		n := rapid.IntRange(1, 4).Draw(t, "cycles")
		for i := range points {
			points[i].Rules = nil
		}
		found := KeptByCycles(points, []policy.KeepRule{{Tag: policy.Yearly, Cycles: n}})
		all, left := map[string]bool{}, map[string]bool{}
		for _, p := range points {
			for _, x := range p.Tags {
				if x.Name != policy.Yearly || !p.holdsForGood(x) {
					continue
				}
				all[x.Period] = true
				if !found[p.ID].IsZero() {
					left[x.Period] = true
				}
			}
			if p.Gone && !found[p.ID].IsZero() {
				t.Fatalf("%s is gone and kept", p.ID)
			}
		}
		if want := min(n, len(all)); len(left) < want {
			t.Fatalf("%d periods of %d are kept, want %d", len(left), len(all), want)
		}
	})
}

func TestDecide_ACycleOutlastsTheDate(t *testing.T) {
	s := stateUntil(utcTime(2026, 2, 1, 0))
	rapid.Check(t, func(t *rapid.T) {
		now := genTime(t, "now")
		without := Decide(Item{State: s}, now, nil)
		with := Decide(Item{State: s, Cycle: Cycle{policy.Yearly, 10}}, now, nil)
		if with.Verdict != Keep || without.Verdict == Keep && len(with.Findings) != len(without.Findings)+1 {
			t.Fatalf("with a cycle %+v, without %+v", with, without)
		}
	})
}
