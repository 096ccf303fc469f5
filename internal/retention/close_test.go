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

// Four years were closed under a policy that kept closes for a year, and it was
// made longer since.
func TestCloses_WhatWasKeptItsTimeIsNotTakenAgain(t *testing.T) {
	at := func(year int) time.Time { return utcTime(year, 1, 5, 0) }
	day := PastPoint{ID: "d", ReceivedAt: utcTime(2026, 5, 31, 22), Complete: true, Entries: 5, Bytes: 5}
	with := func(fn func(*PastPoint)) []PastPoint {
		p := PastPoint{ID: "c", ReceivedAt: utcTime(2023, 1, 6, 22), Complete: true, Entries: 5, Bytes: 5, Tags: []Tag{{Name: policy.Close, Period: "FY2022"}}}
		fn(&p)
		return []PastPoint{p, day}
	}
	all := []string{"FY2021", "FY2022", "FY2023", "FY2024"}
	for name, c := range map[string]struct {
		history []PastPoint
		years   int // of the policy
		now     time.Time
		want    []string // that wait
	}{
		"the points are disposed of":      {[]PastPoint{day}, 10, utcTime(2026, 6, 1, 0), nil},
		"never backed up since":           {nil, 10, utcTime(2026, 6, 1, 0), all},
		"backed up before only":           {[]PastPoint{{ID: "b", ReceivedAt: at(2021), Complete: true}}, 10, utcTime(2026, 6, 1, 0), all},
		"never completely":                {[]PastPoint{{ID: "i", ReceivedAt: day.ReceivedAt}}, 10, utcTime(2026, 6, 1, 0), all},
		"a remnant since":                 {[]PastPoint{{ID: "r", ReceivedAt: day.ReceivedAt, Complete: true, Trigger: Remnant}}, 10, utcTime(2026, 6, 1, 0), all},
		"one is there":                    {with(func(*PastPoint) {}), 10, utcTime(2026, 6, 1, 0), nil},
		"one failed":                      {with(func(p *PastPoint) { p.Verified = Failed }), 10, utcTime(2026, 6, 1, 0), []string{"FY2022"}},
		"one stands in":                   {with(func(p *PastPoint) { p.Complete, p.Tags[0].Provisional = false, true }), 10, utcTime(2026, 6, 1, 0), []string{"FY2022"}},
		"one is deleted":                  {with(func(p *PastPoint) { p.Deleted = true }), 10, utcTime(2026, 6, 1, 0), nil},
		"within a year":                   {[]PastPoint{{ID: "d", ReceivedAt: utcTime(2025, 5, 31, 22), Complete: true}}, 10, utcTime(2025, 6, 1, 0), []string{"FY2024"}},
		"run out, and one failed":         {with(func(p *PastPoint) { p.Verified = Failed }), 1, utcTime(2026, 6, 1, 0), nil},
		"run out and never backed up":     {nil, 1, utcTime(2026, 6, 1, 0), all},
		"run out, the last was backed up": {[]PastPoint{{ID: "x", ReceivedAt: at(2024), Complete: true}}, 1, utcTime(2026, 6, 1, 0), []string{"FY2024"}},
	} {
		in := AssignInput{Source: "s", ReceivedAt: c.now, Trigger: Scheduled, Complete: true, SourceCreatedAt: utcTime(2020, 1, 2, 0), Entries: 5, Bytes: 5, History: c.history,
			Policy: policy.Policy{Name: "p", Keep: []policy.KeepRule{{Tag: policy.Daily, For: calendar.Days(30)}, {Tag: policy.Close, For: calendar.Years(c.years)}}}}
		for y := 2021; y <= 2024; y++ {
			in.Events = append(in.Events, Event{ID: fmt.Sprint(y), Name: CloseEvent, Period: fmt.Sprintf("FY%d", y), At: at(y + 1), RecordedAt: at(y + 1), Covers: Selector{From: at(y + 1)}})
		}
		var taken []string
		for _, tag := range Assign(in).Tags {
			if tag.Name == policy.Close {
				taken = append(taken, tag.Period)
			}
		}
		if d := cmp.Diff(c.want, taken); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestCloses_ARemnantIsNothingToMeasureBy(t *testing.T) {
	in := CloseInput{Source: "s", Policy: policy.Policy{Keep: []policy.KeepRule{{Tag: policy.Close, For: calendar.Years(7)}}, Fiscal: &policy.Fiscal{EndMonth: 3}},
		Now: utcTime(2026, 4, 29, 0), History: []PastPoint{
			{ID: "a", ReceivedAt: utcTime(2026, 4, 1, 22), Complete: true, Entries: 100, Bytes: 100},
			{ID: "remnant", ReceivedAt: utcTime(2026, 4, 20, 22), Trigger: Remnant, Complete: true, Entries: 20, Bytes: 20},
			{ID: "b", ReceivedAt: utcTime(2026, 4, 28, 22), Complete: true, Entries: 20, Bytes: 20, Tags: []Tag{{Name: policy.Close, Period: "FY2026-P12", Provisional: true}}},
		}}
	// b shrank against a. That a remnant was as small a week before says nothing.
	c := Closes(in)
	if len(c) != 1 || c[0].Captured() || c[0].StandIn != "b" {
		t.Errorf("%+v", c)
	}
}
