package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// store gives the vault's index on disk. Where its folder cannot be used, one
// in temporary files does.
func (v *Vault) store() (*index.Store, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.index != nil {
		return v.index, nil
	}
	var err error
	if v.index, err = index.OpenStore(v.opts.Cache); err != nil {
		v.warnings = append(v.warnings, fmt.Sprintf("the index cache %q cannot be used: %v", v.opts.Cache, err))
		v.index, err = index.OpenStore("")
	}
	return v.index, err
}

// addAtOnce bounds the segments in memory on their way into a table, in
// entries.
const addAtOnce = 1 << 20

// indexTables gives the index as tables. Segments that are in none yet are
// read; one that is damaged is left out, and its packs are found again through their
// directories.
func (v *Vault) indexTables(ctx context.Context, set *packSet, store *index.Store) ([]*index.Table, error) {
	have := store.Tables()
	var missing []string
	err := v.bucket.List(ctx, segmentPrefix, func(i blob.Info) error {
		name, ok := segmentName(i.Name)
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
		seg, err := v.readSegment(ctx, object)
		switch {
		case err == nil:
			name, _ := segmentName(object) // it has the SHA-256 of its name
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
		t, err := v.addSegments(store, fresh)
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
func (v *Vault) addSegments(store *index.Store, fresh []index.Named) (*index.Table, error) {
	if len(fresh) == 0 {
		return nil, nil
	}
	err := store.Add(fresh...)
	if err == nil {
		return nil, nil
	}
	v.warn("the index cache cannot be written: %v", err)
	return index.Temporary(fresh...)
}

// segmentName gives the SHA-256 in a segment's object name.
func segmentName(object string) (name [32]byte, ok bool) {
	raw, err := hex.DecodeString(strings.TrimPrefix(object, segmentPrefix))
	if err != nil || len(raw) != len(name) {
		return name, false
	}
	return [32]byte(raw), true
}

func (v *Vault) readSegment(ctx context.Context, name string) (*index.Segment, error) {
	object, err := v.bucket.ReadAll(ctx, name, smallObjectLimit)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(object)
	if hex.EncodeToString(sum[:]) != strings.TrimPrefix(name, segmentPrefix) {
		return nil, errkind.New(errkind.Damaged, "index segment %q: its bytes do not have the SHA-256 of its name", name)
	}
	z := v.zippers.Get()
	defer v.zippers.Put(z)
	data, err := seal.Unstream(canon.Segment, v.header.Vault, object, v.ring, z)
	var seg *index.Segment
	if err == nil {
		seg, err = index.Decode(data)
	}
	if err != nil {
		return nil, errkind.Wrap(errkind.Of(err), err, "index segment %q", name)
	}
	return seg, nil
}

// putSegment stores a segment and gives its object name.
func (v *Vault) putSegment(ctx context.Context, seg *index.Segment, lock blob.Lock) (string, error) {
	session := seal.NewID()
	key, err := v.ring.SessionKey(v.ring.Current, session)
	if err != nil {
		return "", err
	}
	z := v.zippers.Get()
	defer v.zippers.Put(z)
	sealer := seal.New(canon.Segment, v.header.Vault, v.ring.Current, session, key)
	object := seal.Stream(canon.Segment, v.header.Vault, sealer, z, seg.Encode())
	sum := sha256.Sum256(object)
	name := segmentPrefix + hex.EncodeToString(sum[:])
	_, err = v.bucket.Put(ctx, name, object, blob.PutOptions{Lock: lock})
	return name, err
}
