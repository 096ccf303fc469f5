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
// hold it for fewer other periods than the rule has cycles. The rules of a
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

// holdings is when the last point was received that holds each period of each
// tag for good.
type holdings map[policy.TagName]map[string]time.Time

func heldPeriods(points []CyclePoint) holdings {
	out := holdings{}
	for _, p := range points {
		for _, t := range p.Tags {
			if !p.holdsForGood(t) {
				continue
			}
			of := out[t.Name]
			if of == nil {
				of = map[string]time.Time{}
				out[t.Name] = of
			}
			if last, ok := of[cycleOf(t)]; !ok || p.ReceivedAt.After(last) {
				of[cycleOf(t)] = p.ReceivedAt
			}
		}
	}
	return out
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
	own := cycleOf(t)
	if _, ok := h[t.Name][own]; ok && !p.holdsForGood(t) {
		return false
	}
	newer := 0
	for period, last := range h[t.Name] {
		if period != own && last.After(p.ReceivedAt) {
			newer++
		}
	}
	return newer < n
}
