package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/internal/calendar"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func daily(at string) Schedule { return Schedule{Kind: EveryDay, At: at} }

func weekly(at string, days ...Weekday) Schedule {
	return Schedule{Kind: EveryWeek, At: at, Weekdays: days}
}

func hourly(every int, from, to string) Schedule {
	s := Schedule{Kind: EveryHours, Every: every}
	if from != "" {
		s.Window = Window{From: from, To: to}
	}
	return s
}

func TestNext_ByKindOfSchedule(t *testing.T) {
	for _, c := range []struct {
		name     string
		s        Schedule
		zone     string
		after    string
		expected string // empty: none
	}{
		{"later today", daily("22:00"), "UTC", "2026-11-28T10:00:00Z", "2026-11-28T22:00:00Z"},
		{"a run is not after itself", daily("22:00"), "UTC", "2026-11-28T22:00:00Z", "2026-11-29T22:00:00Z"},
		{"just before", daily("22:00"), "UTC", "2026-11-28T21:59:59.999999999Z", "2026-11-28T22:00:00Z"},
		{"by the zone's day", daily("01:00"), "Pacific/Auckland", "2026-11-28T11:30:00Z", "2026-11-29T01:00:00+13:00"},
		{"weekly, over the week's end", weekly("06:00", "monday", "friday"), "UTC", "2026-11-28T10:00:00Z", "2026-11-30T06:00:00Z"},
		{"weekly, a week later", weekly("06:00", "saturday"), "UTC", "2026-11-28T06:00:00Z", "2026-12-05T06:00:00Z"},
		{"hourly from midnight", hourly(5, "", ""), "UTC", "2026-11-28T15:00:00Z", "2026-11-28T20:00:00Z"},
		{"hourly begins anew each day", hourly(5, "", ""), "UTC", "2026-11-28T20:00:00Z", "2026-11-29T00:00:00Z"},
		{"hourly from where the window begins", hourly(3, "20:30", "06:00"), "UTC", "2026-11-28T12:00:00Z", "2026-11-28T20:30:00Z"},
		{"past midnight in the window", hourly(3, "20:30", "06:00"), "UTC", "2026-11-28T23:30:00Z", "2026-11-29T02:30:00Z"},
		{"asked past midnight", hourly(3, "20:30", "06:00"), "UTC", "2026-11-29T00:30:00Z", "2026-11-29T02:30:00Z"},
		{"the last of the window", hourly(3, "20:30", "06:00"), "UTC", "2026-11-29T05:30:00Z", "2026-11-29T20:30:00Z"},
		{"a window ends before its end", hourly(1, "20:00", "22:00"), "UTC", "2026-11-28T21:00:00Z", "2026-11-29T20:00:00Z"},
		{"a window shorter than the step", hourly(23, "20:00", "20:01"), "UTC", "2026-11-28T21:00:00Z", "2026-11-29T20:00:00Z"},
		{"skipped time", daily("01:30"), "Europe/London", "2026-03-28T12:00:00Z", "2026-03-29T02:00:00+01:00"},
		{"time shown twice, the first", daily("01:30"), "Europe/London", "2026-10-24T12:00:00Z", "2026-10-25T01:30:00+01:00"},
		{"time shown twice, not the second", daily("01:30"), "Europe/London", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"half an hour skipped", daily("02:10"), "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-04T02:30:00+11:00"},
		{"no midnight", daily("00:00"), "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-04T01:00:00-02:00"},
		{"skipped day", daily("12:00"), "Pacific/Apia", "2011-12-29T23:00:00Z", "2011-12-31T00:00:00+14:00"},
		{"after the skipped day", daily("12:00"), "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T12:00:00+14:00"},
		{"weekly on the skipped day", weekly("12:00", "friday"), "Pacific/Apia", "2011-12-29T00:00:00Z", "2011-12-31T00:00:00+14:00"},
		{"manual", Schedule{Kind: Manual}, "UTC", "2026-11-28T10:00:00Z", ""},
		{"not a time", daily("24:00"), "UTC", "2026-11-28T10:00:00Z", ""},
		{"no step", hourly(0, "", ""), "UTC", "2026-11-28T10:00:00Z", ""},
		{"no weekday", weekly("06:00"), "UTC", "2026-11-28T10:00:00Z", ""},
		{"no such weekday", weekly("06:00", "caturday"), "UTC", "2026-11-28T10:00:00Z", ""},
		{"a window of no length", hourly(1, "20:00", "20:00"), "UTC", "2026-11-28T10:00:00Z", ""},
		{"the end of time", daily("22:00"), "UTC", "9999-12-31T22:00:00Z", ""},
		{"beyond the end of time", weekly("22:00", "sunday"), "UTC", "9999-12-31T23:59:59.9Z", ""},
	} {
		got, ok := c.s.Next(instant(t, c.after), zone(t, c.zone))
		if ok != (c.expected != "") || ok && !got.Equal(instant(t, c.expected)) {
			t.Errorf("%s: got %s, %t, want %s", c.name, got, ok, c.expected)
		}
	}
}

