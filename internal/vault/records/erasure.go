package records

import (
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// ErasureRecord says which files were erased for a data subject, so that no
// restore brings them back. It has no name of a person.
type ErasureRecord struct {
	ID string     `cbor:"1,keyasint"`
	At tree.Stamp `cbor:"2,keyasint"`
	By string     `cbor:"3,keyasint"`
	// Subject is an opaque id.
	Subject string `cbor:"4,keyasint"`
	Reason  string `cbor:"5,keyasint"`
	// Sources are the sources concerned; none stands for all of the vault.
	Sources []objects.SourceID `cbor:"6,keyasint,omitempty"`
	// Paths are patterns, as bytes.
	Paths [][]byte `cbor:"7,keyasint"`
	// Until bounds the points by their start, included.
	Until tree.Stamp `cbor:"8,keyasint"`
}

// WithdrawalRecord says that an erasure was recorded by mistake.
type WithdrawalRecord struct {
	Erasure string     `cbor:"1,keyasint"`
	At      tree.Stamp `cbor:"2,keyasint"`
	By      string     `cbor:"3,keyasint"`
	Reason  string     `cbor:"4,keyasint"`
}
