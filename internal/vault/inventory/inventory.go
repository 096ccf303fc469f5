// Package inventory knows which packs a vault has and where in them each chunk
// is: the index (section 10), checked against the listing and the records.
package inventory

import (
	"context"
	"sync"

	"github.com/counterfoil/counterfoil/internal/vault/index"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/records"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// SegmentSize is up to which size an index segment is filled, in bytes.
const SegmentSize = 24 << 20

// Options are what an inventory is kept with.
type Options struct {
	// Exclude tells which packs are known to be damaged, so that their chunks
	// are not counted as stored.
	Exclude func(object string) bool
	// Cache is a folder of this vault's own in which the index is kept; "" keeps
	// it in temporary files.
	Cache string
}

// Inventory keeps the index of a vault. It is safe for concurrent use.
type Inventory struct {
	store *objects.Store
	log   *records.Log
	opts  Options

	mu    sync.Mutex // guards packs and index
	packs *Set
	index *index.Store
}

// New gives the inventory of a store.
func New(store *objects.Store, log *records.Log, opts Options) *Inventory {
	return &Inventory{store: store, log: log, opts: opts}
}

// Load gives the vault's pack set, loading it at first use.
func (in *Inventory) Load(ctx context.Context) (*Set, error) {
	in.mu.Lock()
	set := in.packs
	in.mu.Unlock()
	if set != nil && set.Err() == nil {
		return set, nil
	}
	set, err := in.Read(ctx)
	if err != nil {
		return nil, err
	}
	in.mu.Lock()
	in.packs = set
	in.mu.Unlock()
	return set, nil
}

// Forget makes the next use read the index and listing anew.
func (in *Inventory) Forget() {
	in.mu.Lock()
	in.packs = nil
	in.mu.Unlock()
}

// Read reads the index and listing anew.
func (in *Inventory) Read(ctx context.Context) (*Set, error) {
	store, err := in.tables()
	if err != nil {
		return nil, err
	}
	return in.ReadFrom(ctx, store, in.opts.Exclude)
}

// ReadFrom reads the packs, with a store of what is known already.
// exclude tells which ones are known to be damaged.
func (in *Inventory) ReadFrom(ctx context.Context, store *index.Store, exclude func(object string) bool) (*Set, error) {
	set := NewSet(in.store.ChunkID)
	var err error
	if set.Ledger, err = in.log.Ledger(ctx); errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
		// Nothing is deleted while records cannot be read, so nothing is lost
		// by counting on every pack.
		in.store.Warn("%v", err)
		set.Ledger = records.NewLedger()
	} else if err != nil {
		return nil, err
	}
	if set.Tables, err = in.indexTables(ctx, set, store); err != nil {
		return nil, err
	}
	for _, t := range set.Tables {
		set.Flags = append(set.Flags, make([]Flags, t.Packs()))
	}
	for _, kind := range []seal.ChunkKind{seal.DataChunk, seal.TreeChunk} {
		if err := in.listPacks(ctx, set, kind, exclude); err != nil {
			return nil, err
		}
	}
	if err := in.checkPackNames(ctx, set); err != nil {
		return nil, err
	}
	set.prune(store)
	if err := in.closeUnindexed(set); err != nil {
		return nil, err
	}
	return set, set.addUnindexed()
}

// NewSet is that of a vault without packs.
func NewSet(id func(seal.ChunkKind, [32]byte) [32]byte) *Set {
	return &Set{strays: map[pack.Name]seal.ChunkKind{}, Ledger: records.NewLedger(), fresh: index.NewBuilder(id)}
}

// listPacks compares the listing of one kind with the index.
func (in *Inventory) listPacks(ctx context.Context, set *Set, kind seal.ChunkKind, exclude func(string) bool) error {
	var walks []func(pack.Name) (index.PackHead, bool)
	for _, t := range set.Tables {
		walks = append(walks, t.Walk())
	}
	return in.store.Bucket.List(ctx, pack.Prefix(kind), func(i blob.Info) error {
		_, name, ok := pack.ParseObject(i.Name)
		if !ok {
			return nil // checkPackNames tells
		}
		for n, walk := range walks {
			if head, ok := walk(name); ok {
				set.Flags[n][head.Number] = set.judge(name, head, kind, i, exclude)
				return nil
			}
		}
		if exclude(i.Name) {
			set.fault(i.Name, foundDamaged)
			set.strays[name] = kind
			return nil
		}
		return in.readUnindexed(ctx, set, kind, name, i)
	})
}

func (in *Inventory) checkPackNames(ctx context.Context, set *Set) error {
	return in.store.Bucket.List(ctx, objects.PacksPrefix, func(i blob.Info) error {
		if _, _, ok := pack.ParseObject(i.Name); !ok {
			set.fault(i.Name, "not the name of a pack")
		}
		return nil
	})
}

func (in *Inventory) readUnindexed(ctx context.Context, set *Set, kind seal.ChunkKind, name pack.Name, i blob.Info) error {
	frames, err := in.ReadDirectory(ctx, kind, i.Name, i.Size)
	if err != nil {
		if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
			set.fault(i.Name, err.Error())
			set.strays[name] = kind
			return nil
		}
		return err
	}
	set.fresh.Add(pack.Info{Kind: kind, Name: name, Size: i.Size, Frames: frames})
	if set.fresh.Len() < SegmentSize {
		return nil
	}
	return in.closeUnindexed(set)
}

// closeUnindexed makes a table of the packs whose directories were read, so
// that memory does not grow with them.
func (in *Inventory) closeUnindexed(set *Set) error {
	if set.fresh.Packs() == 0 {
		return nil
	}
	t, err := index.Temporary(index.Named{Segment: set.fresh.Segment()})
	if err != nil {
		return err
	}
	set.Unindexed = append(set.Unindexed, t)
	set.fresh = index.NewBuilder(in.store.ChunkID)
	return nil
}

// ReadDirectory reads a pack's directory from its end.
func (in *Inventory) ReadDirectory(ctx context.Context, kind seal.ChunkKind, object string, size int64) ([]pack.Frame, error) {
	if size < pack.FramesAt || size > pack.MaxSize {
		return nil, errkind.New(errkind.Damaged, "pack %q has the impossible length %d", object, size)
	}
	head, err := in.store.ReadRange(ctx, object, 0, pack.FramesAt)
	if err != nil {
		return nil, err
	}
	tail, err := in.store.ReadRange(ctx, object, max(0, size-pack.TailSize), size)
	if err != nil {
		return nil, err
	}
	from, to, err := pack.DirectoryAt(tail, size)
	if err != nil {
		return nil, errkind.Wrap(errkind.Damaged, err, "pack %q", object)
	}
	sealed, err := in.store.ReadRange(ctx, object, from, to)
	if err != nil {
		return nil, err
	}
	s, err := pack.OpenHead(kind, in.store.Vault, head, in.store.Ring)
	var frames []pack.Frame
	if err == nil {
		frames, err = pack.ParseDirectory(s, sealed)
	}
	if err == nil && pack.FramesEnd(frames) > from {
		err = errkind.New(errkind.Damaged, "its directory lists frames beyond its end")
	}
	if err != nil {
		return nil, errkind.Wrap(objects.Damage(err), err, "pack %q", object)
	}
	return frames, nil
}
