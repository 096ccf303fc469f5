package custody

import (
	"cmp"
	"maps"
	"slices"

	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/retention"
)

// Holds gives every hold ever placed, by id, each with its release.
func Holds(facts []retention.Fact) []hold.Hold {
	found := map[string]hold.Hold{}
	for _, f := range facts {
		if f.Kind == retention.HoldPlaced && f.Hold != nil {
			found[f.Hold.ID] = *f.Hold
		}
	}
	for _, f := range facts {
		if h, ok := found[f.HoldID]; ok && f.Kind == retention.HoldReleased {
			h.ReleasedBy, h.ReleasedAt = f.By, f.At
			found[f.HoldID] = h
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b hold.Hold) int { return cmp.Compare(a.ID, b.ID) })
}

// Events gives the events recorded, in their order, each with the time of its
// record.
func Events(facts []retention.Fact) []retention.Event {
	var out []retention.Event
	for _, f := range facts {
		if f.Kind == retention.EventRecorded && f.Event != nil {
			e := *f.Event
			if e.RecordedAt.IsZero() {
				e.RecordedAt = f.At
			}
			out = append(out, e)
		}
	}
	return out
}
