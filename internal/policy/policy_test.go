package policy

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

func TestPresets_AreValidAndStable(t *testing.T) {
	var all strings.Builder
	for _, p := range Presets() {
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
		js, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(js)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p, back); d != "" {
			t.Error(d)
		}
		ys, err := yaml.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var fromYAML Policy
		dec := yaml.NewDecoder(strings.NewReader(string(ys)))
		dec.KnownFields(true)
		if err := dec.Decode(&fromYAML); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p, fromYAML); d != "" {
			t.Error(d)
		}
		all.Write(js)
		all.WriteString("\n")
	}
	golden(t, "presets.json", all.String())
}

func TestParse_IsStrict(t *testing.T) {
	js, err := json.Marshal(SOX())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"unknown key":        strings.Replace(string(js), `"keep"`, `"keeps"`, 1),
		"unknown nested key": strings.Replace(string(js), `"weekday"`, `"week_day"`, 1),
		"trailing text":      string(js) + "{}",
		"bad period":         strings.Replace(string(js), `"P12W"`, `"12 weeks"`, 1),
		"truncated":          string(js[:len(js)-1]),
		"empty":              "",
	} {
		if _, err := Parse([]byte(text)); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestValidate_ListsEveryErrorByItsKey(t *testing.T) {
	p := Policy{
		Name: "Bad Name", Zone: "../etc/passwd",
		Schedule: Schedule{
			Kind: EveryWeek, At: "25:00", Every: 3, Weekdays: []Weekday{"sunday", "caturday"},
			Window: Window{From: "20:00", To: "20:00"}, Jitter: calendar.Days(2),
		},
		Keep: []KeepRule{
			{Tag: Daily, For: calendar.Days(10000)},
			{Tag: Daily, For: calendar.Days(30), MonthDay: 3},
			{Tag: Weekly, For: calendar.Period{}},
			{Tag: Monthly, For: calendar.Months(1), MonthDay: 32, Last: true},
			{Tag: Yearly, For: calendar.Period{Years: -1}, Month: 2, Day: 30},
			{Tag: OnDemand, For: calendar.Days(1)},
			{Tag: "fortnightly", For: calendar.Days(1)},
		},
		OnDemand: calendar.Period{Clock: 3600e9},
		Classes:  []ClassRule{{Class: "General Ledger", CarriedBy: "some"}},
	}
	err := p.Validate()
	if !errkind.Is(err, errkind.Invalid) {
		t.Fatalf("got %v", err)
	}
	golden(t, "invalid.txt", err.Error()+"\n")
}

func TestValidate_MonthlyAndYearlySayTheirDateInOneWay(t *testing.T) {
	for name, c := range map[string]struct {
		rule KeepRule
		ok   bool
	}{
		"month day":          {KeepRule{Tag: Monthly, MonthDay: 31}, true},
		"last":               {KeepRule{Tag: Monthly, Last: true}, true},
		"nth weekday":        {KeepRule{Tag: Monthly, Nth: 2, Weekday: "friday"}, true},
		"nth alone":          {KeepRule{Tag: Monthly, Nth: 2}, false},
		"fifth":              {KeepRule{Tag: Monthly, Nth: 5, Weekday: "friday"}, false},
		"monthly, no date":   {KeepRule{Tag: Monthly}, false},
		"two ways":           {KeepRule{Tag: Monthly, MonthDay: 1, Nth: 1, Weekday: "friday"}, false},
		"leap day":           {KeepRule{Tag: Yearly, Month: 2, Day: 29}, true},
		"fiscal year end":    {KeepRule{Tag: Yearly, FiscalYearEnd: 3}, true},
		"fiscal and date":    {KeepRule{Tag: Yearly, FiscalYearEnd: 3, Month: 1, Day: 1}, false},
		"yearly, no date":    {KeepRule{Tag: Yearly}, false},
		"thirteenth month":   {KeepRule{Tag: Yearly, Month: 13, Day: 1}, false},
		"month without day":  {KeepRule{Tag: Yearly, Month: 4}, false},
		"weekday for a year": {KeepRule{Tag: Yearly, Month: 4, Day: 1, Weekday: "monday"}, false},
		"close":              {KeepRule{Tag: Close}, true},
		"hourly":             {KeepRule{Tag: Hourly}, true},
	} {
		p := SOX()
		c.rule.For = calendar.Years(1)
		p.Keep = []KeepRule{c.rule}
		if err := p.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMatchPath(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"", "/a/b", true},
		{"/finance", "/finance", true},
		{"/finance", "/finance/2026/a.csv", true},
		{"/finance", "/finances", false},
		{"/finance/*.csv", "/finance/a.csv", true},
		{"/finance/*.csv", "/finance/x/a.csv", false},
		{"/finance/**", "/finance/x/y", true},
		{"/finance/**/*.csv", "/finance/a.csv", true},
		{"/finance/**/*.csv", "/finance/x/y/a.csv", true},
		{"/**/ledger/**", "/srv/x/ledger", true},
		{"/*/ledger", "/srv/ledger/2026", false},
		{"/a*b*c", "/aXbYc", true},
		{"/a*b*c", "/ac", false},
		{"/ab*ba", "/aba", false},
		{"**", "/", true},
		{"/x[1]", "/x[1]/y", true},
	} {
		if got := MatchPath(c.pattern, c.path); got != c.want {
			t.Errorf("%q against %q: got %v", c.pattern, c.path, got)
		}
	}
	deep := strings.Repeat("/a", 2000)
	if MatchPath(strings.Repeat("/**/a", 50)+"/b", deep) {
		t.Error("matched")
	}
}

func TestClassesOf_GivesEveryRuleThatMatches(t *testing.T) {
	p := SOX()
	p.Classes = []ClassRule{{Class: "icfr"}, {Class: "general_ledger", Path: "/erp/gl"}, {Class: "payroll", Path: "/hr"}}
	var got []string
	for _, r := range p.ClassesOf("/erp/gl/2026.db") {
		got = append(got, r.Class)
	}
	if d := cmp.Diff([]string{"icfr", "general_ledger"}, got); d != "" {
		t.Error(d)
	}
}

func TestClassSets_AreValid(t *testing.T) {
	set, err := Classes(DefaultClassSet)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Classes) < 12 {
		t.Errorf("%d classes", len(set.Classes))
	}
	papers, _ := set.Find("audit_work_papers")
	if papers.Minimum != calendar.Years(7) || papers.ClockStart != "audit_concluded" || papers.Basis != Law {
		t.Errorf("got %+v", papers)
	}
	aml, _ := set.Find("aml_kyc")
	if aml.Maximum != calendar.Years(5) || !aml.PersonalData {
		t.Errorf("got %+v", aml)
	}
	article, err := Classes("article")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range article.Classes {
		if c.Basis != NoBasis || c.Citation != "no legal source" {
			t.Errorf("%s has basis %s", c.ID, c.Basis)
		}
	}
	if _, err := Classes("../policy"); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("got %v", err)
	}
}

func TestCheckClasses_RefusesToOutliveAMaximumWithoutReason(t *testing.T) {
	set, err := Classes(DefaultClassSet)
	if err != nil {
		t.Fatal(err)
	}
	p := SOX()
	p.Classes = []ClassRule{{Class: "general_ledger"}, {Class: "aml_kyc", Path: "/kyc"}}
	if err := p.CheckClasses(set); !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), "classes[1].beyond_maximum") {
		t.Errorf("got %v", err)
	}
	p.Classes[1].BeyondMaximum = "court order 12/2026"
	if err := p.CheckClasses(set); err != nil {
		t.Error(err)
	}
	p.Classes[0].Class = "nonsense"
	if err := p.CheckClasses(set); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range Presets() {
		js, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(js)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			return
		}
		js, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(js); err != nil {
			t.Fatalf("%s: %v", js, err)
		}
	})
}
