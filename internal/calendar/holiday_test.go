package calendar

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// published are the days off as the governments list them, weekends left out:
// https://www.gov.uk/bank-holidays and
// https://www.opm.gov/policy-data-oversight/pay-leave/federal-holidays/
var published = map[Holidays]map[int]string{
	England: {
		2023: "01-02 04-07 04-10 05-01 05-08 05-29 08-28 12-25 12-26",
		2024: "01-01 03-29 04-01 05-06 05-27 08-26 12-25 12-26",
		2025: "01-01 04-18 04-21 05-05 05-26 08-25 12-25 12-26",
		2026: "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28",
		2027: "01-01 03-26 03-29 05-03 05-31 08-30 12-27 12-28",
	},
	USFederal: {
		2023: "01-02 01-16 02-20 05-29 06-19 07-04 09-04 10-09 11-10 11-23 12-25",
		2024: "01-01 01-15 02-19 05-27 06-19 07-04 09-02 10-14 11-11 11-28 12-25",
		2025: "01-01 01-20 02-17 05-26 06-19 07-04 09-01 10-13 11-11 11-27 12-25",
		2026: "01-01 01-19 02-16 05-25 06-19 07-03 09-07 10-12 11-11 11-26 12-25",
		2027: "01-01 01-18 02-15 05-31 06-18 07-05 09-06 10-11 11-11 11-25 12-24 12-31",
	},
}

func TestHolidays_AreThosePublished(t *testing.T) {
	for set, years := range published {
		for year, want := range years {
			var got []string
			for d := (Date{year, 1, 1}); d.Year == year; d = d.AddDays(1) {
				if set.Has(d) {
					got = append(got, d.String()[5:])
				}
			}
			if diff := cmp.Diff(strings.Fields(want), got); diff != "" {
				t.Errorf("%s %d (-want +got):\n%s", set, year, diff)
			}
		}
	}
	if Holidays("mars").Known() || Holidays("").Known() || Holidays("mars").Has(Date{2026, 12, 25}) {
		t.Error("a set that is not known has holidays")
	}
}

func TestAddBusinessDays_PassesWeekendsAndHolidays(t *testing.T) {
	never := func(Date) bool { return false }
	for _, c := range []struct {
		from   Date
		n      int
		closed func(Date) bool
		want   Date
	}{
		{Date{2026, 11, 30}, 10, never, Date{2026, 12, 14}},
		{Date{2026, 12, 31}, 10, never, Date{2027, 1, 14}},
		{Date{2026, 12, 31}, 10, England.Has, Date{2027, 1, 15}},
		{Date{2026, 12, 31}, 10, USFederal.Has, Date{2027, 1, 15}},
		{Date{2026, 12, 24}, 1, England.Has, Date{2026, 12, 29}},
		{Date{2026, 11, 27}, 1, never, Date{2026, 11, 30}},
		{Date{2026, 11, 28}, 0, never, Date{2026, 11, 28}},
	} {
		if got := c.from.AddBusinessDays(c.n, c.closed); got != c.want {
			t.Errorf("%s + %d = %s, want %s", c.from, c.n, got, c.want)
		}
	}
}
