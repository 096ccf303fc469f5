package retention

import (
	"fmt"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/policy"
)

// CyclePoint is a point of a source as the counting of cycles sees it.
type CyclePoint struct {
	ID         string
	ReceivedAt time.Time
	Tags       []Tag
	Verified   Verified
	// Gone marks one that is soft-deleted or disposed of.
	Gone bool
	// Rules are those of the policy under which the point was made.
	Rules []policy.KeepRule
}

// Cycle is the rule by which a point is one of the last of its tag; the zero
// value is none.
type Cycle struct {
	Tag    policy.TagName
	Number int
}

// IsZero reports whether it is no cycle.
func (c Cycle) IsZero() bool { return c == Cycle{} }

// String writes the cycle as findings show it: 10 yearly.
func (c Cycle) String() string { return fmt.Sprintf("%d %s", c.Number, c.Tag) }

// KeptByCycles gives the points of one source that a rule with cycles keeps
// whatever their age, by id: those with its tag while whole points that came later
// hold it for fewer other cycles than the rule has. A cycle is a period, or several
// that one point holds: a year with two names counts once. The rules of a
// point's own policy count and the present ones of its source, the more cycles of
// the two. A point that only stands in is kept as long as none holds its period.
// What is gone is not kept and counts for nothing; nor do points that failed.
func KeptByCycles(points []CyclePoint, present []policy.KeepRule) map[string]Cycle {
	out := map[string]Cycle{}
	held := heldPeriods(points)
	for _, p := range points {
		if p.Gone {
			continue
		}
		for _, t := range p.Tags {
			n := max(cycles(p.Rules, t.Name), cycles(present, t.Name))
			if n > out[p.ID].Number && held.keeps(p, t, n) {
				out[p.ID] = Cycle{Tag: t.Name, Number: n}
			}
		}
	}
	return out
}

// cycles gives the cycles that rules have for a tag, 0 for none.
func cycles(rules []policy.KeepRule, tag policy.TagName) int {
	n := 0
	for _, r := range rules {
		if r.Tag == tag {
			n = max(n, r.Cycles)
		}
	}
	return n
}

// holdings are the cycles of each tag, by the periods that they are held as.
type holdings map[policy.TagName]map[string]*held

// held is one cycle: periods that points hold for good together. A rule that is
// moved, to fiscal years say, names the years anew that points hold already.
type held struct {
	// last is when the newest point of it was received.
	last time.Time
}

func heldPeriods(points []CyclePoint) holdings {
	out := holdings{}
	for _, p := range points {
		together := map[policy.TagName]*held{}
		for _, t := range p.Tags {
			if !p.holdsForGood(t) {
				continue
			}
			of := together[t.Name]
			if of == nil {
				of = &held{last: p.ReceivedAt}
				together[t.Name] = of
			}
			out.add(t, of)
		}
	}
	return out
}

// add makes the tag's period one of a cycle, and another cycle that has the
// period one with it.
func (h holdings) add(t Tag, of *held) {
	periods := h[t.Name]
	if periods == nil {
		periods = map[string]*held{}
		h[t.Name] = periods
	}
	other := periods[cycleOf(t)]
	periods[cycleOf(t)] = of
	if other == nil || other == of {
		return
	}
	if other.last.After(of.last) {
		of.last = other.last
	}
	for period, x := range periods {
		if x == other {
			periods[period] = of
		}
	}
}

func (p CyclePoint) holdsForGood(t Tag) bool {
	return !p.Gone && !t.Provisional && p.Verified != Failed
}

// cycleOf gives the period that a tag counts as: a close that was taken again
// is the same cycle.
func cycleOf(t Tag) string {
	if t.Name == policy.Close {
		period, _, _ := strings.Cut(t.Period, ".")
		return period
	}
	return t.Period
}

func (h holdings) keeps(p CyclePoint, t Tag, n int) bool {
	own := h[t.Name][cycleOf(t)]
	if own != nil && !p.holdsForGood(t) {
		return false
	}
	newer := map[*held]bool{}
	for _, x := range h[t.Name] {
		if x != own && x.last.After(p.ReceivedAt) {
			newer[x] = true
		}
	}
	return len(newer) < n
}
