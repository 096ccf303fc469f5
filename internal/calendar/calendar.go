// Package calendar is arithmetic on civil dates, periods, fiscal years and time
// zones.
//
// A Period is a length in calendar terms (P7Y is not a number of seconds), a
// Date is a day without a zone, a FiscalPeriod a part of a FiscalYear that is
// closed on its own. What must always be true: a month or year added
// to a day that the target month lacks ends on that month's last day; a local
// time that does not exist means the next valid instant, one that occurs twice
// means the first. The package knows nothing of policies or points, reads no
// clock and loads no zone: callers pass the *time.Location.
package calendar

import (
	"fmt"
	"time"
)

// Date is a civil date of the Gregorian calendar.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf gives the date that a calendar on the wall in loc shows at t.
func DateOf(t time.Time, loc *time.Location) Date {
	y, m, d := t.In(loc).Date()
	return Date{y, m, d}
}

// ParseDate reads a date written as 2006-01-02.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Date{}, fmt.Errorf("read date %q: want the form 2006-01-02", s)
	}
	return DateOf(t, time.UTC), nil
}

// String writes the date as 2006-01-02.
func (d Date) String() string {
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
}

// Before reports whether d is an earlier day than e.
func (d Date) Before(e Date) bool { return d.utc().Before(e.utc()) }

// AddDays gives the date n days later, or earlier for a negative n.
func (d Date) AddDays(n int) Date {
	return DateOf(d.utc().AddDate(0, 0, n), time.UTC)
}

// AddMonths gives the same day n months later; a day that month lacks becomes
// its last day.
func (d Date) AddMonths(n int) Date {
	total := d.Year*12 + int(d.Month) - 1 + n
	year, month := total/12, total%12
	if month < 0 {
		year, month = year-1, month+12
	}
	return Clamp(year, time.Month(month+1), d.Day)
}

// Weekday gives the day of the week.
func (d Date) Weekday() time.Weekday { return d.utc().Weekday() }

// Start gives the first instant of the day in loc.
func (d Date) Start(loc *time.Location) time.Time {
	return At(d, 0, 0, 0, 0, loc)
}

func (d Date) utc() time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
}

// Clamp gives the date of a day in a month, its last day if it has fewer.
func Clamp(year int, month time.Month, day int) Date {
	return Date{year, month, min(day, DaysIn(year, month))}
}

// DaysIn gives the number of days of a month.
func DaysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// NthWeekday gives the n-th (from 1) such weekday of a month. For n above 4 the
// result may lie in the next month.
func NthWeekday(year int, month time.Month, n int, w time.Weekday) Date {
	first := Date{year, month, 1}
	ahead := (int(w) - int(first.Weekday()) + 7) % 7
	return first.AddDays(ahead + 7*(n-1))
}
