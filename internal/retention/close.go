package retention

import (
	"fmt"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/policy"
)

// CloseEvent is the name of the event that records the close of a fiscal
// period.
const CloseEvent = "close"

// A close that nobody recorded by closeAfter business days after the end of its
// period is taken without. From then, or from its record, a whole point must
// stand for it within CloseWithin.
const (
	closeAfter  = 10
	CloseWithin = 5 * 24 * time.Hour
)

// askAgainYears is how long after it was due a close is given to another point
// when no trace is left of the one that stood for it.
const askAgainYears = 1

// Close is the state of the books at the close of a fiscal period, which one
// whole point of the source stands for.
type Close struct {
	// Tag names it: FY2026-P12, and FY2026-P12.2 where the period was closed a
	// second time. It is provisional if nobody recorded the close.
	Tag Tag
	// Event is the id of the event that records it, "" if nobody did.
	Event string
	// Since is when it was recorded, or else the day by which it was not. DueBy
	// bounds the time until a whole point stands for it.
	Since, DueBy time.Time
	// Holder is the whole point that stands for it, StandIn another that does
	// meanwhile.
	Holder, StandIn string
}

// Captured reports whether a whole point stands for the close.
func (c Close) Captured() bool { return c.Holder != "" }

// Overdue reports whether the close should have been captured by now.
func (c Close) Overdue(now time.Time) bool { return !c.Captured() && now.After(c.DueBy) }

// CloseInput is what decides which closes a source has.
type CloseInput struct {
	Source string
	Policy policy.Policy
	// Zone is the location of Policy.Zone; nil is UTC.
	Zone            *time.Location
	Now             time.Time
	SourceCreatedAt time.Time
	// Events are those recorded in the vault, in their order.
	Events  []Event
	History []PastPoint
}

// Closes gives the closes of a source: each that was recorded since the source
// exists, in the order of the records, and the last one that should have been
// and was not. The next point stands for all that are not captured. What is
// captured stays so: a period that is closed again is another close, and one
// recorded after a provisional point was taken still wants its own. What is over
// is left out.
func Closes(in CloseInput) []Close {
	if in.Zone == nil {
		in.Zone = time.UTC
	}
	in.History = sorted(states(in.History))
	qs := judgeAll(measures(in.History))
	var out []Close
	times := map[string]int{}
	for _, e := range in.Events {
		if !e.closes(in.Source) {
			continue
		}
		key := closeKey(e.Period)
		times[key]++
		if n := times[key]; n > 1 {
			key = fmt.Sprintf("%s.%d", key, n)
		}
		since := e.recorded()
		c := Close{Tag: Tag{Name: policy.Close, Period: key}, Event: e.ID, Since: since, DueBy: since.Add(CloseWithin)}
		if since.Before(in.SourceCreatedAt) || in.over(c) {
			continue
		}
		c.Holder, c.StandIn = in.holders(c.Tag, qs, func(t Tag, _ quality) bool { return !t.Provisional })
		out = append(out, c)
	}
	if c, ok := in.unrecorded(times, qs); ok {
		out = append(out, c)
	}
	return out
}

// closes reports whether the event records a close for the source. One that
// names points or an end concerns points that exist.
func (e Event) closes(source string) bool {
	c := e.Covers
	return e.Name == CloseEvent && e.Period != "" && len(c.Points)+len(c.Classes) == 0 && c.To.IsZero() &&
		(len(c.Sources) == 0 || slices.Contains(c.Sources, source))
}

// recorded gives when the event was recorded, or when it happened if that is
// not known.
func (e Event) recorded() time.Time {
	if e.RecordedAt.IsZero() {
		return e.At
	}
	return e.RecordedAt
}

// closeKey writes a period in the one form that tags have. What cannot be read
// stays as it is.
func closeKey(period string) string {
	p, err := calendar.ParseFiscalPeriod(period)
	if err != nil {
		return period
	}
	return p.String()
}

// closePeriod is the rule for close points, else the longest rule: the books at
// a close never live shorter than a rotation.
func closePeriod(p policy.Policy) calendar.Period {
	if r, ok := p.Rule(policy.Close); ok {
		return r.For
	}
	return p.Longest()
}

