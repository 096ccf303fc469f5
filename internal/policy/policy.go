// Package policy holds backup policies and record classes as data.
//
// A policy says when a source is backed up and how long its points are kept: a
// schedule, keep rules by tag (grandfather-father-son), the financial calendar
// and the record classes of the source, by path. A class says how long a kind of
// record must and may live, from which event, and on what basis. A run is an
// instant at which a schedule asks for a backup; Due says which is to be started
// now. What must always be true: a policy that Validate accepts can be applied
// without further checks. Computing tags and dates is left to package retention,
// loading the zone and starting runs to the caller.
package policy

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Policy is one version of a policy.
type Policy struct {
	Name        string `json:"name" yaml:"name"`
	Version     int    `json:"version" yaml:"version"`
	Description string `json:"description,omitempty" yaml:"description,omitempty"`
	// Zone is the IANA name of the time zone in which days begin and end.
	Zone     string     `json:"zone" yaml:"zone"`
	Schedule Schedule   `json:"schedule" yaml:"schedule"`
	Keep     []KeepRule `json:"keep" yaml:"keep"`
	// OnDemand is how long points taken on demand are kept at least.
	OnDemand calendar.Period `json:"on_demand" yaml:"on_demand"`
	// EveryPoint is how long every point is kept at least, also one that takes
	// no tag, such as the second of a day.
	EveryPoint calendar.Period `json:"every_point" yaml:"every_point"`
	Classes    []ClassRule     `json:"classes,omitempty" yaml:"classes,omitempty"`
	// Fiscal is the financial calendar by which closes are due; nil is none.
	Fiscal *Fiscal `json:"fiscal,omitempty" yaml:"fiscal,omitempty"`
}

// TagName is the name of a rotation or of an occasion. The list is closed.
type TagName string

// The tags.
const (
	Hourly   TagName = "hourly"
	Daily    TagName = "daily"
	Weekly   TagName = "weekly"
	Monthly  TagName = "monthly"
	Yearly   TagName = "yearly"
	Close    TagName = "close"
	OnDemand TagName = "on_demand"
)

// Rotation reports whether the tag goes to one point per hour, day, week, month
// or year.
func (t TagName) Rotation() bool {
	switch t {
	case Hourly, Daily, Weekly, Monthly, Yearly:
		return true
	case Close, OnDemand:
		return false
	}
	return false
}

// KeepRule says how long the points with a tag are kept, and for weekly,
// monthly and yearly tags on which date the tag falls due.
type KeepRule struct {
	Tag TagName         `json:"tag" yaml:"tag"`
	For calendar.Period `json:"for" yaml:"for"`
	// Weekday is the day of a weekly tag, or with Nth of a monthly one.
	Weekday Weekday `json:"weekday,omitempty" yaml:"weekday,omitempty"`
	// Nth, 1 to 4, makes a monthly tag due on the n-th Weekday.
	Nth int `json:"nth,omitempty" yaml:"nth,omitempty"`
	// MonthDay is the day of a monthly tag, 1 to 31; a shorter month's last day
	// stands in.
	MonthDay int `json:"month_day,omitempty" yaml:"month_day,omitempty"`
	// Last gives a monthly tag to the last complete point of the month.
	Last bool `json:"last,omitempty" yaml:"last,omitempty"`
	// Month and Day are the date of a yearly tag.
	Month int `json:"month,omitempty" yaml:"month,omitempty"`
	Day   int `json:"day,omitempty" yaml:"day,omitempty"`
	// FiscalYearEnd is the month, 1 to 12, on whose last day the fiscal year
	// ends; a yearly tag is then due on the day after, when the year is whole.
	FiscalYearEnd int `json:"fiscal_year_end,omitempty" yaml:"fiscal_year_end,omitempty"`
	// Fiscal makes a yearly tag due on the day after the end of a year of the
	// policy's fiscal calendar.
	Fiscal bool `json:"fiscal,omitempty" yaml:"fiscal,omitempty"`
	// Cycles is how many of the last periods keep their points, also past For; 0
	// is none. Where For is not given it is as many periods long.
	Cycles int `json:"cycles,omitempty" yaml:"cycles,omitempty"`
}

