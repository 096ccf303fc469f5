package retention

import (
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/policy"
)

// ChangeInput is what decides what putting a source under another policy, or
// another version of one, does to its points.
type ChangeInput struct {
	Old, New policy.Policy
	// OldZone and NewZone are the locations of their zones; nil is UTC.
	OldZone, NewZone *time.Location
	Now              time.Time
	SourceCreatedAt  time.Time
	// OldClasses and NewClasses are those of the source under either policy.
	OldClasses, NewClasses []FoundClass
	// Points are those of the source, Facts what was recorded of points so far.
	Points []ChangePoint
	Facts  []Fact
}

// ChangePoint is a point before the change.
type ChangePoint struct {
	Facts PointFacts
	// Entries and Bytes are those of the source, Stored what the vault grew by.
	Entries, Bytes, Stored int64
}

// Change is the effect of a change of policy on one source. It lengthens: no
// point is kept shorter by it than it was promised.
type Change struct {
	// Rules are what changes for points to come.
	Rules []policy.RuleChange
	// Points are those that are kept longer, oldest first.
	Points []PointChange
	// Facts are to be recorded; applied, the same change changes nothing more.
	Facts []Fact
	// Spared counts the points that the new rules would let go earlier and that
	// keep what they have, SparedBytes their size.
	Spared      int
	SparedBytes int64
	// ShowsFrom is the first date on which a point goes that the old rules would
	// have kept; zero if no rule gets shorter.
	ShowsFrom time.Time
	// GBMonths is how much is kept longer, in 10^9 bytes times months, before
	// anything is saved because points share data. Points that have no end any more
	// are not in it; Endless counts those.
	GBMonths float64
	Endless  int
}

// PointChange is a point that is kept longer.
type PointChange struct {
	Point         string
	ReceivedAt    time.Time
	Bytes, Stored int64
	// Before and After are the retention without holds, Held says that one keeps
	// the point in any case.
	Before, After Until
	Held          bool
	// Reasons are those that the change brings.
	Reasons []Reason
}

// PlanChange decides what a change of policy does to a source's points. What has
// fallen due under the old policy is given first. Then new tags are given as
// [Handovers] does, and what a point stands for lasts as long as the new policy
// says, counted from its receipt, where that is longer. That counts for points that
// were deleted softly too: they may be brought back.
func PlanChange(in ChangeInput) Change {
	c := &changer{in: in, facts: slices.Clone(in.Facts)}
	c.handOver(in.Old, in.OldZone, in.OldClasses)
	before := c.states()
	c.out.Rules = policy.Compare(in.Old, in.New)
	c.handOver(in.New, in.NewZone, in.NewClasses)
	c.raise()
	c.compare(before, c.states())
	c.spare(before)
	return c.out
}

type changer struct {
	in    ChangeInput
	facts []Fact
	out   Change
}

func (c *changer) record(f Fact, by policy.Policy) {
	f.Policy, f.PolicyVersion = by.Name, by.Version
	c.facts, c.out.Facts = append(c.facts, f), append(c.out.Facts, f)
}

func (c *changer) states() []PointState {
	out := make([]PointState, 0, len(c.in.Points))
	for _, p := range c.in.Points {
		out = append(out, Fold(p.Facts, c.facts))
	}
	return out
}

func (c *changer) history() []PastPoint {
	var out []PastPoint
	for i, s := range c.states() {
		p := c.in.Points[i]
		if !s.Disposed {
			out = append(out, s.Past(p.Facts.Complete, p.Entries, p.Bytes))
		}
	}
	return out
}

func (c *changer) handOver(p policy.Policy, zone *time.Location, classes []FoundClass) {
	in := HandoverInput{Policy: p, Zone: zone, Now: c.in.Now, SourceCreatedAt: c.in.SourceCreatedAt, History: c.history(), Classes: classes}
	for _, h := range Handovers(in) {
		c.record(h.Fact(c.in.Now), p)
	}
}

// raise lets points that have a tag last as long as its new rule says.
func (c *changer) raise() {
	history := c.history()
	for i, s := range c.states() {
		if s.Disposed {
			continue
		}
		f := Fact{Kind: RetainRaised, At: c.in.Now, Selector: Selector{Points: []string{s.ID}}}
		r := raiser{c: c, state: s, fact: &f}
		r.tags(history)
		r.everyPoint()
		r.classes(c.in.Points[i].Facts.Trigger)
		if (f.Until != Until{}) {
			c.record(f, c.in.New)
		}
	}
}

