package vault

import (
	"context"
	"maps"
	"slices"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
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
	Point  PointID  `cbor:"1,keyasint"`
	Source SourceID `cbor:"2,keyasint"`
	Number uint64   `cbor:"3,keyasint"`
	// Digest is that of the point's object.
	Digest Digest `cbor:"4,keyasint"`
}

// ledger is what the governance records say about packs and removed points. It
// is immutable.
type ledger struct {
	last      Record // the last one taken into account
	condemned map[pack.Name]uint64
	placed    map[pack.Name][]pack.Name
	removed   map[pointKey]RemovedRecord
}

type pointKey struct {
	source SourceID
	number uint64
}

func newLedger() *ledger {
	return &ledger{condemned: map[pack.Name]uint64{}, placed: map[pack.Name][]pack.Name{}, removed: map[pointKey]RemovedRecord{}}
}

// readLedger gives the ledger as of the last record in the store. Records that
// were taken into account before are not read again.
func (v *Vault) readLedger(ctx context.Context) (*ledger, error) {
	v.mu.Lock()
	have := v.ledger
	v.mu.Unlock()
	if have == nil {
		have = newLedger()
	}
	next := &ledger{last: have.last, condemned: maps.Clone(have.condemned), placed: maps.Clone(have.placed), removed: maps.Clone(have.removed)}
	fresh, err := v.recordsAfter(ctx, have.last)
	if err != nil {
		return nil, err
	}
	for _, r := range fresh {
		if err := next.take(r); err != nil {
			return nil, err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ledger = next
	return next, nil
}

// recordsAfter reads the records that follow one, and checks their chain.
func (v *Vault) recordsAfter(ctx context.Context, last Record) ([]Record, error) {
	var names []string
	err := v.bucket.List(ctx, governancePrefix, func(i blob.Info) error {
		if n, ok := parseRecordObject(i.Name); ok && n > last.Number {
			names = append(names, i.Name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v.chain(ctx, last, names)
}

func (l *ledger) take(r Record) error {
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
				l.removed[pointKey{x.Source, x.Number}] = x
			}
		}
		if err != nil {
			return errkind.Wrap(errkind.Damaged, err, "governance record %d", r.Number)
		}
	}
	l.last = Record{Number: r.Number, Digest: r.Digest}
	return nil
}

func (l *ledger) packs(r Record, f Fact) error {
	var p PacksRecord
	if err := f.Decode(&p); err != nil {
		return err
	}
	names, err := splitNames(p.Names)
	for _, n := range names {
		if f.Kind == FactCondemned {
			l.condemned[n] = r.Number
		} else {
			delete(l.condemned, n)
		}
	}
	return err
}

func (l *ledger) placement(p PlacementRecord) error {
	if len(p.Pack) != len(pack.Name{}) {
		return errkind.New(errkind.Damaged, "placement of a pack whose name has %d bytes", len(p.Pack))
	}
	by, err := splitNames(p.By)
	if err == nil {
		l.placed[pack.Name(p.Pack)] = by
	}
	return err
}

// spent reports whether no new point may count on a pack: it is condemned, or
// was replaced, and then only what points needed at that time is kept of it.
func (l *ledger) spent(n pack.Name) bool {
	_, condemned := l.condemned[n]
	_, replaced := l.placed[n]
	return condemned || replaced
}

// where gives the packs that now hold what was in one.
func (l *ledger) where(n pack.Name) []pack.Name {
	by, ok := l.placed[n]
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
		if further, ok := l.placed[next]; ok {
			by = append(slices.Clone(further), by...)
		} else {
			out = append(out, next)
		}
	}
	return out
}

func splitNames(joined []byte) ([]pack.Name, error) {
	const n = len(pack.Name{})
	if len(joined)%n != 0 {
		return nil, errkind.New(errkind.Damaged, "a list of pack names of %d bytes", len(joined))
	}
	out := make([]pack.Name, 0, len(joined)/n)
	for ; len(joined) > 0; joined = joined[n:] {
		out = append(out, pack.Name(joined[:n]))
	}
	return out, nil
}

func joinNames(names []pack.Name) []byte {
	sorted := slices.Clone(names)
	slices.SortFunc(sorted, func(a, b pack.Name) int { return slices.Compare(a[:], b[:]) })
	var out []byte
	for _, n := range slices.Compact(sorted) {
		out = append(out, n[:]...)
	}
	return out
}

// has reports whether a point or intent is recorded as removed.
func (l *ledger) has(object string) bool {
	source, number, _, ok := parsePointObject(object)
	_, gone := l.removed[pointKey{source, number}]
	return ok && gone
}
