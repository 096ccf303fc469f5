package lifecycle

import (
	"context"
	"slices"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Hold is a legal hold with what it keeps.
type Hold struct {
	hold.Hold
	Vault string
	// Points are the ids of the points covered now, oldest first.
	Points []string
	// Bytes is the logical size of those points together.
	Bytes int64
	// Kept counts those that nothing else keeps at this time.
	Kept int
}

// PlaceHold places a legal hold on a vault. Its id and time are given here;
// until it is released nothing in its scope is deleted, also what is made later.
func (l *Lifecycle) PlaceHold(ctx context.Context, g access.Grant, name string, h hold.Hold) (Hold, error) {
	if err := g.Require(access.HoldPlace); err != nil {
		return Hold{}, err
	}
	w, err := l.view(ctx, name)
	if err != nil {
		return Hold{}, err
	}
	at := l.cfg.Clock.Receipt()
	h.ID, h.PlacedBy, h.PlacedAt = vault.NewSourceID(at).String(), g.Subject(), at
	if err := h.Validate(); err != nil {
		return Hold{}, err
	}
	fact := retention.Fact{Kind: retention.HoldPlaced, At: at, By: g.Subject(), Why: h.Reason, Hold: &h}
	if _, err := l.record(ctx, g, w, fact); err != nil {
		return Hold{}, err
	}
	if err := w.flag(ctx, g, h); err != nil {
		return Hold{}, errkind.Wrap(errkind.Of(err), err, "hold %s is placed and in force, but the store does not have it on all that it covers yet: place it again or raise the locks", h.ID)
	}
	if _, _, err := l.raise(ctx, g, w); err != nil {
		return Hold{}, errkind.Wrap(errkind.Of(err), err, "hold %s is placed and in force, but storage does not lock all that it covers yet: run 'vault locks %s --apply'", h.ID, name)
	}
	return w.held(h, l.cfg.Clock), nil
}

// ReleaseHold ends a hold. What it kept follows its other reasons again.
func (l *Lifecycle) ReleaseHold(ctx context.Context, g access.Grant, name, id, why string) (Hold, error) {
	if err := g.Require(access.HoldRelease); err != nil {
		return Hold{}, err
	}
	if why == "" {
		return Hold{}, errkind.New(errkind.Invalid, "the release of hold %s needs a reason", id)
	}
	w, err := l.view(ctx, name)
	if err != nil {
		return Hold{}, err
	}
	if _, err := l.cfg.Clock.MayDelete(w.immutable()); err != nil {
		return Hold{}, err // what lets go needs proof of the time
	}
	holds := custody.Holds(w.facts)
	at := slices.IndexFunc(holds, func(h hold.Hold) bool { return h.ID == id })
	if at < 0 {
		return Hold{}, errkind.New(errkind.NotFound, "vault %q has no hold %q; `counterfoil hold list` shows them", name, id)
	}
	h := holds[at]
	if !h.Active() {
		if err := w.unflag(ctx, g, h); err != nil { // an earlier release may have stopped before this
			return Hold{}, err
		}
		return Hold{}, errkind.New(errkind.Exists, "hold %s was released already, on %s", id, h.ReleasedAt.Format("2006-01-02"))
	}
	now := l.cfg.Clock.Receipt()
	out := w.held(h, l.cfg.Clock)
	if _, err := l.record(ctx, g, w, retention.Fact{Kind: retention.HoldReleased, At: now, By: g.Subject(), Why: why, HoldID: id}); err != nil {
		return Hold{}, err
	}
	if err := w.unflag(ctx, g, h); err != nil {
		return Hold{}, errkind.Wrap(errkind.Of(err), err, "hold %s is released, but the store still has it on some objects", id)
	}
	out.ReleasedBy, out.ReleasedAt = g.Subject(), now
	return out, nil
}

// Holds lists the holds of a vault by id, released ones too.
func (l *Lifecycle) Holds(ctx context.Context, name string) ([]Hold, error) {
	w, err := l.view(ctx, name)
	if err != nil {
		return nil, err
	}
	out := []Hold{}
	for _, h := range custody.Holds(w.facts) {
		out = append(out, w.held(h, l.cfg.Clock))
	}
	return out, nil
}

// held says what a hold covers.
func (w *view) held(h hold.Hold, clock Clock) Hold {
	out := Hold{Hold: h, Vault: w.row.Name, Points: []string{}}
	for _, p := range w.points {
		if !h.Covers(p.state.Point()) {
			continue
		}
		out.Points = append(out.Points, p.row.ID)
		out.Bytes += p.row.Size
		if p.state.Computed.Past(clock.Receipt()) {
			out.Kept++
		}
	}
	return out
}
