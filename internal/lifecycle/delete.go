package lifecycle

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
)

// Deletion is a point that was deleted softly, or brought back.
type Deletion struct {
	Point, Source, Vault string
	// PurgeAfter is until when the deletion can be undone, zero for a point that
	// was brought back.
	PurgeAfter time.Time
}

// DeletePoint deletes a point softly: it can be brought back for as long as the
// vault says, and only then goes with expiry. In an immutable vault a point is
// not deleted before its time, nor one under a hold in any: both are
// errkind.Refused.
func (l *Lifecycle) DeletePoint(ctx context.Context, g access.Grant, ref, why string) (Deletion, error) {
	if err := g.Require(access.PointDelete); err != nil {
		return Deletion{}, err
	}
	w, p, err := l.find(ctx, ref)
	if err != nil {
		return Deletion{}, err
	}
	_, state, err := w.fromStorage(ctx, p)
	if err != nil {
		return Deletion{}, err
	}
	// A deletion takes proof of the time, since retention decides about it.
	proven, err := l.cfg.Clock.MayDelete(w.immutable())
	if err != nil {
		return Deletion{}, err
	}
	if err := w.mayDelete(p, state, proven); err != nil {
		return Deletion{}, err
	}
	d := w.deletion(l.cfg.Clock.Receipt(), g.Subject())
	if _, err := l.record(ctx, g, w, d.facts([]standing{p}, why)...); err != nil {
		return Deletion{}, err
	}
	return Deletion{Point: p.row.ID, Source: p.name, Vault: w.row.Name, PurgeAfter: d.PurgeAfter.Time()}, nil
}

// mayDelete says why a point may not be deleted, even softly.
func (w *view) mayDelete(p standing, state retention.PointState, now time.Time) error {
	switch {
	case state.Disposed:
		return errkind.New(errkind.NotFound, "point %s was disposed of", p.row.ID)
	case state.SoftDeleted != nil:
		return errkind.New(errkind.Exists, "point %s is deleted already, recoverable until %s", p.row.ID, state.SoftDeleted.PurgeAfter.Format(time.RFC3339))
	case len(state.Holds) > 0:
		return errkind.New(errkind.Refused, "point %s is under legal hold %s (%s): it stays until that is released", p.row.ID, state.Holds[0].ID, state.Holds[0].Matter)
	case w.immutable() && !state.RetainUntil.Past(now):
		return errkind.New(errkind.Refused, "point %s is retained until %s, and vault %q is immutable: nobody can delete it before", p.row.ID, state.RetainUntil, w.row.Name)
	}
	return nil
}

// UndeletePoint brings back a point that was deleted softly.
func (l *Lifecycle) UndeletePoint(ctx context.Context, g access.Grant, ref string) (Deletion, error) {
	if err := g.Require(access.PointUndelete); err != nil {
		return Deletion{}, err
	}
	w, p, err := l.find(ctx, ref)
	if err != nil {
		return Deletion{}, err
	}
	if p.state.Disposed {
		return Deletion{}, errkind.New(errkind.NotFound, "point %s was disposed of", p.row.ID)
	}
	if p.state.SoftDeleted == nil {
		return Deletion{}, errkind.New(errkind.Invalid, "point %s is not deleted", p.row.ID)
	}
	fact := retention.Fact{Kind: retention.Undeleted, At: l.cfg.Clock.Receipt(), By: g.Subject(), Selector: only(p)}
	_, err = l.record(ctx, g, w, fact)
	return Deletion{Point: p.row.ID, Source: p.name, Vault: w.row.Name}, err
}

// find gives a point by what people call it, with the view of its vault.
func (l *Lifecycle) find(ctx context.Context, ref string) (*view, standing, error) {
	row, err := l.cfg.Catalog.Point(ctx, ref)
	if err != nil {
		return nil, standing{}, err
	}
	w, err := l.view(ctx, row.VaultID)
	if err != nil {
		return nil, standing{}, err
	}
	p, ok := w.point(row.ID)
	if !ok {
		return nil, standing{}, errkind.New(errkind.NotFound, "point %s was disposed of", row.ID)
	}
	return w, p, nil
}

func only(p standing) retention.Selector { return all([]standing{p}) }

func detailFacts(row catalog.Point) (retention.PointFacts, error) {
	d, err := custody.Detail(row)
	return d.Facts, err
}
