package custody

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/retention"
)

func TestEvents_HaveTheTimeOfTheirRecord(t *testing.T) {
	happened, recorded, fact := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 3, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 3, 0, 0, 1, 0, time.UTC)
	facts := []retention.Fact{
		{Kind: retention.EventRecorded, At: fact, Event: &retention.Event{ID: "old", At: happened}},
		{Kind: retention.HoldReleased, At: fact},
		{Kind: retention.EventRecorded, At: fact},
		{Kind: retention.EventRecorded, At: fact, Event: &retention.Event{ID: "new", At: happened, RecordedAt: recorded}},
	}
	want := []retention.Event{{ID: "old", At: happened, RecordedAt: fact}, {ID: "new", At: happened, RecordedAt: recorded}}
	if d := cmp.Diff(want, Events(facts)); d != "" {
		t.Error(d)
	}
	if !facts[0].Event.RecordedAt.IsZero() {
		t.Error("the fact itself was changed")
	}
}
