package retention

import (
	"cmp"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/hold"
)

// PointFacts is what a point's manifest says of it, fixed at commit.
type PointFacts struct {
	ID         string    `json:"id" cbor:"1,keyasint"`
	Source     string    `json:"source" cbor:"2,keyasint"`
	ReceivedAt time.Time `json:"received_at" cbor:"3,keyasint"`
	Complete   bool      `json:"complete" cbor:"4,keyasint,omitempty"`
	Trigger    Trigger   `json:"trigger,omitempty" cbor:"5,keyasint,omitempty"`
	Classes    []string  `json:"classes,omitempty" cbor:"6,keyasint,omitempty"`
	Paths      []string  `json:"paths,omitempty" cbor:"7,keyasint,omitempty"`
	Tags       []Tag     `json:"tags,omitempty" cbor:"8,keyasint,omitempty"`
	// Computed is the retention without holds, as assigned.
	Computed      Until     `json:"computed" cbor:"9,keyasint,omitzero"`
	Reasons       []Reason  `json:"reasons,omitempty" cbor:"10,keyasint,omitempty"`
	Pending       []Pending `json:"pending,omitempty" cbor:"11,keyasint,omitempty"`
	Policy        string    `json:"policy,omitempty" cbor:"12,keyasint,omitempty"`
	PolicyVersion int       `json:"policy_version,omitempty" cbor:"13,keyasint,omitempty"`
}

// PointState is what is true of a point after its facts.
type PointState struct {
	ID         string    `json:"id"`
	Source     string    `json:"source"`
	ReceivedAt time.Time `json:"received_at"`
	Trigger    Trigger   `json:"trigger,omitempty"`
	Classes    []string  `json:"classes,omitempty"`
	Paths      []string  `json:"paths,omitempty"`
	Tags       []Tag     `json:"tags,omitempty"`
	// Computed is the retention without holds, RetainUntil with them.
	Computed    Until       `json:"computed"`
	RetainUntil Until       `json:"retain_until"`
	Reasons     []Reason    `json:"reasons,omitempty"`
	Pending     []Pending   `json:"pending,omitempty"`
	Holds       []hold.Hold `json:"holds,omitempty"`
	SoftDeleted *SoftDelete `json:"soft_deleted,omitempty"`
	// Freezes are the anomalies that stop expiry.
	Freezes     []string  `json:"freezes,omitempty"`
	Level       Level     `json:"level"`
	Verified    Verified  `json:"verified,omitempty"`
	VerifiedAt  time.Time `json:"verified_at,omitzero"`
	Placements  []string  `json:"placements,omitempty"`
	Disposed    bool      `json:"disposed,omitempty"`
	DisposedAt  time.Time `json:"disposed_at,omitzero"`
	ErasedAt    time.Time `json:"erased_at,omitzero"`
	Certificate string    `json:"certificate,omitempty"`
	// NotUnderstood are facts of kinds that this version does not know; they
	// keep the point.
	NotUnderstood []FactKind `json:"not_understood,omitempty"`
}

// Point is how holds and selectors see the point.
func (s PointState) Point() hold.Point {
	return hold.Point{ID: s.ID, Source: s.Source, Classes: s.Classes, Paths: s.Paths, ReceivedAt: s.ReceivedAt, Remnant: s.Trigger == Remnant}
}

// Past is the point as an earlier one of its source, with what its manifest says
// of completeness, entries and bytes.
func (s PointState) Past(complete bool, entries, bytes int64) PastPoint {
	return PastPoint{ID: s.ID, ReceivedAt: s.ReceivedAt, Trigger: s.Trigger, Complete: complete, Deleted: s.SoftDeleted != nil || s.Disposed, Disposed: s.Disposed,
		Verified: s.Verified, Tags: s.Tags, Entries: entries, Bytes: bytes}
}

