package retention

import (
	"errors"
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
)

// Bounds are a vault's minimum and maximum retention. A zero maximum is
// [DefaultMax]; a zero minimum is none.
type Bounds struct {
	Min calendar.Period `json:"min" cbor:"1,keyasint,omitzero"`
	Max calendar.Period `json:"max" cbor:"2,keyasint,omitzero"`
}

// DefaultMin and DefaultMax bound a vault that does not say. SlideStep is how
// far ahead a point without an end is locked.
var (
	DefaultMin = calendar.Days(7)
	DefaultMax = calendar.Years(12)
	SlideStep  = calendar.Years(7)
	// MostMax is the longest maximum that a vault may have: what is kept longer is
	// kept by locks that are renewed, and a mistyped one cannot be taken back.
	MostMax = calendar.Years(50)
)

func (b Bounds) max() calendar.Period { return orDefault(b.Max, DefaultMax) }

// Check refuses what the vault may not keep: limited periods of the policy or
// its classes that are shorter than the minimum or longer than the maximum.
// Unlimited ones pass, since their locks only slide.
func (b Bounds) Check(p policy.Policy, classes []policy.Class) error {
	var bad []error
	if b.Min.Compare(b.max()) > 0 {
		bad = append(bad, fmt.Errorf("the vault's minimum %s must not be longer than its maximum %s", b.Min, b.max()))
	}
	check := func(key string, period calendar.Period) {
		if !period.Unlimited && period.Compare(b.Min) < 0 {
			bad = append(bad, fmt.Errorf("%s must be at least the vault's minimum %s, not %s", key, b.Min, period))
		}
		if !period.Unlimited && period.Compare(b.max()) > 0 {
			bad = append(bad, fmt.Errorf("%s must be at most the vault's maximum %s, not %s", key, b.max(), period))
		}
	}
	for i, r := range p.Keep {
		check(fmt.Sprintf("keep[%d].for", i), r.For)
	}
	check("on_demand", orDefault(p.OnDemand, DefaultOnDemand))
	check("every_point", orDefault(p.EveryPoint, DefaultEveryPoint))
	for _, c := range classes {
		if !c.Minimum.IsZero() {
			check("minimum of class "+c.ID, c.Minimum)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return errkind.Wrap(errkind.Refused, errors.Join(bad...), "policy %q is outside the vault's bounds", p.Name)
}

// Lock is what storage must enforce for a point.
type Lock struct {
	// Least is the date that must be covered: a lock that reaches it stays.
	Least time.Time
	// Target is the date to set when the present lock falls short of Least.
	Target time.Time
	// Exact is Target for what one point alone needs: its dates are not rounded up to
	// a bin edge, so that the point can go when its time has passed.
	Exact time.Time
}

// LockFor gives the lock of a point that is kept until the date given. A date is
// rounded up to a bin edge, so that the packs shared by the points of following
// days need no new lock every day; a point without an end is locked a step ahead
// and renewed when under 11/12 of it remains. Nothing is locked beyond now + max.
func LockFor(now, receivedAt time.Time, until Until, max calendar.Period) Lock {
	limit := orDefault(max, DefaultMax).AddTo(now, time.UTC)
	var l Lock
	if !until.Time.IsZero() {
		l = Lock{Least: until.Time.UTC(), Target: binEdge(receivedAt, until.Time), Exact: until.Time.UTC()}
	}
	if until.Unlimited {
		l = l.join(slide(now, SlideStep.AddTo(now, time.UTC)))
	}
	if until.OpenEnded {
		l = l.join(slide(now, orDefault(until.Step, SlideStep).AddTo(now, time.UTC)))
	}
	if l.Least.After(limit) {
		return slide(now, limit)
	}
	l.Least, l.Target, l.Exact = ceilOrCap(l.Least, limit), ceilOrCap(l.Target, limit), ceilOrCap(l.Exact, limit)
	return l
}

// Alone gives the lock for what one point alone needs.
func (l Lock) Alone() Lock { return Lock{Least: l.Least, Target: l.Exact, Exact: l.Exact} }

// LockUntil gives the date to lock until, [Lock.Target].
func LockUntil(now, receivedAt time.Time, until Until, max calendar.Period) time.Time {
	return LockFor(now, receivedAt, until, max).Target
}

func (l Lock) join(m Lock) Lock {
	if m.Least.After(l.Least) {
		l.Least = m.Least
	}
	if m.Target.After(l.Target) {
		l.Target = m.Target
	}
	if m.Exact.After(l.Exact) {
		l.Exact = m.Exact
	}
	return l
}

// slide locks to the target, to be renewed when under 11/12 of the step remains.
func slide(now, target time.Time) Lock {
	step := target.Sub(now)
	target = target.Truncate(time.Second).UTC()
	return Lock{Least: target.Add(-step / 12), Target: target, Exact: target}
}

func ceilOrCap(t, limit time.Time) time.Time {
	c := ceilSecond(t)
	if c.After(limit) {
		return limit.Truncate(time.Second).UTC()
	}
	return c
}

// binEdge rounds a date up to a multiple, since 1970, of a quarter of the term
// (a twelfth from a year upward) in whole days, or hours for terms of few days.
// Whole days make terms that differ by a leap day share their edges.
func binEdge(receivedAt, until time.Time) time.Time {
	const day = 24 * time.Hour
	term := until.Sub(receivedAt)
	width := term / 4
	if term >= 365*day {
		width = term / 12
	}
	switch {
	case width >= day:
		width = width.Truncate(day)
	case width >= time.Hour:
		width = width.Truncate(time.Hour)
	default:
		return ceilSecond(until)
	}
	step := int64(width / time.Second)
	secs := ceilSecond(until).Unix()
	edge := secs / step * step
	if edge < secs {
		edge += step
	}
	return time.Unix(edge, 0).UTC()
}
