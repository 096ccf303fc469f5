package files

import (
	"bytes"
	"errors"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// maxXattr is the kernel's limit for a list of names and for a value.
const maxXattr = 64 << 10

// procFD is a path to the object of an open descriptor, also of one that was
// opened only as a path. Attribute calls have no variant relative to a
// directory on most kernels, so they go through it.
func procFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// needProc makes sure that the paths of procFD mean something: without them
// every object would seem to lack its attributes.
func needProc() error {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/fd", &st); err != nil {
		return errkind.New(errkind.Unsupported, "files are read and restored with their extended attributes only where /proc is mounted")
	}
	return nil
}

// xattrCalls reads the attributes of one object; the forms differ only in how
// the object is named.
type xattrCalls struct {
	list func(buf []byte) (int, error)
	get  func(name string, buf []byte) (int, error)
}

// xattrsOf names an object by a path whose last element is not followed.
func xattrsOf(path string) xattrCalls {
	return xattrCalls{
		list: func(buf []byte) (int, error) { return unix.Llistxattr(path, buf) },
		get:  func(name string, buf []byte) (int, error) { return unix.Lgetxattr(path, name, buf) },
	}
}

// xattrsOfOpen names an object by its open descriptor.
func xattrsOfOpen(fd int) xattrCalls {
	return xattrCalls{
		list: func(buf []byte) (int, error) { return unix.Flistxattr(fd, buf) },
		get:  func(name string, buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) },
	}
}

// read gives the attributes sorted by name. buf is scratch of maxXattr bytes.
// With an error it still gives those that could be read.
func (c xattrCalls) read(buf []byte) ([]vault.Xattr, error) {
	names, err := c.names(buf)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	var out []vault.Xattr
	var problem error
	for _, name := range names {
		n, err := c.get(name, buf)
		switch {
		case errors.Is(err, unix.ENODATA): // removed since it was listed
		case err != nil:
			problem = errors.Join(problem, &xattrError{name: name, err: err})
		default:
			out = append(out, vault.Xattr{Name: []byte(name), Value: bytes.Clone(buf[:n:n])})
		}
	}
	slices.SortFunc(out, func(a, b vault.Xattr) int { return bytes.Compare(a.Name, b.Name) })
	return out, problem
}

// names lists the attributes' names, none on a file system without attributes.
func (c xattrCalls) names(buf []byte) ([]string, error) {
	n, err := c.list(buf)
	if n == 0 && err == nil || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range bytes.SplitSeq(bytes.TrimSuffix(buf[:n], []byte{0}), []byte{0}) {
		names = append(names, string(name))
	}
	return names, nil
}

// xattrError says which attribute could not be read or set.
type xattrError struct {
	name string
	err  error
}

func (e *xattrError) Error() string { return "extended attribute " + e.name + ": " + e.err.Error() }

func (e *xattrError) Unwrap() error { return e.err }
