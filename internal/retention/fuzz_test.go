package retention

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/policy"
)

func genTime(t *rapid.T, label string) time.Time {
	return time.Unix(rapid.Int64Range(1.7e9, 2.3e9).Draw(t, label), rapid.Int64Range(0, 999999999).Draw(t, label+" ns"))
}

func genPeriod(t *rapid.T, label string) calendar.Period {
	return rapid.SampledFrom([]calendar.Period{
		calendar.Days(1), calendar.Days(30), calendar.Weeks(12), calendar.Months(36), calendar.Years(7), calendar.Years(10), calendar.Forever(),
	}).Draw(t, label)
}

func genRules(t *rapid.T) []policy.KeepRule {
	all := []policy.KeepRule{
		{Tag: policy.Hourly}, {Tag: policy.Daily}, {Tag: policy.Weekly, Weekday: "sunday"},
		rapid.SampledFrom([]policy.KeepRule{
			{Tag: policy.Monthly, MonthDay: 1}, {Tag: policy.Monthly, MonthDay: 31}, {Tag: policy.Monthly, Last: true},
			{Tag: policy.Monthly, Nth: 3, Weekday: "friday"},
		}).Draw(t, "monthly"),
		rapid.SampledFrom([]policy.KeepRule{
			{Tag: policy.Yearly, Month: 1, Day: 1}, {Tag: policy.Yearly, Month: 2, Day: 29}, {Tag: policy.Yearly, FiscalYearEnd: 3},
			{Tag: policy.Yearly, Fiscal: true},
		}).Draw(t, "yearly"),
		{Tag: policy.Close},
	}
	var out []policy.KeepRule
	for i, r := range all {
		if rapid.Bool().Draw(t, fmt.Sprintf("rule %d", i)) {
			r.For = genPeriod(t, "for")
			out = append(out, r)
		}
	}
	return out
}

func genFiscal(t *rapid.T) *policy.Fiscal {
	return rapid.SampledFrom([]*policy.Fiscal{
		nil, {EndMonth: 3}, {EndMonth: 12, Holidays: []calendar.Holidays{calendar.England, calendar.USFederal}},
		{EndMonth: 1, Weeks: calendar.FourFiveFour, Weekday: "saturday", Anchor: calendar.NearestWeekday, NamedBy: calendar.ByStart},
		{EndMonth: 9, Weeks: calendar.ThirteenFours, Weekday: "sunday", Anchor: calendar.LastWeekday, LongPeriod: 3},
	}).Draw(t, "fiscal")
}

// genCloses draws events before a time, some of other sources or of old.
func genCloses(t *rapid.T, before time.Time) []Event {
	var out []Event
	for i := range rapid.IntRange(0, 4).Draw(t, "closes") {
		at := before.Add(-time.Duration(rapid.Int64Range(0, 400*24*3600).Draw(t, "closed")) * time.Second)
		e := Event{ID: fmt.Sprint("c", i), Name: CloseEvent, Period: genClosePeriod(t), At: at, RecordedAt: at, Covers: Selector{From: at}}
		e.Covers.Sources = rapid.SampledFrom([][]string{nil, {"s"}, {"other"}}).Draw(t, "of")
		out = append(out, e)
	}
	return out
}

func genClosePeriod(t *rapid.T) string {
	return rapid.SampledFrom([]string{"FY26-P11", "FY2026-P12", "FY26-P12", "FY2026", "the ninth"}).Draw(t, "period")
}

