package tlog

import (
	"context"
	"crypto/sha256"

	merkle "golang.org/x/mod/sumdb/tlog"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Entries calls fn for each record from index from up to, but without, to, in
// order. Every record is checked against the signed root before fn sees it; fn
// must not keep it. It stops at the first error of fn and returns it.
func (l *Log) Entries(ctx context.Context, from, to int64, fn func(index int64, record []byte) error) error {
	s := l.current()
	if from < 0 || to < from || to > s.edge.size {
		return errkind.New(errkind.Invalid, "read log: records %d to %d of %d", from, to, s.edge.size)
	}
	for at := from; at < to; {
		b := bundleOf(at>>tileHeight, s.edge.size)
		records, _, err := provenBundle(ctx, l.store, s, b)
		if err != nil {
			return err
		}
		for ; at < to && at < b.first()+int64(b.width); at++ {
			if err := fn(at, records[at-b.first()]); err != nil {
				return err
			}
		}
	}
	return nil
}

// InclusionProof shows that record index is in the tree of the checkpoint.
func (l *Log) InclusionProof(ctx context.Context, index int64) (InclusionProof, error) {
	s := l.current()
	if index < 0 || index >= s.edge.size {
		return nil, errkind.New(errkind.NotFound, "prove record %d: the log has %d", index, s.edge.size)
	}
	p, err := merkle.ProveRecord(s.edge.size, index, hashReader(ctx, l.store, s))
	return p, asDamage(err)
}

// ConsistencyProof shows that the first old records of the log are a prefix of
// the tree of the checkpoint.
func (l *Log) ConsistencyProof(ctx context.Context, old int64) (ConsistencyProof, error) {
	s := l.current()
	if old < 1 || old > s.edge.size {
		return nil, errkind.New(errkind.Invalid, "prove the first %d records: the log has %d", old, s.edge.size)
	}
	p, err := merkle.ProveTree(s.edge.size, old, hashReader(ctx, l.store, s))
	return p, asDamage(err)
}

// CheckInclusion verifies that record is number index under checkpoint c.
func CheckInclusion(p InclusionProof, c Checkpoint, index int64, record []byte) error {
	err := merkle.CheckRecord(p, c.Size, c.Root, index, merkle.RecordHash(record))
	return errkind.Wrap(errkind.Damaged, err, "record %d under checkpoint of size %d", index, c.Size)
}

// CheckConsistency verifies that the log of checkpoint old is a prefix of that
// of checkpoint c.
func CheckConsistency(p ConsistencyProof, c, old Checkpoint) error {
	err := merkle.CheckTree(p, c.Size, c.Root, old.Size, old.Root)
	return errkind.Wrap(errkind.Damaged, err, "checkpoints of size %d and %d", old.Size, c.Size)
}

// provenTile gives the hashes of t after checking them against the root of s.
func provenTile(ctx context.Context, store Store, s state, t tile) ([]Hash, error) {
	data, err := merkle.ReadTileData(merkle.Tile{H: tileHeight, L: t.level, N: t.index, W: t.width}, hashReader(ctx, store, s))
	if err != nil {
		return nil, asDamage(err)
	}
	return parseTile(data, t.width)
}

// provenBundle gives the records of b after checking them against the root of
// s, and their leaf hashes.
func provenBundle(ctx context.Context, store Store, s state, b tile) ([][]byte, []Hash, error) {
	leaves, err := provenTile(ctx, store, s, tile{0, b.index, b.width})
	if err != nil {
		return nil, nil, err
	}
	records, name, err := readBundle(ctx, store, b)
	if err != nil {
		return nil, nil, err
	}
	return records, leaves, checkLeaves(name, b.first(), records, leaves)
}

// rootAt is the root that the tree had when it had size records.
func rootAt(ctx context.Context, store Store, s state, size int64) (Hash, error) {
	if size == 0 {
		return sha256.Sum256(nil), nil
	}
	h, err := merkle.TreeHash(size, hashReader(ctx, store, s))
	return h, asDamage(err)
}

// hashReader gives hashes from the store's tiles, each checked against the
// root of s before it is used.
func hashReader(ctx context.Context, store Store, s state) merkle.HashReader {
	return merkle.TileHashReader(s.tree(), &tileReader{ctx: ctx, store: store})
}

// tileReader adapts a store to package merkle. It lives for one call, which is
// why it may hold that call's context.
type tileReader struct {
	ctx   context.Context
	store Store
}

// Height implements merkle.TileReader.
func (r *tileReader) Height() int { return tileHeight }

// ReadTiles implements merkle.TileReader.
func (r *tileReader) ReadTiles(tiles []merkle.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		hashes, _, err := readTile(r.ctx, r.store, tile{t.L, t.N, t.W})
		if err != nil {
			return nil, err
		}
		out[i] = encodeTile(hashes)
	}
	return out, nil
}

// SaveTiles implements merkle.TileReader; there is no cache to fill.
func (r *tileReader) SaveTiles([]merkle.Tile, [][]byte) {}

// asDamage gives the kind Damaged to what package merkle says of tiles that do
// not fit together, and leaves errors of the store as they are.
func asDamage(err error) error {
	if err == nil || errkind.Of(err) != errkind.Internal {
		return err
	}
	if err.Error() == "downloaded inconsistent tile" {
		return damaged("tile", -1, "the hash tiles do not fit the signed root; verify the log to find which")
	}
	return err
}
