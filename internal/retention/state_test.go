package retention

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/policy"
)

func plainPoint() PointFacts {
	return PointFacts{ID: "p1", Source: "ledger", ReceivedAt: utcTime(2026, 1, 1, 0), Classes: []string{"vat"}, Computed: Until{Time: utcTime(2027, 1, 1, 0)},
		Tags: []Tag{{Name: policy.Yearly, Period: "2026"}}}
}

func chosen() Selector { return Selector{Points: []string{"p1"}} }

func TestFold_FollowsEachFact(t *testing.T) {
	at := utcTime(2026, 6, 1, 0)
	s := Fold(plainPoint(), []Fact{
		{Kind: LevelChanged, At: at, Selector: chosen(), Level: ApplicationChecked},
		{Kind: LevelChanged, At: at.Add(1), Selector: chosen(), Level: VerifiedLevel, Failed: true},
		{Kind: Frozen, At: at, Selector: chosen(), FreezeID: "f1"},
		{Kind: Frozen, At: at, Selector: Selector{Sources: []string{"ledger"}}, FreezeID: "f2"},
		{Kind: Unfrozen, At: at, Selector: chosen(), FreezeID: "f1"},
		{Kind: SoftDeleted, At: at, Selector: chosen(), Soft: &SoftDelete{At: at, PurgeAfter: at.AddDate(0, 0, 14)}},
		{Kind: Undeleted, At: at, Selector: chosen()},
		{Kind: Placement, At: at, Selector: chosen(), Placement: "pl1"},
		{Kind: Placement, At: at, Selector: chosen(), Placement: "pl1"},
		{Kind: TagMoved, At: at, Selector: Selector{Points: []string{"p2"}}, From: "p1", Tag: Tag{Name: policy.Yearly, Period: "2026"}},
		{Kind: RetainRaised, At: at, Selector: Selector{Sources: []string{"hr"}}, Until: Until{Unlimited: true}},
		{Kind: ClassChanged, At: at, Selector: chosen(), Classes: []string{"icfr"}},
	})
	want := PointState{
		ID: "p1", Source: "ledger", ReceivedAt: utcTime(2026, 1, 1, 0), Classes: []string{"icfr"},
		Tags:     []Tag{{Name: policy.Yearly, Period: "2026", Provisional: true}},
		Computed: Until{Time: utcTime(2027, 1, 1, 0)}, RetainUntil: Until{Time: utcTime(2027, 1, 1, 0)},
		Freezes: []string{"f2"}, Level: Locked, Verified: Failed, VerifiedAt: at.Add(1), Placements: []string{"pl1"},
	}
	if d := cmp.Diff(want, s); d != "" {
		t.Error(d)
	}
}

func TestFold_AHoldOnAClassGivenLaterOrTakenAwayCovers(t *testing.T) {
	held := func(class string) Fact {
		return Fact{Kind: HoldPlaced, Hold: &hold.Hold{ID: "h", Scope: hold.Scope{Classes: []string{class}}}}
	}
	change := Fact{Kind: ClassChanged, Selector: chosen(), Classes: []string{"icfr"}}
	for _, class := range []string{"vat", "icfr"} {
		if s := Fold(plainPoint(), []Fact{held(class), change}); len(s.Holds) != 1 || !s.RetainUntil.Unlimited {
			t.Errorf("%s: not held", class)
		}
	}
	if s := Fold(plainPoint(), []Fact{held("payroll"), change}); len(s.Holds) != 0 {
		t.Error("held by a class it never had")
	}
}

func TestFold_ALaterHoldOfOneIDDoesNotNarrowIt(t *testing.T) {
	s := Fold(plainPoint(), []Fact{
		{Kind: HoldPlaced, Hold: &hold.Hold{ID: "h"}},
		{Kind: HoldPlaced, Hold: &hold.Hold{ID: "h", Scope: hold.Scope{Sources: []string{"hr"}}}},
	})
	if len(s.Holds) != 1 {
		t.Error("the hold was narrowed")
	}
}

