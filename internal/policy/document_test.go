package policy

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/internal/calendar"
)

func TestRead_NamesEveryMistake(t *testing.T) {
	_, mistakes := Read([]byte(`{
		"name": 7, "zone": "Europe/London", "colour": "red", "version": 1.5,
		"schedule": {"kind": "daily", "at": "22:00", "catch_up": "yes", "window": ["20:00"]},
		"keep": [
			{"tag": "daily", "for": "thirty days"},
			{"tag": "weekly", "for": "P12W", "week_day": "sunday"},
			{"tag": "monthly", "for": "P36M", "month_day": "first", "last": true},
			"yearly"
		],
		"on_demand": 30, "every_point": "P7D",
		"classes": [{"class": "general_ledger", "Path": "/gl"}]
	}`))
	golden(t, "mistakes.txt", errors.Join(mistakes...).Error()+"\n")
}

func TestRead_TakesWhatIsValidAndMayLackAVersion(t *testing.T) {
	for _, p := range Presets() {
		for _, version := range []int{0, 1, 7} {
			p.Version = version
			text, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			if version == 0 {
				var m map[string]any
				if err := json.Unmarshal(text, &m); err != nil {
					t.Fatal(err)
				}
				delete(m, "version")
				m["description"] = nil
				p.Description = ""
				if text, err = json.Marshal(m); err != nil {
					t.Fatal(err)
				}
			}
			got, mistakes := Read(text)
			if len(mistakes) != 0 {
				t.Fatal(mistakes)
			}
			if d := cmp.Diff(p, got); d != "" {
				t.Error(d)
			}
		}
	}
}

func TestRead_RefusesWhatIsNoPolicy(t *testing.T) {
	for _, text := range []string{"", "[]", `"sox"`, "null", "{} {}", `{"name":`, `{"version": 0}`} {
		if _, mistakes := Read([]byte(text)); len(mistakes) == 0 {
			t.Errorf("%q is taken", text)
		}
	}
}

// What Read takes can be recorded and read back.
func FuzzRead(f *testing.F) {
	for _, p := range Presets() {
		text, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"keep":[{"tag":1},null,[]],"schedule":{"weekdays":["monday",null]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, mistakes := Read(data)
		if len(mistakes) != 0 {
			return
		}
		p.Version = 1
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(back); err != nil || string(again) != string(text) {
			t.Fatalf("%s became %s: %v", text, again, err)
		}
	})
}

func TestCompare_SaysHowEachRuleChanges(t *testing.T) {
	next := SOX()
	next.Keep = []KeepRule{
		{Tag: Hourly, For: SOX().EveryPoint},
		{Tag: Daily, For: SOXLong().Longest()},
		{Tag: Weekly, For: SOX().Keep[0].For, Weekday: "monday"},
		{Tag: Monthly, For: SOX().Keep[2].For, Last: true},
	}
	next.Zone, next.EveryPoint = "Europe/London", SOX().OnDemand
	next.Schedule.At = "23:00"
	next.Classes = []ClassRule{{Class: "payroll", Path: "/hr", CarriedBy: EveryPoint}, {Class: "vat"}}
	old := SOX()
	old.Classes = []ClassRule{{Class: "payroll", Path: "/hr"}, {Class: "contract"}}
	changes := Compare(old, next)
	text := ""
	for _, c := range changes {
		text += string(c.Direction) + "  " + c.Sentence() + "\n"
	}
	if !Shortens(changes) {
		t.Error("a shorter policy is not said to be one")
	}
	text += "back\n"
	for _, c := range Compare(next, old) {
		text += string(c.Direction) + "  " + c.Sentence() + "\n"
	}
	golden(t, "rule_changes.txt", text)
	if got := Compare(next, next); len(got) != 0 {
		t.Errorf("a policy differs from itself: %+v", got)
	}
}

func TestCompare_ThereAndBackAreOpposites(t *testing.T) {
	opposite := map[Direction]Direction{Longer: Shorter, Shorter: Longer, Added: Gone, Gone: Added, Moved: Moved}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) Policy {
			p := SOX()
			p.Keep = nil
			for _, r := range SOXLong().Keep {
				if rapid.Bool().Draw(t, label) {
					r.For = rapid.SampledFrom([]KeepRule{SOX().Keep[0], SOX().Keep[2], SOX().Keep[3]}).Draw(t, label+" for").For
					p.Keep = append(p.Keep, r)
				}
			}
			return p
		}
		a, b := draw("a"), draw("b")
		there, back := map[string]Direction{}, map[string]Direction{}
		for _, c := range Compare(a, b) {
			there[c.Rule] = c.Direction
		}
		for _, c := range Compare(b, a) {
			back[c.Rule] = opposite[c.Direction]
		}
		if d := cmp.Diff(there, back); d != "" {
			t.Fatal(d)
		}
	})
}

func TestCompare_AMissingRuleForClosesIsTheLongestOther(t *testing.T) {
	with := func(fiscal *Fiscal, rules ...KeepRule) Policy {
		return Policy{Keep: append([]KeepRule{{Tag: Yearly, For: calendar.Years(10), Month: 1, Day: 1}}, rules...), Fiscal: fiscal}
	}
	closes := func(years int) KeepRule { return KeepRule{Tag: Close, For: calendar.Years(years)} }
	last := closes(7)
	last.Cycles = 5
	march := &Fiscal{EndMonth: 3}
	for name, c := range map[string]struct {
		old, next Policy
		want      Direction
		sentence  string
	}{
		"a shorter one added":               {with(nil), with(nil, closes(7)), Shorter, "close: 7 years instead of 10 years"},
		"a longer one added":                {with(nil), with(nil, closes(12)), Added, "close: 12 years, a new rule"},
		"the first rule of all":             {Policy{}, Policy{Keep: []KeepRule{closes(7)}}, Added, "close: 7 years, a new rule"},
		"a shorter one gone":                {with(nil, closes(7)), with(nil), Longer, "close: 10 years instead of 7 years"},
		"a longer one gone":                 {with(nil, closes(12)), with(nil), Gone, "close: no more, was 12 years"},
		"one that keeps the last ones gone": {with(nil, last), with(nil), Gone, "close: no more, was 7 years"},
		"what takes unrecorded closes gone": {with(march, closes(7)), with(march), Gone, "close: no more, was 7 years"},
	} {
		got := Compare(c.old, c.next)
		if len(got) != 1 || got[0].Direction != c.want || got[0].Sentence() != c.sentence || Shortens(got) != (c.want == Shorter || c.want == Gone) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestCompare_FewerCyclesAreShorter(t *testing.T) {
	old, next := SOX(), SOX()
	old.Keep[3].Cycles, next.Keep[3].Cycles = 10, 5
	next.Fiscal = &Fiscal{EndMonth: 3}
	changes := Compare(old, next)
	want := []RuleChange{{Rule: "yearly", Direction: Shorter, CyclesBefore: 10, CyclesAfter: 5}, {Rule: "fiscal", Direction: Moved}}
	if d := cmp.Diff(want, changes); d != "" || !Shortens(changes) || Shortens(Compare(next, old)) {
		t.Errorf("%s, %v", d, changes)
	}
	if got := changes[0].Sentence(); got != "yearly: the last 5 are kept instead of the last 10" {
		t.Error(got)
	}
}