func genInput(t *rapid.T) AssignInput {
	loc := rapid.SampledFrom([]string{"UTC", "Europe/London", "America/New_York", "Pacific/Apia"}).Draw(t, "zone")
	zone, err := time.LoadLocation(loc)
	if err != nil {
		t.Fatal(err)
	}
	in := AssignInput{
		Point: "new", Source: "s", Zone: zone, ReceivedAt: genTime(t, "received"), SourceCreatedAt: genTime(t, "created"),
		Policy:   policy.Policy{Name: "drawn", Keep: genRules(t), OnDemand: genPeriod(t, "on demand"), Fiscal: genFiscal(t)},
		Trigger:  rapid.SampledFrom([]Trigger{Scheduled, OnDemand, AtClose, Remnant}).Draw(t, "trigger"),
		Complete: rapid.Bool().Draw(t, "complete"),
		Entries:  rapid.Int64Range(0, 100).Draw(t, "entries"), Bytes: rapid.Int64Range(0, 100).Draw(t, "bytes"),
		Bounds: Bounds{Min: rapid.SampledFrom([]calendar.Period{{}, calendar.Days(7)}).Draw(t, "min"), Max: DefaultMax},
	}
	in.Events = genCloses(t, in.ReceivedAt)
	for i := range rapid.IntRange(0, 12).Draw(t, "past") {
		at := in.ReceivedAt.Add(-time.Duration(rapid.Int64Range(0, 40*24*3600).Draw(t, "ago")) * time.Second)
		p := PastPoint{ID: fmt.Sprint("p", i), ReceivedAt: at, Complete: rapid.Bool().Draw(t, "c"), Entries: rapid.Int64Range(0, 100).Draw(t, "e"), Bytes: 50}
		p.Deleted = rapid.IntRange(0, 5).Draw(t, "deleted") == 0
		p.Verified = rapid.SampledFrom([]Verified{Unknown, OK, Failed}).Draw(t, "v")
		for _, r := range in.Policy.Keep {
			if r.Tag.Rotation() && rapid.Bool().Draw(t, "tagged") {
				tag := slotAt(in.Policy, r, at, zone).tag
				tag.Provisional = rapid.Bool().Draw(t, "provisional")
				p.Tags = append(p.Tags, tag)
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "close") == 0 {
			p.Tags = append(p.Tags, Tag{Name: policy.Close, Period: closeKey(genClosePeriod(t)), Provisional: rapid.Bool().Draw(t, "stands in")})
		}
		in.History = append(in.History, p)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "classes") {
		in.Classes = append(in.Classes, genClass(t, i))
	}
	return in
}

func genClass(t *rapid.T, i int) FoundClass {
	return FoundClass{
		Class: policy.Class{
			ID: fmt.Sprint("c", i), Minimum: genPeriod(t, "minimum"),
			ClockStart: rapid.SampledFrom([]string{policy.Received, "audit_concluded"}).Draw(t, "clock"),
		},
		CarriedBy: rapid.SampledFrom([]policy.Carrier{policy.CloseYearly, policy.EveryPoint}).Draw(t, "carrier"),
	}
}

func TestAssign_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		a := Assign(in)
		if d := cmp.Diff(a, Assign(in)); d != "" {
			t.Fatalf("the same input gave another answer: %s", d)
		}
		shuffled := in
		shuffled.History = append([]PastPoint(nil), in.History...)
		rand.New(rand.NewSource(1)).Shuffle(len(shuffled.History), func(i, j int) {
			h := shuffled.History
			h[i], h[j] = h[j], h[i]
		})
		if d := cmp.Diff(a, Assign(shuffled)); d != "" {
			t.Fatalf("the order of the history counts: %s", d)
		}
		if len(a.Reasons) == 0 || !a.RetainUntil.After(in.ReceivedAt) {
			t.Fatalf("not kept: %+v", a)
		}
		for _, r := range a.Reasons {
			if r.Kind != KindVaultMaximumCap && !a.RetainUntil.Endless() && r.Until.After(a.RetainUntil.Time) {
				t.Fatalf("%s outlives the point kept until %s", r.Sentence(time.UTC), a.RetainUntil)
			}
		}
		if s := Fold(factsOf(in, a), nil); !s.RetainUntil.equal(a.RetainUntil) {
			t.Fatalf("assigned %+v, folded %+v", a.RetainUntil, s.RetainUntil)
		}
	})
}

func TestAssign_MoreRulesNeverKeepLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		less := Assign(in)
		more := in
		switch rapid.IntRange(0, 4).Draw(t, "more") {
		case 0:
			more.Bounds.Min = calendar.Days(90)
		case 1:
			more.Classes = append(append([]FoundClass(nil), in.Classes...), genClass(t, 9))
		case 2:
			more.Holds = []hold.Hold{{ID: "h"}}
		case 3:
			more.Policy.Keep = lengthened(in.Policy.Keep)
		case 4:
			if _, ok := in.Policy.Rule(policy.Daily); ok {
				t.Skip("has the rule")
			}
			r := policy.KeepRule{Tag: policy.Daily, For: genPeriod(t, "daily")}
			more.Policy.Keep = append(append([]policy.KeepRule(nil), in.Policy.Keep...), r)
		}
		if got := Assign(more); got.RetainUntil.Shorter(less.RetainUntil) {
			t.Fatalf("%+v with more rules, %+v without", got.RetainUntil, less.RetainUntil)
		}
	})
}

