// Package retention decides how long recovery points are kept, and says why.
//
// Its words: a Tag is a rotation or occasion that a point stands for in one
// period; Until is how long a point is kept; a Reason is one cause of that, from
// a closed list; a Fact is a later change, and the state of a point is the fold
// of its facts over what was recorded at commit. What must always be true: the
// longest reason wins and none shortens; the same input gives the same answer;
// what is not understood keeps. Times are the server's (receipt, proven), never
// a client's. Reading clocks, storing facts and deleting are left to others.
package retention

import (
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/policy"
)

// Tag is a rotation or occasion that a point stands for.
type Tag struct {
	Name policy.TagName `json:"name" cbor:"1,keyasint"`
	// Period names the hour, day, week, month, year or close: 2026-W48.
	Period string `json:"period" cbor:"2,keyasint,omitempty"`
	// Provisional marks a stand-in that a whole point of the same period will
	// join. The stand-in keeps its own retention.
	Provisional bool `json:"provisional,omitempty" cbor:"3,keyasint,omitempty"`
}

// Same reports whether both tags stand for the same period.
func (t Tag) Same(u Tag) bool { return t.Name == u.Name && t.Period == u.Period }

// Verified is what is known of a point's integrity.
type Verified string

// The outcomes of verification.
const (
	Unknown Verified = ""
	OK      Verified = "ok"
	Failed  Verified = "failed"
)

// Trigger is why a point was taken.
type Trigger string

// The triggers.
const (
	Scheduled Trigger = "scheduled"
	OnDemand  Trigger = "on_demand"
	// AtClose is what the manifests of some points say; a close is taken by a
	// point of any trigger.
	AtClose Trigger = "close"
	// Remnant keeps only records that vanished from the source.
	Remnant Trigger = "remnant"
)

// PastPoint is an earlier point of the same source.
type PastPoint struct {
	ID         string
	ReceivedAt time.Time
	// Trigger tells the remnants, which count for nothing but themselves.
	Trigger  Trigger
	Complete bool
	// Deleted says that somebody deleted it or that it was disposed of, Disposed
	// that it cannot be brought back.
	Deleted  bool
	Disposed bool
	Verified Verified
	Tags     []Tag
	Entries  int64
	Bytes    int64
}

// FoundClass is a record class of which the point has records.
type FoundClass struct {
	Class     policy.Class
	CarriedBy policy.Carrier
	Paths     []string
	// Beyond is why it may be kept longer than the class maximum, "" for no reason.
	Beyond string
}

// AssignInput is everything that decides a new point's tags and retention.
type AssignInput struct {
	Point  string
	Source string
	Policy policy.Policy
	// Zone is the location of Policy.Zone; nil is UTC.
	Zone *time.Location
	// ReceivedAt is the receipt time by the server's clock.
	ReceivedAt      time.Time
	SourceCreatedAt time.Time
	Trigger         Trigger
	Complete        bool
	Entries         int64
	Bytes           int64
	Paths           []string
	History         []PastPoint
	Classes         []FoundClass
	// Events are those recorded in the vault, in their order.
	Events []Event
	Holds  []hold.Hold
	Bounds Bounds
}

// Assignment is what a new point gets.
type Assignment struct {
	Tags []Tag
	// Computed is the retention without holds; it is what the point records,
	// since a hold may be released.
	Computed Until
	// RetainUntil is Computed under the holds given.
	RetainUntil Until
	Reasons     []Reason
	// Pending are the class periods that wait for their event.
	Pending  []Pending
	Warnings []Warning
}

