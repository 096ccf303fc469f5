package vault

import "github.com/counterfoil/counterfoil/internal/vault/tree"

// The words of trees that callers of the vault use.
type (
	// Entry is one file system object of a point.
	Entry = tree.Entry
	// Stamp is an instant with nanoseconds.
	Stamp = tree.Stamp
	// Extent is a range of data in a sparse file.
	Extent = tree.Extent
	// Xattr is an extended attribute.
	Xattr = tree.Xattr
	// Digest is the SHA-256 of a chunk's plaintext.
	Digest = tree.Digest
	// Content is a file's content stream.
	Content = tree.Content
	// Kind is what an entry is.
	Kind = tree.Kind
)

// The kinds of entries.
const (
	Regular     = tree.Regular
	Dir         = tree.Dir
	Symlink     = tree.Symlink
	Fifo        = tree.Fifo
	CharDevice  = tree.CharDevice
	BlockDevice = tree.BlockDevice
	Socket      = tree.Socket
)

// StampOf gives the stamp of a time.
var StampOf = tree.StampOf
