package lifecycle

import (
	"context"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// flag sets the store's own legal hold, where it has one, on every object that a
// point under the hold needs.
func (w *view) flag(ctx context.Context, g access.Grant, h hold.Hold) error {
	if !w.vault.Bucket().CanHold() {
		return nil
	}
	covered, err := w.heldObjects(ctx, []hold.Hold{h})
	if err != nil {
		return err
	}
	return w.setHold(ctx, g, covered, true)
}

// ApplyHolds sets the store's own legal hold on all that the holds in force cover:
// also on what was backed up since they were placed. It gives how many objects are
// covered.
func (l *Lifecycle) ApplyHolds(ctx context.Context, g access.Grant, name string) (int, error) {
	if err := g.Require(access.HoldPlace); err != nil {
		return 0, err
	}
	w, err := l.view(ctx, name)
	if err != nil {
		return 0, err
	}
	if !w.vault.Bucket().CanHold() {
		return 0, errkind.New(errkind.Unsupported, "the store of vault %q has no legal holds of its own: this program keeps to the holds, and locks what they cover", name)
	}
	covered, err := w.heldObjects(ctx, custody.Holds(w.facts))
	if err != nil {
		return 0, err
	}
	return len(covered), w.setHold(ctx, g, covered, true)
}

// unflag takes the store's hold away from what no other hold covers.
func (w *view) unflag(ctx context.Context, g access.Grant, h hold.Hold) error {
	if !w.vault.Bucket().CanHold() {
		return nil
	}
	h.ReleasedBy, h.ReleasedAt = "", time.Time{} // what it covered while it was in force
	free, err := w.heldObjects(ctx, []hold.Hold{h})
	if err != nil {
		return err
	}
	var others []hold.Hold
	for _, o := range custody.Holds(w.facts) {
		if o.Active() && o.ID != h.ID {
			others = append(others, o)
		}
	}
	kept, err := w.heldObjects(ctx, others)
	if err != nil {
		return err
	}
	for name := range kept {
		delete(free, name)
	}
	return w.setHold(ctx, g, free, false)
}

// heldObjects gives the objects that points under any of the holds need.
func (w *view) heldObjects(ctx context.Context, holds []hold.Hold) (map[string]bool, error) {
	out := map[string]bool{}
	for _, p := range w.points {
		if len(hold.Covering(holds, p.state.Point())) == 0 {
			continue
		}
		m, err := w.manifest(ctx, p.object)
		if p.state.Disposed && errkind.Is(err, errkind.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		packs, err := w.packs(ctx, m)
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Concat(packs, vault.PointObjects(m.Object)) {
			out[name] = true
		}
	}
	return out, nil
}

func (w *view) setHold(ctx context.Context, g access.Grant, objects map[string]bool, on bool) error {
	for _, name := range sortedKeys(objects) {
		err := w.vault.Bucket().SetLegalHold(ctx, g, name, on)
		if err != nil && !errkind.Is(err, errkind.NotFound) {
			return err
		}
	}
	return nil
}