// raiser gathers what makes one point last longer.
type raiser struct {
	c     *changer
	state PointState
	fact  *Fact
}

// keep adds a reason that runs from receipt, if it makes the point last longer.
func (r raiser) keep(reason Reason) {
	var u Until
	reason.Until, u = term(reason.Period, r.state.ReceivedAt, zoneOr(r.c.in.NewZone))
	if u.After(r.c.in.Now) && r.state.Computed.Shorter(u) {
		r.fact.Reasons = append(r.fact.Reasons, reason)
		r.fact.Until = Longest(r.fact.Until, u)
	}
}

// tags raises what the point holds. A tag in which it only stood in for a point
// that has taken it since is that one's.
func (r raiser) tags(history []PastPoint) {
	for _, tag := range r.state.Tags {
		before, after := periodOf(r.c.in.Old, tag.Name), periodOf(r.c.in.New, tag.Name)
		if after.Compare(before) <= 0 || tag.Provisional && taken(history, tag) {
			continue
		}
		reason := Reason{Kind: KindTag, Tag: tag.Name, TagPeriod: tag.Period, Period: after}
		switch {
		case tag.Name == policy.OnDemand:
			reason.Kind = KindOnDemand
		case tag.Name == policy.Close:
			reason.Kind = KindClose
		case tag.Provisional:
			reason.Kind, reason.Basis = KindProvisional, r.basis(tag)
		}
		r.keep(reason)
	}
}

// basis is the quality for which the point stands in.
func (r raiser) basis(tag Tag) string {
	for _, x := range r.state.Reasons {
		if x.Kind == KindProvisional && x.Tag == tag.Name && x.TagPeriod == tag.Period && x.Basis != basisCandidate {
			return x.Basis
		}
	}
	return incomplete.String()
}

func (r raiser) everyPoint() {
	before := orDefault(r.c.in.Old.EveryPoint, DefaultEveryPoint)
	if after := orDefault(r.c.in.New.EveryPoint, DefaultEveryPoint); after.Compare(before) > 0 {
		r.keep(Reason{Kind: KindEveryPoint, Period: after})
	}
}

// classes adds the period of each class of which the point has records, where
// the point did not carry it and now does.
func (r raiser) classes(trigger Trigger) {
	for _, f := range r.c.in.NewClasses {
		id := f.Class.ID
		known := slices.ContainsFunc(r.state.Reasons, func(x Reason) bool { return x.Class == id })
		carried := func(list []FoundClass) bool {
			return slices.ContainsFunc(list, func(x FoundClass) bool { return x.Class.ID == id && r.carries(x.CarriedBy, trigger) })
		}
		if f.Class.Minimum.IsZero() || known || !slices.Contains(r.state.Classes, id) || !carried(r.c.in.NewClasses) || carried(r.c.in.OldClasses) {
			continue
		}
		if f.Class.FromReceipt() {
			r.keep(classReason(f.Class))
			continue
		}
		p := pendingOf(f.Class)
		if !slices.Contains(r.fact.Pending, p) {
			r.fact.Pending, r.fact.Reasons = append(r.fact.Pending, p), append(r.fact.Reasons, p.reason())
			r.fact.Until = Longest(r.fact.Until, p.until())
		}
	}
}

func (r raiser) carries(by policy.Carrier, trigger Trigger) bool {
	return by == policy.EveryPoint || trigger == Remnant || slices.ContainsFunc(r.state.Tags, func(t Tag) bool {
		return t.Name == policy.Yearly || t.Name == policy.Close
	})
}

