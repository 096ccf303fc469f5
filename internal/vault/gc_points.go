package vault

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/records"
)

// livePoint is what a collection remembers of a point. Its pack list is not
// kept: together the lists would grow with points times packs.
type livePoint struct {
	object string
	id     PointID
	source SourceID
	number uint64
	root   Digest
}

// needs are the points to be kept and the packs that their lists name.
type needs struct {
	points []livePoint
	// listed has, for each pack, until when the longest kept point that names it
	// is kept; zero where no date ends it.
	listed map[pack.Name]time.Time
}

// live gives the points that are to be kept: all that the store has, but for
// those recorded as removed. It fails unless they are those that the catalog knows.
func (v *Vault) live(ctx context.Context, l *records.Ledger, known []KnownPoint) (needs, error) {
	out := needs{listed: map[pack.Name]time.Time{}}
	refs, err := v.points.List(ctx)
	if err != nil {
		return out, err
	}
	want := map[string]Digest{}
	for _, k := range known {
		want[k.Object] = k.Digest
	}
	for _, ref := range refs {
		if l.Has(ref.Object) {
			continue
		}
		p, err := v.points.Read(ctx, ref.Object)
		if err != nil {
			return out, errkind.Wrap(errkind.Of(err), err, "garbage is not collected while a point cannot be read")
		}
		digest, ok := want[p.Object]
		if !ok || digest != p.Digest {
			return out, errkind.New(errkind.Damaged, "garbage is not collected: point %q is in the store and the catalog does not know it so; the next backup of its source, or 'vault recover', enters it", p.Object)
		}
		delete(want, p.Object)
		if n := p.Envelope.Records; n > l.Last.Number {
			return out, errkind.New(errkind.Damaged, "garbage is not collected: point %q was made when governance record %d was there, and it is missing", p.Object, n)
		}
		if err := out.add(p); err != nil {
			return out, err
		}
	}
	for object := range want {
		return out, errkind.New(errkind.Damaged, "garbage is not collected: the catalog knows point %q and the store lacks it; 'vault verify' tells more", object)
	}
	out.resolve(l)
	return out, nil
}

func (n *needs) add(p Point) error {
	e := &p.Envelope
	names, err := pack.ParseNames(e.Packs.Names)
	if err != nil || e.Packs.Base != nil {
		return errkind.New(errkind.Damaged, "garbage is not collected: the pack list of point %s cannot be read", e.ID)
	}
	var until time.Time
	if e.RetainUntil != nil {
		until = e.RetainUntil.Time()
	}
	for _, name := range names {
		n.name(name, until)
	}
	n.points = append(n.points, livePoint{object: p.Object, id: e.ID, source: e.Source, number: e.Number, root: e.Root})
	return nil
}

func (n *needs) name(p pack.Name, until time.Time) {
	if have, ok := n.listed[p]; !ok || until.After(have) {
		n.listed[p] = until
	}
}

// resolve puts in the place of replaced packs those that hold what was in them.
func (n *needs) resolve(l *records.Ledger) {
	for was := range l.Placed {
		until, ok := n.listed[was]
		if !ok {
			continue
		}
		delete(n.listed, was)
		for _, now := range l.Where(was) {
			n.name(now, until)
		}
	}
}
