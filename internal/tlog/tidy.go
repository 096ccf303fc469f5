package tlog

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Tidy removes from the folder the partial tiles that full ones have replaced
// since the log had size records, as tlog-tiles allows.
func (l *Log) Tidy(ctx context.Context, d *Dir, since int64) error {
	size := l.Size()
	for level := bundleLevel; itemsAt(level, size)>>tileHeight > 0; level++ {
		// One more than those completed since, in case a crash forestalled it.
		from := max(0, itemsAt(level, since)>>tileHeight-1)
		for i := from; i < itemsAt(level, size)>>tileHeight; i++ {
			if err := d.RemovePartials(ctx, tile{level, i, tileWidth}.name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Sweep removes from the folder the partial tiles that an interrupted append
// left beyond the checkpoint. Left alone they do no harm now, but once the log
// has outgrown them with other records they would look like damage. Only the
// process that may append may sweep.
func (l *Log) Sweep(ctx context.Context, d *Dir) error {
	size := l.Size()
	for level := bundleLevel; level <= maxLevel; level++ {
		index := itemsAt(level, size) >> tileHeight
		found := true
		// An append goes on from tile to tile without gaps.
		for ; found; index++ {
			var err error
			t := tile{level, index, tileWidth}
			if found, err = d.removeWider(ctx, t, widthOf(level, index, size)); err != nil {
				return err
			}
		}
		if level > 0 && itemsAt(level, size) == 0 && index == 1 {
			return nil // nothing on this level, so nothing above it
		}
	}
	return nil
}

// removeWider removes the partial forms of t that hold more than width items
// and reports whether t has anything on the store, full or partial.
func (d *Dir) removeWider(ctx context.Context, t tile, width int) (found bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	path, err := d.path(t.name())
	if err != nil {
		return false, err
	}
	_, err = os.Stat(path)
	found = err == nil
	files, err := os.ReadDir(path + ".p")
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return false, err
	}
	for _, f := range files {
		if w, err := strconv.Atoi(f.Name()); err == nil && w <= width {
			continue
		}
		if err := os.Remove(filepath.Join(path+".p", f.Name())); err != nil {
			return false, err
		}
	}
	return true, nil
}