// over reports whether a point stood for the close and was kept its time, so that
// no other must: its retention has run out, or it was due long ago and no point
// has it any more. The second is for policies that were lengthened since. Without
// a complete point since the close it is open, however old.
func (in CloseInput) over(c Close) bool {
	backedUp := slices.ContainsFunc(in.History, func(p PastPoint) bool { return p.Complete && !p.ReceivedAt.Before(c.Since) })
	runOut := !closePeriod(in.Policy).AddTo(c.Since, in.Zone).After(in.Now)
	longAgo := in.Now.After(c.DueBy.AddDate(askAgainYears, 0, 0))
	// One that failed verification was not kept its time, and one that stands in
	// waits for a whole one.
	there := slices.ContainsFunc(in.History, func(p PastPoint) bool { return !p.Deleted && holds(p, c.Tag) })
	return backedUp && (runOut || longAgo && !there)
}

// unrecorded gives the close of the last period that should have been recorded
// by now, if it was not. Only a policy with a financial calendar and a rule for
// closes asks for it.
func (in CloseInput) unrecorded(recorded map[string]int, qs []quality) (Close, bool) {
	f := in.Policy.Fiscal
	if _, ok := in.Policy.Rule(policy.Close); !ok || f == nil {
		return Close{}, false
	}
	year := f.Year()
	p := year.PeriodOf(calendar.DateOf(in.Now, in.Zone))
	var due time.Time
	for due.IsZero() || due.After(in.Now) {
		p = year.Previous(p)
		_, last, _ := year.Span(p)
		due = last.AddBusinessDays(closeAfter, f.IsClosed).AddDays(1).Start(in.Zone)
	}
	ofYear := calendar.FiscalPeriod{Year: p.Year}
	if recorded[p.String()] > 0 || p.Number == year.Periods() && recorded[ofYear.String()] > 0 {
		return Close{}, false
	}
	c := Close{Tag: Tag{Name: policy.Close, Period: p.String(), Provisional: true}, Since: due.UTC(), DueBy: due.Add(CloseWithin).UTC()}
	if !in.SourceCreatedAt.IsZero() && due.Before(calendar.DayStart(in.SourceCreatedAt, in.Zone)) || in.over(c) {
		return Close{}, false
	}
	c.Holder, c.StandIn = in.holders(c.Tag, qs, func(_ Tag, q quality) bool { return q == whole })
	return c, true
}

// holders gives the first point that stands for the tag as captured wants it,
// and the last other one. One that failed verification or is deleted stands for
// nothing.
func (in CloseInput) holders(tag Tag, qs []quality, captured func(Tag, quality) bool) (holder, standIn string) {
	for i, p := range in.History {
		at := slices.IndexFunc(p.Tags, tag.Same)
		switch {
		case at < 0 || !p.stands():
		case !captured(p.Tags[at], qs[i]):
			standIn = p.ID
		case holder == "":
			holder = p.ID
		}
	}
	return holder, standIn
}

// closes gives the point the tags of the closes that wait for one.
func (a *assigner) closes() {
	if a.in.Trigger == Remnant {
		return // what vanished is not the books
	}
	for _, c := range Closes(CloseInput{
		Source: a.in.Source, Policy: a.in.Policy, Zone: a.in.Zone, Now: a.in.ReceivedAt, SourceCreatedAt: a.in.SourceCreatedAt,
		Events: a.in.Events, History: a.in.History,
	}) {
		if !c.Captured() {
			a.standFor(c)
		}
	}
}

func (a *assigner) standFor(c Close) {
	tag, late := c.Tag, c.Overdue(a.in.ReceivedAt)
	r := Reason{Kind: KindClose, Tag: tag.Name, TagPeriod: tag.Period, Period: closePeriod(a.in.Policy)}
	if a.quality == whole {
		if c.Event == "" {
			r.Basis = basisUnrecorded
			a.warn(WarnProvisional, tag, "no close of %s was recorded within %d business days; this point stands in provisionally", tag.Period, closeAfter)
		}
		if late {
			a.warn(WarnCloseOverdue, tag, "the close of %s was due by %s; this point stands for it late", tag.Period, stamp(c.DueBy, a.in.Zone))
		}
		a.out.Tags = append(a.out.Tags, tag)
		a.keep(r)
		return
	}
	if late {
		a.warn(WarnCloseOverdue, tag, "the close of %s was due by %s, and no whole point stands for it", tag.Period, stamp(c.DueBy, a.in.Zone))
	}
	if !a.bestSoFar(tag) {
		return
	}
	tag.Provisional, r.Basis = true, a.quality.String()
	a.out.Tags = append(a.out.Tags, tag)
	a.keep(r)
	a.warn(WarnProvisional, tag, "the close of %s rests on this %s point until a whole one is taken", tag.Period, a.quality)
}
