package retention

import (
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/policy"
)

// Kind is why a point is kept. The list is closed.
type Kind string

// The kinds of reasons.
const (
	KindTag             Kind = "tag"
	KindClass           Kind = "class"
	KindVaultMinimum    Kind = "vault_minimum"
	KindVaultMaximumCap Kind = "vault_maximum_cap"
	KindEvent           Kind = "event"
	KindEventPending    Kind = "event_pending"
	KindHold            Kind = "hold"
	KindOnDemand        Kind = "on_demand"
	KindClose           Kind = "close"
	KindProvisional     Kind = "provisional"
	// KindEveryPoint is the policy's least period.
	KindEveryPoint Kind = "every_point"
	// KindRaised is a retention raised by somebody.
	KindRaised Kind = "raised"
)

const (
	// basisCandidate marks a point that may yet be the last of its month.
	basisCandidate = "candidate"
	// basisUnrecorded marks one that stands for a close that nobody recorded.
	basisUnrecorded = "unrecorded"
)

// Reason is one cause for keeping a point. Which fields are set follows from
// Kind; a zero Until means that no date ends it.
type Reason struct {
	Kind      Kind           `json:"kind" cbor:"1,keyasint"`
	Tag       policy.TagName `json:"tag,omitempty" cbor:"2,keyasint,omitempty"`
	TagPeriod string         `json:"tag_period,omitempty" cbor:"3,keyasint,omitempty"`
	Class     string         `json:"class,omitempty" cbor:"4,keyasint,omitempty"`
	Event     string         `json:"event,omitempty" cbor:"5,keyasint,omitempty"`
	EventAt   time.Time      `json:"event_at,omitzero" cbor:"6,keyasint,omitzero"`
	Hold      string         `json:"hold,omitempty" cbor:"7,keyasint,omitempty"`
	Matter    string         `json:"matter,omitempty" cbor:"8,keyasint,omitempty"`
	// Basis is the class's basis, or why a point only stands in.
	Basis  string          `json:"basis,omitempty" cbor:"9,keyasint,omitempty"`
	Period calendar.Period `json:"period,omitzero" cbor:"10,keyasint,omitzero"`
	Until  time.Time       `json:"until,omitzero" cbor:"11,keyasint,omitzero"`
}

// Sentence says the reason in one plain sentence, with times in loc.
func (r Reason) Sentence(loc *time.Location) string {
	kept := fmt.Sprintf("kept %s, until %s", r.Period.Words(), stamp(r.Until, loc))
	if r.Until.IsZero() {
		kept = "kept without limit"
	}
	switch r.Kind {
	case KindTag:
		return fmt.Sprintf("Takes the %s tag of %s: %s.", r.Tag, r.TagPeriod, kept)
	case KindProvisional:
		if r.Basis == basisCandidate {
			return fmt.Sprintf("May be the last point of %s and then take its %s tag: kept until %s.", r.TagPeriod, r.Tag, stamp(r.Until, loc))
		}
		return fmt.Sprintf("Stands in for the %s tag of %s although it is %s: %s.", r.Tag, r.TagPeriod, r.Basis, kept)
	case KindClass:
		return fmt.Sprintf("Has records of class %s (basis: %s): %s.", r.Class, r.Basis, kept)
	case KindEvent:
		return fmt.Sprintf("Class %s counts from %s, recorded for %s: %s.", r.Class, r.Event, stamp(r.EventAt, loc), kept)
	case KindEventPending:
		return fmt.Sprintf("Class %s counts %s from %s, which is not recorded yet: kept open-ended.", r.Class, r.Period.Words(), r.Event)
	case KindVaultMinimum:
		return fmt.Sprintf("The vault's minimum applies: %s.", kept)
	case KindVaultMaximumCap:
		return fmt.Sprintf("The vault locks at most %s ahead, so the lock is first set to %s at most and renewed.", r.Period.Words(), stamp(r.Until, loc))
	case KindHold:
		return fmt.Sprintf("Legal hold %s (%s) suspends deletion until it is released.", r.Hold, r.Matter)
	case KindOnDemand:
		return fmt.Sprintf("Taken on demand: %s.", kept)
	case KindClose:
		return r.closeSentence(kept)
	case KindEveryPoint:
		return fmt.Sprintf("The policy's least period applies: %s.", kept)
	case KindRaised:
		if r.Until.IsZero() {
			return "Retention was raised: kept without limit."
		}
		return fmt.Sprintf("Retention was raised: kept until %s.", stamp(r.Until, loc))
	}
	return fmt.Sprintf("Kept for a reason of a newer kind, %q.", string(r.Kind))
}

func (r Reason) closeSentence(kept string) string {
	switch r.Basis {
	case "":
		return fmt.Sprintf("Holds the books at the close of %s: %s.", r.TagPeriod, kept)
	case basisUnrecorded:
		return fmt.Sprintf("Holds the books of %s, whose close nobody recorded in time: %s.", r.TagPeriod, kept)
	}
	return fmt.Sprintf("Stands in for the close of %s although it is %s: %s.", r.TagPeriod, r.Basis, kept)
}

// stamp writes a time in full, with the offset, so that it reads the same
// everywhere.
func stamp(t time.Time, loc *time.Location) string {
	return t.In(loc).Format("2 January 2006 15:04:05 -07:00")
}

func holdReason(h hold.Hold) Reason {
	return Reason{Kind: KindHold, Hold: h.ID, Matter: h.Matter}
}

// WarningKind is what a person should look at. The list is closed.
type WarningKind string

// The kinds of warnings.
const (
	WarnProvisional  WarningKind = "provisional"
	WarnShrunken     WarningKind = "shrunken"
	WarnClassMaximum WarningKind = "class_maximum"
	WarnVaultMaximum WarningKind = "vault_maximum"
	// WarnCloseOverdue tells of a close that was due before this point.
	WarnCloseOverdue WarningKind = "close_overdue"
)

// Warning is something about a point that a person should look at.
type Warning struct {
	Kind WarningKind `json:"kind" cbor:"1,keyasint"`
	Tag  Tag         `json:"tag,omitzero" cbor:"2,keyasint,omitzero"`
	Text string      `json:"text" cbor:"3,keyasint"`
}

func warning(kind WarningKind, tag Tag, format string, args ...any) Warning {
	return Warning{Kind: kind, Tag: tag, Text: fmt.Sprintf(format, args...)}
}
