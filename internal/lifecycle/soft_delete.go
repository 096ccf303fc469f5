package lifecycle

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// deletion is a soft deletion by the settings in force now, which govern it
// whatever they become.
func (w *view) deletion(now time.Time, by string) softDeletion {
	return softDeletion{At: vault.StampOf(now), By: by, PurgeAfter: vault.StampOf(now.AddDate(0, 0, w.settings().SoftDeleteDays))}
}

type softDeletion vault.SoftDeletion

// facts gives the facts that delete points.
func (d softDeletion) facts(points []standing, why string) []retention.Fact {
	if len(points) == 0 {
		return nil
	}
	soft := retention.SoftDelete{At: d.At.Time(), By: d.By, PurgeAfter: d.PurgeAfter.Time()}
	return []retention.Fact{{Kind: retention.SoftDeleted, At: soft.At, By: d.By, Why: why, Soft: &soft, Selector: all(points)}}
}

// undeletion gives the facts that bring back the points deleted by d; those
// deleted before it on their own stay deleted.
func (w *view) undeletion(d vault.SoftDeletion, now time.Time, by string) []retention.Fact {
	var back []standing
	for _, p := range w.points {
		if s := p.state.SoftDeleted; s != nil && s.At.Equal(d.At.Time()) && !p.state.Disposed {
			back = append(back, p)
		}
	}
	if len(back) == 0 {
		return nil
	}
	return []retention.Fact{{Kind: retention.Undeleted, At: now, By: by, Selector: all(back)}}
}

// deletable gives the points among those chosen that are not deleted yet, if
// every one of them may be by the time that is proven.
func (l *Lifecycle) deletable(ctx context.Context, w *view, chosen func(standing) bool) ([]standing, error) {
	proven, err := l.cfg.Clock.MayDelete(w.immutable())
	if err != nil {
		return nil, err
	}
	var out []standing
	for _, p := range w.points {
		if !chosen(p) || p.state.SoftDeleted != nil || p.state.Disposed {
			continue
		}
		_, state, err := w.fromStorage(ctx, p)
		if err != nil {
			return nil, err
		}
		if err := w.mayDelete(p, state, proven); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// all selects points by their ids.
func all(points []standing) retention.Selector {
	var s retention.Selector
	for _, p := range points {
		s.Points = append(s.Points, lower(p.row.ID))
	}
	return s
}
