// Package tlog is an append-only Merkle log of opaque records on a store.
//
// Its words: a record is any bytes up to 32 KiB; a bundle holds up to 256
// records; a tile holds up to 256 hashes of one level of the RFC 6962 tree; a
// checkpoint is the signed statement "these are the first N records".
//
// What must always be true: a checkpoint is written only after every bundle
// and tile it speaks of is durable, so a crash anywhere leaves the previous
// checkpoint valid; no checkpoint is ever signed that does not extend the one
// on the store.
//
// It leaves to others what records mean, who may write, and that only one
// process appends at a time. It implements docs/format/audit-log.md, that is
// the C2SP specifications tlog-tiles, tlog-checkpoint and signed-note.
package tlog

import (
	merkle "golang.org/x/mod/sumdb/tlog"
)

// MaxRecord is the most bytes a record may have. A caller with more stores the
// rest elsewhere and logs its digest.
const MaxRecord = 32 << 10

const (
	// tileHeight and tileWidth are fixed by the tlog-tiles specification.
	tileHeight = 8
	tileWidth  = 1 << tileHeight

	checkpointName = "checkpoint"
)

// Hash is an RFC 6962 SHA-256 hash of a record or of a subtree.
type Hash = merkle.Hash

// InclusionProof shows that one record is in a tree.
type InclusionProof = merkle.RecordProof

// ConsistencyProof shows that a smaller tree is a prefix of a larger one.
type ConsistencyProof = merkle.TreeProof