// Fold gives the state of a point after the facts, in the order in which they
// were recorded. Facts that do not concern the point are skipped; nothing but a
// released hold, a recorded event in place of a pending one, or an undone freeze
// or deletion ever takes a cause for keeping away.
func Fold(initial PointFacts, facts []Fact) PointState {
	f := folder{holds: map[string]hold.Hold{}, released: map[string]bool{}}
	f.s = PointState{
		ID: initial.ID, Source: initial.Source, ReceivedAt: initial.ReceivedAt.UTC(), Trigger: initial.Trigger,
		Classes: slices.Clone(initial.Classes), Paths: slices.Clone(initial.Paths),
		Tags: slices.Clone(initial.Tags), Level: Captured,
	}
	f.fixed = initial.Computed
	// What is open-ended follows from what is pending, which facts may settle.
	f.fixed.OpenEnded = initial.Computed.OpenEnded && len(initial.Pending) == 0
	if len(initial.Pending) > 0 {
		f.fixed.Step = Until{}.Step
	}
	f.pending = slices.Clone(initial.Pending)
	for _, r := range initial.Reasons {
		if r.Kind != KindHold && r.Kind != KindEventPending {
			f.reasons = append(f.reasons, r)
		}
	}
	f.subject = f.s.Point()
	// Classes first: a hold or event on a class concerns a point that was given
	// the class later, and one that once had it.
	for _, x := range facts {
		if x.Kind == ClassChanged && x.Selector.Covers(f.subject) {
			f.subject.Classes = union(f.subject.Classes, x.Classes)
		}
	}
	for _, x := range facts {
		f.apply(x)
	}
	return f.result()
}

type folder struct {
	s PointState
	// subject is the point with every class it ever had.
	subject hold.Point
	// fixed is the retention that no later fact can shorten.
	fixed    Until
	reasons  []Reason
	pending  []Pending
	events   []Event
	holds    map[string]hold.Hold
	released map[string]bool
}

func (f *folder) apply(x Fact) {
	switch x.Kind {
	case HoldPlaced:
		if x.Hold != nil && x.Hold.Covers(f.subject) {
			f.holds[x.Hold.ID] = *x.Hold
		}
		return
	case HoldReleased:
		// A release counts wherever it stands: ids are used once.
		f.released[x.HoldID] = true
		return
	case EventRecorded:
		if x.Event != nil {
			f.events = append(f.events, *x.Event)
		}
		return
	case RetainRaised, SoftDeleted, Undeleted, LevelChanged, TagMoved, ClassChanged, Placement, Frozen, Unfrozen, Disposed:
	default:
		f.s.NotUnderstood = append(f.s.NotUnderstood, x.Kind)
		return
	}
	if x.Kind == TagMoved && x.From != "" && x.From == f.s.ID {
		f.handOver(x.Tag)
	}
	if x.Selector.Covers(f.subject) {
		f.applyChosen(x)
	}
}

func (f *folder) applyChosen(x Fact) {
	s := &f.s
	switch x.Kind {
	case RetainRaised:
		f.raise(x)
	case TagMoved:
		s.Tags = addTag(s.Tags, x.Tag)
		f.raise(x)
	case ClassChanged:
		s.Classes = slices.Clone(x.Classes)
		f.raise(x)
	case SoftDeleted:
		// Without its window the deletion cannot be judged: it never ends.
		s.SoftDeleted = &SoftDelete{At: x.At.UTC(), By: x.By}
		if x.Soft != nil {
			soft := *x.Soft
			s.SoftDeleted = &soft
		}
	case Undeleted:
		s.SoftDeleted = nil
	case LevelChanged:
		f.level(x)
	case Placement:
		s.Placements = union(s.Placements, []string{x.Placement})
	case Frozen:
		s.Freezes = union(s.Freezes, []string{x.FreezeID})
	case Unfrozen:
		s.Freezes = slices.DeleteFunc(s.Freezes, func(id string) bool { return id == x.FreezeID })
	case Disposed:
		f.dispose(x)
	case HoldPlaced, HoldReleased, EventRecorded:
	}
}

// raise lengthens; a shorter date changes nothing. Its open end is fixed unless
// the fact says what it waits for.
func (f *folder) raise(x Fact) {
	u := x.Until
	if len(x.Pending) > 0 {
		u.OpenEnded, u.Step = false, Until{}.Step
	}
	f.fixed = Longest(f.fixed, u)
	f.pending = append(f.pending, x.Pending...)
	for _, r := range x.Reasons {
		if r.Kind != KindEventPending && r.Kind != KindHold {
			f.reasons = append(f.reasons, r)
		}
	}
	if len(x.Reasons) == 0 && (x.Until != Until{}) {
		f.reasons = append(f.reasons, Reason{Kind: KindRaised, Until: x.Until.Time})
	}
}

