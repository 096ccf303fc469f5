package seal

import (
	"encoding/binary"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
)

// MaxBox is the largest plaintext of a box.
const MaxBox = MaxPlain

// StreamPiece is the largest plaintext of one frame of a sealed stream.
const StreamPiece = 1 << 20

const lastFrame = 0x80000000

// Box seals a small plaintext as seal header and one frame.
func Box(s *Sealer, z *Zipper, plain []byte) ([]byte, error) {
	if len(plain) > MaxBox {
		return nil, errkind.New(errkind.Invalid, "%d bytes are too many for one sealed body (at most %d)", len(plain), MaxBox)
	}
	return s.Seal(s.Header.Append(nil), 0, z.wrapPiece(nil, plain)), nil
}

// Unbox opens a box of an object with magic m.
func Unbox(m canon.Magic, vault ID, box []byte, keys Keys, z *Zipper) ([]byte, error) {
	s, rest, err := openHeader(m, vault, box, keys)
	if err != nil {
		return nil, err
	}
	piece, err := s.Unseal(nil, 0, rest)
	if err != nil {
		return nil, err
	}
	return z.unwrapPiece(nil, piece)
}

// Stream builds a whole sealed stream object from its data.
func Stream(m canon.Magic, vault ID, s *Sealer, z *Zipper, data []byte) []byte {
	out := append([]byte(m), vault[:]...)
	out = s.Header.Append(out)
	var piece []byte
	for number := uint32(0); ; number++ {
		part := data[:min(StreamPiece, len(data))]
		data = data[len(part):]
		if len(data) == 0 {
			number |= lastFrame
		}
		piece = z.wrapPiece(piece[:0], part)
		out = binary.BigEndian.AppendUint32(out, uint32(len(piece)+Overhead))
		out = s.Seal(out, number, piece)
		if number&lastFrame != 0 {
			return canon.AppendDigest(out)
		}
	}
}

// Unstream checks and opens a whole sealed stream object.
func Unstream(m canon.Magic, vault ID, object []byte, keys Keys, z *Zipper) ([]byte, error) {
	rest, err := canon.CheckDigest(m, object)
	if err != nil {
		return nil, err
	}
	s, rest, err := OpenObject(m, vault, rest, keys)
	if err != nil {
		return nil, err
	}
	var out, piece []byte
	for number := uint32(0); ; number++ {
		var sealed []byte
		if sealed, rest, err = canon.Cut32(rest); err != nil {
			return nil, err
		}
		n := number
		if len(rest) == 0 {
			n |= lastFrame
		}
		if piece, err = s.Unseal(piece[:0], n, sealed); err != nil {
			return nil, err
		}
		if out, err = z.unwrapPiece(out, piece); err != nil {
			return nil, err
		}
		if n&lastFrame != 0 {
			return out, nil
		}
	}
}
