package blob

import (
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Forever is the latest date a lock can have, the last second of the year
// 9999. Drivers report it for an object whose lock they cannot read.
func Forever() time.Time { return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }

// strength orders modes from weak to strong; -1 is a mode not in the list.
func (m Mode) strength() int {
	switch m {
	case NoLock:
		return 0
	case Governance:
		return 1
	case Compliance:
		return 2
	default:
		return -1
	}
}

// Check fails with errkind.Invalid unless l is the zero Lock or a known mode
// with a date that a store can keep.
func (l Lock) Check() error {
	switch {
	case l.Mode.strength() < 0:
		return errkind.New(errkind.Invalid, "lock mode %q is not known", l.Mode)
	case l.Mode == NoLock && !l.Until.IsZero():
		return errkind.New(errkind.Invalid, "a lock date without a lock mode")
	case l.Mode != NoLock && l.Until.IsZero():
		return errkind.New(errkind.Invalid, "a lock mode without a lock date")
	case l.Until.After(Forever()) || l.Until.Before(time.Time{}):
		return errkind.New(errkind.Invalid, "a lock date outside the years 1 to 9999")
	}
	return nil
}

// Normal gives the same lock with its date in UTC, so that equal locks compare
// equal whatever zone or clock reading they came with.
func (l Lock) Normal() Lock {
	if l.Until.IsZero() {
		return Lock{Mode: l.Mode}
	}
	return Lock{Mode: l.Mode, Until: l.Until.UTC().Round(0)}
}

// Holds reports whether l forbids deletion and replacement at now. It ends
// exactly at Until.
func (l Lock) Holds(now time.Time) bool { return l.Mode != NoLock && now.Before(l.Until) }

// Raise gives the lock that holds after an object locked with l is asked to be
// locked with to. It fails with errkind.Refused where that would lower the
// date, or the mode of a lock that still holds.
func (l Lock) Raise(to Lock, now time.Time) (Lock, error) {
	if to.Until.Before(l.Until) {
		return l, errkind.New(errkind.Refused, "locked until %s: a lock is never shortened to %s", stamp(l.Until), stamp(to.Until))
	}
	if l.Holds(now) && to.Mode.strength() < l.Mode.strength() {
		return l, errkind.New(errkind.Refused, "locked in %s mode until %s: a lock is never weakened", l.Mode, stamp(l.Until))
	}
	return to.Normal(), nil
}

// Join gives the lock with the stronger mode and the later date of both.
func (l Lock) Join(other Lock) Lock {
	joined := l
	if other.Mode.strength() > joined.Mode.strength() {
		joined.Mode = other.Mode
	}
	if other.Until.After(joined.Until) {
		joined.Until = other.Until
	}
	return joined.Normal()
}

// Refuse is the error for deleting or replacing an object under l.
func (l Lock) Refuse() error {
	return errkind.New(errkind.Refused, "locked in %s mode until %s", l.Mode, stamp(l.Until))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
