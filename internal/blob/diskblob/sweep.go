package diskblob

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Sweep removes the temporary files, left by crashes, that were last written
// more than olderThan ago, and returns how many it removed. A file that is
// still being written is younger than any sensible age, such as a day; should
// it go all the same, its Put fails and nothing else.
func (d *Driver) Sweep(ctx context.Context, olderThan time.Duration) (int, error) {
	removed := 0
	err := d.walk(ctx, ".", func(file string) error {
		if !strings.HasPrefix(path.Base(file), tempPrefix) {
			return nil
		}
		info, err := d.lstat(file)
		if errkind.Is(err, errkind.NotFound) || err == nil && !d.expired(info, olderThan) {
			return nil
		}
		if err != nil {
			return err
		}
		err = d.root.Remove(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			removed++
		}
		return writeFailure("sweep "+file, err)
	})
	return removed, err
}

func (d *Driver) expired(info fs.FileInfo, olderThan time.Duration) bool {
	return info.Mode().IsRegular() && d.now().Sub(info.ModTime()) > olderThan
}

// walk calls fn for every file below folder that is not a folder itself.
func (d *Driver) walk(ctx context.Context, folder string, fn func(file string) error) error {
	entries, err := d.entries(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		file := path.Join(folder, e.Name())
		switch {
		case !e.IsDir():
			err = fn(file)
		case file != rescueFolder:
			err = d.walk(ctx, file, fn)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
