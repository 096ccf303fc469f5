package calendar

import (
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

type unit struct {
	name string
	add  func(p *Period, n int)
}

// The units of each form, in the order in which they may appear.
var (
	isoDate = []unit{
		{"Y", addYears}, {"M", addMonths}, {"W", addWeeks}, {"D", addDays},
	}
	isoClock = []unit{
		{"H", addClock(time.Hour)}, {"M", addClock(time.Minute)}, {"S", addClock(time.Second)},
	}
	human = []unit{
		{"y", addYears}, {"mo", addMonths}, {"w", addWeeks}, {"d", addDays},
		{"h", addClock(time.Hour)}, {"m", addClock(time.Minute)}, {"s", addClock(time.Second)},
	}
)

func addYears(p *Period, n int)  { p.Years = n }
func addMonths(p *Period, n int) { p.Months = n }
func addWeeks(p *Period, n int)  { p.Weeks = n }
func addDays(p *Period, n int)   { p.Days = n }

func addClock(unit time.Duration) func(*Period, int) {
	return func(p *Period, n int) { p.Clock += time.Duration(n) * unit }
}

// ParsePeriod reads a period in ISO 8601 form (P7Y, P1Y6M, P12W, P30D, PT15M),
// in short form (7y, 1y6mo, 12w, 30d, 4h, 15m: months are "mo", minutes "m"),
// or "unlimited".
func ParsePeriod(s string) (Period, error) {
	var p Period
	if s == "unlimited" {
		return Forever(), nil
	}
	ok := false
	if rest, iso := strings.CutPrefix(s, "P"); iso {
		date, clock, hasClock := strings.Cut(rest, "T")
		ok = date != "" || clock != ""
		ok = ok && scan(&p, date, isoDate) && scan(&p, clock, isoClock)
		ok = ok && (!hasClock || clock != "")
	} else {
		ok = s != "" && scan(&p, s, human)
	}
	if !ok {
		return Period{}, errkind.New(errkind.Invalid,
			"read period %q: want a form like P7Y, P30D, PT15M, 7y, 36mo, 12w, 30d, 15m or unlimited", s)
	}
	if err := p.Validate(); err != nil {
		return Period{}, err
	}
	return p, nil
}

// scan reads numbers with units, each unit at most once and in order.
func scan(p *Period, s string, units []unit) bool {
	for s != "" {
		digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
		n, err := strconv.Atoi(s[:digits])
		// Six digits hold every valid part and keep sums far from overflow.
		if err != nil || digits > 6 {
			return false
		}
		s = s[digits:]
		name := s[:len(s)-len(strings.TrimLeft(s, "YMWDHSymowdhs"))]
		at := -1
		for i, u := range units {
			if u.name == name {
				at = i
			}
		}
		if at < 0 {
			return false
		}
		units[at].add(p, n)
		units, s = units[at+1:], s[len(name):]
	}
	return true
}
