package inventory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// tables gives the vault's index on disk. Where its folder cannot be used, one
// in temporary files does.
func (in *Inventory) tables() (*index.Store, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.index != nil {
		return in.index, nil
	}
	var err error
	if in.index, err = index.OpenStore(in.opts.Cache); err != nil {
		in.store.Warn("the index cache %q cannot be used: %v", in.opts.Cache, err)
		in.index, err = index.OpenStore("")
	}
	return in.index, err
}

// addAtOnce bounds the segments in memory on their way into a table, in
// entries.
const addAtOnce = 1 << 20

// indexTables gives the index as tables. Segments that are in none yet are
// read; one that is damaged is left out, and its packs are found again through their
// directories.
func (in *Inventory) indexTables(ctx context.Context, set *Set, store *index.Store) ([]*index.Table, error) {
	have := store.Tables()
	var missing []string
	err := in.store.Bucket.List(ctx, objects.SegmentPrefix, func(i blob.Info) error {
		name, ok := objects.ParseSegment(i.Name)
		if !ok || !slices.ContainsFunc(have, func(t *index.Table) bool { return t.Holds(name) }) {
			missing = append(missing, i.Name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var extra []*index.Table // where the disk is full
	var fresh []index.Named
	entries := 0
	for n, object := range missing {
		seg, err := in.readSegment(ctx, object)
		switch {
		case err == nil:
			name, _ := objects.ParseSegment(object) // it has the SHA-256 of its name
			fresh = append(fresh, index.Named{Segment: seg, Name: name})
			entries += seg.Len()
		case errkind.Is(err, errkind.Damaged):
			set.fault(object, err.Error())
		case errkind.Is(err, errkind.NotFound): // merged into another meanwhile
		default:
			return nil, err
		}
		if entries < addAtOnce && n < len(missing)-1 {
			continue
		}
		t, err := in.addSegments(store, fresh)
		if err != nil {
			return nil, err
		}
		if t != nil {
			extra = append(extra, t)
		}
		fresh, entries = nil, 0
	}
	return append(store.Tables(), extra...), nil
}

// addSegments adds segments to the store. Where it cannot be written, it gives
// a table of them that is gone when the program ends.
func (in *Inventory) addSegments(store *index.Store, fresh []index.Named) (*index.Table, error) {
	if len(fresh) == 0 {
		return nil, nil
	}
	err := store.Add(fresh...)
	if err == nil {
		return nil, nil
	}
	in.store.Warn("the index cache cannot be written: %v", err)
	return index.Temporary(fresh...)
}

func (in *Inventory) readSegment(ctx context.Context, name string) (*index.Segment, error) {
	object, err := in.store.Bucket.ReadAll(ctx, name, objects.SmallLimit)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(object)
	if hex.EncodeToString(sum[:]) != strings.TrimPrefix(name, objects.SegmentPrefix) {
		return nil, errkind.New(errkind.Damaged, "index segment %q: its bytes do not have the SHA-256 of its name", name)
	}
	data, err := in.store.Unstream(canon.Segment, object)
	var seg *index.Segment
	if err == nil {
		seg, err = index.Decode(data)
	}
	if err != nil {
		return nil, errkind.Wrap(errkind.Of(err), err, "index segment %q", name)
	}
	return seg, nil
}

// PutSegment stores a segment and gives its object name.
func (in *Inventory) PutSegment(ctx context.Context, seg *index.Segment, lock blob.Lock) (string, error) {
	object, err := in.store.Stream(canon.Segment, seal.NewID(), seg.Encode())
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(object)
	name := objects.SegmentPrefix + hex.EncodeToString(sum[:])
	_, err = in.store.Bucket.Put(ctx, name, object, blob.PutOptions{Lock: lock})
	return name, err
}
