package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
)

// Frequency is how often a schedule runs.
type Frequency string

// The frequencies.
const (
	EveryHours Frequency = "hourly"
	EveryDay   Frequency = "daily"
	EveryWeek  Frequency = "weekly"
	// Manual runs only when somebody asks.
	Manual Frequency = "manual"
)

// Schedule says when a source is backed up, in the policy's zone.
type Schedule struct {
	Kind Frequency `json:"kind" yaml:"kind"`
	// At is the time of day, 15:04, of a daily or weekly schedule.
	At string `json:"at,omitempty" yaml:"at,omitempty"`
	// Weekdays are the days of a weekly schedule.
	Weekdays []Weekday `json:"weekdays,omitempty" yaml:"weekdays,omitempty"`
	// Every is the number of hours, 1 to 23, between runs of an hourly one.
	Every int `json:"every,omitempty" yaml:"every,omitempty"`
	// Window bounds the times at which runs may start; empty is the whole day.
	Window Window `json:"window,omitzero" yaml:"window,omitempty"`
	// Jitter spreads the starts of many sources over this length.
	Jitter calendar.Period `json:"jitter,omitzero" yaml:"jitter,omitempty"`
	// CatchUp runs once on start when runs were missed while nothing ran.
	CatchUp bool `json:"catch_up,omitempty" yaml:"catch_up,omitempty"`
}

// Window is a span of the day, 15:04 to 15:04; it may pass midnight.
type Window struct {
	From string `json:"from" yaml:"from"`
	To   string `json:"to" yaml:"to"`
}

// IsZero reports whether no window is set.
func (w Window) IsZero() bool { return w == Window{} }

// Weekday is a day of the week by its English name in lower case.
type Weekday string

// Day gives the day of the week; ok is false if the name is not one.
func (w Weekday) Day() (day time.Weekday, ok bool) {
	i := slices.IndexFunc(weekdays(), func(d time.Weekday) bool {
		return strings.ToLower(d.String()) == string(w)
	})
	if i < 0 {
		return time.Monday, false
	}
	return time.Weekday(i), true
}

func weekdays() []time.Weekday {
	return []time.Weekday{
		time.Sunday, time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday,
	}
}
