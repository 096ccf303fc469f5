package policy

import (
	"iter"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
)

const dayMinutes = 24 * 60

// timetable is a schedule that was read: minutes count from the midnight at
// which a day begins, and go on into the next day.
type timetable struct {
	zone *time.Location
	days [7]bool
	// first is the first run of a day; the others follow every so many minutes,
	// before end.
	first, every, end int
	window            span
	jitter            calendar.Period
}

// table reads the schedule; ok is false for one that has no runs: a manual one,
// or one that [Policy.Validate] refuses.
func (s Schedule) table(zone *time.Location) (t timetable, ok bool) {
	t = timetable{zone: zone, days: [7]bool{true, true, true, true, true, true, true}, jitter: s.Jitter}
	if zone == nil {
		t.zone = time.UTC
	}
	if t.window, ok = s.Window.span(); !ok {
		return t, false
	}
	switch s.Kind {
	case EveryHours:
		t.first, t.every, t.end = t.window.from, 60*s.Every, t.window.to
		return t, s.Every >= 1 && s.Every <= 23
	case EveryWeek:
		t.days = [7]bool{}
		for _, w := range s.Weekdays {
			day, known := w.Day()
			if !known {
				return t, false
			}
			t.days[day] = true
		}
		ok = len(s.Weekdays) > 0
	case EveryDay:
	case Manual:
		return t, false
	default:
		return t, false
	}
	at, read := minuteOf(s.At)
	t.first, t.every, t.end = at, dayMinutes, at+1
	return t, ok && read
}

// Next gives the first run after an instant; ok is false if there is none, as
// of a manual schedule. A nil zone is UTC. It looks at a few days at most.
//
// A run is an instant at which the schedule asks for a backup. Runs are times
// on the wall in the policy's zone, counted anew on each day:
//
//   - daily and weekly: At, on the days that the schedule names.
//   - hourly: where the window begins, else midnight, and every so many hours
//     from there, before the window or the day ends.
//
// A time that the clocks skip means the first instant after the change, one
// that they show twice means its first occurrence, and times that fall on the
// same instant are one run. So an hourly schedule pauses for the repeated hour.
func (s Schedule) Next(after time.Time, zone *time.Location) (run time.Time, ok bool) {
	t, ok := s.table(zone)
	if !ok {
		return time.Time{}, false
	}
	return t.next(after)
}

// Runs gives the runs after one instant until another, that included, in order.
func (s Schedule) Runs(after, until time.Time, zone *time.Location) iter.Seq[time.Time] {
	t, ok := s.table(zone)
	if !ok {
		return func(func(time.Time) bool) {}
	}
	return t.runs(after, until)
}

func (t timetable) next(after time.Time) (time.Time, bool) {
	for run := range t.runs(after, calendar.End) {
		return run, true
	}
	return time.Time{}, false
}

func (t timetable) runs(after, until time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		last, end := after, calendar.DateOf(until, t.zone)
		// The runs of the day before may reach into this one.
		for d := calendar.DateOf(after, t.zone).AddDays(-1); !end.Before(d); d = d.AddDays(1) {
			if !t.days[d.Weekday()] {
				continue
			}
			for m := t.first; m < t.end; m += t.every {
				run := t.moment(d, m)
				if run.After(until) {
					return
				}
				if run.After(last) {
					if !yield(run) {
						return
					}
					last = run
				}
			}
		}
	}
}

// moment gives the instant so many minutes into a day, by the clocks on the wall.
func (t timetable) moment(d calendar.Date, minute int) time.Time {
	d = d.AddDays(minute / dayMinutes)
	minute %= dayMinutes
	return calendar.At(d, minute/60, minute%60, 0, 0, t.zone)
}

// minuteOf reads a time of day, 15:04, as minutes since midnight.
func minuteOf(s string) (minute int, ok bool) {
	t, err := time.Parse("15:04", s)
	if err != nil || t.Format("15:04") != s {
		return 0, false
	}
	return 60*t.Hour() + t.Minute(), true
}
