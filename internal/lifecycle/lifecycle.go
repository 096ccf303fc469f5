// Package lifecycle carries out what the rules decide about points that exist:
// holds, events, deletion and its undoing, expiry with certificates, and the
// locks that storage keeps meanwhile.
//
// What must always be true: what destroys is planned, shown, recorded and only
// then done; it is decided by the manifests and records in the vault's storage, of which
// the catalog is only an index; what is not understood, and any unknown error,
// keeps the data. Deciding is left to retention, permission to the gate.
package lifecycle

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Clock is the trusted clock as lifecycle uses it.
type Clock interface {
	// Receipt dates records.
	Receipt() time.Time
	// LockBase dates locks: the greatest time that anything says, within what the
	// vault's maximum allows.
	LockBase(maximum calendar.Period) time.Time
	// MayDelete gives the time that is proven to have passed, or says why nothing
	// may be deleted.
	MayDelete(immutable bool) (time.Time, error)
}

// Config is what lifecycle works with.
type Config struct {
	Catalog *catalog.Catalog
	Custody *custody.Custody
	Clock   Clock
}

// Lifecycle works on the vaults of one installation. It is safe for concurrent
// use; two changes of the same vault at once exclude each other through the
// numbers of its governance records.
type Lifecycle struct{ cfg Config }

// New makes the lifecycle of an installation.
func New(cfg Config) *Lifecycle { return &Lifecycle{cfg: cfg} }

// view is a vault as the rules see it at one moment.
type view struct {
	row     catalog.Vault
	vault   *vault.Vault
	bounds  retention.Bounds
	records []vault.Record
	// facts are those recorded and, after them, the moved ones: handovers that are
	// due and not recorded yet.
	facts, moved []retention.Fact
	// points are those of the catalog that are not purged, oldest first.
	points []standing
	// broken says that records are missing or damaged from some number on.
	broken bool
	stored
}

// standing is a point with what is true of it after all facts.
type standing struct {
	row   catalog.Point
	name  string // of its source
	state retention.PointState
	// object is the point's in the store.
	object string
}

