package catalog

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// rebuildHint ends every sentence about a damaged catalog.
const rebuildHint = "nothing is lost: `counterfoil vault recover URL` rebuilds it from the vault"

// prepareFile makes sure that a catalog file stands at path, private to its
// owner, and gives its absolute path.
func prepareFile(ctx context.Context, path string, opts Options) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fileError(err, "open the catalog")
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && opts.MustExist:
		return "", errkind.New(errkind.NotFound, "there is no catalog at %s", path)
	case errors.Is(err, fs.ErrNotExist):
		return path, createFile(ctx, path, opts)
	case err != nil:
		return "", fileError(err, "open the catalog")
	case !info.Mode().IsRegular():
		return "", errkind.New(errkind.Invalid, "%s is not a file, so it cannot be the catalog", path)
	case info.Size() == 0:
		// A catalog is moved into place whole, so an empty one was truncated.
		return "", errkind.New(errkind.Damaged, "the catalog %s is empty; %s", path, rebuildHint)
	}
	// Always asked for, since a store that takes no writes shows here. The file
	// must not be opened: closing it again would drop the locks that another
	// catalog of this process has on it.
	return path, fileError(os.Chmod(path, 0o600), "open the catalog")
}

// createFile builds a new catalog under another name and then moves it into
// place, so that a crash never leaves half a catalog and two processes that
// start at once end up with the same one.
func createFile(ctx context.Context, path string, opts Options) error {
	if orphanLog(path) {
		return errkind.New(errkind.Damaged, "the catalog %s is gone but its log %[1]s-wal is there; %s", path, rebuildHint)
	}
	tmp, err := newPrivateFile(path)
	if err != nil {
		return fileError(err, "create the catalog %s", path)
	}
	defer removeFiles(tmp)
	p := place{dialect: sqliteDialect(), path: path}
	db, err := openSQLiteWriter(ctx, tmp)
	if err != nil {
		return p.fail(err, "create the catalog %s", path)
	}
	if err = migrate(ctx, p, db, opts.migrations); err == nil {
		err = p.fail(sqliteEmptyLog(ctx, db), "create the catalog %s", path)
	}
	if err := errors.Join(err, p.fail(db.Close(), "create the catalog %s", path)); err != nil {
		return err
	}
	if err := syncFile(tmp); err != nil {
		return fileError(err, "create the catalog %s", path)
	}
	if err := os.Link(tmp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fileError(err, "create the catalog %s", path)
	}
	return fileError(syncFolder(path), "create the catalog %s", path)
}

// orphanLog reports whether a write-ahead log stands at path without its
// catalog. A new catalog would take it for its own, and it may hold audit
// events that nothing else has, so it is neither used nor removed. Path is
// looked for last: another process may just have made it.
func orphanLog(path string) bool {
	info, err := os.Stat(path + "-wal")
	if err != nil || info.Size() == 0 {
		return false
	}
	_, err = os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// SetAside renames a damaged catalog and its log, or what is left of the two,
// so that recover can make a new one; it gives the new path. Nobody may have
// the catalog open.
func SetAside(g access.Grant, path string, at time.Time) (string, error) {
	if err := g.Require(access.VaultRecover); err != nil {
		return "", err
	}
	aside := path + ".damaged-" + at.UTC().Format("20060102T150405.000000Z")
	found := false
	// The log goes first: one left beside a new catalog would be taken for its own.
	for _, suffix := range []string{"-wal", "-shm", ""} {
		err := os.Rename(path+suffix, aside+suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fileError(err, "set the catalog aside")
		}
		found = found || err == nil
	}
	if !found {
		return "", errkind.New(errkind.NotFound, "there is no catalog at %s", path)
	}
	return aside, fileError(syncFolder(path), "set the catalog aside")
}

// newPrivateFile makes an empty file of mode 0600 beside path.
func newPrivateFile(path string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-new-*")
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

func removeFiles(path string) {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		os.Remove(path + suffix) //nolint:errcheck // a left-over does no harm and most are not there
	}
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncFolder makes a name in path's folder durable.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// fileError gives a file system error its context and the kind that it means.
func fileError(err error, format string, args ...any) error {
	kind, _ := fileKind(err)
	return errkind.Wrap(kind, err, format, args...)
}

// fileKind tells what a file system error means; ok is false for other errors.
func fileKind(err error) (k errkind.Kind, ok bool) {
	var number syscall.Errno
	switch {
	case !errors.As(err, &number):
		return errkind.Internal, false
	case number == syscall.ENOSPC:
		return errkind.NoSpace, true
	case number == syscall.EROFS, errors.Is(number, fs.ErrPermission):
		return errkind.ReadOnly, true
	case errors.Is(number, fs.ErrNotExist):
		return errkind.NotFound, true
	}
	return errkind.Unavailable, true
}
