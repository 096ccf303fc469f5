// Package pack is the unit of storage and of locking (docs/format/vault-1.md,
// section 7): sealed frames of chunks, one after the other, and a sealed
// directory at the end that lists them. A pack's name is the SHA-256 of its
// bytes. Data chunks and tree nodes never share a pack.
package pack

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Name is the SHA-256 of a pack's bytes.
type Name [32]byte

// String gives the name in hexadecimal.
func (n Name) String() string { return hex.EncodeToString(n[:]) }

// Layout of a pack.
const (
	FramesAt    = canon.MagicSize + 16 + seal.HeaderSize
	trailerSize = 4 + canon.MagicSize
	directoryNo = 0xFFFFFFFF
	// MaxSize bounds a pack: the size aimed at, one more frame, directory and padding.
	MaxSize = 64 << 20
	// MaxChunk is the longest chunk in bytes.
	MaxChunk = 4 << 20
)

// Object gives the name under which a pack lies in the store.
func Object(kind seal.ChunkKind, n Name) string {
	h := n.String()
	return Prefix(kind) + h[:2] + "/" + h
}

// Prefix is where packs of a kind lie.
func Prefix(kind seal.ChunkKind) string {
	if kind == seal.TreeChunk {
		return "packs/tree/"
	}
	return "packs/data/"
}

// ParseObject takes an object's name apart; ok is false if it is not a pack's.
func ParseObject(object string) (kind seal.ChunkKind, n Name, ok bool) {
	for _, k := range []seal.ChunkKind{seal.DataChunk, seal.TreeChunk} {
		p := Prefix(k)
		if len(object) != len(p)+3+64 || object[:len(p)] != p {
			continue
		}
		raw, err := hex.DecodeString(object[len(p)+3:])
		if err != nil || Object(k, Name(raw)) != object {
			return 0, Name{}, false
		}
		return k, Name(raw), true
	}
	return 0, Name{}, false
}

// Frame describes one frame: how it is stored and which chunks it holds.
type Frame struct {
	_           struct{} `cbor:",toarray"`
	Compression seal.Compression
	Sealed      uint32
	Plain       uint32
	Lengths     []uint32
	Digests     []byte
}

// Digest gives the digest of the frame's i-th chunk.
func (f *Frame) Digest(i int) tree.Digest { return tree.Digest(f.Digests[32*i : 32*i+32]) }

func (f *Frame) check() error {
	if len(f.Digests) != 32*len(f.Lengths) || f.Plain > seal.MaxPlain || f.Sealed < seal.Overhead {
		return errkind.New(errkind.Damaged, "pack directory with an impossible frame")
	}
	total := uint64(0)
	for _, n := range f.Lengths {
		if n == 0 || n > MaxChunk {
			return errkind.New(errkind.Damaged, "pack directory with a chunk of %d bytes", n)
		}
		total += uint64(n)
	}
	if total != uint64(f.Plain) {
		return errkind.New(errkind.Damaged, "pack directory: chunks of %d bytes in a frame of %d", total, f.Plain)
	}
	return nil
}

type directory struct {
	_       struct{} `cbor:",toarray"`
	Version uint8
	Frames  []Frame
}

// Writer builds one pack in memory. Reserve, Len and Finish are for one
// goroutine at a time; the frames reserved may be filled from many.
type Writer struct {
	sealer *seal.Sealer
	buf    []byte
	frames []Frame
	chunks int
}

// NewWriter begins a pack in buf's storage, which must be large enough for all
// frames to come; the sealer must be fresh.
func NewWriter(buf []byte, kind seal.ChunkKind, vault seal.ID, s *seal.Sealer) *Writer {
	buf = append(buf[:0], kind.Magic()...)
	buf = append(buf, vault[:]...)
	return &Writer{sealer: s, buf: s.Header.Append(buf)}
}

// Move goes on in another buffer, which must be at least as large. The slots
// reserved so far must be filled, and are of no use afterwards.
func (w *Writer) Move(buf []byte) { w.buf = append(buf[:0], w.buf...) }

// Len is the length so far, without directory.
func (w *Writer) Len() int { return len(w.buf) }

// Chunks is the number of chunks so far.
func (w *Writer) Chunks() int { return w.chunks }

// Slot is room for one sealed frame.
type Slot struct {
	sealer *seal.Sealer
	number uint32
	room   []byte
}

