package records

import (
	"context"
	"maps"
	"slices"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// PacksRecord is the value of the facts that name packs: condemned, released
// and collected ones.
type PacksRecord struct {
	// Names are the 32-byte names of the packs, ascending and joined.
	Names  []byte `cbor:"1,keyasint"`
	Reason string `cbor:"2,keyasint,omitempty"`
}

// PlacementRecord says which packs hold what points need of another one, which
// may go.
type PlacementRecord struct {
	Pack []byte `cbor:"1,keyasint"`
	// By are the 32-byte names of those packs, ascending and joined.
	By []byte `cbor:"2,keyasint,omitempty"`
}

// RemovedRecord says that a point is taken out of the vault on purpose.
type RemovedRecord struct {
	Point  objects.PointID  `cbor:"1,keyasint"`
	Source objects.SourceID `cbor:"2,keyasint"`
	Number uint64           `cbor:"3,keyasint"`
	// Digest is that of the point's object.
	Digest tree.Digest `cbor:"4,keyasint"`
}

// Ledger is what the governance records say about packs and removed points. It
// is immutable.
type Ledger struct {
	Last      Record // the last one taken into account
	Condemned map[pack.Name]uint64
	Placed    map[pack.Name][]pack.Name
	Removed   map[PointKey]RemovedRecord
}

// PointKey names a point by its place among those of its source.
type PointKey struct {
	Source objects.SourceID
	Number uint64
}

// NewLedger is that of a vault without records.
func NewLedger() *Ledger {
	return &Ledger{Condemned: map[pack.Name]uint64{}, Placed: map[pack.Name][]pack.Name{}, Removed: map[PointKey]RemovedRecord{}}
}

// Ledger gives the ledger as of the last record in the store. Records that
// were taken into account before are not read again.
func (l *Log) Ledger(ctx context.Context) (*Ledger, error) {
	l.mu.Lock()
	have := l.ledger
	l.mu.Unlock()
	if have == nil {
		have = NewLedger()
	}
	h := l.head(ctx)
	next := &Ledger{Last: have.Last, Condemned: maps.Clone(have.Condemned), Placed: maps.Clone(have.Placed), Removed: maps.Clone(have.Removed)}
	fresh, err := l.recordsAfter(ctx, have.Last)
	if err != nil {
		return nil, err
	}
	for _, r := range fresh {
		if err := next.take(r); err != nil {
			return nil, err
		}
	}
	if err := h.reaches(next.Last); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ledger = next
	return next, nil
}

// recordsAfter reads the records that follow one, and checks their chain.
func (l *Log) recordsAfter(ctx context.Context, last Record) ([]Record, error) {
	names, err := l.namesAfter(ctx, last.Number)
	if err != nil {
		return nil, err
	}
	return l.chain(ctx, last, names)
}

// namesAfter lists the records with a higher number.
func (l *Log) namesAfter(ctx context.Context, number uint64) ([]string, error) {
	var names []string
	err := l.store.Bucket.List(ctx, objects.GovernancePrefix, func(i blob.Info) error {
		if n, ok := objects.ParseRecord(i.Name); ok && n > number {
			names = append(names, i.Name)
		}
		return nil
	})
	return names, err
}

func (l *Ledger) take(r Record) error {
	for _, f := range r.Facts {
		var err error
		switch f.Kind {
		case FactCondemned, FactReleased, FactCollected:
			err = l.packs(r, f)
		case FactPlacement:
			var p PlacementRecord
			if err = f.Decode(&p); err == nil {
				err = l.placement(p)
			}
		case FactRemoved:
			var x RemovedRecord
			if err = f.Decode(&x); err == nil {
				l.Removed[PointKey{x.Source, x.Number}] = x
			}
		}
		if err != nil {
			return errkind.Wrap(errkind.Damaged, err, "governance record %d", r.Number)
		}
	}
	l.Last = Record{Number: r.Number, Digest: r.Digest}
	return nil
}

func (l *Ledger) packs(r Record, f Fact) error {
	var p PacksRecord
	if err := f.Decode(&p); err != nil {
		return err
	}
	names, err := pack.ParseNames(p.Names)
	for _, n := range names {
		if f.Kind == FactCondemned {
			l.Condemned[n] = r.Number
		} else {
			delete(l.Condemned, n)
		}
	}
	return err
}

func (l *Ledger) placement(p PlacementRecord) error {
	if len(p.Pack) != len(pack.Name{}) {
		return errkind.New(errkind.Damaged, "placement of a pack whose name has %d bytes", len(p.Pack))
	}
	by, err := pack.ParseNames(p.By)
	if err == nil {
		l.Placed[pack.Name(p.Pack)] = by
	}
	return err
}

// Spent reports whether no new point may count on a pack: it is condemned, or
// was replaced, and then only what points needed at that time is kept of it.
func (l *Ledger) Spent(n pack.Name) bool {
	_, condemned := l.Condemned[n]
	_, replaced := l.Placed[n]
	return condemned || replaced
}

// Where gives the packs that now hold what was in one.
func (l *Ledger) Where(n pack.Name) []pack.Name {
	by, ok := l.Placed[n]
	if !ok {
		return []pack.Name{n}
	}
	seen := map[pack.Name]bool{n: true} // a placement may itself be replaced, never by what it replaced
	var out []pack.Name
	for len(by) > 0 {
		next := by[0]
		by = by[1:]
		if seen[next] {
			continue
		}
		seen[next] = true
		if further, ok := l.Placed[next]; ok {
			by = append(slices.Clone(further), by...)
		} else {
			out = append(out, next)
		}
	}
	return out
}

// Has reports whether a point or intent is recorded as removed.
func (l *Ledger) Has(object string) bool {
	source, number, _, ok := objects.ParsePoint(object)
	_, gone := l.Removed[PointKey{source, number}]
	return ok && gone
}
