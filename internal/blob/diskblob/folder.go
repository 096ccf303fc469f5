package diskblob

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// makeFolders makes folder and those above it that are missing. On return all
// of them are durable: each folder above one not yet known is synced, even if
// somebody else made it, since he may not have come that far.
func (d *Driver) makeFolders(folder string) error {
	if d.known(folder) {
		return nil
	}
	above := path.Dir(folder)
	if err := d.makeFolders(above); err != nil {
		return err
	}
	if err := d.makeFolder(folder); err != nil {
		return err
	}
	if err := d.syncFolder(above); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.durable[folder] = true
	return nil
}

func (d *Driver) known(folder string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.durable[folder]
}

func (d *Driver) forgetFolders() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.durable = map[string]bool{".": true}
}

func (d *Driver) makeFolder(folder string) error {
	if err := d.step("make folder"); err != nil {
		return err
	}
	err := d.root.Mkdir(folder, folderMode)
	if !errors.Is(err, fs.ErrExist) {
		return writeFailure("make folder", err)
	}
	info, err := d.lstat(folder)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return errkind.New(errkind.Damaged, "the folder %s is a symbolic link", folder)
	case !info.IsDir():
		return errkind.New(errkind.Invalid, "%s is an object and cannot be a folder too", folder)
	}
	return nil
}

// syncFolder makes the names in folder durable.
func (d *Driver) syncFolder(folder string) error {
	if err := d.step("sync folder"); err != nil {
		return err
	}
	f, err := d.root.Open(folder)
	if err != nil {
		return writeFailure("sync folder", err)
	}
	return writeFailure("sync folder", closing(f, f.Sync()))
}

// entries gives what is in folder, in the bytewise order of the full names
// below it: a folder sorts by its name with a slash, so a-b comes before a/b.
// What is not there, or is a file, has no entries.
func (d *Driver) entries(folder string) ([]fs.DirEntry, error) {
	if folder != "." {
		info, err := d.lstat(folder)
		switch {
		case errkind.Is(err, errkind.NotFound):
			return nil, nil
		case err != nil:
			return nil, err
		case info.Mode()&fs.ModeSymlink != 0:
			return nil, errkind.New(errkind.Damaged, "the folder %s is a symbolic link", folder)
		case !info.IsDir():
			return nil, nil
		}
	}
	f, err := d.root.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, readFailure("list", err)
	}
	entries, err := f.ReadDir(-1)
	if err := closing(f, err); err != nil {
		return nil, readFailure("list", err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(sortKey(a), sortKey(b)) })
	return entries, nil
}

func sortKey(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}
