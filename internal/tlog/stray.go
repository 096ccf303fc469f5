package tlog

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/counterfoil/counterfoil/internal/durable"
)

// Stray is a file in a log's folder of which the checkpoint says nothing.
type Stray struct {
	Name   string
	Reason string
}

// Strays looks at every file in the folder that Verify has no need of, for a
// log of size records. Partial tiles of earlier sizes must agree with the
// later ones: a difference is damage. What lies beyond the checkpoint (an
// append that was interrupted, or something put there) and files that are no
// part of a log are returned, in order of name.
func (d *Dir) Strays(ctx context.Context, size int64) ([]Stray, error) {
	var strays []Stray
	err := filepath.WalkDir(d.root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // tidied away while we looked
		}
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(d.root, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		reason, err := Examine(ctx, d, name, size)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if reason != "" {
			strays = append(strays, Stray{name, reason})
		}
		return err
	})
	return strays, err
}

// Examine says why an object in a store is no part of its log of size records,
// "" when it is. It compares a partial tile of an earlier size, of which Verify has
// no need, with the later one: a difference is damage.
func Examine(ctx context.Context, s Store, name string, size int64) (string, error) {
	base := name[strings.LastIndexByte(name, '/')+1:]
	if name == checkpointName || durable.IsTemp(base) || (base == name && strings.HasSuffix(base, ".lock")) {
		return "", nil
	}
	t, ok := parseName(name)
	if !ok {
		return "not part of a log", nil
	}
	signed := widthOf(t.level, t.index, size)
	if t.width == signed {
		return "", nil
	}
	if signed == 0 {
		return "beyond the checkpoint: not signed", nil
	}
	if err := agree(ctx, s, t, tile{t.level, t.index, signed}); err != nil {
		return "", err
	}
	if t.width > signed {
		return "in part beyond the checkpoint: the rest is not signed", nil
	}
	return "", nil
}

// agree requires that two widths of one tile hold the same as far as both go.
func agree(ctx context.Context, s Store, t, signed tile) error {
	a, err := parts(ctx, s, t)
	if err != nil {
		return err
	}
	b, err := parts(ctx, s, signed)
	if err != nil {
		return err
	}
	for i := range min(len(a), len(b)) {
		if bytes.Equal(a[i], b[i]) {
			continue
		}
		record := int64(-1)
		if t.level <= 0 {
			record = t.first() + int64(i)
		}
		return damaged(t.name(), record, "differs from %s", signed.name())
	}
	return nil
}

// parts reads the items of a tile or bundle as bytes.
func parts(ctx context.Context, s Store, t tile) ([][]byte, error) {
	if t.level == bundleLevel {
		records, _, err := readBundle(ctx, s, t)
		return records, err
	}
	hashes, _, err := readTile(ctx, s, t)
	items := make([][]byte, len(hashes))
	for i := range hashes {
		items[i] = hashes[i][:]
	}
	return items, err
}
