package retention

import (
	"time"

	"github.com/counterfoil/counterfoil/internal/policy"
)

// HandoverInput is what decides which existing points must take a tag.
type HandoverInput struct {
	Policy          policy.Policy
	Zone            *time.Location
	Now             time.Time
	SourceCreatedAt time.Time
	History         []PastPoint
	// Classes are those of the source: a yearly tag carries their periods along.
	Classes []FoundClass
}

// Handover gives a tag to an existing point. The earlier holder, if any, keeps
// what it has.
type Handover struct {
	To, From string
	Tag      Tag
	Until    Until
	Reasons  []Reason
	Pending  []Pending
}

// Fact gives the record of the handover. An event recorded before settles what
// is pending in the fold.
func (h Handover) Fact(at time.Time) Fact {
	return Fact{
		Kind: TagMoved, At: at, Selector: Selector{Points: []string{h.To}}, From: h.From,
		Tag: h.Tag, Until: h.Until, Reasons: h.Reasons, Pending: h.Pending,
	}
}

// Handovers gives the tags that existing points must take: where the holder has
// failed verification or is deleted, where a month whose last point counts has ended, where a
// rule is newer than the points, and, for a period that ended without a whole
// point, its best one. Apply them before planning expiry.
func Handovers(in HandoverInput) []Handover {
	if in.Zone == nil {
		in.Zone = time.UTC
	}
	in.History = states(in.History)
	points := sorted(in.History)
	qs := judgeAll(measures(points))
	var out []Handover
	for _, rule := range in.Policy.Keep {
		if !rule.Tag.Rotation() {
			continue
		}
		for i := 0; i < len(points); {
			s := slotAt(in.Policy, rule, points[i].ReceivedAt, in.Zone)
			n := i + 1
			for n < len(points) && points[n].ReceivedAt.Before(s.end) {
				n++
			}
			if h, ok := handover(in, rule, s, points[i:n], qs[i:n]); ok {
				out = append(out, h)
			}
			i = n
		}
	}
	return out
}

func handover(in HandoverInput, rule policy.KeepRule, s slot, points []PastPoint, qs []quality) (Handover, bool) {
	ended := !in.Now.Before(s.end)
	if taken(in.History, s.tag) || s.pastFor(in.SourceCreatedAt, in.Zone) || (rule.Last && !ended) {
		return Handover{}, false
	}
	to, tag := pick(rule, points, qs), s.tag
	if to < 0 && ended {
		to, tag.Provisional = standIn(s.tag, points, qs), true
	}
	if to < 0 {
		return Handover{}, false
	}
	h := Handover{To: points[to].ID, Tag: tag}
	for _, p := range points {
		if holds(p, s.tag) && p.ID != h.To {
			h.From = p.ID
		}
	}
	reason := Reason{Kind: KindTag, Tag: tag.Name, TagPeriod: tag.Period, Period: rule.For}
	if tag.Provisional {
		reason.Kind, reason.Basis = KindProvisional, qs[to].String()
	}
	h.keep(reason, points[to].ReceivedAt, in.Zone)
	if tag.Name == policy.Yearly {
		h.classes(in, points[to].ReceivedAt)
	}
	return h, h.Until.After(in.Now)
}

// keep adds a reason that runs from receipt for its period.
func (h *Handover) keep(r Reason, received time.Time, loc *time.Location) {
	var u Until
	r.Until, u = term(r.Period, received, loc)
	h.Reasons = append(h.Reasons, r)
	h.Until = Longest(h.Until, u)
}

// classes adds the periods of the classes that yearly points carry.
func (h *Handover) classes(in HandoverInput, received time.Time) {
	for _, f := range in.Classes {
		c := f.Class
		switch {
		case c.Minimum.IsZero() || f.CarriedBy == policy.EveryPoint:
		case c.FromReceipt():
			h.keep(classReason(c), received, in.Zone)
		default:
			p := pendingOf(c)
			h.Pending = append(h.Pending, p)
			h.Reasons = append(h.Reasons, p.reason())
			h.Until = Longest(h.Until, p.until())
		}
	}
}

// pick gives the whole point that the rule prefers, -1 if there is none. One that
// is deleted takes no tag; brought back, it is asked again.
func pick(rule policy.KeepRule, points []PastPoint, qs []quality) int {
	best := -1
	for i := range points {
		if qs[i] == whole && !points[i].Deleted && (best < 0 || rule.Last) {
			best = i
		}
	}
	return best
}

// standIn gives the largest point that is neither damaged nor deleted, -1 if there is none or
// if one stands in already.
func standIn(tag Tag, points []PastPoint, qs []quality) int {
	best := -1
	for i, p := range points {
		if qs[i] == damaged || p.Deleted {
			continue
		}
		if holds(p, tag) {
			return -1
		}
		if best < 0 || p.Entries > points[best].Entries ||
			(p.Entries == points[best].Entries && p.Bytes > points[best].Bytes) {
			best = i
		}
	}
	return best
}
