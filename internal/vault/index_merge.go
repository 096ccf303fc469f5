package vault

import (
	"bytes"
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

// MergeIndex writes one index segment in place of many small ones, without the
// packs that are gone, and gives how many went into it and how many objects were
// deleted: none on which a lock holds. A segment goes only after the merged one was read
// back and found to be what was meant.
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
	set, err := v.readPackSet(ctx)
	if err != nil {
		return 0, 0, err
	}
	var segments []*index.Segment
	var sources []blob.Info
	size := 0
	for _, i := range small {
		seg, err := v.readSegment(ctx, i.Name)
		if errkind.Is(err, errkind.Damaged) {
			continue // verification names it; its packs tell themselves
		}
		if err != nil {
			return 0, 0, err
		}
		if size += len(seg.Encode()); size > segmentFlush && len(segments) > 1 {
			break
		}
		segments, sources = append(segments, seg), append(sources, i)
	}
	if len(segments) < 2 {
		return 0, 0, nil
	}
	one := index.Combine(segments, func(n pack.Name) bool { return set.state(n)&packPresent != 0 })
	if err := v.putMerged(ctx, one); err != nil {
		return 0, 0, err
	}
	for _, i := range sources {
		if i.Lock.Holds(v.opts.Now()) {
			continue
		}
		if err := v.bucket.Delete(ctx, g, i.Name); err != nil && !errkind.Is(err, errkind.NotFound) {
			return len(sources), removed, err
		}
		removed++
	}
	v.forgetPacks()
	return len(sources), removed, nil
}

// smallSegments lists segments that are worth merging: small ones of which at
// least some can be deleted afterwards.
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

// putMerged stores a merged segment and makes sure that it says what it should.
func (v *Vault) putMerged(ctx context.Context, one *index.Segment) error {
	name, err := v.putSegment(ctx, one, blob.Lock{})
	if err != nil {
		return err
	}
	back, err := v.readSegment(ctx, name)
	if err != nil {
		return err
	}
	if !bytes.Equal(back.Encode(), one.Encode()) {
		return errkind.New(errkind.Damaged, "the merged index segment %q does not read back as it was written: nothing was deleted", name)
	}
	return nil
}
