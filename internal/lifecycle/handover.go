package lifecycle

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
)

// handOver finds the tags that points must take from others before anything
// may go, and folds them into the view. They are recorded by what applies a plan.
func (l *Lifecycle) handOver(ctx context.Context, w *view, now time.Time) error {
	bySource := map[string][]standing{}
	for _, p := range w.points {
		bySource[p.row.SourceID] = append(bySource[p.row.SourceID], p)
	}
	for _, id := range sortedKeys(bySource) {
		source, err := l.cfg.Catalog.Source(ctx, id)
		if errkind.Is(err, errkind.NotFound) {
			continue // the source is gone; its points keep what they have
		}
		if err != nil {
			return err
		}
		in, err := l.handoverInput(ctx, source, bySource[id], now)
		if err != nil {
			return err
		}
		for _, h := range retention.Handovers(in) {
			w.moved = append(w.moved, h.Fact(now))
		}
	}
	if len(w.moved) == 0 {
		return nil
	}
	w.facts, w.newestIDs = append(slices.Clone(w.facts), w.moved...), nil
	for i := range w.points {
		initial, err := detailFacts(w.points[i].row)
		if err != nil {
			return err
		}
		w.points[i].state = retention.Fold(initial, w.facts)
	}
	return nil
}

func (l *Lifecycle) handoverInput(ctx context.Context, source catalog.Source, points []standing, now time.Time) (retention.HandoverInput, error) {
	p, err := l.cfg.Custody.Policy(ctx, source.Policy, source.PolicyVersion)
	if err != nil {
		return retention.HandoverInput{}, err
	}
	zone, err := custody.Zone(p)
	if err != nil {
		return retention.HandoverInput{}, err
	}
	classes, err := sourceClasses(source, p)
	in := retention.HandoverInput{Policy: p, Zone: zone, Now: now, SourceCreatedAt: source.CreatedAt, Classes: classes}
	for _, s := range points {
		in.History = append(in.History, s.state.Past(s.row.Complete, s.row.Entries, s.row.Size))
	}
	return in, err
}

// sourceClasses gives the record classes of a source, by its policy and its
// own rules.
func sourceClasses(source catalog.Source, p policy.Policy) ([]retention.FoundClass, error) {
	_, detail, err1 := custody.SourceRecord(source)
	rules := append(slices.Clone(p.Classes), detail.Classes...)
	classes, err2 := custody.Classes(rules)
	var out []retention.FoundClass
	for _, r := range rules {
		if c, ok := classes[r.Class]; ok {
			out = append(out, retention.FoundClass{Class: c, CarriedBy: r.Carrier(), Paths: []string{r.Path}, Beyond: r.BeyondMaximum})
		}
	}
	return out, errors.Join(err1, err2)
}
