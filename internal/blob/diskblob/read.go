package diskblob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// ReadAt implements [blob.Driver]. One call reads of one file, even if the
// object is replaced meanwhile.
func (d *Driver) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	if err := ready(ctx, name, blob.Lock{}); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, errkind.New(errkind.Invalid, "offset %d", off)
	}
	if _, err := d.object(name); err != nil {
		return 0, err
	}
	f, err := d.root.Open(name)
	if err != nil {
		return 0, readFailure("open", err)
	}
	n, err := f.ReadAt(p, off)
	if errors.Is(err, io.EOF) {
		return n, closing(f, io.EOF)
	}
	return n, readFailure("read", closing(f, err))
}

// Stat implements [blob.Driver].
func (d *Driver) Stat(ctx context.Context, name string) (blob.Info, error) {
	if err := ready(ctx, name, blob.Lock{}); err != nil {
		return blob.Info{}, err
	}
	info, err := d.object(name)
	if err != nil {
		return blob.Info{}, err
	}
	lock, err := d.readLock(name)
	if err != nil {
		return blob.Info{}, err
	}
	return describe(name, info, lock), nil
}

// List implements [blob.Driver]. Only one folder at a time is kept in memory.
func (d *Driver) List(ctx context.Context, prefix string, fn func(blob.Info) error) error {
	if err := blob.CheckPrefix(prefix); err != nil {
		return err
	}
	return d.list(ctx, path.Dir(prefix+"x"), prefix, fn)
}

// list calls fn for the objects below folder whose names begin with prefix.
func (d *Driver) list(ctx context.Context, folder, prefix string, fn func(blob.Info) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := d.entries(folder)
	if err != nil {
		return err
	}
	// Read after the objects: their locks were there before them.
	locked, err := d.lockedIn(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		// What is no object's name is not ours: locks, temporary files,
		// lost+found.
		if blob.CheckName(name) != nil {
			continue
		}
		if err := d.listEntry(ctx, name, prefix, e, locked[e.Name()], fn); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) listEntry(ctx context.Context, name, prefix string, e fs.DirEntry, locked bool, fn func(blob.Info) error) error {
	if e.IsDir() {
		if below := name + "/"; strings.HasPrefix(below, prefix) || strings.HasPrefix(prefix, below) {
			return d.list(ctx, name, prefix, fn)
		}
		return nil
	}
	if !e.Type().IsRegular() || !strings.HasPrefix(name, prefix) {
		return nil
	}
	file, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return readFailure("list "+name, err)
	}
	lock := blob.Lock{}
	if locked {
		if lock, err = d.readLock(name); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	info := describe(name, file, lock)
	if info.Loose, err = d.loose(name, lock); err != nil {
		return err
	}
	return fn(info)
}

func describe(name string, file fs.FileInfo, lock blob.Lock) blob.Info {
	return blob.Info{Name: name, Size: file.Size(), Modified: file.ModTime().UTC(), Lock: lock}
}
