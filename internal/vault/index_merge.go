package vault

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
)

const (
	// mergeFrom is how many small segments are worth merging.
	mergeFrom = 8
	// smallSegment is up to which size a segment's object is small, in bytes.
	smallSegment = segmentFlush / 2
)

// MergeIndex writes index segments in place of many small ones, without the
// packs that are gone, and gives how many went into them and how many objects were
// deleted: none on which a lock holds. A segment goes only after the merged one was read
// back and found to have all its places.
func (v *Vault) MergeIndex(ctx context.Context, g access.Grant) (merged, removed int, err error) {
	if err := g.Require(access.PackDelete); err != nil {
		return 0, 0, err
	}
	if err := v.CheckOwner(ctx); err != nil {
		return 0, 0, err
	}
	small, err := v.smallSegments(ctx)
	if err != nil || len(small) < mergeFrom {
		return 0, 0, err
	}
	set, err := v.readPackSet(ctx) // later than the listing: packs of those segments are in it
	if err != nil {
		return 0, 0, err
	}
	defer v.forgetPacks()
	for len(small) >= mergeFrom {
		var segments []*index.Segment
		var sources []blob.Info
		if segments, sources, small, err = v.readSmall(ctx, small); err != nil {
			return merged, removed, err
		}
		if len(segments) < 2 {
			continue
		}
		if err := v.mergeSegments(ctx, set, segments); err != nil {
			return merged, removed, err
		}
		merged += len(sources)
		n, err := v.removeSegments(ctx, g, sources)
		removed += n
		if err != nil {
			return merged, removed, err
		}
	}
	return merged, removed, nil
}

// smallSegments lists segments that are worth merging: small ones that can be
// deleted afterwards.
func (v *Vault) smallSegments(ctx context.Context) ([]blob.Info, error) {
	var out []blob.Info
	err := v.bucket.List(ctx, segmentPrefix, func(i blob.Info) error {
		if i.Size <= smallSegment && !i.Lock.Holds(v.opts.Now()) {
			out = append(out, i)
		}
		return nil
	})
	return out, err
}

// readSmall reads the first of the segments, as many as make a full one.
func (v *Vault) readSmall(ctx context.Context, small []blob.Info) (segments []*index.Segment, sources, rest []blob.Info, err error) {
	for size := 0; len(small) > 0; small = small[1:] {
		seg, err := v.readSegment(ctx, small[0].Name)
		if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
			continue // verification names it; its packs tell themselves
		}
		if err != nil {
			return nil, nil, nil, err
		}
		if size += seg.Len() * index.EntrySize; size > segmentFlush && len(segments) > 0 {
			break
		}
		segments, sources = append(segments, seg), append(sources, small[0])
	}
	return segments, sources, small, nil
}

// mergeSegments stores one segment that says of the present packs what all of
// the segments say, and makes sure that it does.
func (v *Vault) mergeSegments(ctx context.Context, set *packSet, segments []*index.Segment) error {
	present := func(n pack.Name) bool { return set.state(n)&packPresent != 0 }
	one := index.Combine(segments, present)
	name, err := v.putSegment(ctx, one, blob.Lock{})
	if err != nil {
		return err
	}
	back, err := v.readSegment(ctx, name)
	if err != nil {
		return err
	}
	for _, s := range segments {
		if !back.Has(s, present) {
			return errkind.New(errkind.Damaged, "the merged index segment %q lacks places of those that went into it: nothing was deleted", name)
		}
	}
	return set.err() // else packs may have seemed to be gone
}

func (v *Vault) removeSegments(ctx context.Context, g access.Grant, sources []blob.Info) (removed int, err error) {
	for _, i := range sources {
		if i.Lock.Holds(v.opts.Now()) {
			continue
		}
		if err := v.bucket.Delete(ctx, g, i.Name); err != nil && !errkind.Is(err, errkind.NotFound) {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
