package policy

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// retail is the policy of a company with a calendar of weeks.
const retail = `{
  "name": "retail", "version": 1, "zone": "America/New_York",
  "schedule": {"kind": "daily", "at": "22:00"},
  "keep": [
    {"tag": "daily", "for": "P30D"},
    {"tag": "yearly", "fiscal": true, "cycles": 10},
    {"tag": "close", "for": "P7Y"}
  ],
  "on_demand": "P30D", "every_point": "P7D",
  "fiscal": {"end_month": 1, "weeks": "4-5-4", "weekday": "saturday", "anchor": "nearest", "named_by": "start",
    "holidays": ["us"], "closed": ["2026-12-24"]}
}`

func TestParse_ReadsAFinancialCalendar(t *testing.T) {
	p, err := Parse([]byte(retail))
	if err != nil {
		t.Fatal(err)
	}
	year, ok := p.FiscalYear(p.Keep[1])
	want := calendar.FiscalYear{EndMonth: time.January, Weeks: calendar.FourFiveFour, Weekday: time.Saturday, Anchor: calendar.NearestWeekday, NamedBy: calendar.ByStart}
	if !ok || year != want {
		t.Errorf("got %+v", year)
	}
	if _, ok := p.FiscalYear(p.Keep[0]); ok {
		t.Error("a daily rule has a fiscal year")
	}
	for day, want := range map[string]bool{"2026-12-24": true, "2026-12-25": true, "2026-12-28": false} {
		d, err := calendar.ParseDate(day)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Fiscal.IsClosed(d); got != want {
			t.Errorf("%s: closed %v", day, got)
		}
	}
	text, err := yaml.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back Policy
	if err := yaml.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, back); d != "" {
		t.Error(d)
	}
}

func TestParse_CyclesAloneGiveTheTimeThatTheyTake(t *testing.T) {
	for rule, want := range map[string]calendar.Period{
		`{"tag": "yearly", "month": 1, "day": 1, "cycles": 10}`:              calendar.Years(10),
		`{"tag": "yearly", "month": 1, "day": 1, "cycles": 10, "for": "1y"}`: calendar.Years(1),
		`{"tag": "monthly", "last": true, "cycles": 24}`:                     calendar.Months(24),
		`{"tag": "weekly", "weekday": "friday", "cycles": 5}`:                calendar.Weeks(5),
		`{"tag": "daily", "cycles": 14}`:                                     calendar.Days(14),
		`{"tag": "hourly", "cycles": 25}`:                                    calendar.Days(2),
		`{"tag": "close", "cycles": 12, "for": "P7Y"}`:                       calendar.Years(7),
	} {
		p, err := Parse(withKeep(t, rule))
		if err != nil {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		if p.Keep[0].For != want {
			t.Errorf("%s: kept %s, want %s", rule, p.Keep[0].For, want)
		}
	}
	for _, rule := range []string{
		`{"tag": "close", "cycles": 12}`, `{"tag": "daily", "cycles": -1, "for": "P1D"}`, `{"tag": "daily", "cycles": 10000, "for": "P1D"}`,
		`{"tag": "yearly", "month": 1, "day": 1, "cycles": 100}`, `{"tag": "daily", "fiscal": true, "for": "P1D"}`,
	} {
		if _, err := Parse(withKeep(t, rule)); !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), "keep[0]") {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

func withKeep(t *testing.T, rule string) []byte {
	t.Helper()
	p := SOX()
	p.Keep = nil
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.Replace(string(text), `"keep":null`, `"keep":[`+rule+`]`, 1))
}

func TestCheckClasses_CyclesCountAgainstAMaximum(t *testing.T) {
	set, err := Classes(DefaultClassSet)
	if err != nil {
		t.Fatal(err)
	}
	p := SOX()
	p.Keep = []KeepRule{{Tag: Yearly, Month: 1, Day: 1, For: calendar.Years(1), Cycles: 6}}
	p.Classes = []ClassRule{{Class: "aml_kyc"}}
	if err := p.CheckClasses(set); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("six years under a maximum of five: %v", err)
	}
	p.Keep[0].Cycles = 5
	if err := p.CheckClasses(set); err != nil {
		t.Error(err)
	}
}

func TestValidate_ListsEveryErrorOfAFinancialCalendar(t *testing.T) {
	var out strings.Builder
	for _, f := range []*Fiscal{
		nil,
		{EndMonth: 13, NamedBy: "middle", Holidays: []calendar.Holidays{"mars"}, Closed: []string{"24 December"}},
		{EndMonth: 3, Weekday: "friday"},
		{EndMonth: 3, Weeks: "5-5-3"},
		{EndMonth: 3, Weeks: calendar.FourFourFive, Anchor: "first", Weekday: "caturday", LongPeriod: 13},
		{EndMonth: 3, Weeks: calendar.ThirteenFours, Anchor: calendar.LastWeekday, Weekday: "friday", LongPeriod: 13},
		{EndMonth: 3},
	} {
		p := SOX()
		p.Fiscal = f
		p.Keep[3] = KeepRule{Tag: Yearly, For: calendar.Years(10), Fiscal: true}
		problem := "valid"
		if err := p.Validate(); err != nil {
			problem = err.Error()
		}
		out.WriteString(problem + "\n\n")
		p.Keep[3] = KeepRule{Tag: Yearly, For: calendar.Years(10), FiscalYearEnd: 3}
		err := p.Validate()
		got := err != nil && strings.Contains(err.Error(), "contradicts")
		if want := f != nil && (f.Weeks != calendar.NoWeeks || f.EndMonth != 3); got != want {
			t.Errorf("%+v: fiscal_year_end of March: %v", f, err)
		}
	}
	golden(t, "fiscal_invalid.txt", out.String())
}

func TestFiscal_Words(t *testing.T) {
	for want, f := range map[string]Fiscal{
		"to the end of March": {EndMonth: 3},
		"52 or 53 weeks (4-5-4) to the saturday nearest the end of January": {EndMonth: 1, Weeks: calendar.FourFiveFour, Weekday: "saturday", Anchor: calendar.NearestWeekday},
		"52 or 53 weeks (4-4-5) to the last friday of December":             {EndMonth: 12, Weeks: calendar.FourFourFive, Weekday: "friday", Anchor: calendar.LastWeekday},
	} {
		if got := f.Words(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
