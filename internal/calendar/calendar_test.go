package calendar

import (
	"encoding/json"
	"testing"
	"time"
	_ "time/tzdata"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
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

func TestParsePeriod_ReadsBothFormsAndWritesISO(t *testing.T) {
	for in, want := range map[string]string{
		"P7Y": "P7Y", "P30D": "P30D", "P1Y6M": "P1Y6M", "PT15M": "PT15M", "P12W": "P12W", "P1DT12H": "P1DT12H",
		"7y": "P7Y", "30d": "P30D", "12w": "P12W", "36mo": "P36M", "15m": "PT15M", "4h": "PT4H",
		"1y6mo": "P1Y6M", "1mo15m": "P1MT15M", "90s": "PT1M30S", "PT90M": "PT1H30M", "P0D": "P0D", "unlimited": "unlimited",
	} {
		p, err := ParsePeriod(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := p.String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestParsePeriod_RefusesWhatIsNoPeriod(t *testing.T) {
	for _, in := range []string{
		"", "P", "PT", "P1", "7", "y", "P1DT", "P1D2Y", "1d1d", "-1d", "P-1D", "1.5y", "P1.5Y", "36months",
		"P1001Y", "9999999d", "P1H", "PT1D", "p7y", "7Y", " 7y", "7y ", "forever", "P1Y unlimited", "٣d",
	} {
		if p, err := ParsePeriod(in); err == nil {
			t.Errorf("%q: read as %s", in, p)
		}
	}
}

func TestAddTo_EndsOnTheLastDayOfAShorterMonth(t *testing.T) {
	for _, c := range []struct{ from, period, want string }{
		{"2024-02-29T10:00:00Z", "P1Y", "2025-02-28T10:00:00Z"},
		{"2024-02-29T10:00:00Z", "P4Y", "2028-02-29T10:00:00Z"},
		{"2025-01-31T10:00:00Z", "P1M", "2025-02-28T10:00:00Z"},
		{"2024-01-31T10:00:00Z", "P1M", "2024-02-29T10:00:00Z"},
		{"2025-12-31T10:00:00Z", "P2M", "2026-02-28T10:00:00Z"},
		{"2025-01-31T10:00:00Z", "P1M1D", "2025-03-01T10:00:00Z"},
		{"2099-03-01T00:00:00Z", "P1Y", "2100-03-01T00:00:00Z"},
		{"2096-02-29T00:00:00Z", "P4Y", "2100-02-28T00:00:00Z"},
		{"2026-12-28T23:59:59Z", "P12W", "2027-03-22T23:59:59Z"},
		{"2026-01-01T00:00:00Z", "PT36H", "2026-01-02T12:00:00Z"},
		{"9998-06-01T00:00:00Z", "P7Y", "9999-12-31T23:59:59Z"},
		{"2026-01-01T00:00:00Z", "unlimited", "9999-12-31T23:59:59Z"},
	} {
		p, err := ParsePeriod(c.period)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.AddTo(instant(t, c.from), time.UTC); !got.Equal(instant(t, c.want)) {
			t.Errorf("%s + %s = %s, want %s", c.from, c.period, got, c.want)
		}
	}
}

func TestAddTo_KeepsTheWallClockOverAChange(t *testing.T) {
	london := zone(t, "Europe/London")
	for _, c := range []struct{ from, period, want string }{
		{"2026-03-28T22:00:00Z", "P1D", "2026-03-29T22:00:00+01:00"},
		{"2026-03-28T22:00:00Z", "PT24H", "2026-03-29T22:00:00Z"},
		{"2026-03-28T01:30:00Z", "P1D", "2026-03-29T01:00:00Z"},           // 01:30 is skipped
		{"2026-10-24T01:30:00+01:00", "P1D", "2026-10-25T01:30:00+01:00"}, // the first of two
	} {
		p, err := ParsePeriod(c.period)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.AddTo(instant(t, c.from), london); !got.Equal(instant(t, c.want)) {
			t.Errorf("%s + %s = %s, want %s", c.from, c.period, got, c.want)
		}
	}
}

func TestAt_SkippedAndRepeatedTimes(t *testing.T) {
	for _, c := range []struct {
		zone string
		date Date
		h, m int
		want string
	}{
		{"Europe/London", Date{2026, 3, 29}, 1, 30, "2026-03-29T02:00:00+01:00"},
		{"Europe/London", Date{2026, 10, 25}, 1, 30, "2026-10-25T01:30:00+01:00"},
		{"America/New_York", Date{2026, 3, 8}, 2, 15, "2026-03-08T03:00:00-04:00"},
		{"America/New_York", Date{2026, 11, 1}, 1, 15, "2026-11-01T01:15:00-04:00"},
		{"America/Sao_Paulo", Date{2018, 11, 4}, 0, 0, "2018-11-04T01:00:00-02:00"}, // no midnight
		{"America/Havana", Date{2026, 11, 1}, 0, 0, "2026-11-01T00:00:00-04:00"},    // two midnights
		{"Australia/Lord_Howe", Date{2026, 10, 4}, 2, 10, "2026-10-04T02:30:00+11:00"},
		{"Pacific/Apia", Date{2011, 12, 30}, 12, 0, "2011-12-31T00:00:00+14:00"}, // no such day
		{"Asia/Kathmandu", Date{2026, 1, 1}, 0, 0, "2026-01-01T00:00:00+05:45"},
	} {
		got := At(c.date, c.h, c.m, 0, 0, zone(t, c.zone))
		if !got.Equal(instant(t, c.want)) {
			t.Errorf("%s %s %02d:%02d = %s, want %s", c.zone, c.date, c.h, c.m, got, c.want)
		}
	}
}

func TestDayStart_IsAlwaysInItsDayAndFirst(t *testing.T) {
	zones := []*time.Location{
		zone(t, "Europe/London"), zone(t, "America/New_York"), zone(t, "America/Sao_Paulo"),
		zone(t, "America/Havana"), zone(t, "Pacific/Apia"), zone(t, "Australia/Lord_Howe"), time.UTC,
	}
	rapid.Check(t, func(t *rapid.T) {
		loc := rapid.SampledFrom(zones).Draw(t, "zone")
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0)
		start := DayStart(at, loc)
		if start.After(at) || DateOf(start, loc) != DateOf(at, loc) {
			t.Fatalf("day of %s starts at %s", at.In(loc), start)
		}
		if before := start.Add(-time.Second); DateOf(before, loc) == DateOf(at, loc) {
			t.Fatalf("%s lies in the day that starts at %s", before.In(loc), start)
		}
	})
}

func TestKeys_NameTheISOWeekAndTheRepeatedHour(t *testing.T) {
	for in, want := range map[string]string{
		"2026-11-24": "2026-W48", "2026-12-31": "2026-W53", "2027-01-03": "2026-W53", "2027-01-04": "2027-W01", "2024-12-30": "2025-W01",
	} {
		d, err := ParseDate(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.WeekKey(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	london := zone(t, "Europe/London")
	first, second := instant(t, "2026-10-25T00:30:00Z"), instant(t, "2026-10-25T01:30:00Z")
	if a, b := HourKey(first, london), HourKey(second, london); a != "2026-10-25T01+0100" || b != "2026-10-25T01+0000" {
		t.Errorf("got %s and %s", a, b)
	}
	d := Date{2026, 11, 24}
	if d.DayKey() != "2026-11-24" || d.MonthKey() != "2026-11" || d.YearKey() != "2026" {
		t.Errorf("got %s %s %s", d.DayKey(), d.MonthKey(), d.YearKey())
	}
}

func TestFiscalYear_IsNamedByTheYearItEndsIn(t *testing.T) {
	march := FiscalYear{EndMonth: time.March}
	for in, want := range map[Date]string{{2026, 3, 31}: "FY2026", {2026, 4, 1}: "FY2027", {2026, 1, 1}: "FY2026"} {
		if got := march.Key(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	feb := FiscalYear{EndMonth: time.February}
	if got := feb.EndOnOrAfter(Date{2024, 2, 10}); got != (Date{2024, 2, 29}) {
		t.Errorf("got %s", got)
	}
	if got := feb.LastEndBefore(Date{2025, 2, 28}); got != (Date{2024, 2, 29}) {
		t.Errorf("got %s", got)
	}
}

func TestNthWeekday(t *testing.T) {
	if got := NthWeekday(2026, 11, 1, time.Sunday); got != (Date{2026, 11, 1}) {
		t.Errorf("got %s", got)
	}
	if got := NthWeekday(2026, 11, 4, time.Saturday); got != (Date{2026, 11, 28}) {
		t.Errorf("got %s", got)
	}
}

func TestCompare_ByMeanLength(t *testing.T) {
	for _, c := range []struct {
		a, b Period
		want int
	}{
		{Months(12), Years(1), 0}, {Weeks(52), Years(1), -1}, {Days(7), Weeks(1), 0},
		{Forever(), Years(999), 1}, {Forever(), Forever(), 0}, {Period{}, Period{Clock: time.Second}, -1},
	} {
		if got := c.a.Compare(c.b); got != c.want {
			t.Errorf("%s against %s: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[string]string{
		"P1Y": "1 year", "P1Y6M": "1 year and 6 months", "P1Y6M2D": "1 year, 6 months and 2 days",
		"PT15M": "15 minutes", "unlimited": "without limit", "P0D": "0 days",
	} {
		p, err := ParsePeriod(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Words(); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

// anyPeriod draws a valid period.
func anyPeriod() *rapid.Generator[Period] {
	return rapid.Custom(func(t *rapid.T) Period {
		if rapid.IntRange(0, 9).Draw(t, "unlimited") == 0 {
			return Forever()
		}
		n := rapid.IntRange(0, 99)
		return Period{
			Years: n.Draw(t, "y"), Months: n.Draw(t, "m"), Weeks: n.Draw(t, "w"), Days: n.Draw(t, "d"),
			Clock: time.Duration(rapid.IntRange(0, 200000).Draw(t, "s")) * time.Second,
		}
	})
}

func TestPeriod_ComesBackFromEveryEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPeriod().Draw(t, "p")
		var j, y struct{ P Period }
		js, err := json.Marshal(struct{ P Period }{p})
		if err == nil {
			err = json.Unmarshal(js, &j)
		}
		if err != nil || j.P != p {
			t.Fatalf("json %s: %v, %v", js, j.P, err)
		}
		ys, err := yaml.Marshal(struct{ P Period }{p})
		if err == nil {
			err = yaml.Unmarshal(ys, &y)
		}
		if err != nil || y.P != p {
			t.Fatalf("yaml %s: %v, %v", ys, y.P, err)
		}
	})
}

func TestAddTo_NeverRunsBackwards(t *testing.T) {
	zones := []*time.Location{zone(t, "Europe/London"), zone(t, "America/New_York"), time.UTC}
	rapid.Check(t, func(t *rapid.T) {
		p, loc := anyPeriod().Draw(t, "p"), rapid.SampledFrom(zones).Draw(t, "zone")
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0)
		// A date without a clock part may land on the first of two equal times,
		// or on the end of a skipped hour: an hour at most.
		if got := p.AddTo(at, loc); got.Before(at.Add(-time.Hour)) {
			t.Fatalf("%s + %s = %s", at, p, got)
		}
		if p.Compare(Days(1)) >= 0 && !p.AddTo(at, loc).After(at) {
			t.Fatalf("%s + %s is not later", at, p)
		}
	})
}

func FuzzParsePeriod(f *testing.F) {
	for _, s := range []string{"P7Y", "PT15M", "36mo", "unlimited", "P1Y2M3W4DT5H6M7S", "999999h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePeriod(s)
		if err != nil {
			return
		}
		q, err := ParsePeriod(p.String())
		if err != nil || q.Compare(p) != 0 || p.Validate() != nil {
			t.Fatalf("%q reads as %s, which reads as %s: %v", s, p, q, err)
		}
	})
}
