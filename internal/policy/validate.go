package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// MaxDays is the longest limited period of a keep rule.
const MaxDays = 9999

// problems gathers what is wrong, each a sentence that names the key.
type problems struct {
	list []error
	keys []string // of the list
}

func (p *problems) add(key, format string, args ...any) {
	p.list = append(p.list, fmt.Errorf("%s %s", key, fmt.Sprintf(format, args...)))
	p.keys = append(p.keys, key)
}

func (p *problems) err(context string) error {
	if len(p.list) == 0 {
		return nil
	}
	return errkind.Wrap(errkind.Invalid, errors.Join(p.list...), "%s", context)
}

// Validate gives every error of the policy, one sentence each naming the key.
// Whether the zone exists is for the caller to find out.
func (p Policy) Validate() error {
	bad := p.problems()
	return bad.err(fmt.Sprintf("policy %q is not valid", p.Name))
}

func (p Policy) problems() problems {
	var bad problems
	if !nameForm.MatchString(p.Name) {
		bad.add("name", "must be 1 to 64 lower-case letters, digits and hyphens, not %q", p.Name)
	}
	if p.Version < 1 {
		bad.add("version", "must be 1 or more, not %d", p.Version)
	}
	// "Local" would be another zone on every host.
	if !zoneForm.MatchString(p.Zone) || p.Zone == "Local" {
		bad.add("zone", "must be the name of a time zone such as Europe/London, not %q", p.Zone)
	}
	p.Schedule.check(&bad)
	if len(p.Keep) == 0 {
		bad.add("keep", "must have at least one rule")
	}
	seen := map[TagName]bool{}
	for i, r := range p.Keep {
		key := fmt.Sprintf("keep[%d]", i)
		if seen[r.Tag] {
			bad.add(key+".tag", "must not repeat %q", r.Tag)
		}
		seen[r.Tag] = true
		r.check(&bad, key)
		p.checkFiscal(&bad, key, r)
	}
	checkFor(&bad, "on_demand", p.OnDemand)
	checkFor(&bad, "every_point", p.EveryPoint)
	for i, r := range p.Classes {
		r.check(&bad, fmt.Sprintf("classes[%d]", i))
	}
	if p.Fiscal != nil {
		p.Fiscal.check(&bad)
	}
	return bad
}

