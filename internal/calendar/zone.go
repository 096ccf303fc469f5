package calendar

import "time"

// At gives the instant at which clocks in loc show the date and time of day. A
// time skipped by a clock change gives the first instant after the change; a
// time shown twice gives its first occurrence.
func At(d Date, hour, minute, sec, nsec int, loc *time.Location) time.Time {
	// The wall reading taken as if it were UTC. A day on either side of it the
	// offsets before and after any change near it are in force.
	wall := time.Date(d.Year, d.Month, d.Day, hour, minute, sec, nsec, time.UTC)
	before := wall.Add(-offsetAt(wall.Add(-24*time.Hour), loc))
	after := wall.Add(-offsetAt(wall.Add(24*time.Hour), loc))
	// A time is shown twice when the offset falls, so the old one reads earlier.
	for _, t := range []time.Time{before, after} {
		if shows(t, wall, loc) {
			return t.In(loc)
		}
	}
	// Nobody's clock shows it: read with the old offset the instant lies after
	// the change, so the offset then in force begins at the change.
	start, _ := before.In(loc).ZoneBounds()
	if start.IsZero() {
		return time.Date(d.Year, d.Month, d.Day, hour, minute, sec, nsec, loc)
	}
	return start
}

// DayStart gives the first instant of t's local day in loc.
func DayStart(t time.Time, loc *time.Location) time.Time {
	return DateOf(t, loc).Start(loc)
}

// HourStart gives the instant at which the local hour of t began.
func HourStart(t time.Time, loc *time.Location) time.Time {
	l := t.In(loc)
	into := time.Duration(l.Minute())*time.Minute + time.Duration(l.Second())*time.Second +
		time.Duration(l.Nanosecond())
	return l.Add(-into)
}

func offsetAt(t time.Time, loc *time.Location) time.Duration {
	_, off := t.In(loc).Zone()
	return time.Duration(off) * time.Second
}

// shows reports whether a clock in loc shows at t what wall shows in UTC.
func shows(t, wall time.Time, loc *time.Location) bool {
	return t.Add(offsetAt(t, loc)).Equal(wall)
}
