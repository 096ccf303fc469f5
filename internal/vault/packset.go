package vault

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// packSet is what is known about the packs in the store: the index, checked
// against the listing. It is immutable once loaded.
type packSet struct {
	tables []*index.Table
	// flags tell of each table's packs by their number. Of a pack that several
	// tables have, only the first has any.
	flags [][]packFlags
	// strays are packs in the listing that no table has: nothing in them can be found.
	strays map[pack.Name]seal.ChunkKind
	// healthy counts the packs that are there as the index has them.
	healthy int64
	// ledger tells which packs are condemned and which were replaced.
	ledger *ledger
	// unindexed are tables of packs that no segment covered; their directories
	// were read. fresh is the next one.
	unindexed []*index.Table
	fresh     *index.Builder
	// faults name objects that cannot be used, with the reason.
	faults []Fault
}

// packFlags is what the listing and the records say of a pack.
type packFlags uint8

const (
	packPresent packFlags = 1 << iota // in the listing, whole or not
	packHealthy                       // as the index has it, and not known to be damaged
	packSpent                         // condemned or replaced: not to be counted on
)

// usable reports whether a point may count on a pack: it is whole as far as is
// known, and not condemned.
func (f packFlags) usable() bool { return f&packHealthy != 0 && f&packSpent == 0 }

// Fault is an object found wrong, and why.
type Fault struct {
	Object string
	Reason string
}

const (
	segmentPrefix = "index/seg-"
	packsPrefix   = "packs/"
)

// loadPacks gives the vault's pack set, loading it at first use.
func (v *Vault) loadPacks(ctx context.Context) (*packSet, error) {
	v.mu.Lock()
	set := v.packs
	v.mu.Unlock()
	if set != nil && set.err() == nil {
		return set, nil
	}
	set, err := v.readPackSet(ctx)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	v.packs = set
	v.mu.Unlock()
	return set, nil
}

// forgetPacks makes the next use read the index and listing anew.
func (v *Vault) forgetPacks() {
	v.mu.Lock()
	v.packs = nil
	v.mu.Unlock()
}

func (v *Vault) readPackSet(ctx context.Context) (*packSet, error) {
	store, err := v.store()
	if err != nil {
		return nil, err
	}
	return v.readPackSetFrom(ctx, store, v.opts.Exclude)
}

// readPackSetFrom reads the packs, with a store of what is known already.
// exclude tells which ones are known to be damaged.
func (v *Vault) readPackSetFrom(ctx context.Context, store *index.Store, exclude func(object string) bool) (*packSet, error) {
	set := v.newPackSet()
	var err error
	if set.ledger, err = v.readLedger(ctx); errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
		// Nothing is deleted while records cannot be read, so nothing is lost
		// by counting on every pack.
		v.warn("%v", err)
		set.ledger = newLedger()
	} else if err != nil {
		return nil, err
	}
	if set.tables, err = v.indexTables(ctx, set, store); err != nil {
		return nil, err
	}
	for _, t := range set.tables {
		set.flags = append(set.flags, make([]packFlags, t.Packs()))
	}
	for _, kind := range []seal.ChunkKind{seal.DataChunk, seal.TreeChunk} {
		if err := v.listPacks(ctx, set, kind, exclude); err != nil {
			return nil, err
		}
	}
	if err := v.checkPackNames(ctx, set); err != nil {
		return nil, err
	}
	set.prune(store)
	if err := v.closeUnindexed(set); err != nil {
		return nil, err
	}
	return set, set.addUnindexed()
}

func (v *Vault) newPackSet() *packSet {
	return &packSet{strays: map[pack.Name]seal.ChunkKind{}, ledger: newLedger(), fresh: index.NewBuilder(v.chunkID)}
}

