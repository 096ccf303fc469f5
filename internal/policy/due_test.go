package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func caughtUp(s Schedule) Schedule {
	s.CatchUp = true
	return s
}

func within(s Schedule, from, to string) Schedule {
	s.Window = Window{from, to}
	return s
}

// november reads a time of November 2026, such as "27 22:00".
func november(t testing.TB, s string) time.Time {
	t.Helper()
	if s == "" {
		return time.Time{}
	}
	at, err := time.Parse("2006-01 2 15:04", "2026-11 "+s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func outage(t testing.TB, from, to string) Outage {
	t.Helper()
	return Outage{november(t, from), november(t, to)}
}

// dueText writes a decision in one line, times as november reads them.
func dueText(d DueDecision) string {
	var b strings.Builder
	b.WriteString(string(d.Reason))
	if d.Due() {
		b.WriteString(" " + d.Run.Format("2 15:04"))
	}
	for i, m := range d.Missed {
		if i == 0 {
			fmt.Fprintf(&b, "; missed %d:", d.MissedCount)
		}
		fmt.Fprintf(&b, " %s %s %s", m.Run.Format("2 15:04"), m.Reason, m.Until.Format("15:04"))
	}
	if !d.Again.IsZero() {
		b.WriteString("; again " + d.Again.Format("2 15:04"))
	}
	return b.String()
}

func TestDue_WhatIsDueNow(t *testing.T) {
	nightly, window := daily("22:00"), within(daily("22:00"), "20:00", "06:00")
	for _, c := range []struct {
		name             string
		s                Schedule
		since, last, now string
		want             string
	}{
		{"manual", Schedule{Kind: Manual}, "1 10:00", "", "20 22:30", "manual"},
		{"a new source waits for its first run", nightly, "20 10:00", "", "20 12:00", "next; again 20 22:00"},
		{"the first run", nightly, "20 10:00", "", "20 22:00", "on_time 20 22:00; again 21 22:00"},
		{"runs before the source are nobody's", caughtUp(nightly), "20 23:30", "", "20 23:31", "next; again 21 22:00"},
		{"just before", nightly, "1 10:00", "19 22:00", "20 21:59", "next; again 20 22:00"},
		{"late, within the grace", nightly, "1 10:00", "19 22:00", "20 22:59", "on_time 20 22:00; again 21 22:00"},
		{"late, past the grace", nightly, "1 10:00", "19 22:00", "20 23:00", "no_catch_up; missed 1: 20 22:00 not_started 23:00; again 21 22:00"},
		{"past the grace, caught up", caughtUp(nightly), "1 10:00", "19 22:00", "20 23:00", "catch_up 20 22:00; missed 1: 20 22:00 not_started 23:00; again 21 22:00"},
		{"started is not due again", nightly, "1 10:00", "20 22:00", "20 22:01", "next; again 21 22:00"},
		{"a run that started late is done", nightly, "1 10:00", "20 22:40", "20 22:41", "next; again 21 22:00"},
		{"many missed, one caught up", caughtUp(nightly), "1 10:00", "17 22:00", "20 12:00",
			"catch_up 19 22:00; missed 2: 18 22:00 not_started 23:00 19 22:00 not_started 23:00; again 20 22:00"},
		{"a catch-up answers for all before", caughtUp(nightly), "1 10:00", "20 12:00", "20 12:01", "next; again 20 22:00"},
		{"a run on time answers for those missed", caughtUp(nightly), "1 10:00", "18 22:00", "20 22:00",
			"on_time 20 22:00; missed 1: 19 22:00 not_started 23:00; again 21 22:00"},
		{"the next run is near", caughtUp(nightly), "1 10:00", "18 22:00", "20 21:00", "near; missed 1: 19 22:00 not_started 23:00; again 20 22:00"},
		{"the next run is not near yet", caughtUp(nightly), "1 10:00", "18 22:00", "20 20:59",
			"catch_up 19 22:00; missed 1: 19 22:00 not_started 23:00; again 20 22:00"},
		{"every hour, missed when the next comes", hourly(1, "", ""), "1 10:00", "20 08:00", "20 10:00",
			"on_time 20 10:00; missed 1: 20 09:00 not_started 10:00; again 20 11:00"},
		{"a catch-up waits for the window", caughtUp(window), "1 10:00", "18 22:00", "20 12:00", "window; missed 1: 19 22:00 not_started 23:00; again 20 20:00"},
		{"a catch-up in the window", caughtUp(window), "1 10:00", "18 22:00", "20 20:00", "catch_up 19 22:00; missed 1: 19 22:00 not_started 23:00; again 20 22:00"},
		{"the window ends before the grace", within(daily("05:40"), "20:00", "06:00"), "1 10:00", "19 05:40", "20 06:00",
			"no_catch_up; missed 1: 20 05:40 not_started 06:00; again 21 05:40"},
		{"within what is left of the window", within(daily("05:40"), "20:00", "06:00"), "1 10:00", "19 05:40", "20 05:59", "on_time 20 05:40; again 21 05:40"},
		{"weekly, days late", caughtUp(weekly("22:00", "friday")), "1 10:00", "13 22:00", "24 09:00",
			"catch_up 20 22:00; missed 1: 20 22:00 not_started 23:00; again 27 22:00"},
	} {
		got := dueText(Due(DueInput{Schedule: c.s, Since: november(t, c.since), LastStarted: november(t, c.last), Now: november(t, c.now), Source: "s"}))
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestDue_WhatWasDown(t *testing.T) {
	nightly := caughtUp(daily("22:00"))
	for _, c := range []struct {
		name    string
		s       Schedule
		outages []Outage
		running bool
		now     string
		want    string
	}{
		{"down when the run is due", nightly, []Outage{outage(t, "19 21:00", "")}, false, "19 22:00", "down; again 19 23:00"},
		{"down past the grace", nightly, []Outage{outage(t, "19 21:00", "")}, false, "19 23:30", "down; missed 1: 19 22:00 down 23:00; again 20 22:00"},
		{"up within the grace", nightly, []Outage{outage(t, "19 21:00", "19 22:30")}, false, "19 22:30", "on_time 19 22:00; again 20 22:00"},
		{"up past the grace", nightly, []Outage{outage(t, "19 21:00", "19 23:30")}, false, "19 23:30",
			"catch_up 19 22:00; missed 1: 19 22:00 down 23:00; again 20 22:00"},
		{"down at another time", nightly, []Outage{outage(t, "19 12:00", "19 22:00"), outage(t, "19 23:00", "19 23:10")}, false, "19 23:30",
			"catch_up 19 22:00; missed 1: 19 22:00 not_started 23:00; again 20 22:00"},
		{"an end that is planned is not reached", nightly, []Outage{outage(t, "19 21:00", "19 22:10")}, false, "19 22:05", "down; again 19 23:00"},
		{"one is under way", nightly, nil, true, "19 22:00", "running; again 19 23:00"},
		{"one is under way, and one was missed", nightly, nil, true, "19 23:30", "running; missed 1: 19 22:00 not_started 23:00; again 20 22:00"},
		{"nothing is due while down", nightly, []Outage{outage(t, "19 10:00", "")}, true, "19 12:00", "next; again 19 22:00"},
	} {
		got := dueText(Due(DueInput{Schedule: c.s, Since: november(t, "1 10:00"), LastStarted: november(t, "18 22:00"), Outages: c.outages, Running: c.running, Now: november(t, c.now)}))
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestDue_SourcesStartAndCatchUpSpread(t *testing.T) {
	s := jittered(caughtUp(daily("22:00")), 40*time.Minute)
	in := DueInput{Schedule: s, Source: "01jzledgers", Since: november(t, "1 10:00"), LastStarted: november(t, "18 22:00")}
	share := s.Start(november(t, "19 22:00"), in.Source, nil).Sub(november(t, "19 22:00"))
	if share < time.Minute {
		t.Fatalf("the source has a share of %s", share)
	}
	ask := func(at time.Time) string {
		in.Now = at
		return dueText(Due(in))
	}
	run, up := november(t, "19 22:00"), november(t, "20 03:00")
	if got := ask(run.Add(share - 1)); !strings.HasPrefix(got, "jitter; again 19 22:") {
		t.Errorf("before its share: %s", got)
	}
	if got := ask(run.Add(share)); !strings.HasPrefix(got, "on_time 19 22:00") {
		t.Errorf("after its share: %s", got)
	}
	in.Outages = []Outage{{november(t, "19 12:00"), up}}
	if got := ask(up.Add(share - 1)); !strings.HasPrefix(got, "jitter; missed 1: 19 22:00 down") {
		t.Errorf("after the outage, before its share: %s", got)
	}
	if got := ask(up.Add(share)); !strings.HasPrefix(got, "catch_up 19 22:00") {
		t.Errorf("after the outage and its share: %s", got)
	}
}

func TestDue_ReportsEachMissedRunOnceAndTheNewest(t *testing.T) {
	in := DueInput{Schedule: caughtUp(within(hourly(1, "20:00", "06:00"), "20:00", "06:00")), Since: november(t, "1 10:00"), Now: november(t, "29 12:00")}
	d := Due(in)
	if d.MissedCount != 280 || len(d.Missed) != MaxMissed || dueText(DueDecision{Missed: d.Missed[99:]}) != "; missed 0: 29 05:00 not_started 06:00" {
		t.Errorf("%d of %d, the last %+v", len(d.Missed), d.MissedCount, d.Missed[len(d.Missed)-1])
	}
	in.LastMissed = november(t, "29 04:00")
	if got := dueText(Due(in)); got != "window; missed 1: 29 05:00 not_started 06:00; again 29 20:00" {
		t.Errorf("got %s", got)
	}
	in.LastMissed = november(t, "29 05:00")
	if got := dueText(Due(in)); got != "window; again 29 20:00" {
		t.Errorf("got %s", got)
	}
}

func TestDue_LooksBackAYearAtMost(t *testing.T) {
	d := Due(DueInput{Schedule: daily("22:00"), Since: november(t, "1 10:00").AddDate(-9, 0, 0), Now: november(t, "29 12:00")})
	if d.MissedCount != 366 {
		t.Errorf("%d missed", d.MissedCount)
	}
}

func TestDue_TimesAheadOfNowAreNotBelieved(t *testing.T) {
	ahead := november(t, "20 22:00").AddDate(4, 0, 0)
	for name, c := range map[string]struct {
		in   DueInput
		now  string
		want string
	}{
		"the last start lies ahead":             {DueInput{Since: november(t, "1 10:00"), LastStarted: ahead}, "20 22:10", "on_time 20 22:00; again 21 22:00"},
		"and is no reason to catch up":          {DueInput{Since: november(t, "1 10:00"), LastStarted: ahead}, "20 23:10", "next; again 21 22:00"},
		"the source was created ahead":          {DueInput{Since: ahead}, "20 22:10", "on_time 20 22:00; again 21 22:00"},
		"created ahead, started, not due again": {DueInput{Since: ahead, LastStarted: november(t, "20 22:00")}, "20 22:10", "next; again 21 22:00"},
		"created ahead, missed after a start": {DueInput{Since: ahead, LastStarted: november(t, "19 22:00")}, "20 23:10",
			"catch_up 20 22:00; missed 1: 20 22:00 not_started 23:00; again 21 22:00"},
	} {
		c.in.Schedule, c.in.Now = caughtUp(daily("22:00")), november(t, c.now)
		if got := dueText(Due(c.in)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestDue_AWindowThatClocksSkippedDoesNotLoseTheRun(t *testing.T) {
	in := DueInput{Schedule: jittered(within(daily("01:15"), "01:00", "02:00"), time.Hour), Source: "s", Zone: zone(t, "Europe/London"),
		Since: instant(t, "2026-03-01T00:00:00Z"), LastStarted: instant(t, "2026-03-28T01:20:00Z"), Now: instant(t, "2026-03-29T02:00:10+01:00")}
	if d := Due(in); d.Reason != DueOnTime || !d.Run.Equal(instant(t, "2026-03-29T02:00:00+01:00")) {
		t.Errorf("got %s", dueText(d))
	}
}

func TestSentence_SaysEveryReason(t *testing.T) {
	var b strings.Builder
	for _, r := range []DueReason{DueOnTime, DueCatchUp, WaitManual, WaitNext, WaitJitter, WaitDown, WaitRunning, WaitNoCatchUp, WaitNear, WaitWindow, "weather"} {
		d := DueDecision{Reason: r, Run: november(t, "20 22:00"), Again: november(t, "21 22:00")}
		fmt.Fprintf(&b, "%s: %s\n", r, d.Sentence(zone(t, "Asia/Kathmandu")))
	}
	golden(t, "due.txt", b.String())
}

// checkScheduler lets a scheduler live through some days with outages and long
// runs, asking when it was told to and at times of its own.
func checkScheduler(t *rapid.T) {
	s, loc := genSchedule(t), genZone(t)
	begin := genInstant(t, loc)
	in := DueInput{Schedule: s, Zone: loc, Source: rapid.StringN(0, 4, 8).Draw(t, "source"), Since: begin, Now: begin}
	end := begin.Add(6 * 24 * time.Hour)
	var busyUntil time.Time
	for steps := 0; in.Now.Before(end) && steps < 400; steps++ {
		d := Due(in)
		checkDecision(t, in, d)
		if d.Due() {
			in.LastStarted = in.Now
			busyUntil = in.Now.Add(time.Duration(rapid.SampledFrom([]int64{0, 0, 1, 30, 90, 1500}).Draw(t, "takes")) * time.Minute)
		}
		if n := len(d.Missed); n > 0 {
			in.LastMissed = d.Missed[n-1].Run
		}
		if d.Again.IsZero() || !d.Again.After(in.Now) {
			t.Fatalf("at %s asks again at %s", in.Now, d.Again)
		}
		next := d.Again
		switch rapid.IntRange(0, 9).Draw(t, "step") {
		case 0:
			next = in.Now.Add(time.Duration(rapid.Int64Range(1, 48*60).Draw(t, "down")) * time.Minute)
			in.Outages = append(in.Outages, Outage{in.Now, next})
		case 1, 2:
			next = earliest(next, in.Now.Add(time.Duration(rapid.Int64Range(1, 7200).Draw(t, "wait"))*time.Second))
		}
		in.Now = next
		in.Running = in.Now.Before(busyUntil)
	}
}

func checkDecision(t *rapid.T, in DueInput, d DueDecision) {
	for i, m := range d.Missed {
		if !m.Run.After(in.LastStarted) || !m.Run.After(in.LastMissed) || m.Until.After(in.Now) || m.Run.Equal(d.Run) && d.Reason != DueCatchUp ||
			i > 0 && !m.Run.After(d.Missed[i-1].Run) {
			t.Fatalf("at %s, last %s: missed %+v", in.Now, in.LastStarted, m)
		}
	}
	if d.Due() != (d.Reason == DueOnTime || d.Reason == DueCatchUp) || len(d.Missed) > MaxMissed || len(d.Missed) > d.MissedCount {
		t.Fatalf("contradicts itself: %+v", d)
	}
	if !d.Due() {
		return
	}
	// One start for each run, and none without a run that nothing answered for.
	if !d.Run.After(in.LastStarted) || !d.Run.After(in.Since) || d.Run.After(in.Now) || in.Running {
		t.Fatalf("at %s, last %s: starts the run of %s", in.Now, in.LastStarted, d.Run)
	}
	if d.Reason == DueCatchUp && (!in.Schedule.CatchUp || !in.Schedule.Window.IsZero() && !opens(in.Schedule.Window, in.Now, in.Zone)) {
		t.Fatalf("at %s: catches up the run of %s", in.Now, d.Run)
	}
	if start := in.Schedule.Start(d.Run, in.Source, in.Zone); d.Reason == DueOnTime && (in.Now.Before(start) || !in.Now.Before(start.Add(Grace))) {
		t.Fatalf("at %s: starts a run that is due at %s", in.Now, start)
	}
}

func TestDue_ASchedulerStartsEachRunOnce(t *testing.T) { rapid.Check(t, checkScheduler) }

func FuzzDue(f *testing.F) { f.Fuzz(rapid.MakeFuzz(checkScheduler)) }

func TestDue_WithoutTroubleEveryRunStartsOnTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, loc := genSchedule(t), genZone(t)
		begin := genInstant(t, loc)
		in := DueInput{Schedule: s, Zone: loc, Source: "s", Since: begin, Now: begin}
		started := map[time.Time]bool{}
		for end := begin.Add(4 * 24 * time.Hour); in.Now.Before(end); {
			d := Due(in)
			if d.MissedCount > 0 || d.Reason == DueCatchUp {
				t.Fatalf("at %s: %+v", in.Now, d)
			}
			if d.Due() {
				started[d.Run.UTC()], in.LastStarted = true, in.Now
			}
			in.Now = d.Again
		}
		for run := range s.Runs(begin, begin.Add(2*24*time.Hour), loc) {
			if !started[run.UTC()] {
				t.Fatalf("%s: the run of %s was not started", s.Words(loc.String()), run)
			}
		}
	})
}
