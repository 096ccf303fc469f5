package tree

import "time"

// Digest is the SHA-256 of a chunk's plaintext, the name by which trees refer
// to chunks.
type Digest [32]byte

// Kind is what sort of file system object an entry is.
type Kind uint8

// The kinds of entries; the numbers are those of the format (section 7.1).
const (
	Regular Kind = iota + 1
	Dir
	Symlink
	Fifo
	CharDevice
	BlockDevice
	Socket
)

// Stamp is an instant as file systems keep it: seconds since 1970 (negative
// before) and nanoseconds within the second (0 to 999 999 999).
type Stamp struct {
	_    struct{} `cbor:",toarray"`
	Sec  int64
	Nsec uint32
}

// StampOf gives the stamp of t.
func StampOf(t time.Time) Stamp { return Stamp{Sec: t.Unix(), Nsec: uint32(t.Nanosecond())} }

// Time gives the stamp as a time in UTC.
func (s Stamp) Time() time.Time { return time.Unix(s.Sec, int64(s.Nsec)).UTC() }

// Xattr is one extended attribute; POSIX ACLs are kept in their xattr form
// (system.posix_acl_access, system.posix_acl_default).
type Xattr struct {
	_     struct{} `cbor:",toarray"`
	Name  []byte
	Value []byte
}

// Extent is a range of a sparse file that holds data; everything outside the
// extents reads as zeros.
type Extent struct {
	_      struct{} `cbor:",toarray"`
	Offset int64
	Length int64
}

// Content is the content stream of a regular file: the bytes of its extents,
// or of the whole file when it has none, one after the other.
type Content struct {
	_ struct{} `cbor:",toarray"`
	// Cut says how the stream was cut: 1 whole, 2 content-defined, or a
	// fixed block size in bytes (8192 to 65536).
	Cut uint32
	// Depth is the number of list levels between here and the chunks: 0
	// means that List holds the chunks themselves.
	Depth uint8
	// List holds chunks of data (Depth 0) or of list nodes (Depth above 0);
	// for list nodes Length counts the bytes of the stream below them.
	List []ListItem
}

// ListItem is a chunk or a list node: its digest and how many bytes of the
// content stream it stands for.
type ListItem struct {
	_      struct{} `cbor:",toarray"`
	Digest Digest
	Length int64
}

// Entry is one file system object in a directory. Times of change (ctime) and
// inode numbers are not part of it: they belong in hints.
type Entry struct {
	// Name is the last path element as bytes, 1 to 255 of them, without
	// slash or NUL; empty only for the root entry of a point.
	Name []byte `cbor:"1,keyasint"`
	Kind Kind   `cbor:"2,keyasint"`
	// Mode holds the permission bits with setuid, setgid and sticky (07777).
	Mode  uint32 `cbor:"3,keyasint"`
	UID   uint32 `cbor:"4,keyasint"`
	GID   uint32 `cbor:"5,keyasint"`
	User  string `cbor:"6,keyasint,omitempty"`
	Group string `cbor:"7,keyasint,omitempty"`
	MTime Stamp  `cbor:"8,keyasint"`
	// Size is the logical length of a regular file in bytes.
	Size int64 `cbor:"9,keyasint,omitempty"`
	// Target is where a symbolic link points.
	Target []byte `cbor:"10,keyasint,omitempty"`
	// Major and Minor number a device.
	Major uint32 `cbor:"11,keyasint,omitempty"`
	Minor uint32 `cbor:"12,keyasint,omitempty"`
	// Xattrs are sorted by name.
	Xattrs []Xattr `cbor:"13,keyasint,omitempty"`
	// Flags are inode flags (immutable, append, nodump, ...), as FS_IOC_GETFLAGS gives
	// them, masked to those a user can set.
	Flags uint32 `cbor:"14,keyasint,omitempty"`
	// LinkGroup, 16 bytes, is equal for entries of one point that are hard
	// links to the same object; empty for an object with one link. Every
	// entry of a group carries the whole metadata and content.
	LinkGroup []byte `cbor:"15,keyasint,omitempty"`
	// Extents lists the data of a sparse file in ascending order; nil means
	// that the whole file is data. SparseEmpty files (all hole) have Sparse
	// set and no extents.
	Sparse  bool     `cbor:"16,keyasint,omitempty"`
	Extents []Extent `cbor:"17,keyasint,omitempty"`
	// Content is set for regular files with at least one byte of data.
	Content *Content `cbor:"18,keyasint,omitempty"`
	// Tree is the digest of a directory's node.
	Tree *Digest `cbor:"19,keyasint,omitempty"`
	// Fuzzy marks a file that changed while it was read, each time it was tried.
	Fuzzy bool `cbor:"20,keyasint,omitempty"`
}
