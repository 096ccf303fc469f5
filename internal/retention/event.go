package retention

import (
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/policy"
)

// Event is a recorded occurrence from which the period of a class counts, such
// as the conclusion of an audit.
type Event struct {
	ID   string `json:"id" cbor:"1,keyasint"`
	Name string `json:"name" cbor:"2,keyasint"`
	// Period names what the event is about: FY2026.
	Period string `json:"period,omitempty" cbor:"3,keyasint,omitempty"`
	// At is when it happened.
	At         time.Time `json:"at" cbor:"4,keyasint,omitzero"`
	RecordedBy string    `json:"recorded_by,omitempty" cbor:"5,keyasint,omitempty"`
	Evidence   string    `json:"evidence,omitempty" cbor:"6,keyasint,omitempty"`
	// Covers selects the points concerned: for a fiscal year's audit those
	// received in that year.
	Covers Selector `json:"covers" cbor:"7,keyasint,omitzero"`
	// RecordedAt is when it was recorded; zero is the time of the fact that has it.
	RecordedAt time.Time `json:"recorded_at,omitzero" cbor:"8,keyasint,omitzero"`
}

// Pending is a class period that waits for its event.
type Pending struct {
	Class  string          `json:"class" cbor:"1,keyasint"`
	Event  string          `json:"event" cbor:"2,keyasint"`
	Period calendar.Period `json:"period" cbor:"3,keyasint"`
}

// settles reports whether the event starts the clock of a pending period.
func (e Event) settles(p Pending, subject hold.Point) bool {
	if e.Name != p.Event || !e.Covers.Covers(subject) {
		return false
	}
	return len(e.Covers.Classes) == 0 || slices.Contains(e.Covers.Classes, p.Class)
}

// reason counts a class period from the event, in UTC.
func (e Event) reason(p Pending) (Reason, Until) {
	r := Reason{Kind: KindEvent, Class: p.Class, Event: e.Name, EventAt: e.At.UTC(), Period: p.Period}
	var u Until
	r.Until, u = term(p.Period, e.At, time.UTC)
	return r, u
}

func pendingOf(c policy.Class) Pending {
	return Pending{Class: c.ID, Event: c.ClockStart, Period: c.Minimum}
}

func (p Pending) reason() Reason {
	return Reason{Kind: KindEventPending, Class: p.Class, Event: p.Event, Period: p.Period}
}

func (p Pending) until() Until { return Until{OpenEnded: true, Step: p.Period} }

// Selector chooses points: those that match every field that is set. With
// nothing set it chooses none, so that a record with its selector lost does
// nothing.
type Selector struct {
	Points  []string `json:"points,omitempty" cbor:"1,keyasint,omitempty"`
	Sources []string `json:"sources,omitempty" cbor:"2,keyasint,omitempty"`
	Classes []string `json:"classes,omitempty" cbor:"3,keyasint,omitempty"`
	// From and To bound the receipt time, To excluded; zero is open.
	From time.Time `json:"from,omitzero" cbor:"4,keyasint,omitzero"`
	To   time.Time `json:"to,omitzero" cbor:"5,keyasint,omitzero"`
}

// IsZero reports whether nothing is set.
func (s Selector) IsZero() bool {
	return len(s.Points)+len(s.Sources)+len(s.Classes) == 0 && s.From.IsZero() && s.To.IsZero()
}

// Covers reports whether the selector chooses the point.
func (s Selector) Covers(p hold.Point) bool {
	if s.IsZero() {
		return false
	}
	if len(s.Points) > 0 && !slices.Contains(s.Points, p.ID) {
		return false
	}
	if len(s.Sources) > 0 && !slices.Contains(s.Sources, p.Source) {
		return false
	}
	in := func(c string) bool { return slices.Contains(p.Classes, c) }
	if len(s.Classes) > 0 && !slices.ContainsFunc(s.Classes, in) {
		return false
	}
	return (s.From.IsZero() || !p.ReceivedAt.Before(s.From)) && (s.To.IsZero() || p.ReceivedAt.Before(s.To))
}
