package lifecycle

import (
	"context"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
)

// SourceClose is a close of a fiscal period as one source has it.
type SourceClose struct {
	Source string // name
	retention.Close
	Overdue bool
}

// Closes lists the closes of a vault's sources and the points that stand for
// them. Those that wait for a point are of sources that are backed up.
func (l *Lifecycle) Closes(ctx context.Context, name string) ([]SourceClose, error) {
	w, err := l.view(ctx, name)
	if err != nil {
		return nil, err
	}
	events := custody.Events(w.facts)
	sources, err := l.cfg.Catalog.Sources(ctx)
	if err != nil {
		return nil, err
	}
	now := l.cfg.Clock.Receipt()
	var out []SourceClose
	for _, s := range sources {
		if s.VaultID != w.row.ID {
			continue
		}
		stopped := custody.MayBackUp(w.row, s, w.records)
		if stopped != nil && !errkind.Is(stopped, errkind.Refused) {
			return nil, stopped
		}
		points := slices.DeleteFunc(slices.Clone(w.points), func(p standing) bool { return p.row.SourceID != s.ID })
		in, err := l.handoverInput(ctx, s, points, now)
		if err != nil {
			return nil, err
		}
		for _, c := range retention.Closes(retention.CloseInput{Source: lower(s.ID), Policy: in.Policy, Zone: in.Zone, Now: now,
			SourceCreatedAt: s.CreatedAt, Events: events, History: in.History}) {
			if stopped == nil || c.Captured() {
				out = append(out, SourceClose{Source: s.Name, Close: c, Overdue: c.Overdue(now)})
			}
		}
	}
	return out, nil
}

// checkClose refuses the record of a close that the next points could not stand
// for: it concerns sources from its day on, not points that exist.
func checkClose(e retention.Event, now time.Time) (retention.Event, error) {
	c := e.Covers
	if len(c.Points)+len(c.Classes) > 0 || !c.From.IsZero() || !c.To.IsZero() {
		return e, errkind.New(errkind.Invalid, "a close concerns whole sources, and the next point of each: give --source at most, no points, classes or days of receipt")
	}
	p, err := calendar.ParseFiscalPeriod(e.Period)
	if err != nil {
		return e, errkind.Wrap(errkind.Invalid, err, "a close needs the fiscal period that was closed (--period)")
	}
	e.Period, e.Covers.From = p.String(), e.At
	if e.At.After(now) {
		e.Covers.From = now
	}
	return e, nil
}
