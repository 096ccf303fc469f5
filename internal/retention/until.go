package retention

import (
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
)

// Until is how long a point is kept: at least until Time, and beyond it while
// Unlimited or OpenEnded.
type Until struct {
	Time      time.Time `json:"time,omitzero" cbor:"1,keyasint,omitzero"`
	Unlimited bool      `json:"unlimited,omitempty" cbor:"2,keyasint,omitempty"`
	// OpenEnded waits for an event; storage is locked Step ahead meanwhile.
	OpenEnded bool            `json:"open_ended,omitempty" cbor:"3,keyasint,omitempty"`
	Step      calendar.Period `json:"step,omitzero" cbor:"4,keyasint,omitzero"`
}

// Longest gives what satisfies both.
func Longest(a, b Until) Until {
	out := Until{Time: a.Time.UTC(), Unlimited: a.Unlimited || b.Unlimited, OpenEnded: a.OpenEnded || b.OpenEnded, Step: a.Step}
	if b.Time.After(a.Time) {
		out.Time = b.Time.UTC()
	}
	if b.Step.Compare(a.Step) > 0 {
		out.Step = b.Step
	}
	return out
}

// term gives what a period after a start amounts to; the date is zero if it is
// unlimited.
func term(p calendar.Period, start time.Time, loc *time.Location) (time.Time, Until) {
	if p.Unlimited {
		return time.Time{}, Until{Unlimited: true}
	}
	at := ceilSecond(p.AddTo(start, loc))
	return at, Until{Time: at}
}

// Endless reports whether no date ends it as things stand.
func (u Until) Endless() bool { return u.Unlimited || u.OpenEnded }

// After reports whether it lasts beyond t.
func (u Until) After(t time.Time) bool { return u.Endless() || u.Time.After(t) }

// Past reports whether it has ended at t; the last second itself has not.
func (u Until) Past(t time.Time) bool { return !u.Endless() && u.Time.Before(t) }

// Shorter reports whether u may let a point go earlier than v. An open end is no
// substitute for a date, since the event may turn out to lie early.
func (u Until) Shorter(v Until) bool {
	return !u.Unlimited && !Longest(u, v).equal(u)
}

func (u Until) equal(v Until) bool {
	return u.Unlimited == v.Unlimited && u.OpenEnded == v.OpenEnded && u.Time.Equal(v.Time) && u.Step.Compare(v.Step) == 0
}

// String writes the date as RFC 3339 in UTC, or why there is none.
func (u Until) String() string {
	switch {
	case u.Unlimited:
		return "unlimited"
	case u.OpenEnded:
		return "open-ended"
	}
	return u.Time.UTC().Format(time.RFC3339)
}

// ceilSecond rounds up to a whole second: stored dates have no fraction, and a
// date that loses it must not become earlier.
func ceilSecond(t time.Time) time.Time {
	c := t.Truncate(time.Second)
	if c.Before(t) {
		c = c.Add(time.Second)
	}
	return c.UTC()
}