func TestFold_PendingOfTwoClassesNeedsBothEvents(t *testing.T) {
	p := plainPoint()
	p.Pending = []Pending{{"gl", "audit_concluded", calendar.Years(7)}, {"tax", "filed", calendar.Years(3)}}
	p.Computed = Until{Time: utcTime(2027, 1, 1, 0), OpenEnded: true, Step: calendar.Years(7)}
	event := func(name string, at time.Time) Fact {
		return Fact{Kind: EventRecorded, At: at, Event: &Event{Name: name, At: at, Covers: Selector{Sources: []string{"ledger"}}}}
	}
	audit, filed := event("audit_concluded", utcTime(2027, 3, 1, 0)), event("filed", utcTime(2027, 9, 1, 0))
	if s := Fold(p, []Fact{audit}); !s.Computed.OpenEnded || s.Computed.Step != calendar.Years(3) || len(s.Pending) != 1 {
		t.Errorf("after one event: %+v", s.Computed)
	}
	s := Fold(p, []Fact{audit, filed})
	if s.Computed.Endless() || !s.Computed.Time.Equal(utcTime(2034, 3, 1, 0)) || len(s.Pending) != 0 {
		t.Errorf("after both: %+v", s.Computed)
	}
	// A reopened matter is recorded anew and extends.
	s = Fold(p, []Fact{audit, filed, event("filed", utcTime(2033, 9, 1, 0))})
	if !s.Computed.Time.Equal(utcTime(2036, 9, 1, 0)) {
		t.Errorf("after the second filing: %s", s.Computed)
	}
	other := filed
	other.Event = &Event{Name: "filed", At: utcTime(2027, 9, 1, 0), Covers: Selector{Classes: []string{"payroll"}}}
	if s := Fold(p, []Fact{audit, other}); !s.Computed.OpenEnded {
		t.Error("an event about another class settled it")
	}
}

func TestFold_DecodedTimesAreInUTC(t *testing.T) {
	zone := time.FixedZone("x", 7200)
	p := plainPoint()
	want := Fold(p, nil)
	p.ReceivedAt, p.Computed.Time = p.ReceivedAt.In(zone), p.Computed.Time.In(zone)
	if d := cmp.Diff(want, Fold(p, nil), cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) && a.Location() == b.Location() })); d != "" {
		t.Error(d)
	}
}

func TestFact_ValidateNamesWhatIsMissing(t *testing.T) {
	at := utcTime(2026, 6, 1, 0)
	good := []Fact{
		{Kind: RetainRaised, Until: Until{Unlimited: true}},
		{Kind: EventRecorded, Event: &Event{Name: "filed", At: at, Covers: chosen()}},
		{Kind: HoldPlaced, Hold: &hold.Hold{ID: "h", Matter: "m", PlacedBy: "ann", PlacedAt: at, Reason: "letter"}},
		{Kind: HoldReleased, HoldID: "h"},
		{Kind: SoftDeleted, Soft: &SoftDelete{At: at, PurgeAfter: at.Add(1)}},
		{Kind: Undeleted},
		{Kind: LevelChanged, Level: Stored},
		{Kind: TagMoved, Tag: Tag{Name: policy.Daily, Period: "2026-01-01"}},
		{Kind: ClassChanged},
		{Kind: Placement, Placement: "x"},
		{Kind: Frozen, FreezeID: "f"},
		{Kind: Unfrozen, FreezeID: "f"},
		{Kind: Disposed, Certificate: "c"},
	}
	for _, f := range good {
		f.At, f.Selector = at, chosen()
		if err := f.Validate(); err != nil {
			t.Errorf("%s: %v", f.Kind, err)
		}
		empty := Fact{Kind: f.Kind, At: at, Selector: chosen()}
		if f.Kind != Undeleted && f.Kind != ClassChanged {
			if err := empty.Validate(); !errkind.Is(err, errkind.Invalid) {
				t.Errorf("empty %s: got %v", f.Kind, err)
			}
		}
		f.At = time.Time{}
		if err := f.Validate(); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s without time: got %v", f.Kind, err)
		}
	}
	for _, f := range []Fact{
		{Kind: RetainRaised, At: at, Until: Until{Unlimited: true}}, // chooses nothing
		{Kind: "entangled", At: at, Selector: chosen()},
		{Kind: LevelChanged, At: at, Selector: chosen(), Level: "perfect"},
	} {
		if err := f.Validate(); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s: got %v", f.Kind, err)
		}
	}
}

func TestSelector_ChoosesByEveryFieldThatIsSet(t *testing.T) {
	p := hold.Point{ID: "p1", Source: "ledger", Classes: []string{"vat"}, ReceivedAt: utcTime(2026, 1, 1, 0)}
	for name, c := range map[string]struct {
		s    Selector
		want bool
	}{
		"nothing set chooses none": {Selector{}, false},
		"point":                    {Selector{Points: []string{"p0", "p1"}}, true},
		"point of another source":  {Selector{Points: []string{"p1"}, Sources: []string{"hr"}}, false},
		"class":                    {Selector{Classes: []string{"vat"}}, true},
		"another class":            {Selector{Classes: []string{"icfr"}}, false},
		"from is included":         {Selector{From: p.ReceivedAt}, true},
		"to is excluded":           {Selector{To: p.ReceivedAt}, false},
		"range":                    {Selector{From: p.ReceivedAt.Add(-1), To: p.ReceivedAt.Add(1)}, true},
	} {
		if got := c.s.Covers(p); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