// Reserve makes room for a frame whose stored form (compressed or not) is n
// bytes long; ok is false when the pack's storage has no room for it.
func (w *Writer) Reserve(n int, f Frame) (slot Slot, ok bool) {
	at, end := len(w.buf), len(w.buf)+n+seal.Overhead
	if end > cap(w.buf) {
		return Slot{}, false
	}
	w.buf = w.buf[:end]
	f.Sealed = uint32(end - at)
	slot = Slot{sealer: w.sealer, number: uint32(len(w.frames)), room: w.buf[at:end:end]}
	w.frames = append(w.frames, f)
	w.chunks += len(f.Lengths)
	return slot, true
}

// Fill seals the frame's stored form into its room.
func (s Slot) Fill(stored []byte) { s.sealer.Seal(s.room[:0], s.number, stored) }

// Unseal opens what Fill sealed, to prove that it can be.
func (s Slot) Unseal(dst []byte) ([]byte, error) { return s.sealer.Unseal(dst, s.number, s.room) }

// Finish pads, adds the directory and names the pack, when all slots are
// filled. The writer must not be used afterwards.
func (w *Writer) Finish() (Info, []byte, error) {
	dir, err := canon.Marshal(directory{Version: 1, Frames: w.frames})
	if err != nil {
		return Info{}, nil, err
	}
	sealed := len(dir) + seal.Overhead
	whole := len(w.buf) + sealed + trailerSize
	w.buf = append(w.buf, make([]byte, padded(whole)-whole)...)
	w.buf = w.sealer.Seal(w.buf, directoryNo, dir)
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(sealed))
	w.buf = append(w.buf, canon.PackEnd...)
	return Info{Name: sha256.Sum256(w.buf), Size: int64(len(w.buf)), Frames: w.frames}, w.buf, nil
}

// padded gives the Padmé length for n: few enough significant bits that it
// says little, at most 12 % more.
func padded(n int) int {
	if n < 2 {
		return n
	}
	e := bits.Len(uint(n)) - 1
	s := bits.Len(uint(e))
	mask := 1<<(e-s) - 1
	return (n + mask) &^ mask
}

// Info is what a pack's directory tells.
type Info struct {
	Kind   seal.ChunkKind
	Name   Name
	Size   int64
	Frames []Frame
}

// TailSize is how much of a pack's end is read first to find its directory.
const TailSize = 64 << 10

// DirectoryAt tells from a pack's last bytes where its directory begins and
// ends, as offsets in a pack of size bytes.
func DirectoryAt(tail []byte, size int64) (from, to int64, err error) {
	if len(tail) < trailerSize || string(tail[len(tail)-canon.MagicSize:]) != string(canon.PackEnd) {
		return 0, 0, errkind.New(errkind.Damaged, "pack is cut short or overwritten: no end mark")
	}
	n := int64(binary.BigEndian.Uint32(tail[len(tail)-trailerSize:]))
	to = size - trailerSize
	from = to - n
	if n < seal.Overhead || from < FramesAt {
		return 0, 0, errkind.New(errkind.Damaged, "pack directory of %d bytes does not fit", n)
	}
	return from, to, nil
}

// OpenHead checks a pack's first bytes and prepares its sealer.
func OpenHead(kind seal.ChunkKind, vault seal.ID, head []byte, keys seal.Keys) (*seal.Sealer, error) {
	m := kind.Magic()
	if err := m.Check(head); err != nil {
		return nil, err
	}
	s, _, err := seal.OpenObject(m, vault, head[canon.MagicSize:], keys)
	return s, err
}

// ParseDirectory opens a pack's sealed directory.
func ParseDirectory(s *seal.Sealer, sealed []byte) ([]Frame, error) {
	plain, err := s.Unseal(nil, directoryNo, sealed)
	if err != nil {
		return nil, err
	}
	return decodeDirectory(plain)
}

// FramesEnd is the offset behind the last frame. What is beyond the pack's
// directory shows an impossible directory.
func FramesEnd(frames []Frame) int64 {
	at := int64(FramesAt)
	for i := range frames {
		at += int64(frames[i].Sealed)
	}
	return at
}

func decodeDirectory(plain []byte) ([]Frame, error) {
	var d directory
	if err := canon.Unmarshal(plain, &d); err != nil {
		return nil, err
	}
	if d.Version != 1 {
		return nil, errkind.New(errkind.NewerFormat, "pack directory of version %d", d.Version)
	}
	for i := range d.Frames {
		if err := d.Frames[i].check(); err != nil {
			return nil, err
		}
	}
	return d.Frames, nil
}

// OpenFrame decompresses an unsealed frame onto dst.
func OpenFrame(dst []byte, z *seal.Zipper, c seal.Compression, stored []byte, plain uint32) ([]byte, error) {
	return z.Expand(dst, c, stored, int(plain))
}
