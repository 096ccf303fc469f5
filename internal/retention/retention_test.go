package retention

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/policy"
)

func utcTime(year int, month time.Month, day, hour int) time.Time {
	return time.Date(year, month, day, hour, 0, 0, 0, time.UTC)
}

// TestTenYears takes a point every evening for ten years and counts what is
// alive at the end of each.
func TestTenYears_EachPresetKeepsItsCounts(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, p := range policy.Presets() {
		fmt.Fprintf(&out, "policy %s\n%-12s %7s %7s %7s %7s %7s\n", p.Name, "at the end", "points", "daily", "weekly", "monthly", "yearly")
		in := AssignInput{
			Source: "ledger", Policy: p, Zone: london, SourceCreatedAt: utcTime(2025, 12, 31, 8), Trigger: Scheduled,
			Complete: true, Entries: 1000, Bytes: 5000, Bounds: Bounds{DefaultMin, DefaultMax},
		}
		var alive []PointFacts
		for d := (calendar.Date{Year: 2026, Month: 1, Day: 1}); d.Year < 2036; d = d.AddDays(1) {
			in.Point, in.ReceivedAt = d.String(), calendar.At(d, 22, 0, 0, 0, london)
			a := Assign(in)
			if len(a.Warnings) > 0 || len(a.Pending) > 0 {
				t.Fatalf("%s: %v", d, a.Warnings)
			}
			alive = append(alive, factsOf(in, a))
			// Expire as a chore would, so that the history forgets too.
			yearEnd := d.Month == time.December && d.Day == 31
			if d.Day%10 != 0 && !yearEnd {
				in.History = append(in.History, past(alive[len(alive)-1]))
				continue
			}
			keep, history := alive[:0], in.History[:0]
			for _, f := range alive {
				if Decide(Item{State: Fold(f, nil)}, in.ReceivedAt, nil).Verdict == Keep {
					keep = append(keep, f)
					history = append(history, past(f))
				}
			}
			alive, in.History = keep, history
			if yearEnd {
				fmt.Fprintf(&out, "%-12s %7d", d, len(alive))
				for _, tag := range []policy.TagName{policy.Daily, policy.Weekly, policy.Monthly, policy.Yearly} {
					fmt.Fprintf(&out, " %7d", count(alive, p, tag, in.ReceivedAt, london))
				}
				out.WriteString("\n")
			}
		}
	}
	const file = "testdata/ten_years.table"
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

func past(f PointFacts) PastPoint {
	return PastPoint{ID: f.ID, ReceivedAt: f.ReceivedAt, Complete: true, Tags: f.Tags, Entries: 1000, Bytes: 5000}
}

// count gives the points whose tag itself has not run out.
func count(points []PointFacts, p policy.Policy, name policy.TagName, now time.Time, loc *time.Location) int {
	rule, _ := p.Rule(name)
	n := 0
	for _, f := range points {
		for _, t := range f.Tags {
			if t.Name == name && rule.For.AddTo(f.ReceivedAt, loc).After(now) {
				n++
			}
		}
	}
	return n
}

func TestAssign_NilZoneIsUTCAndNoKeepRuleStillKeeps(t *testing.T) {
	a := Assign(AssignInput{Point: "p", Source: "s", ReceivedAt: utcTime(2026, 5, 1, 12), Complete: true, Trigger: Scheduled})
	if len(a.Reasons) != 1 || a.Reasons[0].Kind != KindEveryPoint || !a.RetainUntil.Time.Equal(utcTime(2026, 5, 8, 12)) {
		t.Errorf("got %+v", a)
	}
}

func TestAssign_AHoldDoesNotEnterTheComputedRetention(t *testing.T) {
	in := AssignInput{
		Point: "p", Source: "s", Policy: policy.SOX(), ReceivedAt: utcTime(2026, 5, 1, 12), Complete: true,
		Holds: []hold.Hold{{ID: "h"}, {ID: "gone", ReleasedAt: utcTime(2026, 1, 1, 0)}, {ID: "x", Scope: hold.Scope{Sources: []string{"t"}}}},
	}
	a := Assign(in)
	if !a.RetainUntil.Unlimited || a.Computed.Unlimited {
		t.Errorf("got %s, computed %s", a.RetainUntil, a.Computed)
	}
	n := 0
	for _, r := range a.Reasons {
		if r.Kind == KindHold {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d holds", n)
	}
}

func TestAssign_ARemnantIsUnderAHoldOfEarlierDates(t *testing.T) {
	for trigger, want := range map[Trigger]bool{Remnant: true, Scheduled: false} {
		a := Assign(AssignInput{Point: "p", Source: "s", Policy: policy.SOX(), ReceivedAt: utcTime(2026, 5, 1, 12), Complete: true, Trigger: trigger,
			Holds: []hold.Hold{{ID: "h", Scope: hold.Scope{To: utcTime(2026, 4, 1, 0)}}}})
		if a.RetainUntil.Unlimited != want {
			t.Errorf("%s: until %s", trigger, a.RetainUntil)
		}
	}
}

func TestAssign_DoesNotTouchItsInput(t *testing.T) {
	history := []PastPoint{{ID: "b", ReceivedAt: utcTime(2026, 5, 2, 0)}, {ID: "a", ReceivedAt: utcTime(2026, 5, 1, 0)}}
	Assign(AssignInput{Point: "p", Policy: policy.SOX(), ReceivedAt: utcTime(2026, 5, 3, 0), Complete: true, History: history})
	if history[0].ID != "b" {
		t.Error("the history was sorted in place")
	}
}

func TestBounds_RefuseWhatTheVaultMayNotKeep(t *testing.T) {
	lock99 := policy.SOX()
	lock99.Keep[3].For = calendar.Years(27)
	short := policy.SOX()
	short.EveryPoint = calendar.Days(3)
	unlimited := policy.SOX()
	unlimited.Keep[3].For = calendar.Forever()
	for name, c := range map[string]struct {
		p       policy.Policy
		classes []policy.Class
		key     string
	}{
		"default":         {policy.SOX(), nil, ""},
		"lock bomb":       {lock99, nil, "keep[3].for"},
		"too short":       {short, nil, "every_point"},
		"unlimited":       {unlimited, nil, ""},
		"long class":      {policy.SOX(), []policy.Class{{ID: "lease", Minimum: calendar.Years(19)}}, "minimum of class lease"},
		"unlimited class": {policy.SOX(), []policy.Class{{ID: "minutes", Minimum: calendar.Forever()}}, ""},
		"maximum only":    {policy.SOX(), []policy.Class{{ID: "card", Maximum: calendar.Days(90)}}, ""},
	} {
		err := Bounds{DefaultMin, DefaultMax}.Check(c.p, c.classes)
		if c.key == "" && err != nil || c.key != "" && (!errkind.Is(err, errkind.Refused) || !strings.Contains(err.Error(), c.key)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := (Bounds{calendar.Years(13), calendar.Period{}}).Check(policy.SOX(), nil); err == nil {
		t.Error("a minimum above the default maximum was accepted")
	}
}

func TestLockFor(t *testing.T) {
	got := utcTime(2026, 1, 1, 12)
	for name, c := range map[string]struct {
		now    time.Time
		until  Until
		max    calendar.Period
		least  time.Time
		target time.Time
	}{
		"a date past the maximum slides": {
			got, Until{Time: utcTime(2126, 1, 1, 0)}, DefaultMax,
			utcTime(2037, 1, 1, 6), utcTime(2038, 1, 1, 12),
		},
		"unlimited slides by seven years": {
			got, Until{Unlimited: true}, DefaultMax, utcTime(2032, 6, 2, 18), utcTime(2033, 1, 1, 12),
		},
		"pending slides by its class": {
			got, Until{OpenEnded: true, Step: calendar.Years(3), Time: utcTime(2026, 2, 1, 0)}, DefaultMax,
			utcTime(2028, 10, 1, 18), utcTime(2029, 1, 1, 12),
		},
		"pending no further than the maximum": {
			got, Until{OpenEnded: true, Step: calendar.Years(30)}, calendar.Years(1), utcTime(2026, 12, 2, 2), utcTime(2027, 1, 1, 12),
		},
	} {
		l := LockFor(c.now, got, c.until, c.max)
		// A twelfth of a step of years is not whole days: compare to the day.
		if d := l.Least.Sub(c.least).Abs(); d > 24*time.Hour {
			t.Errorf("%s: least %s, want about %s", name, l.Least, c.least)
		}
		if !l.Target.Equal(c.target) {
			t.Errorf("%s: target %s, want %s", name, l.Target, c.target)
		}
	}
}

func TestLockFor_PointsOfFollowingDaysShareEdges(t *testing.T) {
	for name, c := range map[string]struct {
		term calendar.Period
		// most is the number of different edges that a year of points may need.
		most int
	}{
		"daily": {calendar.Days(30), 54}, "weekly": {calendar.Weeks(12), 19}, "monthly": {calendar.Months(36), 6}, "yearly": {calendar.Years(10), 3},
	} {
		edges := map[time.Time]bool{}
		for i := range 365 {
			at := utcTime(2027, 6, 1, 22).AddDate(0, 0, i)
			until := c.term.AddTo(at, time.UTC)
			l := LockFor(at, at, Until{Time: until}, DefaultMax)
			width := until.Sub(at) / 4
			if until.Sub(at) >= 365*24*time.Hour {
				width = until.Sub(at) / 12
			}
			if l.Target.Before(until) || l.Target.Sub(until) > width || !l.Least.Equal(until) {
				t.Fatalf("%s: until %s locked until %s", name, until, l.Target)
			}
			edges[l.Target] = true
		}
		if len(edges) > c.most {
			t.Errorf("%s: %d edges", name, len(edges))
		}
	}
}

func stateUntil(at time.Time) PointState {
	return Fold(PointFacts{ID: "p", Source: "s", ReceivedAt: utcTime(2026, 1, 1, 0), Classes: []string{"payroll"}, Computed: Until{Time: at},
		Reasons: []Reason{{Kind: KindTag, Tag: policy.Daily, Until: at}}}, nil)
}

func TestDecide_KeepsOnAnyGround(t *testing.T) {
	end, later := utcTime(2026, 2, 1, 0), utcTime(2026, 3, 1, 0)
	past := stateUntil(end)
	with := func(change func(*PointState)) PointState {
		s := past
		change(&s)
		return s
	}
	for name, c := range map[string]struct {
		item   Item
		now    time.Time
		holds  []hold.Hold
		ground Ground
	}{
		"past":                {Item{State: past}, later, nil, GroundPast},
		"its last instant":    {Item{State: past}, end, nil, GroundRetained},
		"before":              {Item{State: past}, end.Add(-time.Second), nil, GroundRetained},
		"time not proven":     {Item{State: past}, time.Time{}, nil, GroundTimeNotProven},
		"never computed":      {Item{State: Fold(PointFacts{ID: "p"}, nil)}, later, nil, GroundRetained},
		"zero state":          {Item{}, later, nil, GroundRetained},
		"held by a new hold":  {Item{State: past}, later, []hold.Hold{{ID: "h", Scope: hold.Scope{Classes: []string{"payroll"}}}}, GroundHeld},
		"hold elsewhere":      {Item{State: past}, later, []hold.Hold{{ID: "h", Scope: hold.Scope{Classes: []string{"vat"}}}}, GroundPast},
		"hold released":       {Item{State: past}, later, []hold.Hold{{ID: "h", ReleasedAt: end}}, GroundPast},
		"held in its state":   {Item{State: with(func(s *PointState) { s.Holds = []hold.Hold{{ID: "h"}} })}, later, nil, GroundHeld},
		"frozen":              {Item{State: with(func(s *PointState) { s.Freezes = []string{"f"} })}, later, nil, GroundFrozen},
		"soft-deleted":        {Item{State: with(func(s *PointState) { s.SoftDeleted = &SoftDelete{At: end, PurgeAfter: later} })}, later, nil, GroundSoftDeleted},
		"purge date missing":  {Item{State: with(func(s *PointState) { s.SoftDeleted = &SoftDelete{At: end} })}, later, nil, GroundSoftDeleted},
		"window over":         {Item{State: with(func(s *PointState) { s.SoftDeleted = &SoftDelete{At: end, PurgeAfter: later} })}, later.Add(1), nil, GroundPast},
		"newest":              {Item{State: past, Newest: true}, later, nil, GroundNewest},
		"one of the last":     {Item{State: past, Cycle: Cycle{policy.Yearly, 10}}, later, nil, GroundCycle},
		"last, but deleted":   {Item{State: with(func(s *PointState) { s.SoftDeleted = &SoftDelete{At: end, PurgeAfter: later} }), Cycle: Cycle{policy.Yearly, 10}}, later.Add(1), nil, GroundPast},
		"last, and unsigned":  {Item{State: with(func(s *PointState) { s.Reasons = []Reason{{Kind: KindClose}} }), Cycle: Cycle{policy.Close, 1}, DisposalSigned: true}, later, nil, GroundCycle},
		"not understood":      {Item{State: Fold(PointFacts{ID: "p", Computed: Until{Time: end}}, []Fact{{Kind: "entangled"}})}, later, nil, GroundNotUnderstood},
		"kept by class":       {Item{State: with(func(s *PointState) { s.Reasons = []Reason{{Kind: KindClass}} })}, later, nil, GroundAwaitingDisposal},
		"kept by class, sign": {Item{State: with(func(s *PointState) { s.Reasons = []Reason{{Kind: KindClass}} }), DisposalSigned: true}, later, nil, GroundPast},
		"signed too early":    {Item{State: past, DisposalSigned: true}, end, nil, GroundRetained},
		"unlimited":           {Item{State: with(func(s *PointState) { s.Computed.Unlimited = true })}, later, nil, GroundUnlimited},
		"open-ended":          {Item{State: with(func(s *PointState) { s.Computed.OpenEnded = true })}, later, nil, GroundOpenEnded},
		"disposed":            {Item{State: with(func(s *PointState) { s.Disposed = true })}, later, nil, GroundDisposed},
	} {
		d := Decide(c.item, c.now, c.holds)
		if want := c.ground == GroundPast; (d.Verdict == Expire) != want || d.Findings[0].Ground != c.ground {
			t.Errorf("%s: got %+v", name, d)
		}
		for _, f := range d.Findings {
			if s := f.Sentence(time.UTC); s == "" || strings.Contains(s, "newer kind") {
				t.Errorf("%s: %q", name, s)
			}
		}
	}
}

func TestReason_EveryKindHasItsSentence(t *testing.T) {
	at := utcTime(2036, 1, 1, 22)
	var out strings.Builder
	for _, r := range []Reason{
		{Kind: KindTag, Tag: policy.Yearly, TagPeriod: "2026", Period: calendar.Years(10), Until: at},
		{Kind: KindTag, Tag: policy.Yearly, TagPeriod: "2026", Period: calendar.Forever()},
		{Kind: KindClass, Class: "vat", Basis: "practice", Period: calendar.Years(7), Until: at},
		{Kind: KindVaultMinimum, Period: calendar.Days(7), Until: at},
		{Kind: KindVaultMaximumCap, Period: calendar.Years(12), Until: at},
		{Kind: KindEvent, Class: "icfr", Event: "audit_concluded", EventAt: utcTime(2029, 1, 1, 22), Period: calendar.Years(7), Until: at},
		{Kind: KindEventPending, Class: "icfr", Event: "audit_concluded", Period: calendar.Years(7)},
		{Kind: KindHold, Hold: "H-1", Matter: "SEC v. Acme"},
		{Kind: KindOnDemand, Period: calendar.Days(30), Until: at},
		{Kind: KindClose, Tag: policy.Close, TagPeriod: "FY26-P12", Period: calendar.Years(10), Until: at},
		{Kind: KindClose, Tag: policy.Close, TagPeriod: "FY2026-P12", Basis: basisUnrecorded, Period: calendar.Years(10), Until: at},
		{Kind: KindClose, Tag: policy.Close, TagPeriod: "FY2026-P12", Basis: incomplete.String(), Period: calendar.Forever()},
		{Kind: KindProvisional, Tag: policy.Weekly, TagPeriod: "2026-W48", Basis: "incomplete", Period: calendar.Weeks(12), Until: at},
		{Kind: KindProvisional, Tag: policy.Monthly, TagPeriod: "2026-11", Basis: basisCandidate, Until: at},
		{Kind: KindEveryPoint, Period: calendar.Days(7), Until: at},
		{Kind: KindRaised, Until: at},
		{Kind: KindRaised},
		{Kind: "entangled"},
	} {
		fmt.Fprintln(&out, r.Sentence(time.FixedZone("", 3600)))
	}
	const file = "testdata/sentences.table"
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

func TestAssign_WarnsBeyondAClassMaximumUnlessThereIsAReason(t *testing.T) {
	class := policy.Class{ID: "aml_kyc", Minimum: calendar.Years(5), Maximum: calendar.Years(5), ClockStart: policy.Received}
	for beyond, want := range map[string]int{"": 1, "court order": 0} {
		a := Assign(AssignInput{Policy: policy.SOX(), ReceivedAt: time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC), SourceCreatedAt: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
			Trigger: Scheduled, Complete: true, Entries: 3, Bytes: 3, Classes: []FoundClass{{Class: class, CarriedBy: policy.EveryPoint, Beyond: beyond}}})
		n := 0
		for _, w := range a.Warnings {
			if w.Kind == WarnClassMaximum {
				n++
			}
		}
		if n != want {
			t.Errorf("with reason %q: %+v", beyond, a.Warnings)
		}
	}
}
