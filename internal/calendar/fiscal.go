package calendar

import "time"

// FiscalYear is the rule by which financial years end. With an EndMonth alone
// they end on its last day and have its twelve months as periods. With Weeks
// they have 52 or 53 whole weeks and end on a Weekday.
type FiscalYear struct {
	EndMonth time.Month
	Weeks    WeekPattern
	Weekday  time.Weekday
	Anchor   Anchor
	// LongPeriod is the period, from 1, that takes the 53rd week; 0 is the last.
	LongPeriod int
	NamedBy    Naming
}

// WeekPattern is how the weeks of a year are cut into periods.
type WeekPattern string

// The patterns: months in place of weeks, the three of each quarter, and thirteen
// periods of four weeks.
const (
	NoWeeks       WeekPattern = ""
	FourFourFive  WeekPattern = "4-4-5"
	FourFiveFour  WeekPattern = "4-5-4"
	FiveFourFour  WeekPattern = "5-4-4"
	ThirteenFours WeekPattern = "13x4"
)

// Anchor says on which of its weekdays a year of whole weeks ends.
type Anchor string

// The anchors: the last such weekday of the end month, or the one nearest to the
// month's last day, which may lie in the next month.
const (
	LastWeekday    Anchor = "last"
	NearestWeekday Anchor = "nearest"
)

// Naming says after which of its calendar years a fiscal year is named.
type Naming string

// The namings: by the year of its end month, or by that in which it begins.
const (
	ByEnd   Naming = "end"
	ByStart Naming = "start"
)

// quarter gives the weeks of a quarter's periods, nil for other patterns.
func (w WeekPattern) quarter() []int {
	switch w {
	case FourFourFive:
		return []int{4, 4, 5}
	case FourFiveFour:
		return []int{4, 5, 4}
	case FiveFourFour:
		return []int{5, 4, 4}
	case NoWeeks, ThirteenFours:
	}
	return nil
}

// Known reports whether the pattern is one of the list.
func (w WeekPattern) Known() bool {
	return w == NoWeeks || w == ThirteenFours || w.quarter() != nil
}

// Periods gives the number of periods of a year.
func (f FiscalYear) Periods() int {
	if f.Weeks == ThirteenFours {
		return 13
	}
	return 12
}

// end gives the last day of the year that belongs to the end month of a
// calendar year.
func (f FiscalYear) end(year int) Date {
	last := Clamp(year, f.EndMonth, 31)
	if f.Weeks == NoWeeks {
		return last
	}
	back := (int(last.Weekday()) - int(f.Weekday) + 7) % 7
	if f.Anchor == NearestWeekday && back > 3 {
		back -= 7
	}
	return last.AddDays(-back)
}

// ending gives the calendar year whose end month ends the fiscal year of d.
func (f FiscalYear) ending(d Date) int {
	year := d.Year - 1
	for f.end(year).Before(d) {
		year++
	}
	return year
}

// ahead is by how much the calendar year of the end month exceeds the year in
// the name.
func (f FiscalYear) ahead() int {
	if f.NamedBy == ByStart && f.EndMonth != time.December {
		return 1
	}
	return 0
}

// EndOnOrAfter gives the first year end that is not before d.
func (f FiscalYear) EndOnOrAfter(d Date) Date { return f.end(f.ending(d)) }

// LastEndBefore gives the latest year end that lies before d.
func (f FiscalYear) LastEndBefore(d Date) Date { return f.end(f.ending(d) - 1) }

// Key names the fiscal year that d lies in: FY2026.
func (f FiscalYear) Key(d Date) string {
	return FiscalPeriod{Year: f.ending(d) - f.ahead()}.String()
}

// lengths gives the weeks of each period of a year of so many weeks.
func (f FiscalYear) lengths(weeks int) []int {
	out := make([]int, f.Periods())
	quarter := f.Weeks.quarter()
	for i := range out {
		out[i] = 4
		if quarter != nil {
			out[i] = quarter[i%len(quarter)]
		}
	}
	if weeks > 52 {
		long := f.LongPeriod
		if long < 1 || long > len(out) {
			long = len(out)
		}
		out[long-1] += weeks - 52
	}
	return out
}

// Span gives the first and the last day of a period, or of the whole year for
// the number 0; ok is false if years have no such period.
func (f FiscalYear) Span(p FiscalPeriod) (first, last Date, ok bool) {
	if p.Number < 0 || p.Number > f.Periods() {
		return Date{}, Date{}, false
	}
	ending := p.Year + f.ahead()
	first, last = f.end(ending-1).AddDays(1), f.end(ending)
	switch {
	case p.Number == 0:
		return first, last, true
	case f.Weeks == NoWeeks:
		first = Date{ending, f.EndMonth, 1}.AddMonths(p.Number - 12)
		return first, Clamp(first.Year, first.Month, 31), true
	}
	lengths := f.lengths(first.daysTo(last.AddDays(1)) / 7)
	for _, n := range lengths[:p.Number-1] {
		first = first.AddDays(7 * n)
	}
	return first, first.AddDays(7*lengths[p.Number-1] - 1), true
}

// PeriodOf gives the period that d lies in.
func (f FiscalYear) PeriodOf(d Date) FiscalPeriod {
	p := FiscalPeriod{Year: f.ending(d) - f.ahead(), Number: 1}
	for p.Number < f.Periods() {
		if _, last, _ := f.Span(p); !last.Before(d) {
			break
		}
		p.Number++
	}
	return p
}

// Previous gives the period before another.
func (f FiscalYear) Previous(p FiscalPeriod) FiscalPeriod {
	if p.Number > 1 {
		return FiscalPeriod{Year: p.Year, Number: p.Number - 1}
	}
	return FiscalPeriod{Year: p.Year - 1, Number: f.Periods()}
}

// daysTo gives the number of days from d to e.
func (d Date) daysTo(e Date) int {
	return int(e.utc().Sub(d.utc()) / (24 * time.Hour))
}