func lengthened(rules []policy.KeepRule) []policy.KeepRule {
	out := append([]policy.KeepRule(nil), rules...)
	for i := range out {
		if !out[i].For.Unlimited {
			out[i].For.Years += 3
		}
	}
	return out
}

// genFact draws a fact; independent ones get names of their own from i.
func genFact(t *rapid.T, i int) Fact {
	id := fmt.Sprint("x", i)
	f := Fact{At: genTime(t, "at"), Selector: rapid.SampledFrom([]Selector{chosen(), {Sources: []string{"s"}}, {Points: []string{"else"}}, {}}).Draw(t, "selector")}
	f.Kind = rapid.SampledFrom([]FactKind{
		RetainRaised, EventRecorded, HoldPlaced, HoldReleased, SoftDeleted, LevelChanged, TagMoved, Placement, Frozen, Disposed, "entangled",
	}).Draw(t, "kind")
	until := Until{Time: genTime(t, "until").Truncate(time.Second), Unlimited: rapid.IntRange(0, 9).Draw(t, "unlimited") == 0}
	switch f.Kind {
	case RetainRaised:
		f.Until = until
	case EventRecorded:
		f.Event = &Event{Name: rapid.SampledFrom([]string{"audit_concluded", "filed"}).Draw(t, "event"), At: genTime(t, "event at"), Covers: f.Selector}
	case HoldPlaced:
		f.Hold = &hold.Hold{ID: id, Scope: hold.Scope{Sources: []string{rapid.SampledFrom([]string{"s", "t"}).Draw(t, "scope")}}}
	case HoldReleased:
		f.HoldID = fmt.Sprint("x", rapid.IntRange(0, 8).Draw(t, "released"))
	case SoftDeleted:
		f.Soft = &SoftDelete{At: f.At, PurgeAfter: f.At.AddDate(0, 0, 14)}
	case LevelChanged:
		f.Level, f.Failed = VerifiedLevel, rapid.Bool().Draw(t, "failed")
	case TagMoved:
		f.Tag, f.Until = Tag{Name: policy.Yearly, Period: id}, until
	case Placement:
		f.Placement = id
	case Frozen:
		f.FreezeID = id
	case Disposed:
		f.Certificate = id
	default:
	}
	return f
}

func genFacts(t *rapid.T) []Fact {
	var out []Fact
	for i := range rapid.IntRange(0, 8).Draw(t, "facts") {
		out = append(out, genFact(t, i))
	}
	return out
}

func genPoint(t *rapid.T) PointFacts {
	in := genInput(t)
	in.Point = "p1"
	return factsOf(in, Assign(in))
}

func TestFold_NoFactShortens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, facts := genPoint(t), genFacts(t)
		before := Fold(p, nil)
		for i := range facts {
			after := Fold(p, facts[:i+1])
			if facts[i].Kind != EventRecorded {
				if after.Computed.Shorter(before.Computed) {
					t.Fatalf("after %+v: computed %+v, before %+v", facts[i], after.Computed, before.Computed)
				}
				if facts[i].Kind != HoldReleased && after.RetainUntil.Shorter(before.RetainUntil) {
					t.Fatalf("after %+v: %+v, before %+v", facts[i], after.RetainUntil, before.RetainUntil)
				}
			}
			// An event puts a date in the place of an open end; no date moves back.
			if after.Computed.Time.Before(before.Computed.Time) || before.RetainUntil.Unlimited &&
				!after.RetainUntil.Unlimited && facts[i].Kind != HoldReleased {
				t.Fatalf("after %+v: %+v, before %+v", facts[i], after.RetainUntil, before.RetainUntil)
			}
			before = after
		}
	})
}