// level notes a check. A failed one leaves the level it was at below the check.
func (f *folder) level(x Fact) {
	f.s.VerifiedAt = x.At.UTC()
	if x.Failed {
		f.s.Verified = Failed
		if f.s.Level.AtLeast(VerifiedLevel) {
			f.s.Level = Locked
		}
		return
	}
	f.s.Level = x.Level
	if x.Level.AtLeast(VerifiedLevel) {
		f.s.Verified = OK
	}
}

func (f *folder) dispose(x Fact) {
	s := &f.s
	at := x.At.UTC()
	if !s.Disposed || at.Before(s.DisposedAt) {
		s.DisposedAt = at
	}
	s.Disposed, s.Certificate = true, cmp.Or(x.Certificate, s.Certificate)
	if x.ErasedAt.After(s.ErasedAt) {
		s.ErasedAt = x.ErasedAt.UTC()
	}
}

// handOver marks a tag that another point now holds.
func (f *folder) handOver(tag Tag) {
	for i, t := range f.s.Tags {
		if t.Same(tag) {
			f.s.Tags[i].Provisional = true
		}
	}
}

// result settles pending periods, counts holds and puts lists in order, so that
// the order of independent facts does not show.
func (f *folder) result() PointState {
	s := f.s
	s.Computed = f.fixed
	seen := map[Pending]bool{}
	for _, p := range f.pending {
		if !seen[p] {
			seen[p] = true
			f.settle(&s, p)
		}
	}
	s.Reasons = append(s.Reasons, f.reasons...)
	s.RetainUntil = s.Computed
	for id, h := range f.holds {
		if f.released[id] || !h.Active() {
			continue
		}
		s.Holds = append(s.Holds, h)
		s.Reasons = append(s.Reasons, holdReason(h))
		s.RetainUntil.Unlimited = true
	}
	s.Computed, s.RetainUntil = Longest(s.Computed, Until{}), Longest(s.RetainUntil, Until{})
	slices.SortFunc(s.Holds, func(a, b hold.Hold) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortStableFunc(s.Tags, func(a, b Tag) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Period, b.Period)) })
	slices.SortStableFunc(s.Pending, func(a, b Pending) int { return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Event, b.Event)) })
	s.Reasons = ordered(s.Reasons)
	slices.Sort(s.Classes)
	slices.Sort(s.Placements)
	slices.Sort(s.Freezes)
	slices.Sort(s.NotUnderstood)
	s.NotUnderstood = slices.Compact(s.NotUnderstood)
	return s
}

func (f *folder) settle(s *PointState, p Pending) {
	found := false
	for _, e := range f.events {
		if e.settles(p, f.subject) {
			found = true
			r, u := e.reason(p)
			s.Reasons = append(s.Reasons, r)
			s.Computed = Longest(s.Computed, u)
		}
	}
	if !found {
		s.Pending = append(s.Pending, p)
		s.Reasons = append(s.Reasons, p.reason())
		s.Computed = Longest(s.Computed, p.until())
	}
}

// addTag adds a tag; one held for good stays so.
func addTag(tags []Tag, tag Tag) []Tag {
	for i, t := range tags {
		if t.Same(tag) {
			tags[i].Provisional = t.Provisional && tag.Provisional
			return tags
		}
	}
	return append(tags, tag)
}

// ordered sorts reasons, the longest first, and drops repetitions.
func ordered(reasons []Reason) []Reason {
	for i := range reasons {
		reasons[i].Until = utc(reasons[i].Until)
		reasons[i].EventAt = utc(reasons[i].EventAt)
	}
	slices.SortStableFunc(reasons, func(a, b Reason) int {
		return cmp.Or(endless(b)-endless(a), b.Until.Compare(a.Until), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.TagPeriod, b.TagPeriod), cmp.Compare(a.Class, b.Class),
			cmp.Compare(a.Event, b.Event), a.EventAt.Compare(b.EventAt), cmp.Compare(a.Hold, b.Hold),
			cmp.Compare(a.Basis, b.Basis), a.Period.Compare(b.Period))
	})
	return slices.Compact(reasons)
}

func endless(r Reason) int {
	if r.Until.IsZero() {
		return 1
	}
	return 0
}

// utc drops the zone that decoding gave a time, keeping zero as it is.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, x := range b {
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}
