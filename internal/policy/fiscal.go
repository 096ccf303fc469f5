package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
)

// Fiscal is a financial calendar: when years and their periods end, and on
// which days nobody works on a close.
type Fiscal struct {
	// EndMonth is the month, 1 to 12, with which a year ends.
	EndMonth int `json:"end_month" yaml:"end_month"`
	// Weeks makes years of 52 or 53 whole weeks: 4-4-5, 4-5-4, 5-4-4 or 13x4.
	// Without it the periods are the calendar's months.
	Weeks calendar.WeekPattern `json:"weeks,omitempty" yaml:"weeks,omitempty"`
	// Weekday and Anchor say on which day a year of weeks ends: on the last such
	// day of the month, or on the one nearest to the month's end.
	Weekday Weekday         `json:"weekday,omitempty" yaml:"weekday,omitempty"`
	Anchor  calendar.Anchor `json:"anchor,omitempty" yaml:"anchor,omitempty"`
	// LongPeriod is the period that takes the 53rd week; 0 is the last.
	LongPeriod int `json:"long_period,omitempty" yaml:"long_period,omitempty"`
	// NamedBy is the calendar year that names a year: that of its end, the default,
	// or of its start.
	NamedBy calendar.Naming `json:"named_by,omitempty" yaml:"named_by,omitempty"`
	// Holidays are sets of days that are no business days, Closed further ones,
	// written 2026-12-24.
	Holidays []calendar.Holidays `json:"holidays,omitempty" yaml:"holidays,omitempty"`
	Closed   []string            `json:"closed,omitempty" yaml:"closed,omitempty"`
}

// Year gives the rule of the years.
func (f Fiscal) Year() calendar.FiscalYear {
	day, _ := f.Weekday.Day()
	return calendar.FiscalYear{
		EndMonth: time.Month(f.EndMonth), Weeks: f.Weeks, Weekday: day, Anchor: f.Anchor, LongPeriod: f.LongPeriod, NamedBy: f.NamedBy,
	}
}

// IsClosed reports whether nobody works on a day of the week.
func (f Fiscal) IsClosed(d calendar.Date) bool {
	return slices.Contains(f.Closed, d.String()) ||
		slices.ContainsFunc(f.Holidays, func(h calendar.Holidays) bool { return h.Has(d) })
}

// Words says how the year runs.
func (f Fiscal) Words() string {
	month := time.Month(f.EndMonth).String()
	if f.Weeks == calendar.NoWeeks {
		return "to the end of " + month
	}
	day := "last " + string(f.Weekday) + " of " + month
	if f.Anchor == calendar.NearestWeekday {
		day = string(f.Weekday) + " nearest the end of " + month
	}
	return "52 or 53 weeks (" + string(f.Weeks) + ") to the " + day
}

// FiscalYear gives the fiscal year of a yearly rule that falls due by one.
func (p Policy) FiscalYear(r KeepRule) (calendar.FiscalYear, bool) {
	switch {
	case r.Fiscal && p.Fiscal != nil:
		return p.Fiscal.Year(), true
	case r.FiscalYearEnd != 0:
		return calendar.FiscalYear{EndMonth: time.Month(r.FiscalYearEnd)}, true
	}
	return calendar.FiscalYear{}, false
}

// cycleTerm gives how long the rule's cycles take; a close has no fixed length.
func (r KeepRule) cycleTerm() (calendar.Period, bool) {
	if r.Cycles <= 0 {
		return calendar.Period{}, false
	}
	switch r.Tag {
	case Hourly:
		return calendar.Days((r.Cycles + 23) / 24), true
	case Daily:
		return calendar.Days(r.Cycles), true
	case Weekly:
		return calendar.Weeks(r.Cycles), true
	case Monthly:
		return calendar.Months(r.Cycles), true
	case Yearly:
		return calendar.Years(r.Cycles), true
	case Close, OnDemand:
	}
	return calendar.Period{}, false
}

// lengthen gives a rule with cycles alone the time that they take.
func (r *KeepRule) lengthen() {
	if term, ok := r.cycleTerm(); ok && r.For.IsZero() {
		r.For = term
	}
}

func (f Fiscal) check(bad *problems) {
	if f.EndMonth < 1 || f.EndMonth > 12 {
		bad.add("fiscal.end_month", "must be a month between 1 and 12, not %d", f.EndMonth)
	}
	switch f.NamedBy {
	case "", calendar.ByEnd, calendar.ByStart:
	default:
		bad.add("fiscal.named_by", "must be end or start, not %q", f.NamedBy)
	}
	f.checkWeeks(bad)
	for i, h := range f.Holidays {
		if !h.Known() {
			bad.add(fmt.Sprintf("fiscal.holidays[%d]", i), "must be us or england, not %q", h)
		}
	}
	for i, d := range f.Closed {
		if _, err := calendar.ParseDate(d); err != nil {
			bad.add(fmt.Sprintf("fiscal.closed[%d]", i), "must be a date such as 2026-12-24, not %q", d)
		}
	}
}

func (f Fiscal) checkWeeks(bad *problems) {
	if !f.Weeks.Known() {
		bad.add("fiscal.weeks", "must be 4-4-5, 4-5-4, 5-4-4 or 13x4, or be left out for calendar months, not %q", f.Weeks)
		return
	}
	if f.Weeks == calendar.NoWeeks {
		if f.Weekday != "" || f.Anchor != "" || f.LongPeriod != 0 {
			bad.add("fiscal", "has weekday, anchor or long_period, which are only for a year of weeks")
		}
		return
	}
	if _, ok := f.Weekday.Day(); !ok {
		bad.add("fiscal.weekday", "must be the day on which a year of weeks ends, such as saturday, not %q", f.Weekday)
	}
	if f.Anchor != calendar.LastWeekday && f.Anchor != calendar.NearestWeekday {
		bad.add("fiscal.anchor", "must be last or nearest for a year of weeks, not %q", f.Anchor)
	}
	if n := f.Year().Periods(); f.LongPeriod < 0 || f.LongPeriod > n {
		bad.add("fiscal.long_period", "must be a period between 1 and %d, not %d", n, f.LongPeriod)
	}
}

// checkFiscal refuses a yearly rule that has another year than the policy.
func (p Policy) checkFiscal(bad *problems, key string, r KeepRule) {
	if r.Fiscal && p.Fiscal == nil {
		bad.add(key+".fiscal", "needs the policy's financial calendar, the key fiscal of the policy")
	}
	if f := p.Fiscal; f != nil && r.FiscalYearEnd != 0 && (f.Weeks != calendar.NoWeeks || f.EndMonth != r.FiscalYearEnd) {
		bad.add(key+".fiscal_year_end", "contradicts the policy's financial calendar: write fiscal instead")
	}
}