var (
	nameForm  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	zoneForm  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)
	classForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_]{0,63}$`)
)

// checkFor refuses what is not 1 to 9,999 days or unlimited.
func checkFor(bad *problems, key string, p calendar.Period) {
	if err := p.Validate(); err != nil {
		bad.add(key, "is not a period: %v", err)
		return
	}
	day := calendar.Days(1)
	if !p.Unlimited && (p.Compare(day) < 0 || p.MaxDays() > MaxDays) {
		bad.add(key, "must be between 1 and %d days, or unlimited, not %s", MaxDays, p)
	}
}

func (r KeepRule) check(bad *problems, key string) {
	checkFor(bad, key+".for", r.For)
	if r.Cycles < 0 || r.Cycles > MaxDays {
		bad.add(key+".cycles", "must be between 1 and %d, not %d", MaxDays, r.Cycles)
	}
	allowed := KeepRule{Tag: r.Tag, For: r.For, Cycles: r.Cycles}
	switch r.Tag {
	case Hourly, Daily, Close:
	case OnDemand:
		bad.add(key+".tag", "must not be on_demand: the key on_demand of the policy says how long those are kept")
	case Weekly:
		allowed.Weekday = r.Weekday
		if _, ok := r.Weekday.Day(); !ok {
			bad.add(key+".weekday", "must be a day such as sunday, not %q", r.Weekday)
		}
	case Monthly:
		allowed.Weekday, allowed.Nth, allowed.MonthDay, allowed.Last = r.Weekday, r.Nth, r.MonthDay, r.Last
		r.checkMonthly(bad, key)
	case Yearly:
		allowed.Month, allowed.Day, allowed.FiscalYearEnd, allowed.Fiscal = r.Month, r.Day, r.FiscalYearEnd, r.Fiscal
		r.checkYearly(bad, key)
	default:
		bad.add(key+".tag", "must be hourly, daily, weekly, monthly, yearly or close, not %q", r.Tag)
		return
	}
	if r != allowed {
		bad.add(key, "has a date key that a rule of tag %s does not take", r.Tag)
	}
}

func (r KeepRule) checkMonthly(bad *problems, key string) {
	ways := 0
	if r.MonthDay != 0 {
		ways++
		if r.MonthDay < 1 || r.MonthDay > 31 {
			bad.add(key+".month_day", "must be between 1 and 31, not %d", r.MonthDay)
		}
	}
	if r.Last {
		ways++
	}
	if r.Nth != 0 || r.Weekday != "" {
		ways++
		if r.Nth < 1 || r.Nth > 4 {
			bad.add(key+".nth", "must be between 1 and 4, not %d", r.Nth)
		}
		if _, ok := r.Weekday.Day(); !ok {
			bad.add(key+".weekday", "must be a day such as sunday, not %q", r.Weekday)
		}
	}
	if ways != 1 {
		bad.add(key, "must say the day of a monthly rule in exactly one way: month_day, last, or nth with weekday")
	}
}

func (r KeepRule) checkYearly(bad *problems, key string) {
	fiscal, date := r.FiscalYearEnd != 0, r.Month != 0 || r.Day != 0
	ways := 0
	for _, way := range []bool{fiscal, date, r.Fiscal} {
		if way {
			ways++
		}
	}
	if ways != 1 {
		bad.add(key, "must say the date of a yearly rule in exactly one way: month with day, fiscal_year_end, or fiscal")
	}
	if fiscal && (r.FiscalYearEnd < 1 || r.FiscalYearEnd > 12) {
		bad.add(key+".fiscal_year_end", "must be a month between 1 and 12, not %d", r.FiscalYearEnd)
	}
	if date && (r.Month < 1 || r.Month > 12) {
		bad.add(key+".month", "must be between 1 and 12, not %d", r.Month)
	} else if date && (r.Day < 1 || r.Day > calendar.DaysIn(2024, time.Month(r.Month))) {
		bad.add(key+".day", "must be a day of month %d, not %d", r.Month, r.Day)
	}
}

func (s Schedule) check(bad *problems) {
	daily := s.Kind == EveryDay || s.Kind == EveryWeek
	switch s.Kind {
	case EveryHours, EveryDay, EveryWeek, Manual:
	default:
		bad.add("schedule.kind", "must be hourly, daily, weekly or manual, not %q", s.Kind)
	}
	if daily && !clock(s.At) {
		bad.add("schedule.at", "must be a time of day such as 22:00, not %q", s.At)
	}
	if !daily && s.At != "" {
		bad.add("schedule.at", "is only for a daily or weekly schedule")
	}
	if s.Kind == EveryHours && (s.Every < 1 || s.Every > 23) {
		bad.add("schedule.every", "must be between 1 and 23 hours, not %d", s.Every)
	}
	if s.Kind != EveryHours && s.Every != 0 {
		bad.add("schedule.every", "is only for an hourly schedule")
	}
	if (s.Kind == EveryWeek) != (len(s.Weekdays) > 0) {
		bad.add("schedule.weekdays", "must name the days of a weekly schedule, and of no other")
	}
	for i, w := range s.Weekdays {
		if _, ok := w.Day(); !ok {
			bad.add(fmt.Sprintf("schedule.weekdays[%d]", i), "must be a day such as sunday, not %q", w)
		}
		if slices.Contains(s.Weekdays[:i], w) {
			bad.add(fmt.Sprintf("schedule.weekdays[%d]", i), "must not repeat %q", w)
		}
	}
	window, ok := s.Window.span()
	if !ok {
		bad.add("schedule.window", "must have two different times of day, from and to, such as 20:00 and 06:00")
	}
	if at, read := minuteOf(s.At); ok && daily && read && !window.has(at) {
		bad.add("schedule.at", "must lie in the window from %s until %s, not %s", s.Window.From, s.Window.To, s.At)
	}
	if err := s.Jitter.Validate(); err != nil || s.Jitter.Compare(calendar.Days(1)) > 0 {
		bad.add("schedule.jitter", "must be at most one day, not %s", s.Jitter)
	}
}

func clock(s string) bool {
	_, ok := minuteOf(s)
	return ok
}

func (r ClassRule) check(bad *problems, key string) {
	if !classForm.MatchString(r.Class) {
		bad.add(key+".class", "must be the id of a record class, not %q", r.Class)
	}
	if c := r.Carrier(); c != CloseYearly && c != EveryPoint {
		bad.add(key+".carried_by", "must be close_yearly or every_point, not %q", r.CarriedBy)
	}
}
