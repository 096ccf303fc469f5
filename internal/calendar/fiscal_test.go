package calendar

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite golden files")

// The calendar of the National Retail Federation: weeks from Sunday to Saturday,
// a 53rd week where four or more days of January are left, the year named after
// that of its February. https://nrf.com/resources/4-5-4-calendar
func nrf() FiscalYear {
	return FiscalYear{EndMonth: time.January, Weeks: FourFiveFour, Weekday: time.Saturday, Anchor: NearestWeekday, NamedBy: ByStart}
}

// Apple's: the last Saturday of September, and a 14th week in the first quarter
// when one is added (Form 10-K for 2023, note 1).
func apple() FiscalYear {
	return FiscalYear{EndMonth: time.September, Weeks: FiveFourFour, Weekday: time.Saturday, Anchor: LastWeekday, LongPeriod: 3}
}

func weeksOf(t testing.TB, f FiscalYear, year int) int {
	t.Helper()
	first, last, ok := f.Span(FiscalPeriod{Year: year})
	if !ok {
		t.Fatalf("no year %d", year)
	}
	return first.daysTo(last.AddDays(1)) / 7
}

func TestFiscalYear_RetailYearsAreThoseOfTheFederation(t *testing.T) {
	// The years with 53 weeks are those that the page above names.
	long := map[int]bool{2000: true, 2006: true, 2012: true, 2017: true, 2023: true}
	for year := 2000; year <= 2024; year++ {
		if got, want := weeksOf(t, nrf(), year) == 53, long[year]; got != want {
			t.Errorf("FY%d: 53 weeks %v, want %v", year, got, want)
		}
	}
	for year, want := range map[int][2]Date{
		2017: {{2017, 1, 29}, {2018, 2, 3}}, 2022: {{2022, 1, 30}, {2023, 1, 28}}, 2023: {{2023, 1, 29}, {2024, 2, 3}}, 2024: {{2024, 2, 4}, {2025, 2, 1}},
	} {
		first, last, _ := nrf().Span(FiscalPeriod{Year: year})
		if got := [2]Date{first, last}; got != want {
			t.Errorf("FY%d: %v, want %v", year, got, want)
		}
	}
}

func TestFiscalYear_EndsAndLongQuarterAreThoseOfApple(t *testing.T) {
	// Year ends as in the Forms 10-K of these years.
	for year, want := range map[int]Date{
		2011: {2011, 9, 24}, 2012: {2012, 9, 29}, 2017: {2017, 9, 30}, 2018: {2018, 9, 29}, 2019: {2019, 9, 28}, 2020: {2020, 9, 26}, 2021: {2021, 9, 25},
		2022: {2022, 9, 24}, 2023: {2023, 9, 30}, 2024: {2024, 9, 28},
	} {
		if _, got, _ := apple().Span(FiscalPeriod{Year: year}); got != want {
			t.Errorf("FY%d ends %s, want %s", year, got, want)
		}
	}
	if n := weeksOf(t, apple(), 2023); n != 53 {
		t.Errorf("FY2023 has %d weeks", n)
	}
	// The Form 10-Q for the first quarter of 2023: it ended on 31 December 2022.
	for number, want := range map[int]Date{3: {2022, 12, 31}, 6: {2023, 4, 1}, 9: {2023, 7, 1}} {
		if _, got, _ := apple().Span(FiscalPeriod{2023, number}); got != want {
			t.Errorf("P%d ends %s, want %s", number, got, want)
		}
	}
}

