package policy

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/counterfoil/counterfoil/internal/calendar"
)

// Direction is how a rule changes. The list is closed.
type Direction string

// The directions.
const (
	Longer  Direction = "longer"
	Shorter Direction = "shorter"
	Added   Direction = "added"
	Gone    Direction = "gone"
	// Moved keeps a period and changes when a rule falls due.
	Moved Direction = "moved"
)

// RuleChange is how one rule differs between two policies.
type RuleChange struct {
	// Rule is a tag, on_demand, every_point, fiscal, zone, schedule or a class with its path.
	Rule      string    `json:"rule"`
	Direction Direction `json:"direction"`
	// Before and After are the periods; zero for what has none.
	Before calendar.Period `json:"before,omitzero"`
	After  calendar.Period `json:"after,omitzero"`
	// CyclesBefore and CyclesAfter are set where the number of cycles changes.
	CyclesBefore int `json:"cycles_before,omitempty"`
	CyclesAfter  int `json:"cycles_after,omitempty"`
}

// Compare gives what changes for points to come when one policy takes the place
// of another: first the keep rules in their order, then the rest.
func Compare(old, next Policy) []RuleChange {
	var out []RuleChange
	for _, r := range next.Keep {
		before, had := old.Rule(r.Tag)
		if !had {
			out = append(out, added(r, old))
			continue
		}
		out = append(out, periodChange(string(r.Tag), before.For, r.For)...)
		out = append(out, cyclesChange(string(r.Tag), before.Cycles, r.Cycles)...)
		if before.For, before.Cycles = r.For, r.Cycles; before != r {
			out = append(out, RuleChange{Rule: string(r.Tag), Direction: Moved})
		}
	}
	for _, r := range old.Keep {
		if _, has := next.Rule(r.Tag); !has {
			out = append(out, gone(r, old, next))
		}
	}
	out = append(out, periodChange(string(OnDemand), old.OnDemand, next.OnDemand)...)
	out = append(out, periodChange("every_point", old.EveryPoint, next.EveryPoint)...)
	out = append(out, classChanges(old.Classes, next.Classes)...)
	if !reflect.DeepEqual(old.Fiscal, next.Fiscal) {
		out = append(out, RuleChange{Rule: "fiscal", Direction: Moved})
	}
	if old.Zone != next.Zone {
		out = append(out, RuleChange{Rule: "zone", Direction: Moved})
	}
	if !reflect.DeepEqual(old.Schedule, next.Schedule) {
		out = append(out, RuleChange{Rule: "schedule", Direction: Moved})
	}
	return out
}

// Shortens reports whether some point to come is kept shorter.
func Shortens(changes []RuleChange) bool {
	return slices.ContainsFunc(changes, func(c RuleChange) bool { return c.Direction == Shorter || c.Direction == Gone })
}

// Sentence says the change in one plain sentence.
func (c RuleChange) Sentence() string {
	switch c.Direction {
	case Longer, Shorter:
		if c.CyclesBefore != c.CyclesAfter {
			return fmt.Sprintf("%s: the last %d are kept instead of the last %d", c.Rule, c.CyclesAfter, c.CyclesBefore)
		}
		if c.After.IsZero() {
			return fmt.Sprintf("%s: %s", c.Rule, map[Direction]string{Longer: "carried by every point", Shorter: "carried by close and yearly points alone"}[c.Direction])
		}
		return fmt.Sprintf("%s: %s instead of %s", c.Rule, c.After.Words(), c.Before.Words())
	case Added:
		if c.After.IsZero() {
			return c.Rule + ": new"
		}
		return fmt.Sprintf("%s: %s, a new rule", c.Rule, c.After.Words())
	case Gone:
		if c.Before.IsZero() {
			return c.Rule + ": no more"
		}
		return fmt.Sprintf("%s: no more, was %s", c.Rule, c.Before.Words())
	case Moved:
		return c.Rule + ": at another time"
	}
	return fmt.Sprintf("%s: %s", c.Rule, c.Direction)
}

// added is a rule that the old policy lacks. Without one of their own, closes are
// kept as long as its longest.
func added(r KeepRule, old Policy) RuleChange {
	if r.Tag == Close && r.For.Compare(old.Longest()) < 0 {
		return RuleChange{Rule: string(r.Tag), Direction: Shorter, Before: old.Longest(), After: r.For}
	}
	return RuleChange{Rule: string(r.Tag), Direction: Added, After: r.For}
}

// gone is a rule that the next policy lacks. That of closes lengthens them if
// another rule is longer; unless it also kept the last ones whatever their age, or
// had those taken that nobody records.
func gone(r KeepRule, old, next Policy) RuleChange {
	if after := next.Longest(); r.Tag == Close && r.Cycles == 0 && old.Fiscal == nil && after.Compare(r.For) > 0 {
		return RuleChange{Rule: string(r.Tag), Direction: Longer, Before: r.For, After: after}
	}
	return RuleChange{Rule: string(r.Tag), Direction: Gone, Before: r.For}
}

func periodChange(rule string, before, after calendar.Period) []RuleChange {
	switch after.Compare(before) {
	case 1:
		return []RuleChange{{Rule: rule, Direction: Longer, Before: before, After: after}}
	case -1:
		return []RuleChange{{Rule: rule, Direction: Shorter, Before: before, After: after}}
	}
	return nil // also P12M for P1Y
}

func cyclesChange(rule string, before, after int) []RuleChange {
	out := RuleChange{Rule: rule, Direction: Longer, CyclesBefore: before, CyclesAfter: after}
	switch {
	case after == before:
		return nil
	case after < before:
		out.Direction = Shorter
	}
	return []RuleChange{out}
}

func classChanges(old, next []ClassRule) []RuleChange {
	find := func(list []ClassRule, r ClassRule) (ClassRule, bool) {
		i := slices.IndexFunc(list, func(x ClassRule) bool { return x.Class == r.Class && x.Path == r.Path })
		if i < 0 {
			return ClassRule{}, false
		}
		return list[i], true
	}
	var out []RuleChange
	for _, r := range next {
		before, had := find(old, r)
		switch {
		case !had:
			out = append(out, RuleChange{Rule: r.words(), Direction: Added})
		case before.Carrier() == CloseYearly && r.Carrier() == EveryPoint:
			out = append(out, RuleChange{Rule: r.words(), Direction: Longer})
		case before.Carrier() == EveryPoint && r.Carrier() == CloseYearly:
			out = append(out, RuleChange{Rule: r.words(), Direction: Shorter})
		}
	}
	for _, r := range old {
		if _, has := find(next, r); !has {
			out = append(out, RuleChange{Rule: r.words(), Direction: Gone})
		}
	}
	return out
}

func (r ClassRule) words() string {
	if r.Path == "" {
		return "class " + r.Class
	}
	return "class " + r.Class + " at " + r.Path
}
