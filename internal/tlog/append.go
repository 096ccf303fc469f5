package tlog

import (
	"bytes"
	"context"

	merkle "golang.org/x/mod/sumdb/tlog"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// object is one thing to store.
type object struct {
	name string
	data []byte
}

// Append adds records and gives the index of the first. On return they are
// durable and under a signed checkpoint. After an error the records may or may
// not have been added: the caller looks before it tries again (see Refresh).
// It fails with errkind.Busy when the store holds more than the log knows.
func (l *Log) Append(ctx context.Context, records [][]byte) (first int64, err error) {
	for i, r := range records {
		if len(r) > MaxRecord {
			return 0, errkind.New(errkind.Invalid, "append to log: record %d of %d has %d bytes, at most %d are allowed",
				i, len(records), len(r), MaxRecord)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.signer == nil {
		return 0, errkind.New(errkind.ReadOnly, "append to log %s: opened without a signing key", l.origin)
	}
	if err := l.checkStored(ctx); err != nil {
		return 0, err
	}
	first = l.state.edge.size
	if len(records) == 0 {
		return first, nil
	}
	next, objects, err := l.state.grow(records)
	if err != nil {
		return 0, err
	}
	c := Checkpoint{Origin: l.origin, Size: next.edge.size, Root: next.edge.root()}
	if next.raw, err = signCheckpoint(c, l.signer); err != nil {
		return 0, err
	}
	// Crash here: the objects lie beyond the stored checkpoint, where nobody
	// reads, and the next Append writes over those it needs. The checkpoint
	// comes last and makes all of them count at once.
	objects = append(objects, object{checkpointName, next.raw})
	for _, o := range objects {
		if err := l.store.Write(ctx, o.name, o.data); err != nil {
			l.unsure = true
			return 0, err
		}
	}
	l.state = next
	return first, nil
}

// checkStored requires that the checkpoint on the store is the one we know:
// signing over any other would fork the log.
func (l *Log) checkStored(ctx context.Context) error {
	if l.unsure {
		return l.refresh(ctx)
	}
	raw, err := l.readCheckpoint(ctx)
	if err != nil {
		return err
	}
	if bytes.Equal(raw, l.state.raw) {
		return nil
	}
	c, err := l.openCheckpoint(raw)
	if err != nil {
		return err
	}
	if c.Size > l.state.edge.size {
		return errkind.New(errkind.Busy, "append to log %s: another process has appended", l.origin)
	}
	return l.refresh(ctx)
}

// grow gives the state after adding records and the objects that takes, in the
// order in which they must be stored: bundles, then tiles.
func (s state) grow(records [][]byte) (state, []object, error) {
	next := state{edge: s.edge.clone(), bundle: bytes.Clone(s.bundle)}
	var bundles, tiles []object
	addTile := func(t tile, hashes []Hash) error {
		tiles = append(tiles, object{t.name(), encodeTile(hashes)})
		return nil
	}
	for _, r := range records {
		next.bundle = appendRecord(next.bundle, r)
		if err := next.edge.push(merkle.RecordHash(r), addTile); err != nil {
			return state{}, nil, err
		}
		if next.edge.size%tileWidth == 0 {
			full := tile{bundleLevel, next.edge.size>>tileHeight - 1, tileWidth}
			bundles = append(bundles, object{full.name(), next.bundle})
			next.bundle = nil
		}
	}
	if last := bundleOf(next.edge.size>>tileHeight, next.edge.size); last.width > 0 {
		bundles = append(bundles, object{last.name(), bytes.Clone(next.bundle)})
	}
	if err := next.edge.partials(addTile); err != nil {
		return state{}, nil, err
	}
	return next, append(bundles, tiles...), nil
}
