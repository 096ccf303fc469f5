package policy

import "github.com/counterfoil/counterfoil/internal/calendar"

// SOX gives the default policy: 30 days, 12 weeks, 36 months, 10 years.
func SOX() Policy {
	p := preset("sox", calendar.Weeks(12), calendar.Months(36))
	p.Description = "Daily for 30 days, weekly for 12 weeks, monthly for 36 months, yearly for 10 years."
	return p
}

// SOXLong gives the longer preset: 30 days, 52 weeks, 60 months, 10 years.
func SOXLong() Policy {
	p := preset("sox-long", calendar.Weeks(52), calendar.Months(60))
	p.Description = "Daily for 30 days, weekly for 52 weeks, monthly for 60 months, yearly for 10 years."
	return p
}

// Presets gives the policies that exist without being written.
func Presets() []Policy { return []Policy{SOX(), SOXLong()} }

func preset(name string, weekly, monthly calendar.Period) Policy {
	return Policy{
		Name: name, Version: 1, Zone: "UTC",
		Schedule: Schedule{Kind: EveryDay, At: "22:00", CatchUp: true},
		Keep: []KeepRule{
			{Tag: Daily, For: calendar.Days(30)},
			{Tag: Weekly, For: weekly, Weekday: "sunday"},
			{Tag: Monthly, For: monthly, MonthDay: 1},
			{Tag: Yearly, For: calendar.Years(10), Month: 1, Day: 1},
		},
		OnDemand:   calendar.Days(30),
		EveryPoint: calendar.Days(7),
	}
}
