package tlog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"

	merkle "golang.org/x/mod/sumdb/tlog"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Publish copies to another store what it does not have: bundles, tiles, then
// the checkpoint; every byte is proved against the signed root first. It gives
// the number of records that the other store has then. It can be repeated and
// resumed. It refuses, with errkind.Damaged, a store whose checkpoint is not
// of a prefix of this log: such a store has seen another history.
func (l *Log) Publish(ctx context.Context, to Store) (int64, error) {
	s := l.current()
	have, err := l.published(ctx, to, s)
	if err != nil {
		return 0, err
	}
	if have.raw != nil && have.size == s.edge.size {
		return have.size, nil
	}
	tiles := merkle.NewTiles(tileHeight, have.size, s.edge.size)
	for _, t := range tiles {
		if t.L == 0 {
			if err := l.copyBundle(ctx, to, s, tile{bundleLevel, t.N, t.W}); err != nil {
				return have.size, err
			}
		}
	}
	for _, t := range tiles {
		c := tile{t.L, t.N, t.W}
		hashes, err := provenTile(ctx, l.store, s, c)
		if err != nil {
			return have.size, err
		}
		if err := put(ctx, to, c, encodeTile(hashes)); err != nil {
			return have.size, err
		}
	}
	if err := to.Write(ctx, checkpointName, s.raw); err != nil {
		return have.size, err
	}
	return s.edge.size, nil
}

// destination is what another store has of this log.
type destination struct {
	raw  []byte // its checkpoint, nil if none
	size int64
}

func (l *Log) published(ctx context.Context, to Store, s state) (destination, error) {
	raw, err := to.Read(ctx, checkpointName)
	if errors.Is(err, fs.ErrNotExist) {
		return destination{}, nil
	}
	if err != nil {
		return destination{}, err
	}
	c, err := l.openCheckpoint(raw)
	if err != nil {
		return destination{}, errkind.Wrap(errkind.Of(err), err, "publish log %s: the other store", l.origin)
	}
	if err := l.checkPrefix(ctx, s, c); err != nil {
		return destination{}, err
	}
	return destination{raw, c.Size}, nil
}

// CheckPrefix requires that what a checkpoint of this log speaks of, kept
// elsewhere, is a prefix of the log as last seen: errkind.Damaged when it
// knows more records or others.
func (l *Log) CheckPrefix(ctx context.Context, c Checkpoint) error {
	return l.checkPrefix(ctx, l.current(), c)
}

func (l *Log) checkPrefix(ctx context.Context, s state, c Checkpoint) error {
	if c.Size > s.edge.size {
		return damaged(checkpointName, -1, "the other store has %d records, this log %d: it was rolled back", c.Size, s.edge.size)
	}
	root, err := rootAt(ctx, l.store, s, c.Size)
	if err != nil {
		return err
	}
	if root != c.Root {
		return damaged(checkpointName, -1, "the first %d records of the other store are not those of this log", c.Size)
	}
	return nil
}

func (l *Log) copyBundle(ctx context.Context, to Store, s state, b tile) error {
	records, _, err := provenBundle(ctx, l.store, s, b)
	if err != nil {
		return err
	}
	var data []byte
	for _, r := range records {
		data = appendRecord(data, r)
	}
	return put(ctx, to, b, data)
}

// put stores a tile. A full one may be locked where it lies, so one that is
// there already is left alone when it is the same, and is proof of another
// history when it is not.
func put(ctx context.Context, to Store, t tile, data []byte) error {
	if t.width < tileWidth {
		return to.Write(ctx, t.name(), data)
	}
	have, err := to.Read(ctx, t.name())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return to.Write(ctx, t.name(), data)
	case err != nil:
		return err
	case !bytes.Equal(have, data):
		return damaged(t.name(), -1, "the other store holds another one (sha256 %x)", sha256.Sum256(have))
	}
	return nil
}
