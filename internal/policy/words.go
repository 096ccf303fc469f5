package policy

import (
	"fmt"
	"strings"
	"time"
)

// Words says the schedule as people do, with the name of its zone: "daily at
// 01:00, Europe/London".
func (s Schedule) Words(zone string) string {
	var out string
	switch s.Kind {
	case EveryHours:
		out = fmt.Sprintf("every %d hours", s.Every)
		if s.Every == 1 {
			out = "every hour"
		}
		if s.Window.IsZero() {
			out += " from 00:00"
		} else {
			out += fmt.Sprintf(" from %s until %s", s.Window.From, s.Window.To)
		}
	case EveryDay:
		out = "daily at " + s.At
	case EveryWeek:
		out = fmt.Sprintf("weekly on %s at %s", s.dayWords(), s.At)
	case Manual:
		return "by hand only"
	default:
		return fmt.Sprintf("by a schedule of a newer kind, %q", string(s.Kind))
	}
	out += ", " + zone
	if s.Kind != EveryHours && !s.Window.IsZero() {
		out += fmt.Sprintf("; starts between %s and %s", s.Window.From, s.Window.To)
	}
	if !s.Jitter.IsZero() {
		out += "; starts spread over " + s.Jitter.Words()
	}
	if s.CatchUp {
		out += "; missed runs are caught up by one"
	}
	return out
}

// dayWords names the days of a weekly schedule, Monday first.
func (s Schedule) dayWords() string {
	named := map[time.Weekday]bool{}
	for _, w := range s.Weekdays {
		if day, ok := w.Day(); ok {
			named[day] = true
		}
	}
	var out []string
	for i := range 7 {
		if day := time.Weekday((i + 1) % 7); named[day] {
			out = append(out, day.String())
		}
	}
	return strings.Join(out, ", ")
}