func TestFiscalYear_PeriodsAreAsWritten(t *testing.T) {
	var out strings.Builder
	for _, c := range []struct {
		name  string
		rule  FiscalYear
		years []int
	}{
		{"months to March", FiscalYear{EndMonth: time.March}, []int{2024}},
		{"months to February, named by the start", FiscalYear{EndMonth: time.February, NamedBy: ByStart}, []int{2023}},
		{"retail", nrf(), []int{2022, 2023}},
		{"Apple", apple(), []int{2023}},
		{"4-4-5 to the Friday nearest the end of December", FiscalYear{EndMonth: time.December, Weeks: FourFourFive, Weekday: time.Friday, Anchor: NearestWeekday, NamedBy: ByStart}, []int{2026}},
		{"thirteen periods to the last Sunday of June", FiscalYear{EndMonth: time.June, Weeks: ThirteenFours, Weekday: time.Sunday, Anchor: LastWeekday}, []int{2024}},
	} {
		for _, year := range c.years {
			from, to, _ := c.rule.Span(FiscalPeriod{Year: year})
			fmt.Fprintf(&out, "%s: %s, %d days\n", c.name, FiscalPeriod{Year: year}, from.daysTo(to)+1)
			for n := 1; n <= c.rule.Periods(); n++ {
				p := FiscalPeriod{year, n}
				first, last, _ := c.rule.Span(p)
				fmt.Fprintf(&out, "  %s  %s to %s, %d days\n", p, first, last, first.daysTo(last)+1)
			}
		}
	}
	const file = "testdata/fiscal_years.txt"
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func anyFiscalYear() *rapid.Generator[FiscalYear] {
	return rapid.Custom(func(t *rapid.T) FiscalYear {
		f := FiscalYear{
			EndMonth: time.Month(rapid.IntRange(1, 12).Draw(t, "month")),
			Weeks:    rapid.SampledFrom([]WeekPattern{NoWeeks, FourFourFive, FourFiveFour, FiveFourFour, ThirteenFours}).Draw(t, "weeks"),
			NamedBy:  rapid.SampledFrom([]Naming{ByEnd, ByStart}).Draw(t, "named"),
		}
		if f.Weeks != NoWeeks {
			f.Weekday = time.Weekday(rapid.IntRange(0, 6).Draw(t, "weekday"))
			f.Anchor = rapid.SampledFrom([]Anchor{LastWeekday, NearestWeekday}).Draw(t, "anchor")
			f.LongPeriod = rapid.IntRange(0, f.Periods()).Draw(t, "long")
		}
		return f
	})
}

func TestFiscalYear_PeriodsTileTheYearsWithoutGap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFiscalYear().Draw(t, "rule")
		start, _, _ := f.Span(FiscalPeriod{Year: 1990})
		next := start
		for year := 1990; year <= 2100; year++ {
			first, last, ok := f.Span(FiscalPeriod{Year: year})
			if !ok || first != next {
				t.Fatalf("FY%d begins %s, the one before ended the day before %s", year, first, next)
			}
			if days := first.daysTo(last) + 1; f.Weeks != NoWeeks && days != 364 && days != 371 {
				t.Fatalf("FY%d has %d days", year, days)
			}
			for n := 1; n <= f.Periods(); n++ {
				p := FiscalPeriod{year, n}
				from, to, ok := f.Span(p)
				if !ok || from != next || to.Before(from) {
					t.Fatalf("%s is %s to %s, after the day before %s", p, from, to, next)
				}
				next = to.AddDays(1)
			}
			if next != last.AddDays(1) {
				t.Fatalf("the periods of FY%d end the day before %s, the year on %s", year, next, last)
			}
		}
	})
}

func TestFiscalYear_KeysAndDatesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFiscalYear().Draw(t, "rule")
		d := Date{1990, 1, 1}.AddDays(rapid.IntRange(0, 365*110).Draw(t, "day"))
		p := f.PeriodOf(d)
		first, last, ok := f.Span(p)
		if !ok || d.Before(first) || last.Before(d) {
			t.Fatalf("%s is in %s, which is %s to %s", d, p, first, last)
		}
		if back, err := ParseFiscalPeriod(p.String()); err != nil || back != p {
			t.Fatalf("%s reads as %v, %v", p, back, err)
		}
		if key := f.Key(d); key != (FiscalPeriod{Year: p.Year}).String() {
			t.Fatalf("%s lies in %s and in %s", d, key, p)
		}
		if before := f.PeriodOf(first.AddDays(-1)); f.Previous(p) != before {
			t.Fatalf("before %s is %s, want %s", p, f.Previous(p), before)
		}
		if end := f.EndOnOrAfter(d); end.Before(d) || !f.LastEndBefore(d).Before(d) || f.EndOnOrAfter(f.LastEndBefore(d)) != f.LastEndBefore(d) {
			t.Fatalf("the years around %s end %s and %s", d, f.LastEndBefore(d), end)
		}
	})
}

func TestFiscalYear_HasNoPeriodBeyondItsLast(t *testing.T) {
	if _, _, ok := nrf().Span(FiscalPeriod{2023, 13}); ok {
		t.Error("a year of twelve periods has a thirteenth")
	}
	if _, _, ok := (FiscalYear{EndMonth: time.June, Weeks: ThirteenFours}).Span(FiscalPeriod{2023, 13}); !ok {
		t.Error("a year of thirteen periods has no thirteenth")
	}
}

func TestParseFiscalPeriod_ReadsShortYearsAndRefusesTheRest(t *testing.T) {
	for in, want := range map[string]string{"FY2026-P12": "FY2026-P12", "FY26-P12": "FY2026-P12", "FY26-P1": "FY2026-P01", "FY2026": "FY2026", "FY99": "FY2099", "FY26-P13": "FY2026-P13"} {
		p, err := ParseFiscalPeriod(in)
		if err != nil || p.String() != want {
			t.Errorf("%s: got %s, %v", in, p, err)
		}
	}
	for _, in := range []string{"", "2026", "FY", "FY2026-", "FY2026-P", "FY2026-P0", "FY2026-P00", "FY2026-P14", "FY2026-P120", "FY202-P1", "fy26-p12", "FY2026-P12.2", " FY26", "FY2026-Q1"} {
		if p, err := ParseFiscalPeriod(in); err == nil {
			t.Errorf("%q: read as %s", in, p)
		}
	}
}