// view reads a vault's records and folds them over its points.
func (l *Lifecycle) view(ctx context.Context, name string) (*view, error) {
	w := &view{}
	var err error
	if w.row, w.vault, err = l.cfg.Custody.Vault(ctx, name); err != nil {
		return nil, err
	}
	if w.records, err = w.vault.RecordsAnew(ctx); err != nil {
		return nil, err
	}
	if w.row, err = custody.AsRecorded(w.row, w.records); err != nil {
		return nil, err
	}
	if w.bounds, err = custody.Bounds(w.row); err != nil {
		return nil, err
	}
	w.facts = custody.PointRecords(w.records)
	rows, err := l.cfg.Catalog.Points(ctx, catalog.PointFilter{VaultID: w.row.ID, States: catalog.Kept(), Order: catalog.OldestFirst})
	if err != nil {
		return nil, err
	}
	sources, err := l.cfg.Catalog.Sources(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, s := range sources {
		names[s.ID] = s.Name
	}
	for _, row := range rows {
		d, err := custody.Detail(row)
		if err != nil {
			return nil, err
		}
		w.points = append(w.points, standing{row: row, name: names[row.SourceID], state: retention.Fold(d.Facts, w.facts), object: d.Object})
	}
	return w, nil
}

// readable is a view for what only ever locks: of broken records those before
// the break, with every point kept without end, and of a catalog that differs from
// the vault what the vault says.
func (l *Lifecycle) readable(ctx context.Context, name string) (*view, error) {
	w := &view{}
	var err error
	if w.row, w.vault, err = l.cfg.Custody.Vault(ctx, name); err != nil {
		return nil, err
	}
	w.records, err = w.vault.RecordsAnew(ctx)
	switch {
	case err == nil, errors.Is(err, vault.ErrHeadUnknown): // those that are there are whole, and locks go by them
	case errkind.Is(err, errkind.Damaged), errkind.Is(err, errkind.NotFound):
		w.broken = true
	default:
		return nil, err
	}
	w.row = custody.Stricter(w.row, w.records)
	w.facts = custody.PointRecords(w.records)
	w.bounds, err = custody.Bounds(w.row)
	return w, err
}

// state appends a record, decided by those of the view, and takes it into it.
func (w *view) state(ctx context.Context, g access.Grant, facts ...vault.Fact) (vault.Record, error) {
	r, err := w.vault.RecordFactsAfter(ctx, g, w.last(), facts...)
	if err == nil {
		w.records = append(w.records, r)
	}
	return r, err
}

// last is the last record of the view.
func (w *view) last() vault.Record {
	if n := len(w.records); n > 0 {
		return w.records[n-1]
	}
	return vault.Record{}
}

// immutable reports whether the vault forbids deletion before time.
func (w *view) immutable() bool { return w.row.Kind.Immutable() }

// newest gives the ids of the newest whole points, one of each source.
func (w *view) newest() map[string]bool {
	bySource := map[string][]retention.PastPoint{}
	for _, p := range w.points {
		bySource[p.row.SourceID] = append(bySource[p.row.SourceID], p.state.Past(p.row.Complete, p.row.Entries, p.row.Size))
	}
	out := map[string]bool{}
	for _, history := range bySource {
		out[retention.Newest(history)] = true
	}
	return out
}

// point finds a point of the view.
func (w *view) point(id string) (standing, bool) {
	i := slices.IndexFunc(w.points, func(p standing) bool { return p.row.ID == id })
	if i < 0 {
		return standing{}, false
	}
	return w.points[i], true
}

// fromStorage folds the facts over what the point's manifest in storage says,
// whatever the catalog has.
func (w *view) fromStorage(ctx context.Context, p standing) (vault.Point, retention.PointState, error) {
	m, err := w.manifest(ctx, p.object)
	if err != nil {
		return m, retention.PointState{}, err
	}
	same := strings.EqualFold(m.Envelope.ID.String(), p.row.ID) && strings.EqualFold(m.Envelope.Source.String(), p.row.SourceID) && int64(m.Envelope.Number) == p.row.Number
	if !same || hex.EncodeToString(m.Digest[:]) != p.row.ManifestSHA256 {
		return m, retention.PointState{}, errkind.New(errkind.Damaged, "point %s in the store is not the one that the catalog knows: nothing is done to it", p.row.ID)
	}
	return m, retention.Fold(custody.Facts(m), w.facts), nil
}

// record states facts about points in the vault and takes them into the view,
// then brings the catalog's rows of the points concerned up to date.
func (l *Lifecycle) record(ctx context.Context, g access.Grant, w *view, facts ...retention.Fact) (vault.Record, error) {
	return l.recordWith(ctx, g, w, nil, facts...)
}

// recordWith is record, with facts about the vault or its sources before them in
// the same governance record.
func (l *Lifecycle) recordWith(ctx context.Context, g access.Grant, w *view, encoded []vault.Fact, facts ...retention.Fact) (vault.Record, error) {
	for _, f := range facts {
		if err := f.Validate(); err != nil {
			return vault.Record{}, err
		}
		x, err := vault.NewFact(vault.FactPoint, f)
		if err != nil {
			return vault.Record{}, err
		}
		encoded = append(encoded, x)
	}
	r, err := w.state(ctx, g, encoded...)
	if err != nil {
		return r, err
	}
	w.facts, w.newestIDs = append(slices.Clone(w.facts), facts...), nil
	// The record stands; the catalog is only an index, and comes right with the
	// next change or a recovery.
	_ = l.reindex(ctx, g, w)
	return r, nil
}

// reindex writes what changed of the points' states to the catalog.
func (l *Lifecycle) reindex(ctx context.Context, g access.Grant, w *view) error {
	for _, p := range w.points {
		d, err := custody.Detail(p.row)
		if err != nil {
			return err
		}
		now := retention.Fold(d.Facts, w.facts)
		term, err := custody.Term(now)
		if err != nil {
			return err
		}
		if !sameTerm(term, p.row.Term) {
			if err := l.cfg.Catalog.SetPointTerm(ctx, g, p.row.ID, term); err != nil {
				return err
			}
		}
		// A point counts as purged once it is out of the vault, and not before.
		if state := custody.PointState(now); state != p.row.State && state != catalog.PointPurged {
			if err := l.cfg.Catalog.SetPointState(ctx, g, p.row.ID, state, l.cfg.Clock.Receipt()); err != nil {
				return err
			}
		}
	}
	return nil
}

func sameTerm(a, b catalog.Term) bool {
	sameDate := a.RetainUntil == nil && b.RetainUntil == nil ||
		a.RetainUntil != nil && b.RetainUntil != nil && a.RetainUntil.Equal(*b.RetainUntil)
	return sameDate && a.Unlimited == b.Unlimited && slices.Equal(a.Tags, b.Tags) && string(a.Reasons) == string(b.Reasons)
}

// lower is an id as records have it, upper one as the catalog has it.
func lower(id string) string { return strings.ToLower(id) }
func upper(id string) string { return strings.ToUpper(id) }
