package retention

import (
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/hold"
)

// FactKind is what a governance record says of points. The list is closed.
type FactKind string

// The kinds of facts.
const (
	RetainRaised  FactKind = "retain_raised"
	EventRecorded FactKind = "event_recorded"
	HoldPlaced    FactKind = "hold_placed"
	HoldReleased  FactKind = "hold_released"
	SoftDeleted   FactKind = "soft_deleted"
	Undeleted     FactKind = "undeleted"
	LevelChanged  FactKind = "level_changed"
	TagMoved      FactKind = "tag_moved"
	ClassChanged  FactKind = "class_changed"
	Placement     FactKind = "placement"
	Frozen        FactKind = "frozen"
	Unfrozen      FactKind = "unfrozen"
	Disposed      FactKind = "disposed"
)

// Level is how far the evidence for a point goes.
type Level string

// The levels, weakest first.
const (
	Captured           Level = "captured"
	Stored             Level = "stored"
	Locked             Level = "locked"
	VerifiedLevel      Level = "verified"
	Restored           Level = "restored"
	ApplicationChecked Level = "application_checked"
)

// Fact is one thing that became true of points after their commit. A hold
// chooses points by its own scope, an event by its own selector, every other
// fact by Selector. Which further fields are set follows from Kind.
type Fact struct {
	Kind FactKind `json:"kind" cbor:"1,keyasint"`
	// At is when it became true, By who did it, Why their reason.
	At  time.Time `json:"at" cbor:"2,keyasint,omitzero"`
	By  string    `json:"by,omitempty" cbor:"3,keyasint,omitempty"`
	Why string    `json:"why,omitempty" cbor:"4,keyasint,omitempty"`
	// Approval identifies the approval of a critical operation.
	Approval string   `json:"approval,omitempty" cbor:"5,keyasint,omitempty"`
	Selector Selector `json:"selector,omitzero" cbor:"6,keyasint,omitzero"`
	// Until and Reasons are the new retention of retain_raised, tag_moved and
	// class_changed.
	Until   Until    `json:"until,omitzero" cbor:"7,keyasint,omitzero"`
	Reasons []Reason `json:"reasons,omitempty" cbor:"8,keyasint,omitempty"`
	// Tag is the tag of tag_moved, From the point that held it.
	Tag   Tag         `json:"tag,omitzero" cbor:"9,keyasint,omitzero"`
	From  string      `json:"from,omitempty" cbor:"10,keyasint,omitempty"`
	Event *Event      `json:"event,omitempty" cbor:"11,keyasint,omitempty"`
	Hold  *hold.Hold  `json:"hold,omitempty" cbor:"12,keyasint,omitempty"`
	Soft  *SoftDelete `json:"soft,omitempty" cbor:"13,keyasint,omitempty"`
	// HoldID is the hold of hold_released, FreezeID the freeze of frozen and
	// unfrozen.
	HoldID   string `json:"hold_id,omitempty" cbor:"14,keyasint,omitempty"`
	FreezeID string `json:"freeze_id,omitempty" cbor:"15,keyasint,omitempty"`
	// Level is the level reached, or with Failed the one at which a check failed.
	Level  Level `json:"level,omitempty" cbor:"16,keyasint,omitempty"`
	Failed bool  `json:"failed,omitempty" cbor:"17,keyasint,omitempty"`
	// Classes are the point's classes after class_changed, Pending the class
	// periods that a change of retention brings and that wait for their event.
	Classes []string  `json:"classes,omitempty" cbor:"18,keyasint,omitempty"`
	Pending []Pending `json:"pending,omitempty" cbor:"19,keyasint,omitempty"`
	// Placement identifies the placement record, Certificate the disposition
	// certificate, ErasedAt when the last bytes went.
	Placement   string    `json:"placement,omitempty" cbor:"20,keyasint,omitempty"`
	Certificate string    `json:"certificate,omitempty" cbor:"21,keyasint,omitempty"`
	ErasedAt    time.Time `json:"erased_at,omitzero" cbor:"22,keyasint,omitzero"`
	// Policy and PolicyVersion name the policy that the fact follows from.
	Policy        string `json:"policy,omitempty" cbor:"23,keyasint,omitempty"`
	PolicyVersion int    `json:"policy_version,omitempty" cbor:"24,keyasint,omitempty"`
}

// SoftDelete is a deletion that can be undone until PurgeAfter. The setting in
// force at the deletion governs.
type SoftDelete struct {
	At         time.Time `json:"at" cbor:"1,keyasint,omitzero"`
	PurgeAfter time.Time `json:"purge_after" cbor:"2,keyasint,omitzero"`
	By         string    `json:"by,omitempty" cbor:"3,keyasint,omitempty"`
	Approval   string    `json:"approval,omitempty" cbor:"4,keyasint,omitempty"`
}

// Validate refuses a fact that lacks what its kind needs.
func (f Fact) Validate() error {
	if f.At.IsZero() {
		return errkind.New(errkind.Invalid, "fact %s: at must be given", f.Kind)
	}
	if f.Kind != HoldPlaced && f.Kind != HoldReleased && f.Kind != EventRecorded && f.Selector.IsZero() {
		return errkind.New(errkind.Invalid, "fact %s: selector must choose points", f.Kind)
	}
	need := func(ok bool, key string) error {
		if ok {
			return nil
		}
		return errkind.New(errkind.Invalid, "fact %s: %s must be given", f.Kind, key)
	}
	switch f.Kind {
	case RetainRaised:
		return need(f.Until != Until{}, "until")
	case EventRecorded:
		return need(f.Event != nil && f.Event.Name != "" && !f.Event.At.IsZero() && !f.Event.Covers.IsZero(), "event with name, at and covers")
	case HoldPlaced:
		if f.Hold == nil {
			return need(false, "hold")
		}
		return f.Hold.Validate()
	case HoldReleased:
		return need(f.HoldID != "", "hold_id")
	case SoftDeleted:
		return need(f.Soft != nil && !f.Soft.PurgeAfter.Before(f.Soft.At), "soft with a purge_after that is not before at")
	case LevelChanged:
		return need(f.Level.rank() >= 0, "level")
	case TagMoved:
		return need(f.Tag.Name != "", "tag")
	case Placement:
		return need(f.Placement != "", "placement")
	case Frozen, Unfrozen:
		return need(f.FreezeID != "", "freeze_id")
	case Disposed:
		return need(f.Certificate != "", "certificate")
	case Undeleted, ClassChanged:
		return nil
	}
	return errkind.New(errkind.Invalid, "there is no fact of kind %q", f.Kind)
}

// rank orders the levels; it is -1 for what is not one.
func (l Level) rank() int {
	for i, x := range []Level{Captured, Stored, Locked, VerifiedLevel, Restored, ApplicationChecked} {
		if l == x {
			return i
		}
	}
	return -1
}

// AtLeast reports whether l is m or stronger.
func (l Level) AtLeast(m Level) bool { return l.rank() >= m.rank() }
