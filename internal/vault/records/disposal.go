package records

import (
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// The offices in which a disposal batch is signed.
const (
	SignedByOwner   = "owner"
	SignedByOfficer = "compliance_officer"
)

// BatchRecord is a signature under a disposal batch: points kept by class,
// close or event that may go now that their time has passed.
type BatchRecord struct {
	ID string     `cbor:"1,keyasint"`
	At tree.Stamp `cbor:"2,keyasint"`
	By string     `cbor:"3,keyasint"`
	// Points are ids in lower case, ascending.
	Points []string `cbor:"4,keyasint"`
	Why    string   `cbor:"5,keyasint,omitempty"`
	// As is the office in which it was signed; empty is both.
	As string `cbor:"6,keyasint,omitempty"`
}

// CertificateRecord is a disposition certificate: what was disposed of, by
// which rule and authority, by what time, and what of it survives.
type CertificateRecord struct {
	ID         string           `cbor:"1,keyasint"`
	Point      objects.PointID  `cbor:"2,keyasint"`
	Source     objects.SourceID `cbor:"3,keyasint"`
	SourceName string           `cbor:"4,keyasint"`
	Number     uint64           `cbor:"5,keyasint"`
	// Manifest is the SHA-256 of the point's object.
	Manifest      tree.Digest `cbor:"6,keyasint"`
	Received      tree.Stamp  `cbor:"7,keyasint"`
	Size          int64       `cbor:"8,keyasint"`
	Entries       int64       `cbor:"9,keyasint"`
	Policy        string      `cbor:"10,keyasint,omitempty"`
	PolicyVersion int         `cbor:"11,keyasint,omitempty"`
	// Until is when its retention ended, Grounds why it could go.
	Until   tree.Stamp `cbor:"12,keyasint"`
	Grounds []string   `cbor:"13,keyasint,omitempty"`
	// Batch is the signed batch in which it lay, if it needed one.
	Batch string `cbor:"14,keyasint,omitempty"`
	// Proven is the time that was proven to have passed, Disposed when it went.
	Proven   tree.Stamp `cbor:"15,keyasint"`
	Disposed tree.Stamp `cbor:"16,keyasint"`
	By       string     `cbor:"17,keyasint"`
	// Event is the audit record that allowed it, Record the last governance record
	// taken into account: no hold stood in any until then.
	Event  string `cbor:"18,keyasint,omitempty"`
	Record uint64 `cbor:"19,keyasint"`
	// Packs is how many packs it needed, SharedPacks how many of them survive
	// because other points need them.
	Packs       int64 `cbor:"20,keyasint"`
	SharedPacks int64 `cbor:"21,keyasint"`
	// Last are the 32-byte names of the packs that no point needs any more, joined:
	// when the last of them is collected, what it alone had is erased.
	Last []byte `cbor:"22,keyasint,omitempty"`
}

// ProofRecord is the root of a retention proof.
type ProofRecord struct {
	Point objects.PointID `cbor:"1,keyasint"`
	At    tree.Stamp      `cbor:"2,keyasint"`
	// Root is the Merkle tree hash of the lines of the proof's objects.
	Root    tree.Digest `cbor:"3,keyasint"`
	Objects int64       `cbor:"4,keyasint"`
	// Until is the earliest end of a lock among them.
	Until tree.Stamp `cbor:"5,keyasint"`
}

// CanaryRecord is the result of attacking an object made for it.
type CanaryRecord struct {
	At       tree.Stamp `cbor:"1,keyasint"`
	Object   string     `cbor:"2,keyasint"`
	Mode     string     `cbor:"3,keyasint"`
	Verdict  string     `cbor:"4,keyasint"`
	Attempts []string   `cbor:"5,keyasint,omitempty"`
}