func TestNext_WithoutAZoneIsUTC(t *testing.T) {
	got, ok := daily("22:00").Next(instant(t, "2026-11-28T10:00:00Z"), nil)
	if !ok || got.Format(time.RFC3339) != "2026-11-28T22:00:00Z" {
		t.Errorf("got %s, %t", got, ok)
	}
}

// changing are zones and years in which clocks change in ways that differ.
var changing = []struct {
	zone string
	year int
}{
	{"Europe/London", 2026}, {"America/New_York", 2026}, {"Australia/Lord_Howe", 2024}, {"Africa/Casablanca", 2024},
	{"Pacific/Apia", 2011}, {"America/Sao_Paulo", 2018},
}

func TestRuns_OverAYear(t *testing.T) {
	schedules := []Schedule{
		daily("02:15"), daily("00:00"), daily("23:30"), weekly("01:30", "friday", "sunday"), hourly(1, "00:00", "04:00"), hourly(5, "", ""),
		hourly(2, "22:30", "04:00"),
	}
	var b strings.Builder
	for _, c := range changing {
		for _, s := range schedules {
			fmt.Fprintf(&b, "%d: %s\n%s\n", c.year, s.Words(c.zone), yearText(s, c.year, zone(t, c.zone)))
		}
	}
	golden(t, "runs.txt", b.String())
}

// yearText lists the days with runs, those that follow one another with the
// same times as one line.
func yearText(s Schedule, year int, loc *time.Location) string {
	first := calendar.Date{Year: year, Month: time.January, Day: 1}
	times := map[string][]string{}
	var days []string
	for run := range s.Runs(first.Start(loc).Add(-1), first.AddMonths(12).Start(loc).Add(-1), loc) {
		day := run.Format("2006-01-02")
		if !slices.Contains(days, day) {
			days = append(days, day)
		}
		times[day] = append(times[day], run.Format("15:04-07:00"))
	}
	var b strings.Builder
	for i := 0; i < len(days); {
		j := i + 1
		for j < len(days) && slices.Equal(times[days[i]], times[days[j]]) {
			j++
		}
		fmt.Fprintf(&b, "  %s to %s, %3d days: %s\n", days[i], days[j-1], j-i, strings.Join(times[days[i]], " "))
		i = j
	}
	return b.String()
}

