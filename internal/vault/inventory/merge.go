package inventory

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
)

const (
	// mergeFrom is how many small segments are worth merging.
	mergeFrom = 8
	// smallSegment is up to which size a segment's object is small, in bytes.
	smallSegment = SegmentSize / 2
)

// Merge writes index segments in place of many small ones, without the
// packs that are gone, and gives how many went into them and how many objects were
// deleted: none on which a lock holds. A segment goes only after the merged one was read
// back and found to have all its places.
func (in *Inventory) Merge(ctx context.Context, g access.Grant) (merged, removed int, err error) {
	if err := g.Require(access.PackDelete); err != nil {
		return 0, 0, err
	}
	if err := in.log.CheckOwner(ctx); err != nil {
		return 0, 0, err
	}
	small, err := in.smallSegments(ctx)
	if err != nil || len(small) < mergeFrom {
		return 0, 0, err
	}
	set, err := in.Read(ctx) // later than the listing: packs of those segments are in it
	if err != nil {
		return 0, 0, err
	}
	defer in.Forget()
	for len(small) >= mergeFrom {
		var segments []*index.Segment
		var sources []blob.Info
		if segments, sources, small, err = in.readSmall(ctx, small); err != nil {
			return merged, removed, err
		}
		if len(segments) < 2 {
			continue
		}
		if err := in.mergeSegments(ctx, set, segments); err != nil {
			return merged, removed, err
		}
		merged += len(sources)
		n, err := in.removeSegments(ctx, g, sources)
		removed += n
		if err != nil {
			return merged, removed, err
		}
	}
	return merged, removed, nil
}

// smallSegments lists segments that are worth merging: small ones that can be
// deleted afterwards.
func (in *Inventory) smallSegments(ctx context.Context) ([]blob.Info, error) {
	var out []blob.Info
	err := in.store.Bucket.List(ctx, objects.SegmentPrefix, func(i blob.Info) error {
		if i.Size <= smallSegment && !i.Lock.Holds(in.store.Now()) {
			out = append(out, i)
		}
		return nil
	})
	return out, err
}

// readSmall reads the first of the segments, as many as make a full one.
func (in *Inventory) readSmall(ctx context.Context, small []blob.Info) (segments []*index.Segment, sources, rest []blob.Info, err error) {
	for size := 0; len(small) > 0; small = small[1:] {
		seg, err := in.readSegment(ctx, small[0].Name)
		if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
			continue // verification names it; its packs tell themselves
		}
		if err != nil {
			return nil, nil, nil, err
		}
		if size += seg.Len() * index.EntrySize; size > SegmentSize && len(segments) > 0 {
			break
		}
		segments, sources = append(segments, seg), append(sources, small[0])
	}
	return segments, sources, small, nil
}

// mergeSegments stores one segment that says of the present packs what all of
// the segments say, and makes sure that it does.
func (in *Inventory) mergeSegments(ctx context.Context, set *Set, segments []*index.Segment) error {
	present := func(n pack.Name) bool { return set.State(n)&Present != 0 }
	one := index.Combine(segments, present)
	name, err := in.PutSegment(ctx, one, blob.Lock{})
	if err != nil {
		return err
	}
	back, err := in.readSegment(ctx, name)
	if err != nil {
		return err
	}
	for _, s := range segments {
		if !back.Has(s, present) {
			return errkind.New(errkind.Damaged, "the merged index segment %q lacks places of those that went into it: nothing was deleted", name)
		}
	}
	return set.Err() // else packs may have seemed to be gone
}

func (in *Inventory) removeSegments(ctx context.Context, g access.Grant, sources []blob.Info) (removed int, err error) {
	for _, i := range sources {
		if i.Lock.Holds(in.store.Now()) {
			continue
		}
		if err := in.store.Bucket.Delete(ctx, g, i.Name); err != nil && !errkind.Is(err, errkind.NotFound) {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
