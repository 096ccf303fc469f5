// Package seal encrypts what leaves the vault's memory (docs/format/vault-1.md,
// sections 5 and 6): the keyring and its slots, frames of packs, boxes and
// sealed streams. It uses only FIPS-approved primitives of Go's cryptographic
// module, with random nonces and a fresh key for each object.
//
// Every sealed frame is bound to its vault, object and number; what opens is
// what was sealed there.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
)

// Overhead is how much longer a sealed frame is than its plaintext.
const Overhead = 28

// HeaderSize is the length of a seal header.
const HeaderSize = 64

// ID names a generation, a session or a slot.
type ID [16]byte

// NewID makes a random id.
func NewID() ID {
	var id ID
	fill(id[:])
	return id
}

// fill reads random bytes; crypto/rand does not fail on supported systems and
// ends the program if it ever did.
func fill(p []byte) { _, _ = rand.Read(p) }

// Secret is 32 bytes of key material. It prints as nothing.
type Secret [32]byte

// NewSecret makes a random secret.
func NewSecret() Secret {
	var s Secret
	fill(s[:])
	return s
}

// Format keeps secrets out of logs, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secret") }

// MarshalJSON keeps secrets out of structured logs.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"secret"`), nil }

// Header says which keys sealed an object; it travels in clear.
type Header struct {
	Generation ID
	Session    ID
	Salt       [32]byte
}

// Append adds the header's 64 bytes to dst.
func (h Header) Append(dst []byte) []byte {
	dst = append(dst, h.Generation[:]...)
	dst = append(dst, h.Session[:]...)
	return append(dst, h.Salt[:]...)
}

// ParseHeader reads a header from the front of data.
func ParseHeader(data []byte) (Header, []byte, error) {
	var h Header
	if len(data) < HeaderSize {
		return h, nil, errkind.New(errkind.Damaged, "object ends inside its seal header")
	}
	copy(h.Generation[:], data)
	copy(h.Session[:], data[16:])
	copy(h.Salt[:], data[32:])
	return h, data[HeaderSize:], nil
}

// SessionKey derives the key of one session from its generation's secret.
func SessionKey(generation Secret, session ID) Secret {
	return derive(generation[:], session[:], "counterfoil/1 session key")
}

func derive(secret, salt []byte, info string) Secret {
	key, err := hkdf.Key(sha256.New, secret, salt, info, 32)
	if err != nil {
		panic(err) // a fixed, allowed length
	}
	return Secret(key)
}

// Sealer seals and opens the frames of one object. It is safe for concurrent
// use.
type Sealer struct {
	Header Header
	aead   cipher.AEAD
	ad     []byte
}

// New prepares an object's sealer under a session key, with a fresh salt.
func New(m canon.Magic, vault ID, generation, session ID, sessionKey Secret) *Sealer {
	h := Header{Generation: generation, Session: session}
	fill(h.Salt[:])
	return Open(m, vault, h, sessionKey)
}

// Open prepares the sealer of an existing object.
func Open(m canon.Magic, vault ID, h Header, sessionKey Secret) *Sealer {
	key := derive(sessionKey[:], h.Salt[:], "counterfoil/1 object key")
	ad := append([]byte(m), vault[:]...)
	ad = append(ad, h.Salt[:]...)
	return &Sealer{Header: h, aead: newAEAD(key), ad: ad}
}

func newAEAD(key Secret) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // 32 bytes is a key length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES has the block size of GCM
	}
	return aead
}

func (s *Sealer) frameAD(number uint32) []byte {
	ad := make([]byte, 0, 64)
	return binary.BigEndian.AppendUint32(append(ad, s.ad...), number)
}

// Seal appends frame number's sealed form to dst. plain and dst's free space
// must not overlap.
func (s *Sealer) Seal(dst []byte, number uint32, plain []byte) []byte {
	return s.aead.Seal(dst, nil, plain, s.frameAD(number))
}

// Unseal appends the plaintext of frame number to dst.
func (s *Sealer) Unseal(dst []byte, number uint32, sealed []byte) ([]byte, error) {
	out, err := s.aead.Open(dst, nil, sealed, s.frameAD(number))
	if err != nil {
		return nil, errkind.New(errkind.Damaged, "frame %d does not open under its key", number)
	}
	return out, nil
}

// Keys finds the session key an object was sealed with.
type Keys interface {
	// SessionKey fails with errkind.WrongKey for a generation it lacks.
	SessionKey(generation, session ID) (Secret, error)
}

// OpenObject parses vault id and seal header at the front of data (after the
// magic) and prepares the sealer.
func OpenObject(m canon.Magic, vault ID, data []byte, keys Keys) (*Sealer, []byte, error) {
	if len(data) < 16 || ID(data[:16]) != vault {
		return nil, nil, errkind.New(errkind.Damaged, "object belongs to another vault")
	}
	return openHeader(m, vault, data[16:], keys)
}

func openHeader(m canon.Magic, vault ID, data []byte, keys Keys) (*Sealer, []byte, error) {
	h, rest, err := ParseHeader(data)
	if err != nil {
		return nil, nil, err
	}
	key, err := keys.SessionKey(h.Generation, h.Session)
	if err != nil {
		return nil, nil, fmt.Errorf("find key of generation %x: %w", h.Generation, err)
	}
	return Open(m, vault, h, key), rest, nil
}
