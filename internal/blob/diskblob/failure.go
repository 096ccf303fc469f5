package diskblob

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// readFailure gives the failure of reading its kind and says what was done. A
// kind that err has already stays.
func readFailure(doing string, err error) error {
	if err == nil {
		return nil
	}
	kind := common(err)
	if errors.Is(err, fs.ErrPermission) {
		kind = errkind.NotAllowed
	}
	return errkind.Wrap(kind, bare(err), "%s", doing)
}

// writeFailure gives the failure of writing its kind and says what was done.
func writeFailure(doing string, err error) error {
	if err == nil {
		return nil
	}
	kind := common(err)
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = errkind.NoSpace
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		kind = errkind.ReadOnly
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		// A part of the name is an object, or all of it is a folder.
		kind = errkind.Invalid
	case errors.Is(err, fs.ErrExist):
		kind = errkind.Exists
	}
	return errkind.Wrap(kind, bare(err), "%s", doing)
}

// common gives the kinds that reading and writing share.
func common(err error) errkind.Kind {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return errkind.NotFound
	case errors.Is(err, syscall.ELOOP):
		return errkind.Damaged
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ESTALE), errors.Is(err, syscall.ETIMEDOUT),
		errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EAGAIN):
		return errkind.Unavailable
	default:
		return errkind.Of(err)
	}
}

// bare takes the operation and path from an error of package os: ours name the
// object instead.
func bare(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	var linkErr *os.LinkError
	if errors.As(err, &linkErr) {
		return linkErr.Err
	}
	return err
}
