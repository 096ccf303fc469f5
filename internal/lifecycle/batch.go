package lifecycle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Batch are the points of a vault whose time has passed and that still need a
// signature in one office before they may go.
type Batch struct {
	Vault string
	// As is the office: vault.SignedByOwner or vault.SignedByOfficer.
	As     string
	Points []Candidate
	// Digest names the points: two batches with the same one are the same.
	Digest string
}

// PlanBatch shows what a signature in an office would sign, of the sources named
// or of all.
func (l *Lifecycle) PlanBatch(ctx context.Context, name, as string, sources []string) (*Batch, error) {
	w, err := l.view(ctx, name)
	if err != nil {
		return nil, err
	}
	return l.batch(ctx, w, as, sources)
}

func (l *Lifecycle) batch(ctx context.Context, w *view, as string, sources []string) (*Batch, error) {
	if as != vault.SignedByOwner && as != vault.SignedByOfficer {
		return nil, errkind.New(errkind.Invalid, "a disposal batch is signed as owner or as compliance officer, not as %q", as)
	}
	for _, s := range sources {
		if !slices.ContainsFunc(w.points, func(p standing) bool { return p.name == s }) {
			return nil, errkind.New(errkind.NotFound, "vault %q has no points of a source %q", w.row.Name, s)
		}
	}
	plan, err := l.plan(ctx, w)
	if err != nil {
		return nil, err
	}
	b := &Batch{Vault: w.row.Name, As: as}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "vault %s\nas %s\n", w.row.ID, as)
	for _, c := range plan.Waiting {
		signed, err := w.signatures(c.standing)
		if err != nil {
			return nil, err
		}
		if !c.LockedUntil.IsZero() || signed.by(as) != "" || len(sources) > 0 && !slices.Contains(sources, c.Source) {
			continue
		}
		b.Points = append(b.Points, c)
		_, _ = fmt.Fprintf(h, "%s %s\n", c.Point, c.standing.row.ManifestSHA256)
	}
	b.Digest = hex.EncodeToString(h.Sum(nil))
	return b, nil
}

// SignBatch signs a batch in an office, if it is still the one with the digest. A
// point may go when it was signed in both.
func (l *Lifecycle) SignBatch(ctx context.Context, g access.Grant, name, as string, sources []string, digest, why string) (vault.BatchRecord, error) {
	if err := g.Require(access.DisposalSign); err != nil {
		return vault.BatchRecord{}, err
	}
	w, err := l.view(ctx, name)
	if err != nil {
		return vault.BatchRecord{}, err
	}
	batch, err := l.batch(ctx, w, as, sources)
	switch {
	case err != nil:
		return vault.BatchRecord{}, err
	case len(batch.Points) == 0:
		return vault.BatchRecord{}, errkind.New(errkind.NotFound, "no point of vault %q waits for that signature", name)
	case batch.Digest != digest:
		return vault.BatchRecord{}, errkind.New(errkind.Busy, "the batch of vault %q is not what was looked at any more: look at it again", name)
	}
	now := l.cfg.Clock.Receipt()
	b := vault.BatchRecord{ID: vault.NewSourceID(now).String(), At: vault.StampOf(now), By: g.Subject(), Why: why, As: as}
	for _, c := range batch.Points {
		b.Points = append(b.Points, lower(c.Point))
	}
	slices.Sort(b.Points)
	f, err := vault.NewFact(vault.FactBatch, b)
	if err != nil {
		return b, err
	}
	_, err = w.state(ctx, g, f)
	return b, err
}

// signature is a batch in which a point was signed.
type signature struct {
	batch, as string
	// records is how many governance records there were then, its own included.
	records int
}

// signatures are the batches by which a point may go.
type signatures struct{ owner, officer string }

func (s signatures) by(as string) string {
	if as == vault.SignedByOwner {
		return s.owner
	}
	return s.officer
}

// complete reports whether nobody else has to sign.
func (s signatures) complete() bool { return s.owner != "" && s.officer != "" }

// text names the batches as certificates do.
func (s signatures) text() string {
	if !s.complete() || s.owner == s.officer {
		return s.owner
	}
	return s.owner + " " + s.officer
}

// signatures gives those that count for a point: a signature is for the retention
// that the point had, and a later event or rule that changes it takes it away.
func (w *view) signatures(p standing) (signatures, error) {
	var out signatures
	signed := w.allSignatures()[lower(p.row.ID)]
	if len(signed) == 0 {
		return out, nil
	}
	initial, err := detailFacts(p.row)
	if err != nil {
		return out, err
	}
	now := retention.Fold(initial, w.facts).Computed
	for _, x := range signed {
		if retention.Fold(initial, w.factsAt(x.records)).Computed != now {
			continue
		}
		if out.owner == "" && (x.as == "" || x.as == vault.SignedByOwner) {
			out.owner = x.batch
		}
		if out.officer == "" && (x.as == "" || x.as == vault.SignedByOfficer) {
			out.officer = x.batch
		}
	}
	return out, nil
}

// factsAt gives the facts of the first so many records.
func (w *view) factsAt(n int) []retention.Fact {
	if facts, ok := w.earlier[n]; ok {
		return facts
	}
	if w.earlier == nil {
		w.earlier = map[int][]retention.Fact{}
	}
	w.earlier[n] = custody.PointRecords(w.records[:n])
	return w.earlier[n]
}

// allSignatures gives what was signed of each point, by its id. A record that
// cannot be decoded signs nothing.
func (w *view) allSignatures() map[string][]signature {
	if w.signed != nil {
		return w.signed
	}
	w.signed = map[string][]signature{}
	for i, r := range w.records {
		for _, f := range r.Facts {
			var b vault.BatchRecord
			if f.Kind != vault.FactBatch || f.Decode(&b) != nil {
				continue
			}
			for _, id := range b.Points {
				w.signed[id] = append(w.signed[id], signature{b.ID, b.As, i + 1})
			}
		}
	}
	return w.signed
}
