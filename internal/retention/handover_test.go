package retention

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/policy"
)

// yearOf are points of March 2026, the first of which holds the year.
func yearOf(entries ...int64) HandoverInput {
	in := HandoverInput{Now: utcTime(2026, 6, 1, 0), SourceCreatedAt: utcTime(2020, 1, 1, 0), History: daysOf(entries...),
		Policy: policy.Policy{Keep: []policy.KeepRule{{Tag: policy.Yearly, For: calendar.Years(10), Month: 1, Day: 1}}}}
	in.History[0].Tags = []Tag{{Name: policy.Yearly, Period: "2026"}}
	return in
}

func TestHandovers_ADeletedPointNeitherTakesNorKeepsATag(t *testing.T) {
	deleted, failed := func(p *PastPoint) { p.Deleted = true }, func(p *PastPoint) { p.Verified = Failed }
	for name, c := range map[string]struct {
		first, second func(*PastPoint)
		want          string // who takes the year
	}{
		"the holder is deleted":              {deleted, nil, "b"},
		"the holder failed":                  {failed, nil, "b"},
		"and the next one is deleted":        {failed, deleted, "c"},
		"the holder is deleted, so the next": {deleted, deleted, "c"},
		"only another is deleted":            {nil, deleted, ""},
	} {
		in := yearOf(100, 100, 100)
		for i, fn := range []func(*PastPoint){c.first, c.second} {
			if fn != nil {
				fn(&in.History[i])
			}
		}
		got := ""
		for _, h := range Handovers(in) {
			got = h.To
		}
		if got != c.want {
			t.Errorf("%s: %q takes the year, want %q", name, got, c.want)
		}
	}
}

func TestHandovers_ADeletedPointDoesNotStandIn(t *testing.T) {
	in := yearOf(500, 100)
	in.Now = utcTime(2027, 2, 1, 0)
	for i := range in.History {
		in.History[i].Complete = false
	}
	in.History[0].Deleted, in.History[0].Tags[0].Provisional = true, true
	got := Handovers(in)
	if len(got) != 1 || got[0].To != "b" || !got[0].Tag.Provisional {
		t.Errorf("%+v", got)
	}
}

// Whoever deletes and brings back loses no tag for good: once nobody else holds
// it, the point is given it again.
func TestHandovers_APointThatIsBroughtBackTakesItsTagAgain(t *testing.T) {
	in := yearOf(100, 100)
	initial := []PointFacts{}
	for _, p := range in.History {
		initial = append(initial, PointFacts{ID: p.ID, ReceivedAt: p.ReceivedAt, Complete: true, Tags: p.Tags})
	}
	var facts []Fact
	step := func(more ...Fact) []Handover {
		facts = append(facts, more...)
		in.History = nil
		for _, f := range initial {
			in.History = append(in.History, Fold(f, facts).Past(true, 100, 100))
		}
		got := Handovers(in)
		for _, h := range got {
			facts = append(facts, h.Fact(in.Now))
		}
		return got
	}
	of := func(kind FactKind, id string) Fact {
		return Fact{Kind: kind, At: in.Now, Selector: Selector{Points: []string{id}}, Soft: &SoftDelete{At: in.Now, PurgeAfter: in.Now.AddDate(0, 0, 14)}}
	}
	var moves []string
	for _, f := range []Fact{of(SoftDeleted, "a"), of(Undeleted, "a"), of(SoftDeleted, "b"), of(Undeleted, "b")} {
		move := ""
		for _, h := range step(f) {
			move = h.From + ">" + h.To
		}
		moves = append(moves, move)
	}
	if d := cmp.Diff([]string{"a>b", "", "b>a", ""}, moves); d != "" {
		t.Error(d)
	}
}

func TestAssign_ADeletedPointHoldsNoTag(t *testing.T) {
	in := yearOf(100)
	for _, entries := range []int64{100, 10} { // whole and shrunken
		a := AssignInput{Policy: policy.Policy{Keep: []policy.KeepRule{{Tag: policy.Daily, For: calendar.Days(30)}}}, ReceivedAt: in.History[0].ReceivedAt.Add(1),
			Complete: true, Entries: entries, Bytes: entries, History: in.History}
		a.History[0].Tags = []Tag{{Name: policy.Daily, Period: "2026-03-01"}}
		a.History[0].Deleted = false
		if got := Assign(a).Tags; len(got) != 0 {
			t.Errorf("%d entries beside the holder: %v", entries, got)
		}
		a.History[0].Deleted = true
		if got := Assign(a).Tags; len(got) != 1 || got[0].Provisional != (entries < 100) {
			t.Errorf("%d entries beside a deleted holder: %v", entries, got)
		}
	}
}
