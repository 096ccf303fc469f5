package inventory

import (
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/points"
	"github.com/counterfoil/counterfoil/internal/vault/records"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// Set is what is known about the packs in the store: the index, checked
// against the listing. It is immutable once loaded.
type Set struct {
	Tables []*index.Table
	// Flags tell of each table's packs by their number. Of a pack that several
	// tables have, only the first has any.
	Flags [][]Flags
	// strays are packs in the listing that no table has: nothing in them can be found.
	strays map[pack.Name]seal.ChunkKind
	// Whole counts the packs that are there as the index has them.
	Whole int64
	// Ledger tells which packs are condemned and which were replaced.
	Ledger *records.Ledger
	// Unindexed are tables of packs that no segment covered; their directories
	// were read. fresh is the next one.
	Unindexed []*index.Table
	fresh     *index.Builder
	// Faults name objects that cannot be used, with the reason.
	Faults []Fault
}

// Flags is what the listing and the records say of a pack.
type Flags uint8

// What may be said of a pack.
const (
	Present Flags = 1 << iota // in the listing, whole or not
	Healthy                   // as the index has it, and not known to be damaged
	Spent                     // condemned or replaced: not to be counted on
)

// Usable reports whether a point may count on a pack: it is whole as far as is
// known, and not condemned.
func (f Flags) Usable() bool { return f&Healthy != 0 && f&Spent == 0 }

// Fault is an object found wrong, and why.
type Fault struct {
	Object string
	Reason string
}

func (s *Set) fault(object, reason string) {
	s.Faults = append(s.Faults, Fault{Object: object, Reason: reason})
}

// judge compares a pack in the listing with what the index has of it.
func (s *Set) judge(name pack.Name, head index.PackHead, kind seal.ChunkKind, i blob.Info, exclude func(string) bool) Flags {
	f := Present
	switch {
	case exclude(i.Name):
		s.fault(i.Name, foundDamaged)
	case head.Size != i.Size || head.Kind != kind:
		s.fault(i.Name, "its length or kind is not the one in the index: cut short or replaced")
	default:
		f |= Healthy
		s.Whole++
	}
	if s.Ledger.Spent(name) {
		f |= Spent
	}
	return f
}

const foundDamaged = "found damaged by an earlier verification"

// addUnindexed adds the packs that no segment covers.
func (s *Set) addUnindexed() error {
	for _, t := range s.Unindexed {
		flags := make([]Flags, t.Packs())
		for n := range flags {
			name, err := t.PackName(uint32(n))
			if err != nil {
				return err
			}
			flags[n] = Present | Healthy
			if s.Ledger.Spent(name) {
				flags[n] |= Spent
			}
			s.Whole++
		}
		s.Tables, s.Flags = append(s.Tables, t), append(s.Flags, flags)
	}
	return nil
}

// prunedFrom is from how many packs that are gone a table is made anew.
const prunedFrom = 64

// prune makes tables anew of which most packs are gone.
func (s *Set) prune(store *index.Store) {
	for i, t := range s.Tables {
		gone := 0
		for _, f := range s.Flags[i] {
			if f == 0 {
				gone++
			}
		}
		if gone >= prunedFrom && 2*gone > t.Packs() {
			store.Prune(t, func(n uint32) bool { return s.Flags[i][n] != 0 })
		}
	}
}

// Objects names the packs that a point needs as they are now: those listed at
// commit, or what replaced them since. One that nothing is known of is named as
// one of data.
func (s *Set) Objects(e points.Envelope) ([]string, error) {
	if e.Packs.Base != nil {
		return nil, errkind.New(errkind.Unsupported, "point %s lists its packs relative to another: this version only writes full lists", e.ID)
	}
	listed, err := pack.ParseNames(e.Packs.Names)
	if err != nil {
		return nil, err
	}
	var out []string
	seen := map[pack.Name]bool{}
	for _, was := range listed {
		for _, n := range s.Ledger.Where(was) {
			if !seen[n] {
				seen[n] = true
				out = append(out, s.object(n))
			}
		}
	}
	return out, nil
}

// object names a pack's object; one that nothing is known of as that of data.
func (s *Set) object(n pack.Name) string {
	kind, stray := s.strays[n]
	if _, head, ok := s.Find(n); ok {
		kind = head.Kind
	} else if !stray {
		kind = seal.DataChunk
	}
	return pack.Object(kind, n)
}

// Places gives the places of a chunk to read it from, those in healthy packs
// first. A damaged pack still gives what is whole in it: digests tell.
func (s *Set) Places(id index.ID) []index.Place {
	var out, doubtful []index.Place
	for i, t := range s.Tables {
		t.Lookup(id, func(p index.Place) bool {
			switch f := s.Flags[i][p.Number]; {
			case f&Healthy != 0:
				out = append(out, p)
			case f&Present != 0:
				doubtful = append(doubtful, p)
			}
			return true
		})
	}
	return append(out, doubtful...)
}

// Usable gives the first place of a chunk that a point may count on.
func (s *Set) Usable(id index.ID) (index.Place, bool) {
	var found index.Place
	for i, t := range s.Tables {
		if !t.MayHold(id) {
			continue
		}
		stopped := !t.Lookup(id, func(p index.Place) bool {
			if !s.Flags[i][p.Number].Usable() {
				return true
			}
			found = p
			return false
		})
		if stopped {
			return found, true
		}
	}
	return found, false
}

// Err tells whether the index was damaged while it was used: what it did not
// Find may be there.
func (s *Set) Err() error {
	for _, t := range s.Tables {
		if err := t.Err(); err != nil {
			return errkind.Wrap(errkind.Unavailable, err, "the index cache is damaged and is made anew the next time: try again")
		}
	}
	return nil
}

// Find looks a pack up by its name.
func (s *Set) Find(n pack.Name) (table int, head index.PackHead, ok bool) {
	for i, t := range s.Tables {
		if head, ok := t.FindPack(n); ok {
			return i, head, true
		}
	}
	return 0, index.PackHead{}, false
}

// State tells what is known of a pack.
func (s *Set) State(n pack.Name) Flags {
	if _, stray := s.strays[n]; stray {
		return Present
	}
	if i, head, ok := s.Find(n); ok {
		return s.Flags[i][head.Number]
	}
	return 0
}

// Pack gives what the index has of a pack, nil if nothing.
func (s *Set) Pack(n pack.Name) *index.Pack {
	i, head, ok := s.Find(n)
	if !ok {
		return nil
	}
	p, err := s.Tables[i].Pack(head.Number)
	if err != nil {
		return nil
	}
	return p
}
