package retention

import (
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/internal/hold"
)

// Verdict is the answer to "may this be deleted?".
type Verdict string

// The verdicts. The zero value is neither, and must be taken as keep.
const (
	Keep   Verdict = "keep"
	Expire Verdict = "expire"
)

// Ground is why a point is kept or may go. The list is closed.
type Ground string

// The grounds.
const (
	GroundTimeNotProven    Ground = "time_not_proven"
	GroundRetained         Ground = "retained"
	GroundUnlimited        Ground = "unlimited"
	GroundOpenEnded        Ground = "open_ended"
	GroundHeld             Ground = "held"
	GroundSoftDeleted      Ground = "soft_deleted"
	GroundFrozen           Ground = "frozen"
	GroundNewest           Ground = "newest"
	GroundAwaitingDisposal Ground = "awaiting_disposal"
	GroundNotUnderstood    Ground = "not_understood"
	GroundDisposed         Ground = "disposed"
	// GroundPast and GroundDeleted are the grounds of an expiry: its time has
	// passed, or it was deleted before its time where that can be.
	GroundPast    Ground = "past"
	GroundDeleted Ground = "deleted"
)

// Finding is a ground with what it rests on.
type Finding struct {
	Ground Ground `json:"ground"`
	// Detail is the hold, freeze or fact meant.
	Detail string    `json:"detail,omitempty"`
	Until  time.Time `json:"until,omitzero"`
}

// Decision is the verdict with every finding that supports it.
type Decision struct {
	Verdict  Verdict   `json:"verdict"`
	Findings []Finding `json:"findings"`
}

// Item is a point about which to decide.
type Item struct {
	State PointState
	// Newest marks the newest whole point of its source, which never expires by
	// itself: a source that is no longer backed up keeps its last state.
	Newest bool
	// DisposalSigned says that the point lies in a signed disposal batch. Points
	// kept by class, close or event do not expire without one.
	DisposalSigned bool
	// Mutable says that the vault is not immutable: a point that was deleted softly
	// may go when its window has ended, before its time.
	Mutable bool
}

// Decide says whether a point may be deleted at the proven time given. It may
// only when nothing speaks against it; holds given here count beside those in
// the state.
func Decide(it Item, proven time.Time, holds []hold.Hold) Decision {
	s := it.State
	var found []Finding
	add := func(g Ground, detail string, until time.Time) {
		found = append(found, Finding{g, detail, until})
	}
	if s.Disposed {
		add(GroundDisposed, s.Certificate, time.Time{})
	}
	if proven.IsZero() {
		add(GroundTimeNotProven, "", time.Time{})
	}
	for _, h := range covering(s, holds) {
		add(GroundHeld, h.ID, time.Time{})
	}
	if !it.Mutable || s.SoftDeleted == nil {
		found = append(found, s.retained(proven)...)
	}
	if d := s.SoftDeleted; d != nil && (d.PurgeAfter.IsZero() || !d.PurgeAfter.Before(proven)) {
		add(GroundSoftDeleted, "", d.PurgeAfter)
	}
	for _, id := range s.Freezes {
		add(GroundFrozen, id, time.Time{})
	}
	for _, k := range s.NotUnderstood {
		add(GroundNotUnderstood, string(k), time.Time{})
	}
	if it.Newest && s.SoftDeleted == nil {
		add(GroundNewest, "", time.Time{})
	}
	if len(found) == 0 && !it.DisposalSigned && s.NeedsDisposal() {
		add(GroundAwaitingDisposal, "", time.Time{})
	}
	if len(found) > 0 {
		return Decision{Keep, found}
	}
	if !s.Computed.Past(proven) {
		return Decision{Expire, []Finding{{Ground: GroundDeleted, Until: s.SoftDeleted.At}}}
	}
	return Decision{Expire, []Finding{{Ground: GroundPast, Until: s.Computed.Time}}}
}

// retained gives the findings of retention alone.
func (s PointState) retained(proven time.Time) []Finding {
	var found []Finding
	if s.Computed.Unlimited {
		found = append(found, Finding{Ground: GroundUnlimited})
	}
	if s.Computed.OpenEnded {
		found = append(found, Finding{Ground: GroundOpenEnded})
	}
	// A point without any date was not computed: it stays.
	if !s.Computed.Endless() && (s.Computed.Time.IsZero() || !s.Computed.Past(proven)) {
		found = append(found, Finding{Ground: GroundRetained, Until: s.Computed.Time})
	}
	return found
}

// NeedsDisposal reports whether the point was kept by class, close or event, so
// that people sign before it goes.
func (s PointState) NeedsDisposal() bool {
	for _, r := range s.Reasons {
		switch r.Kind {
		case KindClass, KindClose, KindEvent, KindEventPending:
			return true
		case KindTag, KindVaultMinimum, KindVaultMaximumCap, KindHold, KindOnDemand, KindProvisional, KindEveryPoint, KindRaised:
		}
	}
	return false
}

// covering joins the holds in the state with those given.
func covering(s PointState, more []hold.Hold) []hold.Hold {
	out := append([]hold.Hold(nil), s.Holds...)
	have := map[string]bool{}
	for _, h := range out {
		have[h.ID] = true
	}
	for _, h := range hold.Covering(more, s.Point()) {
		if !have[h.ID] {
			out = append(out, h)
		}
	}
	return out
}

// Sentence says the finding in one plain sentence, with times in loc.
func (f Finding) Sentence(loc *time.Location) string {
	switch f.Ground {
	case GroundTimeNotProven:
		return "The time is not proven, so nothing may be deleted."
	case GroundRetained:
		if f.Until.IsZero() {
			return "No retention was computed, so the point stays."
		}
		return fmt.Sprintf("Retained until %s.", stamp(f.Until, loc))
	case GroundUnlimited:
		return "Retained without limit."
	case GroundOpenEnded:
		return "Retained until an event is recorded and its period has run."
	case GroundHeld:
		return fmt.Sprintf("Legal hold %s suspends deletion.", f.Detail)
	case GroundSoftDeleted:
		if f.Until.IsZero() {
			return "Soft-deleted without a purge date, so it stays recoverable."
		}
		return fmt.Sprintf("Soft-deleted and recoverable until %s.", stamp(f.Until, loc))
	case GroundFrozen:
		return fmt.Sprintf("Expiry is frozen by anomaly %s until a person signs.", f.Detail)
	case GroundNewest:
		return "It is the newest whole point of its source."
	case GroundAwaitingDisposal:
		return "Its time has passed; it waits for a signed disposal batch."
	case GroundNotUnderstood:
		return fmt.Sprintf("A record of kind %q is not understood by this version.", f.Detail)
	case GroundDisposed:
		return fmt.Sprintf("Already disposed of, certificate %s.", f.Detail)
	case GroundDeleted:
		return fmt.Sprintf("Deleted on %s, before the end of its retention, in a vault that is not immutable.", stamp(f.Until, loc))
	case GroundPast:
		return fmt.Sprintf("Past its retention, which ended on %s.", stamp(f.Until, loc))
	}
	return fmt.Sprintf("Kept on a ground of a newer kind, %q.", string(f.Ground))
}
