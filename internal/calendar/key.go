package calendar

import (
	"fmt"
	"time"
)

// HourKey names the local hour of t, with its offset so that an hour that
// occurs twice has two names: 2026-10-25T01+0100.
func HourKey(t time.Time, loc *time.Location) string {
	return t.In(loc).Format("2006-01-02T15-0700")
}

// DayKey names the day: 2026-11-24.
func (d Date) DayKey() string { return d.String() }

// WeekKey names the ISO 8601 week: 2026-W48. Around New Year its year is that
// of the week, which may differ from the date's.
func (d Date) WeekKey() string {
	y, w := d.utc().ISOWeek()
	return fmt.Sprintf("%04d-W%02d", y, w)
}

// MonthKey names the month: 2026-11.
func (d Date) MonthKey() string { return fmt.Sprintf("%04d-%02d", d.Year, int(d.Month)) }

// YearKey names the year: 2026.
func (d Date) YearKey() string { return fmt.Sprintf("%04d", d.Year) }
