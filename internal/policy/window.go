package policy

import (
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
)

// span is a window in minutes since midnight; to lies after from and at most a
// day later. The whole day is no window: nothing opens or closes.
type span struct{ from, to int }

func wholeDay() span { return span{0, dayMinutes} }

// span reads the window; ok is false if it is not one. The zero value is the
// whole day.
func (w Window) span() (s span, ok bool) {
	if w.IsZero() {
		return wholeDay(), true
	}
	from, ok := minuteOf(w.From)
	to, read := minuteOf(w.To)
	if !ok || !read || from == to {
		return span{}, false
	}
	if to < from {
		to += dayMinutes
	}
	return span{from, to}, true
}

// has reports whether a time of day lies in the window.
func (s span) has(minute int) bool {
	return minute >= s.from && minute < s.to || minute+dayMinutes < s.to
}

// opening is one stretch of time in which runs may start: from open until
// before shut.
type opening struct{ open, shut time.Time }

func (o opening) has(t time.Time) bool { return !t.Before(o.open) && t.Before(o.shut) }

// opening gives the opening of the window in which an instant lies, else the
// next one. Without a window it is all of time. An opening that the clocks skip
// whole does not count.
func (t timetable) opening(at time.Time) opening {
	if t.window == wholeDay() {
		return opening{shut: calendar.End}
	}
	for d := calendar.DateOf(at, t.zone).AddDays(-1); ; d = d.AddDays(1) {
		o := opening{t.moment(d, t.window.from), t.moment(d, t.window.to)}
		if o.open.Before(o.shut) && (o.shut.After(at) || !o.shut.Before(calendar.End)) {
			return o
		}
	}
}
