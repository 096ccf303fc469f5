package points

import (
	"context"
	"crypto/sha256"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Intent announces a point that is about to be committed (section 14).
type Intent struct {
	Vault  seal.ID         `cbor:"1,keyasint"`
	Point  objects.PointID `cbor:"2,keyasint"`
	At     tree.Stamp      `cbor:"3,keyasint"`
	Object string          `cbor:"4,keyasint"`
	Digest tree.Digest     `cbor:"5,keyasint"`
	Lock   *IntentLock     `cbor:"6,keyasint,omitempty"`
	Body   tree.Digest     `cbor:"7,keyasint"`
	// Own is until when the point and this intent are locked, where that is not
	// the date of Lock.
	Own *tree.Stamp `cbor:"8,keyasint,omitempty"`
}

// IntentLock is the lock that the commit sets on packs.
type IntentLock struct {
	Mode  string     `cbor:"1,keyasint"`
	Until tree.Stamp `cbor:"2,keyasint"`
}

// PutIntent announces a point with the bytes of its object: errkind.Busy where
// its number is taken.
func (s *Points) PutIntent(ctx context.Context, p Point, object []byte, own, packs blob.Lock) error {
	body, err := s.store.Box(canon.Intent, object)
	if err != nil {
		return err
	}
	c := Intent{Vault: s.store.Vault, Point: p.Envelope.ID, At: tree.StampOf(s.store.Now()), Object: p.Object, Digest: p.Digest, Body: sha256.Sum256(body)}
	if packs.Mode != blob.NoLock {
		c.Lock = &IntentLock{Mode: string(packs.Mode), Until: tree.StampOf(packs.Until)}
		if !own.Until.Equal(packs.Until) {
			until := tree.StampOf(own.Until)
			c.Own = &until
		}
	}
	clear, err := canon.Marshal(c)
	if err != nil {
		return err
	}
	data, err := canon.Sign(canon.Intent, clear, body, s.store.Ring.SigningKey())
	if err != nil {
		return err
	}
	_, err = s.store.Bucket.Put(ctx, p.Object+objects.IntentSuffix, data, blob.PutOptions{Lock: own})
	if errkind.Is(err, errkind.Exists) {
		return errkind.New(errkind.Busy, "point %d of this source was just committed by somebody else: run the backup again", p.Envelope.Number)
	}
	return err
}

// ReadIntent reads an intent and the bytes of the point in it.
func (s *Points) ReadIntent(ctx context.Context, name string) (Intent, []byte, error) {
	var c Intent
	var object []byte
	err := s.store.ReadGood(ctx, name, func(data []byte) (err error) {
		c, object, err = s.parseIntent(name, data)
		return err
	})
	return c, object, err
}

func (s *Points) parseIntent(name string, data []byte) (Intent, []byte, error) {
	var c Intent
	signed, err := s.store.ParseSigned(canon.Intent, name, data, &c)
	if err != nil {
		return c, nil, err
	}
	if c.Vault != s.store.Vault || c.Object+objects.IntentSuffix != name || sha256.Sum256(signed.Body) != c.Body {
		return c, nil, errkind.New(errkind.Damaged, "intent %q is not what its name or signature says", name)
	}
	object, err := s.store.Unbox(canon.Intent, signed.Body)
	if err == nil && sha256.Sum256(object) != c.Digest {
		err = errkind.New(errkind.Damaged, "the point in it is not the one announced")
	}
	if err != nil {
		return c, nil, errkind.Wrap(errkind.Of(err), err, "intent %q", name)
	}
	return c, object, nil
}