// compare lists the points that are kept longer, and what that amounts to.
func (c *changer) compare(before, after []PointState) {
	for i := range after {
		was, is, p := before[i], after[i], c.in.Points[i]
		if was.Computed.equal(is.Computed) {
			continue
		}
		x := PointChange{Point: is.ID, ReceivedAt: is.ReceivedAt, Bytes: p.Bytes, Stored: p.Stored, Before: was.Computed, After: is.Computed, Held: len(is.Holds) > 0}
		for _, r := range is.Reasons {
			if !slices.Contains(was.Reasons, r) {
				x.Reasons = append(x.Reasons, r)
			}
		}
		c.out.Points = append(c.out.Points, x)
		c.cost(x)
	}
	slices.SortStableFunc(c.out.Points, func(a, b PointChange) int { return a.ReceivedAt.Compare(b.ReceivedAt) })
}

// hoursOfMonth is the mean length of a month.
const hoursOfMonth = 365.2425 / 12 * 24

func (c *changer) cost(x PointChange) {
	switch {
	case x.Before.Endless():
	case x.After.Endless():
		c.out.Endless++
	default:
		from := x.Before.Time
		if from.Before(c.in.Now) {
			from = c.in.Now
		}
		c.out.GBMonths += float64(x.Bytes) / 1e9 * x.After.Time.Sub(from).Hours() / hoursOfMonth
	}
}

// spare counts the points that shorter rules would let go earlier.
func (c *changer) spare(states []PointState) {
	if !policy.Shortens(c.out.Rules) {
		return
	}
	least := orDefault(c.in.New.EveryPoint, DefaultEveryPoint)
	for i, s := range states {
		_, every := term(least, s.ReceivedAt, zoneOr(c.in.NewZone))
		old, next := c.explained(s, Reason.asIs), Longest(every, c.explained(s, c.renewed))
		if s.Disposed || s.SoftDeleted != nil || !old.After(c.in.Now) || !next.Shorter(old) {
			continue
		}
		c.out.Spared++
		c.out.SparedBytes += c.in.Points[i].Bytes
	}
	for _, r := range c.out.Rules {
		if r.Direction != policy.Shorter && r.Direction != policy.Gone {
			continue
		}
		period := r.After
		if period.IsZero() {
			period = least
		}
		if at, u := term(period, c.in.Now, zoneOr(c.in.NewZone)); !u.Unlimited && (c.out.ShowsFrom.IsZero() || at.Before(c.out.ShowsFrom)) {
			c.out.ShowsFrom = at
		}
	}
}

// explained gives the retention that a point's reasons amount to, each as seen.
func (c *changer) explained(s PointState, seen func(Reason, time.Time) Until) Until {
	var out Until
	for _, r := range s.Reasons {
		if r.Kind != KindHold && r.Kind != KindVaultMaximumCap {
			out = Longest(out, seen(r, s.ReceivedAt))
		}
	}
	return out
}

// asIs is the retention that a reason gives.
func (r Reason) asIs(time.Time) Until {
	switch {
	case r.Kind == KindEventPending:
		return Pending{Class: r.Class, Event: r.Event, Period: r.Period}.until()
	case r.Until.IsZero():
		return Until{Unlimited: true}
	}
	return Until{Time: r.Until}
}

// renewed is what a reason would give if the point had been received under the
// new policy.
func (c *changer) renewed(r Reason, received time.Time) Until {
	var period calendar.Period
	switch r.Kind {
	case KindTag, KindProvisional, KindOnDemand, KindClose:
		if r.Basis == basisCandidate {
			return r.asIs(received)
		}
		period = periodOf(c.in.New, r.Tag)
	case KindEveryPoint:
		period = orDefault(c.in.New.EveryPoint, DefaultEveryPoint)
	case KindClass, KindVaultMinimum, KindVaultMaximumCap, KindEvent, KindEventPending, KindHold, KindRaised:
		return r.asIs(received)
	}
	if period.IsZero() {
		return Until{} // its rule is gone
	}
	_, u := term(period, received, zoneOr(c.in.NewZone))
	return u
}

// periodOf is how long a policy keeps points with a tag, zero if it has no rule.
func periodOf(p policy.Policy, tag policy.TagName) calendar.Period {
	rule, ok := p.Rule(tag)
	switch {
	case tag == policy.OnDemand:
		return orDefault(p.OnDemand, DefaultOnDemand)
	case ok:
		return rule.For
	case tag == policy.Close: // as Assign has it
		return p.Longest()
	}
	return calendar.Period{}
}

func zoneOr(zone *time.Location) *time.Location {
	if zone == nil {
		return time.UTC
	}
	return zone
}
