package lifecycle

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Freeze is a stop of expiry for a source.
type Freeze struct {
	ID, Source, Vault string
	// Points is how many points it keeps now.
	Points int
}

// FreezeSource stops the expiry of a source's points, those to come included,
// until somebody signs that it may go on. Backups go on.
func (l *Lifecycle) FreezeSource(ctx context.Context, g access.Grant, name, why string) (Freeze, error) {
	if err := g.Require(access.PointFreeze); err != nil {
		return Freeze{}, err
	}
	source, w, err := l.ofSource(ctx, name)
	if err != nil {
		return Freeze{}, err
	}
	at := l.cfg.Clock.Receipt()
	f := Freeze{ID: vault.NewSourceID(at).String(), Source: source.Name, Vault: w.row.Name, Points: w.count(source.ID)}
	_, err = l.record(ctx, g, w, retention.Fact{Kind: retention.Frozen, At: at, By: g.Subject(), Why: why, FreezeID: f.ID, Selector: ofSource(source)})
	return f, err
}

// UnfreezeSource lets the expiry of a source's points go on.
func (l *Lifecycle) UnfreezeSource(ctx context.Context, g access.Grant, name, id, why string) (Freeze, error) {
	if err := g.Require(access.PointUnfreeze); err != nil {
		return Freeze{}, err
	}
	if why == "" {
		return Freeze{}, errkind.New(errkind.Invalid, "to unfreeze source %q needs a reason", name)
	}
	source, w, err := l.ofSource(ctx, name)
	if err != nil {
		return Freeze{}, err
	}
	if _, err := l.cfg.Clock.MayDelete(w.immutable()); err != nil {
		return Freeze{}, err // what lets go needs proof of the time
	}
	if id == stoppedFreeze {
		return Freeze{}, errkind.New(errkind.Refused, "source %q is stopped and kept for ever: 'source resume %s' ends that", name, name)
	}
	if !w.frozen(lower(source.ID))[id] {
		return Freeze{}, errkind.New(errkind.NotFound, "source %q is not frozen by %q; `counterfoil point explain` names what freezes a point", name, id)
	}
	_, err = l.record(ctx, g, w, retention.Fact{Kind: retention.Unfrozen, At: l.cfg.Clock.Receipt(), By: g.Subject(), Why: why, FreezeID: id, Selector: ofSource(source)})
	return Freeze{ID: id, Source: source.Name, Vault: w.row.Name, Points: w.count(source.ID)}, err
}

// frozen gives the freezes of a source in force.
func (w *view) frozen(source string) map[string]bool {
	out := map[string]bool{}
	for _, f := range w.facts {
		if len(f.Selector.Sources) != 1 || f.Selector.Sources[0] != source {
			continue
		}
		switch f.Kind { //nolint:exhaustive // the others say nothing of it
		case retention.Frozen:
			out[f.FreezeID] = true
		case retention.Unfrozen:
			delete(out, f.FreezeID)
		}
	}
	return out
}

func (l *Lifecycle) ofSource(ctx context.Context, name string) (catalog.Source, *view, error) {
	source, err := l.cfg.Catalog.Source(ctx, name)
	if err != nil {
		return source, nil, err
	}
	w, err := l.view(ctx, source.VaultID)
	return source, w, err
}

func (w *view) count(sourceID string) int {
	n := 0
	for _, p := range w.points {
		if p.row.SourceID == sourceID {
			n++
		}
	}
	return n
}