// listPacks compares the listing of one kind with the index.
func (v *Vault) listPacks(ctx context.Context, set *packSet, kind seal.ChunkKind, exclude func(string) bool) error {
	var walks []func(pack.Name) (index.PackHead, bool)
	for _, t := range set.tables {
		walks = append(walks, t.Walk())
	}
	return v.bucket.List(ctx, pack.Prefix(kind), func(i blob.Info) error {
		_, name, ok := pack.ParseObject(i.Name)
		if !ok {
			return nil // checkPackNames tells
		}
		for n, walk := range walks {
			if head, ok := walk(name); ok {
				set.flags[n][head.Number] = set.judge(name, head, kind, i, exclude)
				return nil
			}
		}
		if exclude(i.Name) {
			set.fault(i.Name, foundDamaged)
			set.strays[name] = kind
			return nil
		}
		return v.readUnindexed(ctx, set, kind, name, i)
	})
}

const foundDamaged = "found damaged by an earlier verification"

// judge compares a pack in the listing with what the index has of it.
func (s *packSet) judge(name pack.Name, head index.PackHead, kind seal.ChunkKind, i blob.Info, exclude func(string) bool) packFlags {
	f := packPresent
	switch {
	case exclude(i.Name):
		s.fault(i.Name, foundDamaged)
	case head.Size != i.Size || head.Kind != kind:
		s.fault(i.Name, "its length or kind is not the one in the index: cut short or replaced")
	default:
		f |= packHealthy
		s.healthy++
	}
	if s.ledger.spent(name) {
		f |= packSpent
	}
	return f
}

func (v *Vault) checkPackNames(ctx context.Context, set *packSet) error {
	return v.bucket.List(ctx, packsPrefix, func(i blob.Info) error {
		if _, _, ok := pack.ParseObject(i.Name); !ok {
			set.fault(i.Name, "not the name of a pack")
		}
		return nil
	})
}

func (s *packSet) fault(object, reason string) {
	s.faults = append(s.faults, Fault{Object: object, Reason: reason})
}

func (v *Vault) readUnindexed(ctx context.Context, set *packSet, kind seal.ChunkKind, name pack.Name, i blob.Info) error {
	frames, err := v.readDirectory(ctx, kind, i.Name, i.Size)
	if err != nil {
		if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
			set.fault(i.Name, err.Error())
			set.strays[name] = kind
			return nil
		}
		return err
	}
	set.fresh.Add(pack.Info{Kind: kind, Name: name, Size: i.Size, Frames: frames})
	if set.fresh.Len() < segmentFlush {
		return nil
	}
	return v.closeUnindexed(set)
}

// closeUnindexed makes a table of the packs whose directories were read, so
// that memory does not grow with them.
func (v *Vault) closeUnindexed(set *packSet) error {
	if set.fresh.Packs() == 0 {
		return nil
	}
	t, err := index.Temporary(index.Named{Segment: set.fresh.Segment()})
	if err != nil {
		return err
	}
	set.unindexed = append(set.unindexed, t)
	set.fresh = index.NewBuilder(v.chunkID)
	return nil
}

// addUnindexed adds the packs that no segment covers.
func (s *packSet) addUnindexed() error {
	for _, t := range s.unindexed {
		flags := make([]packFlags, t.Packs())
		for n := range flags {
			name, err := t.PackName(uint32(n))
			if err != nil {
				return err
			}
			flags[n] = packPresent | packHealthy
			if s.ledger.spent(name) {
				flags[n] |= packSpent
			}
			s.healthy++
		}
		s.tables, s.flags = append(s.tables, t), append(s.flags, flags)
	}
	return nil
}

// prunedFrom is from how many packs that are gone a table is made anew.
const prunedFrom = 64

// prune makes tables anew of which most packs are gone.
func (s *packSet) prune(store *index.Store) {
	for i, t := range s.tables {
		gone := 0
		for _, f := range s.flags[i] {
			if f == 0 {
				gone++
			}
		}
		if gone >= prunedFrom && 2*gone > t.Packs() {
			store.Prune(t, func(n uint32) bool { return s.flags[i][n] != 0 })
		}
	}
}

func (v *Vault) chunkID(kind seal.ChunkKind, digest [32]byte) [32]byte {
	return v.domain.ChunkID(kind, digest)
}

