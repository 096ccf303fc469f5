package lifecycle

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Settled is a recorded event with the points whose periods began to run by it.
type Settled struct {
	retention.Event
	Vault string
	// Points are those that waited for the event, by id, with what they are kept
	// until now.
	Points []Kept
}

// Kept is a point and until when it is kept.
type Kept struct {
	Point, Source string
	Until         retention.Until
}

// RecordEvent enters an event in a vault's register: from it the periods of
// classes count that waited for it. An event never shortens what has a date.
func (l *Lifecycle) RecordEvent(ctx context.Context, g access.Grant, name string, e retention.Event) (Settled, error) {
	if err := g.Require(access.EventRecord); err != nil {
		return Settled{}, err
	}
	now := l.cfg.Clock.Receipt()
	e, err := checkEvent(e, now)
	if err != nil {
		return Settled{}, err
	}
	w, err := l.view(ctx, name)
	if err != nil {
		return Settled{}, err
	}
	e.ID, e.RecordedBy, e.RecordedAt = vault.NewSourceID(now).String(), g.Subject(), now
	fact := retention.Fact{Kind: retention.EventRecorded, At: now, By: g.Subject(), Event: &e}
	if _, err := l.record(ctx, g, w, fact); err != nil {
		return Settled{}, err
	}
	out := Settled{Event: e, Vault: w.row.Name, Points: []Kept{}}
	for _, p := range w.points {
		d, err := detailFacts(p.row)
		if err != nil {
			return out, err
		}
		after := retention.Fold(d, w.facts)
		if len(after.Pending) < len(p.state.Pending) {
			out.Points = append(out.Points, Kept{Point: p.row.ID, Source: p.name, Until: after.RetainUntil})
		}
	}
	return out, nil
}

// checkEvent refuses an event that could not be explained later, and gives it
// as it is recorded.
func checkEvent(e retention.Event, now time.Time) (retention.Event, error) {
	switch {
	case e.Name == "":
		return e, errkind.New(errkind.Invalid, "an event needs its name, such as audit_signed_off")
	case !starts(e.Name):
		return e, errkind.New(errkind.Invalid, "no record class waits for an event %q, and %q is for fiscal closes; `counterfoil class list` shows from which events classes count", e.Name, retention.CloseEvent)
	case e.At.IsZero():
		return e, errkind.New(errkind.Invalid, "event %q needs the date on which it happened", e.Name)
	case e.At.After(now.Add(24 * time.Hour)):
		return e, errkind.New(errkind.Invalid, "event %q would have happened on %s, which is yet to come: record it once it has", e.Name, e.At.Format("2006-01-02"))
	case e.Evidence == "":
		return e, errkind.New(errkind.Invalid, "event %q needs its evidence: a document, ticket or minute by which it can be shown", e.Name)
	case e.Name == retention.CloseEvent:
		return checkClose(e, now)
	case !e.Covers.IsZero() && len(e.Covers.Points) == 0 && e.Covers.To.IsZero():
		return e, errkind.New(errkind.Invalid, "event %q would count for every point to come: say until when points were received that it concerns (--to), or name them", e.Name)
	case e.Covers.IsZero():
		return e, errkind.New(errkind.Invalid, "event %q says of no point that it concerns it: give sources, classes, points or a period of receipt", e.Name)
	}
	return e, nil
}

// starts reports whether an event of that name starts anything: the period of a
// record class, or the asking for a close.
func starts(name string) bool {
	if name == retention.CloseEvent {
		return true
	}
	for _, set := range policy.ClassSets() {
		classes, err := policy.Classes(set)
		if err == nil && slices.ContainsFunc(classes.Classes, func(c policy.Class) bool { return !c.FromReceipt() && c.ClockStart == name }) {
			return true
		}
	}
	return false
}

// Events lists the events recorded in a vault, in the order of their records.
func (l *Lifecycle) Events(ctx context.Context, name string) ([]retention.Event, error) {
	w, err := l.view(ctx, name)
	if err != nil {
		return nil, err
	}
	return custody.Events(w.facts), nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