func TestFold_ReleasingEveryHoldGivesTheComputedRetention(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, facts := genPoint(t), genFacts(t)
		var without []Fact
		released := append([]Fact(nil), facts...)
		for _, f := range facts {
			if f.Kind == HoldPlaced {
				released = append(released, Fact{Kind: HoldReleased, HoldID: f.Hold.ID})
			} else {
				without = append(without, f)
			}
		}
		if d := cmp.Diff(Fold(p, without), Fold(p, released)); d != "" {
			t.Fatal(d)
		}
		if s := Fold(p, released); !s.RetainUntil.equal(s.Computed) {
			t.Fatalf("got %s, computed %s", s.RetainUntil, s.Computed)
		}
	})
}

func TestFold_TheOrderOfIndependentFactsDoesNotShow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genPoint(t)
		var facts []Fact
		once := map[FactKind]bool{}
		for _, f := range genFacts(t) {
			// These overwrite one another: only one of each is independent.
			switch f.Kind {
			case LevelChanged, SoftDeleted, Disposed:
				if once[f.Kind] {
					continue
				}
				once[f.Kind] = true
			default:
			}
			facts = append(facts, f)
		}
		order := rapid.Permutation(facts).Draw(t, "order")
		if d := cmp.Diff(Fold(p, facts), Fold(p, order)); d != "" {
			t.Fatal(d)
		}
	})
}

func TestDecide_NeverExpiresWhatIsHeldOrNotPast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Fold(genPoint(t), genFacts(t))
		now := genTime(t, "now")
		d := Decide(Item{State: s, DisposalSigned: rapid.Bool().Draw(t, "signed")}, now, nil)
		if d.Verdict == Expire && (len(s.Holds) > 0 || s.RetainUntil.Endless() || !s.RetainUntil.Time.Before(now) ||
			len(s.Freezes) > 0 || len(s.NotUnderstood) > 0 || s.Disposed) {
			t.Fatalf("expires %+v", s)
		}
		if held := Decide(Item{State: s, DisposalSigned: true}, now, []hold.Hold{{ID: "h"}}); held.Verdict != Keep {
			t.Fatal("a held point expires")
		}
	})
}

func TestLockFor_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		received := genTime(t, "received")
		now := received.Add(time.Duration(rapid.Int64Range(0, 3e8).Draw(t, "age")) * time.Second)
		limit := rapid.SampledFrom([]calendar.Period{{}, calendar.Days(7), calendar.Years(1), calendar.Years(12)}).Draw(t, "max")
		until := Until{Time: ceilSecond(genTime(t, "until"))}
		until.Unlimited = rapid.Bool().Draw(t, "unlimited")
		if rapid.Bool().Draw(t, "open") {
			until.OpenEnded, until.Step = true, genPeriod(t, "step")
		}
		if until.Time.Before(received) {
			until.Time = ceilSecond(received)
		}
		l := LockFor(now, received, until, limit)
		end := orDefault(limit, DefaultMax).AddTo(now, time.UTC)
		if l.Target.After(end) {
			t.Fatalf("locked until %s, beyond now + maximum %s", l.Target, end)
		}
		if l.Least.After(l.Target) {
			t.Fatalf("least %s after target %s", l.Least, l.Target)
		}
		if l.Target.Before(until.Time) && l.Target.Before(end.Add(-time.Second)) {
			t.Fatalf("locked until %s, short of %s", l.Target, until)
		}
		if until.Endless() && !l.Target.After(now) {
			t.Fatalf("endless, locked until %s at %s", l.Target, now)
		}
	})
}

func TestHandovers_AreDoneOnceAndPointToWholePoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		h := HandoverInput{Policy: in.Policy, Zone: in.Zone, Now: in.ReceivedAt, SourceCreatedAt: in.SourceCreatedAt, History: in.History, Classes: in.Classes}
		for _, x := range Handovers(h) {
			for i := range h.History {
				p := &h.History[i]
				if p.ID != x.To {
					continue
				}
				if !p.stands() || !x.Tag.Provisional && !p.Complete {
					t.Fatalf("%s goes to %+v", x.Tag.Period, *p)
				}
				p.Tags = append(append([]Tag(nil), p.Tags...), x.Tag)
			}
		}
		if again := Handovers(h); len(again) != 0 {
			t.Fatalf("handed over again: %+v", again)
		}
	})
}