func genZone(t *rapid.T) *time.Location {
	names := []string{"UTC", "America/Nuuk", "America/Havana", "Asia/Kathmandu", "Africa/Cairo"}
	for _, c := range changing {
		names = append(names, c.zone)
	}
	loc, err := time.LoadLocation(rapid.SampledFrom(names).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// genInstant draws instants of 2009 to 2033, half of them near a clock change.
func genInstant(t *rapid.T, loc *time.Location) time.Time {
	at := time.Unix(rapid.Int64Range(1.23e9, 2e9).Draw(t, "at"), 0)
	if rapid.Bool().Draw(t, "near a change") {
		if _, change := at.In(loc).ZoneBounds(); !change.IsZero() {
			at = change.Add(time.Duration(rapid.Int64Range(-50*3600, 3*3600).Draw(t, "off")) * time.Second)
		}
	}
	return at
}

func genClock(t *rapid.T, label string) string {
	m := rapid.SampledFrom([]int{0, 30, 60, 90, 110, 120, 150, 180, 1320, 1410, 1439, -1}).Draw(t, label)
	if m < 0 {
		m = rapid.IntRange(0, dayMinutes-1).Draw(t, label+" minute")
	}
	return fmt.Sprintf("%02d:%02d", m/60, m%60)
}

// genSchedule draws a schedule that has runs.
func genSchedule(t *rapid.T) Schedule {
	s := Schedule{Kind: rapid.SampledFrom([]Frequency{EveryHours, EveryDay, EveryWeek}).Draw(t, "kind"), CatchUp: rapid.Bool().Draw(t, "catch up")}
	if rapid.Bool().Draw(t, "has a window") {
		s.Window = Window{From: genClock(t, "from"), To: genClock(t, "to")}
	}
	s.Jitter.Clock = time.Duration(rapid.SampledFrom([]int64{0, 1, 60, 1800, 3600, 6 * 3600, 86400}).Draw(t, "jitter")) * time.Second
	if s.Kind == EveryHours {
		s.Every = rapid.IntRange(1, 23).Draw(t, "every")
	} else {
		s.At = genClock(t, "time")
	}
	if s.Kind == EveryWeek {
		s.Weekdays = rapid.SliceOfNDistinct(rapid.SampledFrom([]Weekday{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}),
			1, 3, func(w Weekday) Weekday { return w }).Draw(t, "days")
	}
	var bad problems
	s.check(&bad)
	if bad.err("drawn") != nil {
		t.Skip("not valid")
	}
	return s
}

// wallMinute is what the clocks in loc show, as if it were UTC.
func wallMinute(t time.Time, loc *time.Location) time.Time {
	l := t.In(loc)
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
}

// asks reports whether a schedule names a time on the wall.
func asks(s Schedule, wall time.Time) bool {
	minute := 60*wall.Hour() + wall.Minute()
	if s.Kind == EveryHours {
		from, to := 0, dayMinutes
		if !s.Window.IsZero() {
			from, _ = minuteOf(s.Window.From)
			to, _ = minuteOf(s.Window.To)
		}
		into := (minute - from + dayMinutes) % dayMinutes
		length := (to - from + dayMinutes - 1) % dayMinutes
		return into%(60*s.Every) == 0 && into <= length
	}
	day := Weekday(strings.ToLower(wall.Weekday().String()))
	return wall.Format("15:04") == s.At && (s.Kind == EveryDay || slices.Contains(s.Weekdays, day))
}

// watched finds the runs as somebody would who looks at the clock each minute:
// whenever it shows times that it has not shown before, one run if any of them
// is asked for.
func watched(s Schedule, after, until time.Time, loc *time.Location) []time.Time {
	var out []time.Time
	at := after.Add(-30 * time.Hour).Truncate(time.Minute)
	shown := wallMinute(at, loc)
	for at = at.Add(time.Minute); !at.After(until); at = at.Add(time.Minute) {
		due := false
		for wall := wallMinute(at, loc); shown.Before(wall); {
			shown = shown.Add(time.Minute)
			due = due || asks(s, shown)
		}
		if due && at.After(after) {
			out = append(out, at)
		}
	}
	return out
}

func texts(runs []time.Time) (out []string) {
	for _, r := range runs {
		out = append(out, r.UTC().Format(time.RFC3339Nano))
	}
	return out
}

func TestRuns_AreThoseOfSomebodyWatchingTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, loc := genSchedule(t), genZone(t)
		after := genInstant(t, loc)
		until := after.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "hours")) * time.Hour)
		got := slices.Collect(s.Runs(after, until, loc))
		if d := cmp.Diff(texts(watched(s, after, until, loc)), texts(got)); d != "" {
			t.Fatalf("%s after %s: %s", s.Words(loc.String()), after.In(loc), d)
		}
	})
}

func TestRuns_AreWhatNextGivesAgainAndAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, loc := genSchedule(t), genZone(t)
		after := genInstant(t, loc)
		until := after.Add(20 * 24 * time.Hour)
		var again []time.Time
		for at := after; ; {
			next, ok := s.Next(at, loc)
			if !ok || !next.After(at) {
				t.Fatalf("after %s comes %s, %t", at, next, ok)
			}
			if next.After(until) {
				break
			}
			again, at = append(again, next), next
		}
		if d := cmp.Diff(texts(again), texts(slices.Collect(s.Runs(after, until, loc)))); d != "" {
			t.Fatal(d)
		}
	})
}

func TestRuns_IncludeTheirLastInstant(t *testing.T) {
	run := instant(t, "2026-11-28T22:00:00Z")
	if got := slices.Collect(daily("22:00").Runs(run.Add(-time.Hour), run, time.UTC)); len(got) != 1 {
		t.Errorf("got %s", got)
	}
	if got := slices.Collect(daily("22:00").Runs(run.Add(-time.Hour), run.Add(-1), time.UTC)); len(got) != 0 {
		t.Errorf("got %s", got)
	}
	if got := slices.Collect(Schedule{Kind: Manual}.Runs(run, run.AddDate(1, 0, 0), time.UTC)); len(got) != 0 {
		t.Errorf("got %s", got)
	}
}

func TestRuns_OneForEachDayOfADailySchedule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, loc := daily(genClock(t, "time")), genZone(t)
		d := calendar.DateOf(genInstant(t, loc), loc)
		minute, _ := minuteOf(s.At)
		at := func(d calendar.Date) time.Time { return calendar.At(d, minute/60, minute%60, 0, 0, loc) }
		if !at(d.AddDays(1)).After(at(d)) {
			t.Skip("the day was skipped")
		}
		if got := slices.Collect(s.Runs(at(d).Add(-1), at(d.AddDays(1)).Add(-1), loc)); len(got) != 1 || !got[0].Equal(at(d)) {
			t.Fatalf("%s on %s: %s", s.Words(loc.String()), d, got)
		}
	})
}

