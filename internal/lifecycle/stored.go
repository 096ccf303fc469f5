package lifecycle

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// stored is what a view has read of its vault so far. Manifests, packs of points
// and records never change, so each is read once for a view.
type stored struct {
	refs   []vault.PointRef // nil until listed
	points map[string]vault.Point
	needed map[string][]string // packs, by point object
	stay   map[string]bool     // packs that stay needed

	certified map[string][]vault.CertificateRecord
	signed    map[string][]signature
	earlier   map[int][]retention.Fact // by number of records
	// newestIDs is the newest whole point of each source by the facts of the view;
	// it is asked for once they are settled, and forgotten when they change.
	newestIDs map[vault.SourceID]string
}

// manifest reads the manifest of a point.
func (w *view) manifest(ctx context.Context, object string) (vault.Point, error) {
	if m, ok := w.stored.points[object]; ok {
		return m, nil
	}
	m, err := w.vault.ReadPoint(ctx, object)
	if err != nil {
		return m, err
	}
	if w.stored.points == nil {
		w.stored.points = map[string]vault.Point{}
	}
	w.stored.points[object] = m
	return m, nil
}

// manifests reads those of all points that were in the store when this was
// first asked, and names the points that cannot be read.
func (w *view) manifests(ctx context.Context) (points []vault.Point, unreadable []string, err error) {
	if w.refs == nil {
		if w.refs, err = w.vault.ListPoints(ctx); err != nil {
			return nil, nil, err
		}
	}
	for _, ref := range w.refs {
		m, err := w.manifest(ctx, ref.Object)
		if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
			unreadable = append(unreadable, ref.Object)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		points = append(points, m)
	}
	return points, unreadable, nil
}

// packs names the packs that a point needs. The slice is shared.
func (w *view) packs(ctx context.Context, m vault.Point) ([]string, error) {
	if names, ok := w.needed[m.Object]; ok {
		return names, nil
	}
	names, err := w.vault.PackObjects(ctx, m.Envelope)
	if err != nil {
		return nil, err
	}
	if w.needed == nil {
		w.needed = map[string][]string{}
	}
	w.needed[m.Object] = names
	return names, nil
}

// staying gives the packs that points need which do not go with a plan.
func (w *view) staying(ctx context.Context, plan *Expiry) (map[string]bool, error) {
	if w.stay != nil {
		return w.stay, nil
	}
	going := map[string]bool{}
	for _, c := range plan.Expire {
		going[c.Point] = true
	}
	stay := map[string]bool{}
	for _, p := range w.points {
		if going[p.row.ID] {
			continue
		}
		m, err := w.manifest(ctx, p.object)
		if errkind.Is(err, errkind.NotFound) || errkind.Is(err, errkind.Damaged) {
			continue // it needs nothing that could be named
		}
		if err != nil {
			return nil, err
		}
		names, err := w.packs(ctx, m)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			stay[n] = true
		}
	}
	w.stay = stay
	return stay, nil
}

// allCertificates gives the disposals recorded, in their order.
func (w *view) allCertificates() ([]vault.CertificateRecord, error) {
	out := []vault.CertificateRecord{}
	for _, r := range w.records {
		for _, f := range r.Facts {
			if f.Kind != vault.FactCertificate {
				continue
			}
			var c vault.CertificateRecord
			if err := f.Decode(&c); err != nil {
				return out, errkind.Wrap(errkind.Damaged, err, "certificate in governance record %d", r.Number)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// certificates gives those of each point, by its id.
func (w *view) certificates() (map[string][]vault.CertificateRecord, error) {
	if w.certified == nil {
		list, err := w.allCertificates()
		if err != nil {
			return nil, err
		}
		w.certified = map[string][]vault.CertificateRecord{}
		for _, c := range list {
			id := lower(c.Point.String())
			w.certified[id] = append(w.certified[id], c)
		}
	}
	return w.certified, nil
}
