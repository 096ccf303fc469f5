package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

const maxPlain = 8 << 20 // no frame or box may claim more

// openAEAD opens `nonce | ciphertext | tag`.
func openAEAD(key, sealed, associated []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if len(sealed) < 28 {
		return nil, errors.New("sealed bytes too short")
	}
	return gcm.Open(nil, sealed[:12], sealed[12:], associated)
}

func derive(secret, salt []byte, info string, n int) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, salt, info, n)
}

// objectKey is the key of one object, from its 64-byte seal header (section 6).
func (r *reader) objectKey(header []byte) ([]byte, error) {
	if len(header) < 64 {
		return nil, errors.New("seal header too short")
	}
	for _, g := range r.ring.Generations {
		if bytes.Equal(g.ID, header[:16]) {
			session, err := derive(g.Secret, header[16:32], "counterfoil/1 session key", 32)
			if err != nil {
				return nil, err
			}
			return derive(session, header[32:64], "counterfoil/1 object key", 32)
		}
	}
	return nil, errors.New("sealed with a generation that is not in the keyring")
}

// openFrame opens frame n of an object.
func (r *reader) openFrame(magic string, header, sealed []byte, n uint32) ([]byte, error) {
	key, err := r.objectKey(header)
	if err != nil {
		return nil, err
	}
	associated := append([]byte(magic), r.vaultID[:]...)
	associated = append(associated, header[32:64]...)
	associated = binary.BigEndian.AppendUint32(associated, n)
	return openAEAD(key, sealed, associated)
}

// openBox opens a box: a seal header and frame 0.
func (r *reader) openBox(magic string, box []byte) ([]byte, error) {
	if len(box) < 64 {
		return nil, errors.New("box too short")
	}
	plain, err := r.openFrame(magic, box[:64], box[64:], 0)
	if err != nil {
		return nil, err
	}
	if len(plain) < 5 {
		return nil, errors.New("box has no head")
	}
	return inflate(plain[0], plain[5:], binary.BigEndian.Uint32(plain[1:5]))
}

// inflate undoes compression 0 or 1 and checks the plain length.
func inflate(compression byte, data []byte, length uint32) ([]byte, error) {
	if length > maxPlain {
		return nil, errors.New("plain length too large")
	}
	switch compression {
	case 0:
	case 1:
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPlain))
		if err != nil {
			return nil, err
		}
		defer dec.Close()
		if data, err = dec.DecodeAll(data, make([]byte, 0, length)); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("unknown compression %d", compression)
	}
	if uint32(len(data)) != length {
		return nil, errors.New("plain length differs")
	}
	return data, nil
}

// signed is an object of section 3 whose digest was checked; the signature is checked by verify.
type signed struct {
	magic string
	clear []byte
	sigs  []signature
	body  []byte
}

type signature struct {
	_         struct{} `cbor:",toarray"`
	Algorithm string
	Key       []byte
	Signature []byte
}

// checkDigest takes the SHA256 at the end off and checks it, and the magic at the start.
func checkDigest(data []byte, magic string) ([]byte, error) {
	if len(data) < 8+32 {
		return nil, errors.New("object too short")
	}
	rest, want := data[:len(data)-32], data[len(data)-32:]
	if got := sha256.Sum256(rest); !bytes.Equal(got[:], want) {
		return nil, errors.New("digest at the end differs")
	}
	if string(rest[:8]) != magic {
		if string(rest[:3]) == "CFV" && rest[3] > '1' && rest[3] <= '9' {
			return nil, errors.New("object of a later format")
		}
		return nil, fmt.Errorf("magic is %q, not %q", rest[:8], magic)
	}
	return rest, nil
}

// part takes a length-prefixed part off the front; width is 4 or 8.
func part(data []byte, width int) (head, rest []byte, err error) {
	if len(data) < width {
		return nil, nil, errors.New("object ends early")
	}
	n := uint64(0)
	for _, b := range data[:width] {
		n = n<<8 | uint64(b)
	}
	data = data[width:]
	if n > uint64(len(data)) {
		return nil, nil, errors.New("object ends early")
	}
	return data[:n], data[n:], nil
}

func parseSigned(data []byte, magic string) (*signed, error) {
	rest, err := checkDigest(data, magic)
	if err != nil {
		return nil, err
	}
	o := &signed{magic: magic}
	var sigs []byte
	if o.clear, rest, err = part(rest[8:], 4); err != nil {
		return nil, err
	}
	if sigs, rest, err = part(rest, 4); err != nil {
		return nil, err
	}
	if o.body, rest, err = part(rest, 8); err != nil {
		return nil, err
	}
	if len(rest) != 0 {
		return nil, errors.New("bytes behind the body")
	}
	return o, decode(sigs, &o.sigs)
}

// verify wants at least one good signature of a trusted key, and no bad one of a trusted key.
func (o *signed) verify(trusted map[[16]byte][]byte) error {
	message := append([]byte("counterfoil/1 signature\x00"+o.magic), o.clear...)
	good := 0
	for _, s := range o.sigs {
		id, err := toBytes16(s.Key)
		if err != nil {
			return err
		}
		public, known := trusted[id]
		if s.Algorithm != "ed25519" || !known {
			continue
		}
		if len(public) != ed25519.PublicKeySize || !ed25519.Verify(public, message, s.Signature) {
			return errors.New("signature is wrong")
		}
		good++
	}
	if good == 0 {
		return errors.New("no signature of a trusted key")
	}
	return nil
}

// readSigned takes a signed object apart, checks digest and signature, and decodes the clear part.
func (r *reader) readSigned(data []byte, magic string, clear any) (*signed, error) {
	o, err := parseSigned(data, magic)
	if err != nil {
		return nil, err
	}
	if err := o.verify(r.signers); err != nil {
		return nil, err
	}
	return o, decode(o.clear, clear)
}

// openBody compares the body with the digest in the clear part and opens it.
func (r *reader) openBody(o *signed, digest []byte) ([]byte, error) {
	if sum := sha256.Sum256(o.body); !bytes.Equal(sum[:], digest) {
		return nil, errors.New("body digest differs")
	}
	return r.openBox(o.magic, o.body)
}
