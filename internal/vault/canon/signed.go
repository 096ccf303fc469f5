package canon

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

const signatureDomain = "counterfoil/1 signature\x00"

// maxSignatures bounds the encoded signatures of an object: they are decoded
// before anything about the object is known to be genuine.
const maxSignatures = 64 << 10

// Ed25519 is the name of the one signature algorithm of format 1.
const Ed25519 = "ed25519"

// KeyID names a signing key: the first 16 bytes of SHA-256 of its public half.
type KeyID [16]byte

// KeyIDOf gives the id of a public key.
func KeyIDOf(pub ed25519.PublicKey) KeyID {
	sum := sha256.Sum256(pub)
	return KeyID(sum[:16])
}

// Signature is one signature over an object's magic and clear part.
type Signature struct {
	_         struct{} `cbor:",toarray"`
	Algorithm string
	Key       KeyID
	Bytes     []byte
}

// SignedObject is the parsed frame of a signed object; its slices point into
// the bytes it was parsed from.
type SignedObject struct {
	Clear      []byte
	Signatures []Signature
	Body       []byte
}

// Sign builds a signed object. body may be nil; when it is not, the clear part
// must already hold its digest.
func Sign(m Magic, clear, body []byte, key ed25519.PrivateKey) ([]byte, error) {
	sig := Signature{
		Algorithm: Ed25519,
		Key:       KeyIDOf(key.Public().(ed25519.PublicKey)),
		Bytes:     ed25519.Sign(key, signedBytes(m, clear)),
	}
	sigs, err := Marshal([]Signature{sig})
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, MagicSize+16+len(clear)+len(sigs)+len(body)+sha256.Size)
	out = append(out, m...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(clear)))
	out = append(out, clear...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(sigs)))
	out = append(out, sigs...)
	out = binary.BigEndian.AppendUint64(out, uint64(len(body)))
	out = append(out, body...)
	return AppendDigest(out), nil
}

func signedBytes(m Magic, clear []byte) []byte {
	return bytes.Join([][]byte{[]byte(signatureDomain), []byte(m), clear}, nil)
}

// ParseSigned checks magic, lengths and digest of a signed object and takes it
// apart. It does not check signatures: see [SignedObject.Verify].
func ParseSigned(m Magic, data []byte) (SignedObject, error) {
	var o SignedObject
	rest, err := CheckDigest(m, data)
	if err != nil {
		return o, err
	}
	if o.Clear, rest, err = cut32(rest); err != nil {
		return o, err
	}
	sigs, rest, err := cut32(rest)
	if err != nil {
		return o, err
	}
	if len(sigs) > maxSignatures {
		return o, errkind.New(errkind.Damaged, "%d bytes of signatures", len(sigs))
	}
	if err := Unmarshal(sigs, &o.Signatures); err != nil {
		return o, err
	}
	if len(rest) < 8 || binary.BigEndian.Uint64(rest) != uint64(len(rest)-8) {
		return o, errkind.New(errkind.Damaged, "body length does not fit the object")
	}
	if len(rest) > 8 {
		o.Body = rest[8:]
	}
	return o, nil
}

// Verify checks that at least one signature is by a key that find knows, and
// that every signature by a known key holds. find returns nil for a stranger.
func (o SignedObject) Verify(m Magic, find func(KeyID) ed25519.PublicKey) error {
	known := 0
	for _, s := range o.Signatures {
		pub := find(s.Key)
		if s.Algorithm != Ed25519 || pub == nil {
			continue
		}
		if !ed25519.Verify(pub, signedBytes(m, o.Clear), s.Bytes) {
			return errkind.New(errkind.Damaged, "signature by key %x does not hold", s.Key)
		}
		known++
	}
	if known == 0 {
		return errkind.New(errkind.Damaged, "no signature by a key of this vault")
	}
	return nil
}

// AppendDigest ends an object with the SHA-256 of all before.
func AppendDigest(data []byte) []byte {
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

// CheckDigest checks magic and final digest, and gives what lies between:
// errkind.NewerFormat for a whole object of a later format, else errkind.Damaged.
func CheckDigest(m Magic, data []byte) ([]byte, error) {
	if newer(data) {
		return nil, errkind.New(errkind.NewerFormat, "written in vault format %c, this program reads format 1: use a newer counterfoil", data[3])
	}
	if err := m.Check(data); err != nil {
		return nil, err
	}
	end := len(data) - sha256.Size
	if end < MagicSize {
		return nil, errkind.New(errkind.Damaged, "%s object of only %d bytes", m[4:], len(data))
	}
	if sum := sha256.Sum256(data[:end]); !bytes.Equal(sum[:], data[end:]) {
		return nil, errkind.New(errkind.Damaged, "digest at the end of the %s object does not match its bytes", m[4:])
	}
	return data[MagicSize:end], nil
}

func cut32(data []byte) (part, rest []byte, err error) {
	if len(data) < 4 {
		return nil, nil, errkind.New(errkind.Damaged, "object ends inside a length")
	}
	n := uint64(binary.BigEndian.Uint32(data))
	if n > uint64(len(data)-4) {
		return nil, nil, errkind.New(errkind.Damaged, "length %d is beyond the object's end", n)
	}
	return data[4 : 4+n], data[4+n:], nil
}

// Cut32 takes a u32 length and that many bytes off the front of data.
func Cut32(data []byte) (part, rest []byte, err error) { return cut32(data) }
