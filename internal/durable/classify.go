package durable

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// errnoKinds says what the errors of the operating system mean to whoever
// asked for a write.
var errnoKinds = map[syscall.Errno]errkind.Kind{
	syscall.ENOSPC: errkind.NoSpace,
	syscall.EDQUOT: errkind.NoSpace,
	syscall.EFBIG:  errkind.NoSpace,

	syscall.EROFS:  errkind.ReadOnly,
	syscall.EACCES: errkind.ReadOnly,
	syscall.EPERM:  errkind.ReadOnly,

	syscall.ENOENT:    errkind.NotFound,
	syscall.EEXIST:    errkind.Exists,
	syscall.ENOTEMPTY: errkind.Exists,

	syscall.EBUSY:       errkind.Busy,
	syscall.ETXTBSY:     errkind.Busy,
	syscall.EWOULDBLOCK: errkind.Busy,

	syscall.EIO:       errkind.Unavailable,
	syscall.ENODEV:    errkind.Unavailable,
	syscall.ENXIO:     errkind.Unavailable,
	syscall.ENOTCONN:  errkind.Unavailable,
	syscall.ESTALE:    errkind.Unavailable,
	syscall.ETIMEDOUT: errkind.Unavailable,
	syscall.EMFILE:    errkind.Unavailable,
	syscall.ENFILE:    errkind.Unavailable,

	syscall.ENOTDIR:      errkind.Invalid,
	syscall.EISDIR:       errkind.Invalid,
	syscall.ENAMETOOLONG: errkind.Invalid,
	syscall.ELOOP:        errkind.Invalid,
	syscall.EINVAL:       errkind.Invalid,

	syscall.ENOSYS:     errkind.Unsupported,
	syscall.EOPNOTSUPP: errkind.Unsupported,
	syscall.EXDEV:      errkind.Unsupported,
}

// Classify attaches the kind that an error of the operating system stands
// for; its text stays. It gives nil for nil, and returns unchanged an error
// that has a kind already, one it does not know, and one of a context.
//
// A missing permission counts as ReadOnly, since it is writers who ask. A
// caller that reads, or that knows of immutable flags, looks for
// fs.ErrPermission first and attaches the kind it means.
func Classify(err error) error {
	if err == nil || errkind.Of(err) != errkind.Internal {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if kind, ok := errnoKinds[errno]; ok {
			return errkind.Wrap(kind, err, "")
		}
		return err
	}
	return errkindOfPortable(err)
}

// errkindOfPortable serves errors of io/fs that carry no number.
func errkindOfPortable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errkind.Wrap(errkind.NotFound, err, "")
	case errors.Is(err, fs.ErrExist):
		return errkind.Wrap(errkind.Exists, err, "")
	case errors.Is(err, fs.ErrPermission):
		return errkind.Wrap(errkind.ReadOnly, err, "")
	}
	return err
}
