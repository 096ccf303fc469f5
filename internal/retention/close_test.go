package retention

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/policy"
)

func closesOf(in AssignInput) []Close {
	return Closes(CloseInput{Source: in.Source, Policy: in.Policy, Zone: in.Zone, Now: in.ReceivedAt, SourceCreatedAt: in.SourceCreatedAt, Events: in.Events, History: in.History})
}

func TestCloses_AWholePointCapturesAllThatWait(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		before := closesOf(in)
		a := Assign(in)
		tags := map[Tag]bool{}
		for _, x := range a.Tags {
			if x.Name == policy.Close {
				tags[Tag{Name: x.Name, Period: x.Period}] = true
			}
		}
		for _, c := range before {
			if got := tags[Tag{Name: c.Tag.Name, Period: c.Tag.Period}]; got && (c.Captured() || in.Trigger == Remnant) {
				t.Fatalf("%+v is taken without need", c)
			}
		}
		if in.Trigger == Remnant || !in.Complete {
			return
		}
		in.History = append(slices.Clone(in.History), PastPoint{ID: "zz", ReceivedAt: in.ReceivedAt, Complete: true, Tags: a.Tags, Entries: in.Entries, Bytes: in.Bytes})
		if judgeAll(measures(sorted(in.History)))[len(in.History)-1] != whole {
			return
		}
		for _, c := range closesOf(in) {
			if !c.Captured() {
				t.Fatalf("%+v waits after a whole point with%s", c, tagList(a.Tags))
			}
		}
	})
}

func TestCloses_MoreEventsTakeNoCloseAway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		before := closesOf(in)
		in.Events = append(slices.Clone(in.Events), genCloses(t, in.ReceivedAt)...)
		after := closesOf(in)
		for _, c := range before {
			if c.Event == "" {
				continue // may have been recorded now
			}
			if !slices.Contains(after, c) {
				t.Fatalf("%+v is not among %+v", c, after)
			}
		}
	})
}

func TestCloses_OtherEventsRecordNone(t *testing.T) {
	at := utcTime(2026, 4, 3, 12)
	in := CloseInput{Source: "s", Policy: policy.SOX(), Now: utcTime(2026, 4, 4, 12), Events: []Event{
		{ID: "name", Name: "audit_concluded", Period: "FY2026", At: at, Covers: Selector{From: at}},
		{ID: "period", Name: CloseEvent, At: at, Covers: Selector{From: at}},
		{ID: "end", Name: CloseEvent, Period: "FY2026", At: at, Covers: Selector{To: at.AddDate(1, 0, 0)}},
		{ID: "points", Name: CloseEvent, Period: "FY2026", At: at, Covers: Selector{Points: []string{"p"}}},
		{ID: "source", Name: CloseEvent, Period: "FY2026", At: at, Covers: Selector{Sources: []string{"t"}}},
	}}
	if got := Closes(in); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
	in.Events = append(in.Events, Event{ID: "close", Name: CloseEvent, Period: "FY26", At: at, Covers: Selector{From: at}})
	want := []Close{{Tag: Tag{Name: policy.Close, Period: "FY2026"}, Event: "close", Since: at, DueBy: at.Add(CloseWithin)}}
	if d := cmp.Diff(want, Closes(in)); d != "" {
		t.Error(d)
	}
}

func TestCloses_AreAskedForWithoutRecordOnlyByCalendarAndRule(t *testing.T) {
	rule := policy.KeepRule{Tag: policy.Close, For: calendar.Years(7)}
	march := &policy.Fiscal{EndMonth: 3}
	ofYear := []Event{{ID: "c", Name: CloseEvent, Period: "FY26", At: utcTime(2026, 4, 8, 12), Covers: Selector{Sources: []string{"s"}}}}
	for name, c := range map[string]struct {
		keep   []policy.KeepRule
		fiscal *policy.Fiscal
		events []Event
		want   int
	}{
		"both":            {[]policy.KeepRule{rule}, march, nil, 1},
		"no calendar":     {[]policy.KeepRule{rule}, nil, nil, 0},
		"no rule":         {policy.SOX().Keep, march, nil, 0},
		"year's recorded": {[]policy.KeepRule{rule}, march, ofYear, 0},
	} {
		in := CloseInput{Source: "s", Policy: policy.Policy{Keep: c.keep, Fiscal: c.fiscal}, Now: utcTime(2026, 4, 20, 12), SourceCreatedAt: utcTime(2026, 1, 1, 0), Events: c.events}
		got := 0
		for _, x := range Closes(in) {
			if x.Event == "" {
				got++
			}
		}
		if got != c.want {
			t.Errorf("%s: %d closes without record", name, got)
		}
		in.SourceCreatedAt = utcTime(2026, 4, 16, 0)
		for _, x := range Closes(in) {
			if x.Event == "" {
				t.Errorf("%s: a source that came later is asked for %+v", name, x)
			}
		}
	}
}

func TestCloses_APointThatIsDeletedStandsForNone(t *testing.T) {
	at := utcTime(2026, 3, 1, 0)
	in := CloseInput{Source: "s", Policy: policy.Policy{Keep: []policy.KeepRule{{Tag: policy.Close, For: calendar.Years(10)}}}, Now: utcTime(2026, 3, 10, 0),
		Events:  []Event{{ID: "e", Name: CloseEvent, Period: "FY2025", At: at, RecordedAt: at, Covers: Selector{From: at}}},
		History: []PastPoint{{ID: "a", ReceivedAt: utcTime(2026, 3, 2, 0), Complete: true, Tags: []Tag{{Name: policy.Close, Period: "FY2025"}}}}}
	for _, deleted := range []bool{false, true} {
		in.History[0].Deleted = deleted
		if c := Closes(in); len(c) != 1 || c[0].Captured() == deleted {
			t.Errorf("deleted %v: %+v", deleted, c)
		}
	}
}