// Assign decides the tags and the retention of a point at its commit.
//
// A rotation tag goes to the first whole point of its period: complete, and not
// shrunken against the source's earlier points. Until one arrives the best other
// point stands in. A point of any trigger takes the tags that fall due, but a
// remnant: it is no state of its source, takes no rotation tag and is nothing
// that others are measured by. A source's first point takes the running day,
// week and month, but not a yearly tag that was due before the source existed.
// The closes that wait for a point, see [Closes], are taken too. Whatever it
// takes, every point is kept for the policy's least period.
func Assign(in AssignInput) Assignment {
	if in.Zone == nil {
		in.Zone = time.UTC
	}
	in.History = states(in.History)
	a := assigner{in: in}
	if in.Trigger != Remnant {
		a.quality = judge(in.History, measure{in.ReceivedAt, in.Complete, Unknown, in.Entries, in.Bytes})
		a.rotations()
	}
	a.occasion()
	a.closes()
	a.classes()
	a.everyPoint()
	a.bounds()
	a.out.RetainUntil = a.out.Computed
	for _, h := range hold.Covering(in.Holds, a.subject()) {
		a.out.Reasons = append(a.out.Reasons, holdReason(h))
		a.out.RetainUntil.Unlimited = true
	}
	return a.out
}

// DefaultEveryPoint and DefaultOnDemand apply when a policy does not say.
var (
	DefaultEveryPoint = calendar.Days(7)
	DefaultOnDemand   = calendar.Days(30)
)

type assigner struct {
	in      AssignInput
	quality quality
	out     Assignment
}

// keep adds a reason that runs from receipt for its period.
func (a *assigner) keep(r Reason) {
	var u Until
	r.Until, u = term(r.Period, a.in.ReceivedAt, a.in.Zone)
	a.because(r, u)
}

func (a *assigner) because(r Reason, u Until) {
	a.out.Reasons = append(a.out.Reasons, r)
	a.out.Computed = Longest(a.out.Computed, u)
}

func (a *assigner) warn(kind WarningKind, tag Tag, format string, args ...any) {
	a.out.Warnings = append(a.out.Warnings, warning(kind, tag, format, args...))
}

func (a *assigner) rotations() {
	for _, rule := range a.in.Policy.Keep {
		if !rule.Tag.Rotation() {
			continue
		}
		s := slotAt(a.in.Policy, rule, a.in.ReceivedAt, a.in.Zone)
		if rule.Last {
			a.candidate(rule, s)
			continue
		}
		if s.pastFor(a.in.SourceCreatedAt, a.in.Zone) {
			continue
		}
		a.rotation(rule, s)
	}
	if a.quality == shrunken {
		a.warn(WarnShrunken, Tag{}, "the point has less than half the entries or bytes of the last whole one; "+
			"it cannot take the place of a whole point")
	}
}

func (a *assigner) rotation(rule policy.KeepRule, s slot) {
	tag := s.tag
	switch {
	case a.quality == whole:
		if !taken(a.in.History, s.tag) {
			a.out.Tags = append(a.out.Tags, tag)
			a.keep(Reason{Kind: KindTag, Tag: tag.Name, TagPeriod: tag.Period, Period: rule.For})
		}
		return
	case a.quality == shrunken && tag.Name != policy.Daily && tag.Name != policy.Hourly:
		return
	case !a.bestSoFar(s.tag):
		return
	}
	tag.Provisional = true
	a.out.Tags = append(a.out.Tags, tag)
	a.keep(Reason{Kind: KindProvisional, Tag: tag.Name, TagPeriod: tag.Period, Period: rule.For, Basis: a.quality.String()})
	a.warn(WarnProvisional, tag, "no whole point stands for %s %s yet; this %s one stands in", tag.Name, tag.Period, a.quality)
}

// candidate keeps a point that may turn out to be the last of its month until
// the month is over and the tag can be given, see [Handovers].
func (a *assigner) candidate(rule policy.KeepRule, s slot) {
	if a.quality == shrunken || (a.quality == incomplete && !a.bestSoFar(s.tag)) {
		return
	}
	const margin = 7
	u := Until{Time: ceilSecond(calendar.DateOf(s.end, a.in.Zone).AddDays(margin).Start(a.in.Zone))}
	a.because(Reason{Kind: KindProvisional, Tag: rule.Tag, TagPeriod: s.tag.Period, Basis: basisCandidate, Until: u.Time}, u)
}

// bestSoFar reports whether no earlier point stands for the tag, or only ones
// that are less than half of this one. The factor keeps a source with one
// unreadable file from giving its yearly tag to every point of the year.
func (a *assigner) bestSoFar(tag Tag) bool {
	for _, p := range a.in.History {
		if p.stands() && holds(p, tag) && !dwarfed(p.Entries, p.Bytes, a.in.Entries, a.in.Bytes) {
			return false
		}
	}
	return true
}

