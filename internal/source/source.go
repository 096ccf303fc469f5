// Package source is the contract between something protected and the engine
// that keeps it. A source enumerates its entries in a fixed order and opens
// their contents; it decides nothing about keeping. What could not be read is
// always reported as a [Problem], never left out silently.
package source

import (
	"context"
	"io"

	"github.com/counterfoil/counterfoil/internal/vault"
)

// Hint is what a file system tells about an object that does not belong in
// the tree but shows, with size and mtime, that it did not change.
type Hint struct {
	CTime  vault.Stamp
	Inode  uint64
	Device uint64
}

// Problem is an input that could not be taken as asked.
type Problem struct {
	// Path is relative to the source's root, as bytes.
	Path string
	// Op says what was tried: "read", "list", "stat", "xattr", ...
	Op  string
	Err error
}

// PartialError says that an object was read but for a part of its metadata.
type PartialError struct {
	Op  string // as in [Problem]
	Err error
}

func (e *PartialError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *PartialError) Unwrap() error { return e.Err }

// File is an opened regular file. It is used by one goroutine at a time.
type File interface {
	io.Closer
	// Extents lists the ranges that hold data, ascending. Whole true means
	// that the file is one dense range of Size bytes (extents is then nil).
	Extents() (extents []vault.Extent, whole bool)
	// Size is the logical length in bytes when the file was opened.
	Size() int64
	// ReadAt reads as io.ReaderAt does. A file that shrank gives io.EOF early.
	ReadAt(p []byte, off int64) (int, error)
	// Refresh looks at the object again and returns its present metadata and
	// hint. changed is true when size, mtime, ctime or inode differ from
	// those when it was opened or last refreshed. A [PartialError] says that the
	// rest stands but something of the metadata could not be read.
	Refresh() (e vault.Entry, h Hint, changed bool, err error)
}

// Visitor receives a walk. All calls come from one goroutine, depth first:
// the entries of a directory in bytewise order of their names, a directory's
// EnterDir, then its entries, then its LeaveDir. An error ends the walk.
//
// path is relative to the source's root, slash-separated, "" for the root
// itself; it holds bytes, not necessarily UTF-8.
type Visitor interface {
	EnterDir(path string, e vault.Entry, h Hint) error
	// Entry reports anything but a directory. open is nil unless the entry is
	// a regular file; it may be called later and from another goroutine, and
	// more than once. Flags, extended attributes and extents of a regular file
	// come with [File.Refresh] only: where its ctime shows that nothing changed,
	// nobody needs to ask for them.
	Entry(path string, e vault.Entry, h Hint, open func() (File, error)) error
	LeaveDir(path string) error
	// Problem reports an input that is missing or unreadable; the walk goes on.
	Problem(p Problem) error
	// Excluded reports an entry left out on purpose and the rule's name.
	Excluded(path string, rule string) error
}

// Reader enumerates one source.
type Reader interface {
	Walk(ctx context.Context, v Visitor) error
}