// readDirectory reads a pack's directory from its end.
func (v *Vault) readDirectory(ctx context.Context, kind seal.ChunkKind, object string, size int64) ([]pack.Frame, error) {
	if size < pack.FramesAt || size > pack.MaxSize {
		return nil, errkind.New(errkind.Damaged, "pack %q has the impossible length %d", object, size)
	}
	head, err := v.readRange(ctx, object, 0, pack.FramesAt)
	if err != nil {
		return nil, err
	}
	tail, err := v.readRange(ctx, object, max(0, size-pack.TailSize), size)
	if err != nil {
		return nil, err
	}
	from, to, err := pack.DirectoryAt(tail, size)
	if err != nil {
		return nil, errkind.Wrap(errkind.Damaged, err, "pack %q", object)
	}
	sealed, err := v.readRange(ctx, object, from, to)
	if err != nil {
		return nil, err
	}
	s, err := pack.OpenHead(kind, v.header.Vault, head, v.ring)
	var frames []pack.Frame
	if err == nil {
		frames, err = pack.ParseDirectory(s, sealed)
	}
	if err == nil && pack.FramesEnd(frames) > from {
		err = errkind.New(errkind.Damaged, "its directory lists frames beyond its end")
	}
	if err != nil {
		return nil, errkind.Wrap(damagedUnlessNewer(err), err, "pack %q", object)
	}
	return frames, nil
}

// damagedUnlessNewer counts any fault in sealed bytes as damage (a generation
// that the keyring lacks can only come from altered bytes), but keeps the word of
// a newer format.
func damagedUnlessNewer(err error) errkind.Kind {
	if errkind.Is(err, errkind.NewerFormat) {
		return errkind.NewerFormat
	}
	return errkind.Damaged
}

func (v *Vault) readRange(ctx context.Context, object string, from, to int64) ([]byte, error) {
	p := make([]byte, to-from)
	return p, v.readInto(ctx, object, p, from)
}

// readInto fills p from an object; one that is too short is damaged.
func (v *Vault) readInto(ctx context.Context, object string, p []byte, from int64) error {
	n, err := v.bucket.ReadAt(ctx, object, p, from)
	if n == len(p) {
		return nil
	}
	if err == nil || isEOF(err) {
		err = errkind.New(errkind.Damaged, "object %q is shorter than %d bytes", object, from+int64(len(p)))
	}
	return err
}

// places gives the places of a chunk to read it from, those in healthy packs
// first. A damaged pack still gives what is whole in it: digests tell.
func (s *packSet) places(id index.ID) []index.Place {
	var out, doubtful []index.Place
	for i, t := range s.tables {
		t.Lookup(id, func(p index.Place) bool {
			switch f := s.flags[i][p.Number]; {
			case f&packHealthy != 0:
				out = append(out, p)
			case f&packPresent != 0:
				doubtful = append(doubtful, p)
			}
			return true
		})
	}
	return append(out, doubtful...)
}

// place gives the first place of a chunk that a point may count on.
func (s *packSet) place(id index.ID) (index.Place, bool) {
	var found index.Place
	for i, t := range s.tables {
		if !t.MayHold(id) {
			continue
		}
		stopped := !t.Lookup(id, func(p index.Place) bool {
			if !s.flags[i][p.Number].usable() {
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

// err tells whether the index was damaged while it was used: what it did not
// find may be there.
func (s *packSet) err() error {
	for _, t := range s.tables {
		if err := t.Err(); err != nil {
			return errkind.Wrap(errkind.Unavailable, err, "the index cache is damaged and is made anew the next time: try again")
		}
	}
	return nil
}

// find looks a pack up by its name.
func (s *packSet) find(n pack.Name) (table int, head index.PackHead, ok bool) {
	for i, t := range s.tables {
		if head, ok := t.FindPack(n); ok {
			return i, head, true
		}
	}
	return 0, index.PackHead{}, false
}

// state tells what is known of a pack.
func (s *packSet) state(n pack.Name) packFlags {
	if _, stray := s.strays[n]; stray {
		return packPresent
	}
	if i, head, ok := s.find(n); ok {
		return s.flags[i][head.Number]
	}
	return 0
}

// pack gives what the index has of a pack, nil if nothing.
func (s *packSet) pack(n pack.Name) *index.Pack {
	i, head, ok := s.find(n)
	if !ok {
		return nil
	}
	p, err := s.tables[i].Pack(head.Number)
	if err != nil {
		return nil
	}
	return p
}
