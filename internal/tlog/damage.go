package tlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Damage names the first place where a log is not what was written. It is
// wrapped in an error of kind errkind.Damaged; find it with errors.As.
type Damage struct {
	// Object is the name of the object that is wrong.
	Object string
	// Record is the index of the record concerned, -1 when no single one is.
	Record int64
	// Problem says what is wrong with it.
	Problem string
}

// Error implements error.
func (d *Damage) Error() string {
	if d.Record >= 0 {
		return fmt.Sprintf("%s: record %d: %s", d.Object, d.Record, d.Problem)
	}
	return d.Object + ": " + d.Problem
}

func damaged(object string, record int64, format string, args ...any) error {
	d := &Damage{Object: object, Record: record, Problem: fmt.Sprintf(format, args...)}
	return errkind.Wrap(errkind.Damaged, d, "")
}

// readTile reads the items of t and gives the name read. Where the partial
// object is gone because the full one has replaced it, the beginning of the
// full one serves: it holds the same items.
func readTile(ctx context.Context, s Store, t tile) (hashes []Hash, name string, err error) {
	data, from, err := readObject(ctx, s, t)
	if err != nil {
		return nil, t.name(), err
	}
	hashes, err = parseTile(data, from.width)
	if err != nil {
		return nil, from.name(), damaged(from.name(), -1, "%v", err)
	}
	return hashes[:t.width], from.name(), nil
}

// readBundle reads the records of t as readTile does hashes.
func readBundle(ctx context.Context, s Store, t tile) (records [][]byte, name string, err error) {
	data, from, err := readObject(ctx, s, t)
	if err != nil {
		return nil, t.name(), err
	}
	records, err = parseBundle(data, from.width)
	if err != nil {
		return nil, from.name(), damaged(from.name(), -1, "%v", err)
	}
	return records[:t.width], from.name(), nil
}

func readObject(ctx context.Context, s Store, t tile) ([]byte, tile, error) {
	data, err := s.Read(ctx, t.name())
	if errors.Is(err, fs.ErrNotExist) && t.width < tileWidth {
		if data, ferr := s.Read(ctx, t.full().name()); ferr == nil {
			return data, t.full(), nil
		} else if !errors.Is(ferr, fs.ErrNotExist) {
			return nil, t, ferr
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, t, damaged(t.name(), -1, "missing")
	}
	return data, t, err
}
