package inventory

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// Rebuild reads the directories of all packs, writes index segments of
// those that no segment in the store has as they are, and gives the number of packs that
// could be read. Older segments stay.
func (in *Inventory) Rebuild(ctx context.Context, g access.Grant) (int, error) {
	if err := g.Require(access.IndexRebuild, access.VaultRecover); err != nil {
		return 0, err
	}
	store, err := index.OpenStore("") // what the segments say, and not what the cache remembers of them
	if err != nil {
		return 0, err
	}
	r := rebuild{in: in, fresh: index.NewBuilder(in.store.ChunkID)}
	if r.tables, err = in.indexTables(ctx, NewSet(in.store.ChunkID), store); err != nil {
		return 0, err
	}
	for _, kind := range []seal.ChunkKind{seal.DataChunk, seal.TreeChunk} {
		if err := r.packs(ctx, kind); err != nil {
			return r.read, err
		}
	}
	if err := r.flush(ctx); err != nil {
		return r.read, err
	}
	in.Forget()
	return r.read, nil
}

type rebuild struct {
	in     *Inventory
	tables []*index.Table // of the segments in the store
	fresh  *index.Builder // of the packs that are not in those
	read   int
}

func (r *rebuild) packs(ctx context.Context, kind seal.ChunkKind) error {
	return r.in.store.Bucket.List(ctx, pack.Prefix(kind), func(i blob.Info) error {
		_, name, ok := pack.ParseObject(i.Name)
		if !ok {
			return nil
		}
		frames, err := r.in.ReadDirectory(ctx, kind, i.Name, i.Size)
		if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
			return nil // verification names it
		}
		if err != nil {
			return err
		}
		r.read++
		info := pack.Info{Kind: kind, Name: name, Size: i.Size, Frames: frames}
		for _, t := range r.tables {
			if t.Covers(info, r.in.store.ChunkID) {
				return nil
			}
		}
		if r.fresh.Add(info); r.fresh.Len() < SegmentSize {
			return nil
		}
		return r.flush(ctx)
	})
}

func (r *rebuild) flush(ctx context.Context) error {
	if r.fresh.Packs() == 0 {
		return nil
	}
	_, err := r.in.PutSegment(ctx, r.fresh.Segment(), blob.Lock{})
	r.fresh = index.NewBuilder(r.in.store.ChunkID)
	return err
}
