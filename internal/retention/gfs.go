package retention

import (
	"cmp"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/policy"
)

// slot is one period of a rotation: from the date on which its tag falls due to
// the date of the next. The first whole point in it takes the tag.
type slot struct {
	tag        Tag
	start, end time.Time
}

// slotAt gives the slot of a policy's rule that t lies in.
func slotAt(p policy.Policy, rule policy.KeepRule, t time.Time, loc *time.Location) slot {
	if rule.Tag == policy.Hourly {
		start := calendar.HourStart(t, loc)
		return slot{Tag{Name: rule.Tag, Period: calendar.HourKey(t, loc)}, start, start.Add(time.Hour)}
	}
	start, end, key := span(p, rule, calendar.DateOf(t, loc))
	return slot{Tag{Name: rule.Tag, Period: key}, start.Start(loc), end.Start(loc)}
}

// span gives the due dates around d, the second excluded, and the period's name.
func span(p policy.Policy, rule policy.KeepRule, d calendar.Date) (start, end calendar.Date, key string) {
	switch rule.Tag {
	case policy.Weekly:
		day, _ := rule.Weekday.Day()
		start = d.AddDays(-((int(d.Weekday()) - int(day) + 7) % 7))
		return start, start.AddDays(7), start.WeekKey()
	case policy.Monthly:
		month := calendar.Date{Year: d.Year, Month: d.Month, Day: 1}
		if d.Before(monthlyDue(rule, month)) {
			month = month.AddMonths(-1)
		}
		return monthlyDue(rule, month), monthlyDue(rule, month.AddMonths(1)), month.MonthKey()
	case policy.Yearly:
		if fy, ok := p.FiscalYear(rule); ok {
			return fiscalSpan(fy, d)
		}
		year := d.Year
		if d.Before(yearlyDue(rule, year)) {
			year--
		}
		start = yearlyDue(rule, year)
		return start, yearlyDue(rule, year+1), start.YearKey()
	case policy.Daily, policy.Hourly, policy.Close, policy.OnDemand:
	}
	return d, d.AddDays(1), d.DayKey()
}

// monthlyDue gives the date of the tag in the month that begins at first.
func monthlyDue(rule policy.KeepRule, first calendar.Date) calendar.Date {
	switch {
	case rule.Nth != 0:
		day, _ := rule.Weekday.Day()
		return calendar.NthWeekday(first.Year, first.Month, rule.Nth, day)
	case rule.MonthDay != 0:
		return calendar.Clamp(first.Year, first.Month, rule.MonthDay)
	}
	return first
}

func yearlyDue(rule policy.KeepRule, year int) calendar.Date {
	return calendar.Clamp(year, time.Month(max(rule.Month, 1)), max(rule.Day, 1))
}

// fiscalSpan runs from the day after a year end, so that the point has the
// whole year in it, to the day after the next; it is named after the year ended.
func fiscalSpan(fy calendar.FiscalYear, d calendar.Date) (start, end calendar.Date, key string) {
	ended := fy.LastEndBefore(d)
	next := fy.EndOnOrAfter(d)
	return ended.AddDays(1), next.AddDays(1), fy.Key(ended)
}

// pastFor reports whether the slot is a yearly one that fell due on a day before
// the source existed.
func (s slot) pastFor(created time.Time, loc *time.Location) bool {
	return s.tag.Name == policy.Yearly && !created.IsZero() && s.start.Before(calendar.DayStart(created, loc))
}

// holds reports whether p stands for the tag, provisionally or not.
func holds(p PastPoint, tag Tag) bool {
	return slices.ContainsFunc(p.Tags, tag.Same)
}

// stands reports whether a point may hold a tag: not one that has failed
// verification or is deleted.
func (p PastPoint) stands() bool { return p.Verified != Failed && !p.Deleted }

// taken reports whether a point holds the tag for good: not provisionally, and
// one that may.
func taken(history []PastPoint, tag Tag) bool {
	return slices.ContainsFunc(history, func(p PastPoint) bool {
		return p.stands() && slices.ContainsFunc(p.Tags, func(t Tag) bool { return t.Same(tag) && !t.Provisional })
	})
}

// quality is whether a point may take the place of others.
type quality int

const (
	whole quality = iota
	incomplete
	shrunken
	damaged
)

// String names the quality as reasons show it.
func (q quality) String() string {
	switch q {
	case whole:
		return "whole"
	case incomplete:
		return "incomplete"
	case shrunken:
		return "shrunken"
	case damaged:
		return "damaged"
	}
	return "unknown"
}

// measure is what the quality of a point is judged by.
type measure struct {
	at       time.Time
	complete bool
	verified Verified
	entries  int64
	bytes    int64
}

// Shrinking. A complete point with less than half the entries or bytes of the
// last whole one is not trusted to take a tag: emptying a source, or backing up
// an empty mount, must not push whole points out of the rotation. A source that
// really shrank is believed when it has stayed so for settleAfter.
const (
	minEntries  = 10
	settleAfter = 7 * 24 * time.Hour
)

// dwarfed reports whether a point is less than half of another in entries or in
// bytes.
func dwarfed(entries, bytes, otherEntries, otherBytes int64) bool {
	// Halving the other, not doubling the first, so that nothing overflows.
	return entries < otherEntries-otherEntries/2 || bytes < otherBytes-otherBytes/2
}

// judge gives the quality of a point that follows the history.
func judge(history []PastPoint, next measure) quality {
	qs := judgeAll(append(measures(sorted(history)), next))
	return qs[len(qs)-1]
}

// judgeAll gives the quality of each of a source's points, in order of receipt.
func judgeAll(points []measure) []quality {
	out := make([]quality, len(points))
	var ref *measure
	var small *measure // the first of an unbroken run of shrunken points
	for i := range points {
		p := &points[i]
		tiny := ref != nil && ref.entries >= minEntries && dwarfed(p.entries, p.bytes, ref.entries, ref.bytes)
		if tiny && p.complete && p.verified != Failed && small != nil &&
			p.at.Sub(small.at) >= settleAfter && !dwarfed(p.entries, p.bytes, small.entries, small.bytes) {
			tiny = false
		}
		switch {
		case p.verified == Failed:
			out[i] = damaged
		case tiny:
			out[i] = shrunken
			// Shrinking further starts the wait anew.
			if p.complete && (small == nil || dwarfed(p.entries, p.bytes, small.entries, small.bytes)) {
				small = p
			}
		case !p.complete:
			out[i] = incomplete
		default:
			out[i] = whole
			ref, small = p, nil
		}
	}
	return out
}

func measures(points []PastPoint) []measure {
	out := make([]measure, 0, len(points)+1)
	for _, p := range points {
		out = append(out, measure{p.ReceivedAt, p.Complete, p.Verified, p.Entries, p.Bytes})
	}
	return out
}

// states gives the points that are states of the source: all but remnants.
func states(history []PastPoint) []PastPoint {
	return slices.DeleteFunc(slices.Clone(history), func(p PastPoint) bool { return p.Trigger == Remnant })
}

// sorted gives the points in order of receipt, those of one instant by id.
func sorted(history []PastPoint) []PastPoint {
	out := slices.Clone(history)
	slices.SortStableFunc(out, func(a, b PastPoint) int {
		return cmp.Or(a.ReceivedAt.Compare(b.ReceivedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}
