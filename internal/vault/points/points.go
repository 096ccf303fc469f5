// Package points keeps recovery points: what each is, its intent, and the hints
// beside it (docs/format/vault-1.md, sections 10, 11 and 14).
package points

import (
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/records"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Term says how the time a point is kept is bounded.
type Term string

// The terms of points.
const (
	Fixed         Term = "fixed"
	OpenEnded     Term = "open"
	UnlimitedTerm Term = "unlimited"
)

// PackList names the packs a point needs, as of its commit.
type PackList struct {
	Names []byte           `cbor:"1,keyasint,omitempty"`
	Base  *objects.PointID `cbor:"2,keyasint,omitempty"`
	Add   []byte           `cbor:"3,keyasint,omitempty"`
	Drop  []byte           `cbor:"4,keyasint,omitempty"`
}

// Envelope is the clear, signed part of a point (section 11).
type Envelope struct {
	Vault       seal.ID          `cbor:"1,keyasint"`
	ID          objects.PointID  `cbor:"2,keyasint"`
	Source      objects.SourceID `cbor:"3,keyasint"`
	Number      uint64           `cbor:"4,keyasint"`
	Previous    []byte           `cbor:"5,keyasint,omitempty"`
	Started     tree.Stamp       `cbor:"6,keyasint"`
	Received    tree.Stamp       `cbor:"7,keyasint"`
	RetainUntil *tree.Stamp      `cbor:"8,keyasint,omitempty"`
	Term        Term             `cbor:"9,keyasint"`
	Root        tree.Digest      `cbor:"10,keyasint"`
	BodyDigest  tree.Digest      `cbor:"11,keyasint"`
	Packs       PackList         `cbor:"12,keyasint"`
	Complete    bool             `cbor:"13,keyasint"`
	Session     seal.ID          `cbor:"14,keyasint"`
	Trial       bool             `cbor:"15,keyasint,omitempty"`
	Size        int64            `cbor:"16,keyasint"`
	Entries     int64            `cbor:"17,keyasint"`
	// All and RecordsHead are the number and SHA-256 of the last governance
	// record when the point was made: what comes after it can be checked, what is gone is missed.
	Records     uint64 `cbor:"18,keyasint,omitempty"`
	RecordsHead []byte `cbor:"19,keyasint,omitempty"`
}

// PointProblem is an input that could not be taken.
type PointProblem struct {
	_       struct{} `cbor:",toarray"`
	Path    []byte
	Op      string
	Message string
}

// PointClass is a record class found in a point, by path.
type PointClass struct {
	Class string `cbor:"1,keyasint"`
	Path  string `cbor:"2,keyasint"`
	Files int64  `cbor:"3,keyasint"`
	Bytes int64  `cbor:"4,keyasint"`
}

// Body is the sealed part of a point (section 11).
type Body struct {
	Source records.SourceRecord `cbor:"1,keyasint"`
	Host   string               `cbor:"2,keyasint"`
	// Retention is what rules decided at commit; the state of the point is
	// the fold of later facts over it.
	Retention    retention.PointFacts `cbor:"3,keyasint"`
	Statistics   map[string]int64     `cbor:"4,keyasint,omitempty"`
	Classes      []PointClass         `cbor:"5,keyasint,omitempty"`
	Problems     []PointProblem       `cbor:"6,keyasint,omitempty"`
	ProblemCount int64                `cbor:"7,keyasint,omitempty"`
	Fuzzy        [][]byte             `cbor:"8,keyasint,omitempty"`
	FuzzyCount   int64                `cbor:"9,keyasint,omitempty"`
	Excluded     int64                `cbor:"10,keyasint,omitempty"`
	Close        *PointClose          `cbor:"11,keyasint,omitempty"`
	Events       []string             `cbor:"12,keyasint,omitempty"`
	Holds        []string             `cbor:"13,keyasint,omitempty"`
	Version      string               `cbor:"14,keyasint,omitempty"`
	Warnings     []string             `cbor:"15,keyasint,omitempty"`
}

// listRoom bounds the bytes of paths and messages in each list of a body: a
// long list of long paths must not keep a point from being committed. The
// counts beside the lists tell how many there were.
const listRoom = 2 << 20

// Fit cuts the lists of a body that are too long to be committed.
func (b *Body) Fit() {
	room := listRoom
	for i, p := range b.Problems {
		if room -= len(p.Path) + len(p.Op) + len(p.Message) + 32; room < 0 {
			b.Problems = b.Problems[:i]
			break
		}
	}
	room = listRoom
	for i, p := range b.Fuzzy {
		if room -= len(p) + 8; room < 0 {
			b.Fuzzy = b.Fuzzy[:i]
			break
		}
	}
}

// PointClose marks a close point.
type PointClose struct {
	Period      string `cbor:"1,keyasint"`
	Provisional bool   `cbor:"2,keyasint,omitempty"`
}

// Point is a committed recovery point as read from the store.
type Point struct {
	Envelope Envelope
	Body     Body
	// Object is the point's name in the store, Digest the SHA-256 of its bytes.
	Object string
	Digest [32]byte
}