func TestRuns_LieInTheWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, loc := genSchedule(t), genZone(t)
		s.Window = Window{From: genClock(t, "window from"), To: genClock(t, "window to")}
		window, ok := s.Window.span()
		if at, read := minuteOf(s.At); !ok || read && !window.has(at) {
			t.Skip("not valid")
		}
		after := genInstant(t, loc)
		for run := range s.Runs(after, after.Add(9*24*time.Hour), loc) {
			// Clocks that were set forward show a later time than was asked for.
			if start, _ := run.ZoneBounds(); start.Equal(run) {
				continue
			}
			if wall := wallMinute(run, loc); !window.has(60*wall.Hour() + wall.Minute()) {
				t.Fatalf("%s runs at %s", s.Words(loc.String()), run)
			}
		}
	})
}

func TestWords_SayEveryKind(t *testing.T) {
	spread := daily("01:00")
	spread.Window, spread.Jitter, spread.CatchUp = Window{"20:00", "06:00"}, calendar.Period{Clock: 30 * time.Minute}, true
	for want, s := range map[string]Schedule{
		"daily at 01:00, Europe/London":                            daily("01:00"),
		"weekly on Monday, Friday, Sunday at 06:30, Europe/London": weekly("06:30", "sunday", "friday", "monday"),
		"every hour from 00:00, Europe/London":                     hourly(1, "", ""),
		"every 4 hours from 20:00 until 06:00, Europe/London":      hourly(4, "20:00", "06:00"),
		"by hand only": {Kind: Manual},
		`by a schedule of a newer kind, "fortnightly"`: {Kind: "fortnightly"},
		"daily at 01:00, Europe/London; starts between 20:00 and 06:00; starts spread over 30 minutes; missed runs are caught up by one": spread,
	} {
		if got := s.Words("Europe/London"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestValidate_RefusesAScheduleWithoutSense(t *testing.T) {
	for name, c := range map[string]struct {
		s    Schedule
		want string // empty: valid
	}{
		"daily":                        {daily("22:00"), ""},
		"in the window":                {Schedule{Kind: EveryDay, At: "01:00", Window: Window{"20:00", "06:00"}}, ""},
		"where the window begins":      {Schedule{Kind: EveryDay, At: "20:00", Window: Window{"20:00", "06:00"}}, ""},
		"where the window ends":        {Schedule{Kind: EveryDay, At: "06:00", Window: Window{"20:00", "06:00"}}, "schedule.at"},
		"outside the window":           {Schedule{Kind: EveryDay, At: "12:00", Window: Window{"13:00", "14:00"}}, "schedule.at"},
		"weekly outside":               {Schedule{Kind: EveryWeek, At: "12:00", Weekdays: []Weekday{"monday"}, Window: Window{"20:00", "06:00"}}, "schedule.at"},
		"a window until midnight":      {hourly(2, "20:00", "00:00"), ""},
		"a window of no length":        {hourly(2, "20:00", "20:00"), "schedule.window"},
		"half a window":                {Schedule{Kind: EveryHours, Every: 2, Window: Window{From: "20:00"}}, "schedule.window"},
		"24:00":                        {hourly(2, "20:00", "24:00"), "schedule.window"},
		"a time without leading zero":  {daily("1:00"), "schedule.at"},
		"a time with seconds":          {daily("01:00:00"), "schedule.at"},
		"every day of the week, twice": {weekly("01:00", "monday", "monday"), "schedule.weekdays[1]"},
		"every 0 hours":                {hourly(0, "", ""), "schedule.every"},
		"every 24 hours":               {hourly(24, "", ""), "schedule.every"},
	} {
		p := SOX()
		p.Schedule = c.s
		err := p.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want+" must") {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if _, ok := c.s.Next(instant(t, "2026-11-28T10:00:00Z"), nil); err == nil && !ok {
			t.Errorf("%s: is valid and never runs", name)
		}
	}
}

func TestValidate_RefusesTheZoneOfTheHost(t *testing.T) {
	p := SOX()
	p.Zone = "Local"
	if err := p.Validate(); err == nil || !strings.Contains(err.Error(), "zone must") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkNext(b *testing.B) {
	after, loc := instant(b, "2026-11-28T10:00:00Z"), zone(b, "Europe/London")
	for name, s := range map[string]Schedule{"daily": daily("01:00"), "weekly": weekly("01:00", "friday"), "hourly": hourly(1, "20:00", "06:00")} {
		b.Run(name, func(b *testing.B) {
			at := after
			for b.Loop() {
				next, ok := s.Next(at, loc)
				if !ok {
					b.Fatal("no run")
				}
				if at = next; at.Year() > 2100 {
					at = after
				}
			}
		})
	}
}
