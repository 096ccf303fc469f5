// Package objects knows the objects of a vault (docs/format/vault-1.md): their
// names, how they are read, signed and sealed. What they mean is the matter of
// the packages above it.
package objects

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// Store is a vault's store with the keys to what is in it. It is safe for
// concurrent use once [Store.Unlock] was called.
type Store struct {
	Bucket *blob.Bucket
	// Vault is the id that every sealed and signed object is bound to.
	Vault   seal.ID
	Ring    *seal.Keyring
	Domain  seal.Domain
	Zippers seal.ZipperPool
	// Now is the trusted clock's receipt time.
	Now func() time.Time

	publics map[canon.KeyID]ed25519.PublicKey

	mu       sync.Mutex // guards warnings
	warnings []string
}

// Unlock gives the store its vault and keys.
func (s *Store) Unlock(vault seal.ID, ring *seal.Keyring) error {
	domain, err := ring.Domain(seal.VaultDomain)
	if err != nil {
		return err
	}
	s.Vault, s.Ring, s.Domain = vault, ring, domain
	s.publics = make(map[canon.KeyID]ed25519.PublicKey)
	for _, k := range ring.Signing {
		s.publics[k.ID] = ring.Public(k.ID)
	}
	return nil
}

// Format keeps the keys out of logs, whatever the verb.
func (s *Store) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "vault %x", s.Vault[:]) }

// Warn notes what is wrong but did not prevent the work.
func (s *Store) Warn(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// Warnings lists what was warned of.
func (s *Store) Warnings() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.warnings)
}

// Forgive drops the warnings.
func (s *Store) Forgive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warnings = nil
}

// Signed reads a signed object, checks its signature and decodes its
// clear part into clear.
func (s *Store) Signed(ctx context.Context, m canon.Magic, name string, clear any) (canon.SignedObject, error) {
	data, err := s.Bucket.ReadAll(ctx, name, SmallLimit)
	if err != nil {
		return canon.SignedObject{}, err
	}
	return s.ParseSigned(m, name, data, clear)
}

// ReadGood reads an object that check accepts. Where the current version is
// damaged and the store keeps versions, the others are tried: somebody
// who may write can hide an object under his own, and cannot take it away.
func (s *Store) ReadGood(ctx context.Context, name string, check func(data []byte) error) error {
	data, err := s.Bucket.ReadAll(ctx, name, SmallLimit)
	if err == nil {
		err = check(data)
	}
	if err == nil || !s.Bucket.Caps().Versions || !errkind.Is(err, errkind.Damaged) {
		return err // what is gone is gone: a driver looks beneath markers itself
	}
	if s.Bucket.ReadVersions(ctx, name, SmallLimit, func(data []byte) bool { return check(data) == nil }) != nil {
		return err
	}
	s.Warn("object %q is hidden by another version; the true one was read", name)
	return nil
}

// ParseSigned is [Store.Signed] for bytes that were read.
func (s *Store) ParseSigned(m canon.Magic, name string, data []byte, clear any) (canon.SignedObject, error) {
	o, err := canon.ParseSigned(m, data)
	if err == nil {
		err = o.Verify(m, s.Public)
	}
	if err == nil {
		err = canon.Unmarshal(o.Clear, clear)
	}
	if err != nil {
		return o, errkind.Wrap(errkind.Of(err), err, "object %q", name)
	}
	return o, nil
}

// Box seals a small body under a session of its own.
func (s *Store) Box(m canon.Magic, plain []byte) ([]byte, error) {
	session := seal.NewID()
	key, err := s.Ring.SessionKey(s.Ring.Current, session)
	if err != nil {
		return nil, err
	}
	z := s.Zippers.Get()
	defer s.Zippers.Put(z)
	return seal.Box(seal.New(m, s.Vault, s.Ring.Current, session, key), z, plain)
}

// Unbox opens a small body.
func (s *Store) Unbox(m canon.Magic, body []byte) ([]byte, error) {
	z := s.Zippers.Get()
	defer s.Zippers.Put(z)
	return seal.Unbox(m, s.Vault, body, s.Ring, z)
}

// Stream seals plain as an object of its own, under the key of a session.
func (s *Store) Stream(m canon.Magic, session seal.ID, plain []byte) ([]byte, error) {
	key, err := s.Ring.SessionKey(s.Ring.Current, session)
	if err != nil {
		return nil, err
	}
	z := s.Zippers.Get()
	defer s.Zippers.Put(z)
	return seal.Stream(m, s.Vault, seal.New(m, s.Vault, s.Ring.Current, session, key), z, plain), nil
}

// Unstream opens an object sealed by [Store.Stream].
func (s *Store) Unstream(m canon.Magic, object []byte) ([]byte, error) {
	z := s.Zippers.Get()
	defer s.Zippers.Put(z)
	return seal.Unstream(m, s.Vault, object, s.Ring, z)
}

// ChunkID gives the id under which the index has a chunk.
func (s *Store) ChunkID(kind seal.ChunkKind, digest [32]byte) [32]byte {
	return s.Domain.ChunkID(kind, digest)
}

// ReadRange reads a range of an object.
func (s *Store) ReadRange(ctx context.Context, object string, from, to int64) ([]byte, error) {
	p := make([]byte, to-from)
	return p, s.ReadInto(ctx, object, p, from)
}

// ReadInto fills p from an object; one that is too short is damaged.
func (s *Store) ReadInto(ctx context.Context, object string, p []byte, from int64) error {
	n, err := s.Bucket.ReadAt(ctx, object, p, from)
	if n == len(p) {
		return nil
	}
	if err == nil || IsEOF(err) {
		err = errkind.New(errkind.Damaged, "object %q is shorter than %d bytes", object, from+int64(len(p)))
	}
	return err
}

// Damage counts any fault in sealed bytes as damage (a generation
// that the keyring lacks can only come from altered bytes), but keeps the word of
// a newer format.
func Damage(err error) errkind.Kind {
	if errkind.Is(err, errkind.NewerFormat) {
		return errkind.NewerFormat
	}
	return errkind.Damaged
}

// IsEOF reports whether a read came to an end, early or not.
func IsEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// Public gives a signing key of the vault, nil if it is none of its own.
func (s *Store) Public(id canon.KeyID) ed25519.PublicKey { return s.publics[id] }