// occasion adds what the trigger says.
func (a *assigner) occasion() {
	switch a.in.Trigger {
	case Scheduled, Remnant, AtClose:
	case OnDemand:
		a.out.Tags = append(a.out.Tags, Tag{Name: policy.OnDemand})
		a.keep(Reason{Kind: KindOnDemand, Tag: policy.OnDemand, Period: orDefault(a.in.Policy.OnDemand, DefaultOnDemand)})
	}
}

// carries reports whether this point carries the period of a class.
func (a *assigner) carries(by policy.Carrier) bool {
	if by == policy.EveryPoint || a.in.Trigger == Remnant {
		return true
	}
	for _, t := range a.out.Tags {
		if t.Name == policy.Yearly || t.Name == policy.Close {
			return true
		}
	}
	return false
}

func (a *assigner) classes() {
	for _, f := range a.in.Classes {
		c := f.Class
		if c.Minimum.IsZero() || !a.carries(f.CarriedBy) {
			continue
		}
		if c.FromReceipt() {
			a.keep(classReason(c))
			continue
		}
		a.eventClass(c)
	}
}

func (a *assigner) eventClass(c policy.Class) {
	pending := pendingOf(c)
	found := false
	for _, e := range a.in.Events {
		if e.settles(pending, a.subject()) {
			found = true
			r, u := e.reason(pending)
			a.because(r, u)
		}
	}
	if found {
		return
	}
	a.out.Pending = append(a.out.Pending, pending)
	a.because(pending.reason(), pending.until())
}

// everyPoint adds the policy's least period where nothing else reaches it.
func (a *assigner) everyPoint() {
	r := Reason{Kind: KindEveryPoint, Period: orDefault(a.in.Policy.EveryPoint, DefaultEveryPoint)}
	if _, u := term(r.Period, a.in.ReceivedAt, a.in.Zone); a.out.Computed.Shorter(u) {
		a.keep(r)
	}
}

// bounds adds the vault's minimum, and says so where its maximum caps the lock
// or a class's maximum is passed. Neither maximum shortens anything here: what
// asks for more is refused when the policy is set.
func (a *assigner) bounds() {
	if !a.in.Bounds.Min.IsZero() {
		a.keep(Reason{Kind: KindVaultMinimum, Period: a.in.Bounds.Min})
	}
	for _, f := range a.in.Classes {
		limit := f.Class.Maximum
		if f.Beyond == "" && !limit.IsZero() && a.out.Computed.After(limit.AddTo(a.in.ReceivedAt, a.in.Zone)) {
			a.warn(WarnClassMaximum, Tag{}, "class %s may be kept %s at most, and this point is kept longer", f.Class.ID, limit.Words())
		}
	}
	limit := a.in.Bounds.max()
	last := ceilSecond(limit.AddTo(a.in.ReceivedAt, a.in.Zone))
	if !limit.Unlimited && !a.out.Computed.Unlimited && a.out.Computed.Time.After(last) {
		a.out.Reasons = append(a.out.Reasons, Reason{Kind: KindVaultMaximumCap, Period: limit, Until: last})
		a.warn(WarnVaultMaximum, Tag{}, "the point is kept longer than the vault may lock ahead (%s); its lock is renewed", limit.Words())
	}
}

func (a *assigner) subject() hold.Point {
	p := hold.Point{ID: a.in.Point, Source: a.in.Source, Paths: a.in.Paths, ReceivedAt: a.in.ReceivedAt, Remnant: a.in.Trigger == Remnant}
	for _, f := range a.in.Classes {
		p.Classes = append(p.Classes, f.Class.ID)
	}
	return p
}

func classReason(c policy.Class) Reason {
	return Reason{Kind: KindClass, Class: c.ID, Basis: string(c.Basis), Period: c.Minimum}
}

func orDefault(p, fallback calendar.Period) calendar.Period {
	if p.IsZero() {
		return fallback
	}
	return p
}
