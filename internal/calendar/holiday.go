package calendar

import (
	"slices"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/us"
)

// Holidays names a set of public holidays.
type Holidays string

// The sets. Days that a government declares once, such as for a coronation, may
// be missing from them until the library knows.
const (
	// USFederal are those of 5 U.S.C. 6103 on the days on which they are observed.
	USFederal Holidays = "us"
	// England are the bank holidays of England and Wales with their substitutes.
	England Holidays = "england"
)

func (h Holidays) list() []*cal.Holiday {
	switch h {
	case USFederal:
		return us.Holidays
	case England:
		return gb.Holidays
	}
	return nil
}

// Known reports whether the set is one of the list.
func (h Holidays) Known() bool { return h.list() != nil }

// Has reports whether a holiday of the set is observed on d.
func (h Holidays) Has(d Date) bool {
	return slices.ContainsFunc(h.list(), func(x *cal.Holiday) bool {
		// The first of January may be observed on the last day of the year before.
		return observed(x, d.Year) == d || observed(x, d.Year+1) == d
	})
}

func observed(x *cal.Holiday, year int) Date {
	_, t := x.Calc(year)
	y, m, day := t.Date()
	return Date{y, m, day}
}

// AddBusinessDays gives the n-th business day after d: Monday to Friday, but
// for what closed says.
func (d Date) AddBusinessDays(n int, closed func(Date) bool) Date {
	for n > 0 {
		d = d.AddDays(1)
		if w := d.Weekday(); w != time.Saturday && w != time.Sunday && !closed(d) {
			n--
		}
	}
	return d
}
