package objects

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/chunk"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Header is the clear first object of a vault (section 3).
type Header struct {
	Format   uint32       `cbor:"1,keyasint"`
	Vault    seal.ID      `cbor:"2,keyasint"`
	Created  tree.Stamp   `cbor:"3,keyasint"`
	Name     string       `cbor:"4,keyasint"`
	Kind     string       `cbor:"5,keyasint"`
	Cutter   chunk.Params `cbor:"6,keyasint"`
	PackSize uint32       `cbor:"7,keyasint"`
}

// SigningKey is a public key that objects are signed with (section 4).
type SigningKey struct {
	Vault     seal.ID     `cbor:"1,keyasint"`
	ID        canon.KeyID `cbor:"2,keyasint"`
	Algorithm string      `cbor:"3,keyasint"`
	Public    []byte      `cbor:"4,keyasint"`
	From      tree.Stamp  `cbor:"5,keyasint"`
	To        *tree.Stamp `cbor:"6,keyasint,omitempty"`
}

// ReadHeader reads a header, of which the signature is yet to be verified: its
// key is known only once the vault is open.
func (s *Store) ReadHeader(ctx context.Context, name string) (canon.SignedObject, Header, error) {
	var h Header
	data, err := s.Bucket.ReadAll(ctx, name, SmallLimit)
	if err != nil {
		return canon.SignedObject{}, h, err
	}
	object, err := canon.ParseSigned(canon.Header, data)
	if err == nil {
		err = canon.Unmarshal(object.Clear, &h)
	}
	if err == nil && h.Format != 1 {
		err = errkind.New(errkind.NewerFormat, "written in vault format %d, this program reads format 1: use a newer counterfoil", h.Format)
	}
	if err != nil {
		return object, h, errkind.Wrap(errkind.Of(err), err, "read object %q", name)
	}
	return object, h, nil
}
