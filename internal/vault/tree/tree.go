// Package tree encodes directories and content lists (docs/format/vault-1.md,
// section 9). Nodes are chunks; equal directories have equal digests, because
// the encoding is canonical and splitting depends on the items alone.
//
// The package computes and checks bytes; fetching and storing nodes is the
// caller's, through [Getter] and [Putter].
package tree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
)

// The ways a content stream may be cut, besides fixed block sizes in bytes.
const (
	CutWhole   = 1
	CutContent = 2
)

// String gives the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// DigestOf is the digest of a chunk's plaintext.
func DigestOf(plain []byte) Digest { return sha256.Sum256(plain) }

// Getter fetches a node's plaintext, checked against its digest. The bytes
// are the caller's until the next call.
type Getter func(ctx context.Context, d Digest) ([]byte, error)

// Putter stores a node's plaintext under its digest. It copies what it keeps.
type Putter func(ctx context.Context, d Digest, plain []byte) error

type nodeType uint8

const (
	typeDirectory nodeType = 1
	typeBranch    nodeType = 2
	typeList      nodeType = 3
)

const (
	leafEntries   = 1024    // a directory up to here is one node
	pieceEntries  = 4096    // and a piece of a larger one at most this
	pieceBytes    = 1 << 20 // at which a piece ends too, lest it outgrow a chunk
	pieceBits     = 1<<9 - 1
	inlineItems   = 32 // content lists up to here stay in the entry
	listItems     = 8192
	listBits      = 1<<6 - 1
	maxDepth      = 8
	maxNameLength = 255
)

// MaxEntry is how long an encoded entry may be: a piece with one more entry
// still fits into a chunk.
const MaxEntry = 2 << 20

type node[T any] struct {
	_     struct{} `cbor:",toarray"`
	Type  nodeType
	Items []T
}

type branchItem struct {
	_      struct{} `cbor:",toarray"`
	First  []byte
	Digest Digest
	Count  uint64
}

func putNode[T any](ctx context.Context, put Putter, t nodeType, items []T) (Digest, error) {
	plain, err := canon.Marshal(node[T]{Type: t, Items: items})
	if err != nil {
		return Digest{}, err
	}
	d := DigestOf(plain)
	return d, put(ctx, d, plain)
}

func parseNode[T any](plain []byte, want nodeType) ([]T, error) {
	if count := itemCount(plain); count > listItems {
		return nil, errkind.New(errkind.Damaged, "tree node of %d items", count)
	}
	var n node[T]
	if err := canon.Unmarshal(plain, &n); err != nil {
		return nil, err
	}
	if n.Type != want {
		return nil, errkind.New(errkind.Damaged, "tree node of type %d where %d was expected", n.Type, want)
	}
	return n.Items, nil
}

// typeOf peeks at a node's type: the second byte of its CBOR array of two.
func typeOf(plain []byte) nodeType {
	if len(plain) < 2 || plain[0] != 0x82 {
		return 0
	}
	return nodeType(plain[1])
}

// itemCount peeks at the number of a node's items, 0 where there is none: they
// are decoded into something much larger.
func itemCount(plain []byte) uint64 {
	var wide [8]byte
	if len(plain) < 3 || plain[2] < 0x98 || plain[2] > 0x9b || len(plain) < 3+1<<(plain[2]-0x98) {
		return 0 // at most 23, or no array
	}
	n := 1 << (plain[2] - 0x98)
	copy(wide[8-n:], plain[3:3+n])
	return binary.BigEndian.Uint64(wide[:])
}

// CheckEntry refuses an entry that no honest writer makes, above all a name
// that would lead out of its directory.
func CheckEntry(e *Entry, root bool) error {
	switch {
	case root && len(e.Name) == 0:
	case len(e.Name) == 0 || len(e.Name) > maxNameLength,
		bytes.ContainsAny(e.Name, "/\x00"), string(e.Name) == ".", string(e.Name) == "..":
		return errkind.New(errkind.Damaged, "entry with the impossible name %q", e.Name)
	}
	if e.Kind < Regular || e.Kind > Socket {
		return errkind.New(errkind.Damaged, "entry %q of unknown kind %d", e.Name, e.Kind)
	}
	if e.Mode > 0o7777 || e.MTime.Nsec > 999_999_999 || len(e.LinkGroup) != 0 && len(e.LinkGroup) != 16 {
		return errkind.New(errkind.Damaged, "entry %q with an impossible mode, time or link group", e.Name)
	}
	if e.Size < 0 || (e.Kind == Dir) != (e.Tree != nil) || e.Kind != Regular && e.Content != nil {
		return errkind.New(errkind.Damaged, "entry %q does not fit its kind", e.Name)
	}
	return checkContent(e)
}

func checkContent(e *Entry) error {
	stream := e.Size
	if e.Sparse {
		stream = 0
		end := int64(0)
		for _, x := range e.Extents {
			if x.Offset < end || x.Length <= 0 || x.Offset+x.Length < x.Offset || x.Offset+x.Length > e.Size {
				return errkind.New(errkind.Damaged, "entry %q has impossible extents", e.Name)
			}
			end = x.Offset + x.Length
			stream += x.Length
		}
	} else if len(e.Extents) != 0 {
		return errkind.New(errkind.Damaged, "entry %q has extents but is not sparse", e.Name)
	}
	if e.Kind != Regular {
		return nil
	}
	have := int64(0)
	if e.Content != nil {
		if e.Content.Depth > maxDepth {
			return errkind.New(errkind.Damaged, "entry %q has a content list %d levels deep", e.Name, e.Content.Depth)
		}
		var err error
		if have, err = sumLengths(e.Content.List); err != nil {
			return err
		}
	}
	if have != stream {
		return errkind.New(errkind.Damaged, "entry %q has %d bytes of content for %d", e.Name, have, stream)
	}
	return nil
}

func sumLengths(items []ListItem) (int64, error) {
	total := int64(0)
	for _, it := range items {
		if it.Length <= 0 || total+it.Length < total {
			return 0, errkind.New(errkind.Damaged, "content list with an impossible length")
		}
		total += it.Length
	}
	return total, nil
}
