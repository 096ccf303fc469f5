package tlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Store keeps a log's objects by slash-separated name.
//
// Read gives the whole object; errors.Is(err, fs.ErrNotExist) when there is
// none. Write replaces the object: on return it is durable, and after a crash
// or a failed Write a reader finds either the old object or the new one, never
// a part. Repeating a Write is harmless. Neither keeps the buffer.
type Store interface {
	Read(ctx context.Context, name string) ([]byte, error)
	Write(ctx context.Context, name string, data []byte) error
}

var _ Store = (*Dir)(nil)

// maxObject bounds what is read of one file: a bundle of 256 records of 64 KiB
// is less.
const maxObject = 20 << 20

// Dir is a Store in a folder.
type Dir struct{ root string }

// DirStore gives the store in folder dir, which is made when first written to.
func DirStore(dir string) *Dir { return &Dir{root: filepath.Clean(dir)} }

// Read implements Store. It reads regular files only.
func (d *Dir) Read(ctx context.Context, name string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := d.path(name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, noFolder(err))
	}
	if !info.Mode().IsRegular() {
		return nil, errkind.New(errkind.Damaged, "read %s: not a regular file", name)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, maxObject+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > maxObject {
		return nil, errkind.New(errkind.Damaged, "read %s: larger than any part of a log", name)
	}
	return data, nil
}

// noFolder turns "a parent is a file" into "not there", which is what it means
// to a reader.
func noFolder(err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return fs.ErrNotExist
	}
	return err
}

// Write implements Store.
func (d *Dir) Write(ctx context.Context, name string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path, err := d.path(name)
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(path, data, 0o600)
}

// RemovePartials removes the partial forms of a tile that has become full.
func (d *Dir) RemovePartials(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path, err := d.path(name)
	if err != nil {
		return err
	}
	return os.RemoveAll(path + ".p")
}

func (d *Dir) path(name string) (string, error) {
	local := filepath.FromSlash(name)
	if !filepath.IsLocal(local) || local == "." {
		return "", errkind.New(errkind.Invalid, "object name %q leaves the store", name)
	}
	return filepath.Join(d.root, local), nil
}
