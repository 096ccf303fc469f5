package policy

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/internal/calendar"
)

func jittered(s Schedule, by time.Duration) Schedule {
	s.Jitter = calendar.Period{Clock: by}
	return s
}

func TestStart_IsTheSameOnEveryDay(t *testing.T) {
	s, loc := jittered(daily("22:00"), 2*time.Hour), zone(t, "Europe/London")
	first := instant(t, "2026-01-01T22:00:00Z")
	want := s.Start(first, "01jzledgers", loc).In(loc).Format("15:04:05")
	for run := range s.Runs(first, first.AddDate(1, 0, 0), loc) {
		if got := s.Start(run, "01jzledgers", loc).In(loc).Format("15:04:05"); got != want {
			t.Errorf("%s starts at %s, before at %s", run, got, want)
		}
	}
	if want != "23:26:07" {
		t.Errorf("starts at %s: a source starts at another time than in earlier versions", want)
	}
}

func TestStart_WithoutJitterIsTheRun(t *testing.T) {
	run := instant(t, "2026-01-01T22:00:00Z")
	if got := daily("22:00").Start(run, "s", time.UTC); !got.Equal(run) {
		t.Errorf("got %s", got)
	}
}

func TestStart_StaysClearOfTheWindowAndTheNextRun(t *testing.T) {
	windowed := jittered(daily("22:00"), 12*time.Hour)
	windowed.Window = Window{"20:00", "23:00"}
	for name, c := range map[string]struct {
		s    Schedule
		most time.Duration
	}{
		"whole jitter":    {jittered(daily("22:00"), time.Hour), time.Hour},
		"until the next":  {jittered(hourly(1, "", ""), 24*time.Hour), 55 * time.Minute},
		"in the window":   {windowed, 55 * time.Minute},
		"a day of jitter": {jittered(daily("22:00"), 24*time.Hour), 24*time.Hour - leeway},
	} {
		var longest time.Duration
		run := instant(t, "2026-01-01T22:00:00Z")
		for i := range 20000 {
			longest = max(longest, c.s.Start(run, fmt.Sprint("source ", i), time.UTC).Sub(run))
		}
		if longest >= c.most || longest < c.most-c.most/100 {
			t.Errorf("%s: starts up to %s later, want just under %s", name, longest, c.most)
		}
	}
}

func TestStart_IsSpreadEvenly(t *testing.T) {
	const sources, parts = 60000, 12
	s := jittered(daily("22:00"), parts*time.Minute)
	run := instant(t, "2026-01-01T22:00:00Z")
	var count [parts]int
	for i := range sources {
		count[s.Start(run, fmt.Sprintf("01jzsource%016d", i), time.UTC).Sub(run)/time.Minute]++
	}
	for i, n := range count {
		if n < sources/parts*9/10 || n > sources/parts*11/10 {
			t.Errorf("minute %d has %d of %d sources", i, n, sources)
		}
	}
}

func TestStart_Bounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, loc := genSchedule(t), genZone(t)
		source := rapid.String().Draw(t, "source")
		run, ok := s.Next(genInstant(t, loc), loc)
		if !ok {
			t.Fatal("no run")
		}
		start := s.Start(run, source, loc)
		next, _ := s.Next(run, loc)
		if start.Before(run) || !start.Before(next) || start.After(s.Jitter.AddTo(run, loc)) {
			t.Fatalf("run %s, start %s, next %s", run, start, next)
		}
		if again := s.Start(run, source, loc); !again.Equal(start) {
			t.Fatalf("starts at %s and at %s", start, again)
		}
		if s.Window.IsZero() || opens(s.Window, start, loc) {
			return
		}
		// Clocks that skipped a part of the window may put the run at its end.
		if change, _ := run.In(loc).ZoneBounds(); !start.Equal(run) || !change.Equal(run) {
			t.Fatalf("%s: run %s, start %s", s.Words(loc.String()), run, start)
		}
	})
}

// opens reports whether a window is open at an instant.
func opens(w Window, at time.Time, loc *time.Location) bool {
	for back := range 3 {
		d := calendar.DateOf(at, loc).AddDays(-back)
		from, to := wallInstant(d, w.From, loc), wallInstant(d, w.To, loc)
		if w.To < w.From {
			to = wallInstant(d.AddDays(1), w.To, loc)
		}
		if !at.Before(from) && at.Before(to) {
			return true
		}
	}
	return false
}

func wallInstant(d calendar.Date, clock string, loc *time.Location) time.Time {
	m, _ := minuteOf(clock)
	return calendar.At(d, m/60, m%60, 0, 0, loc)
}