// Carrier says which points carry the period of a class.
type Carrier string

// The carriers.
const (
	// CloseYearly lets close, yearly and remnant points carry it; the default.
	CloseYearly Carrier = "close_yearly"
	// EveryPoint lets every point carry it.
	EveryPoint Carrier = "every_point"
)

// ClassRule maps paths of the source to a record class.
type ClassRule struct {
	Class string `json:"class" yaml:"class"`
	// Path is a pattern as [MatchPath] reads it; empty is the whole source.
	Path      string  `json:"path,omitempty" yaml:"path,omitempty"`
	CarriedBy Carrier `json:"carried_by,omitempty" yaml:"carried_by,omitempty"`
	// BeyondMaximum is the reason for keeping longer than the class maximum.
	BeyondMaximum string `json:"beyond_maximum,omitempty" yaml:"beyond_maximum,omitempty"`
}

// Carrier gives who carries the period, with the default filled in.
func (r ClassRule) Carrier() Carrier {
	if r.CarriedBy == "" {
		return CloseYearly
	}
	return r.CarriedBy
}

// Rule gives the keep rule of a tag.
func (p Policy) Rule(tag TagName) (KeepRule, bool) {
	for _, r := range p.Keep {
		if r.Tag == tag {
			return r, true
		}
	}
	return KeepRule{}, false
}

// Longest gives the longest period of the keep rules.
func (p Policy) Longest() calendar.Period {
	var out calendar.Period
	for _, r := range p.Keep {
		if r.For.Compare(out) > 0 {
			out = r.For
		}
	}
	return out
}

// ClassesOf gives the rules whose pattern matches a path of the source.
func (p Policy) ClassesOf(path string) []ClassRule {
	var out []ClassRule
	for _, r := range p.Classes {
		if MatchPath(r.Path, path) {
			out = append(out, r)
		}
	}
	return out
}

// Parse reads a policy from JSON and validates it. A key it does not know is an
// error, so that a misspelt rule is not a missing one.
func Parse(data []byte) (Policy, error) {
	p, err := decode(data)
	if err != nil {
		return Policy{}, errkind.Wrap(errkind.Invalid, err, "read policy")
	}
	if err := p.Validate(); err != nil {
		return Policy{}, err
	}
	return p, nil
}

// decode reads a policy and fills in what its rules leave to others.
func decode(data []byte) (Policy, error) {
	var p Policy
	if err := strict(data, &p); err != nil {
		return Policy{}, err
	}
	for i := range p.Keep {
		p.Keep[i].lengthen()
	}
	return p, nil
}

func strict(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errkind.New(errkind.Invalid, "something follows the closing brace")
	}
	return nil
}

// MatchPath reports whether a path matches a pattern. A pattern without
// wildcards matches the path it names and everything below; "*" stands for
// anything within one name, "**" for any number of names. Empty matches all.
func MatchPath(pattern, path string) bool {
	want, have := names(pattern), names(path)
	if !strings.Contains(pattern, "*") {
		return len(have) >= len(want) && equal(want, have[:len(want)])
	}
	return matchNames(want, have)
}

func names(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

func equal(a, b []string) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// matchNames reports whether a pattern matches all names of a path.
func matchNames(want, have []string) bool {
	return positions(want, have)[len(want)]
}

// positions gives which pattern positions can be reached with the names of a
// path. It keeps a set of them for each name, so its time is bounded by their
// product.
func positions(want, have []string) []bool {
	reach := make([]bool, len(want)+1)
	reach[0] = true
	spread(reach, want)
	for _, name := range have {
		next := make([]bool, len(want)+1)
		for i, w := range want {
			if !reach[i] {
				continue
			}
			if w == "**" {
				next[i] = true
			} else if matchName(w, name) {
				next[i+1] = true
			}
		}
		spread(next, want)
		reach = next
	}
	return reach
}

// spread lets "**" match no name at all.
func spread(reach []bool, want []string) {
	for i, w := range want {
		if reach[i] && w == "**" {
			reach[i+1] = true
		}
	}
}

// matchName matches one name against a pattern in which only "*" is special.
func matchName(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, parts[last])
}
