package seal

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Compression says how a frame's plaintext is stored.
type Compression uint8

// The compressions of format 1.
const (
	Stored Compression = 0
	Zstd   Compression = 1
)

// MaxPlain bounds what one frame may decompress to: the largest chunk and a
// little more.
const MaxPlain = 8 << 20

// decodeAhead is room with which the decoder need not look at every step
// whether it is at the end.
const decodeAhead = 32

// Zipper compresses and decompresses frames. One goroutine at a time uses it;
// take them from a [ZipperPool].
type Zipper struct {
	enc     *zstd.Encoder
	dec     *zstd.Decoder
	scratch []byte
}

// NewZipper makes a zipper. Its memory is about 10 MiB once used.
func NewZipper() *Zipper {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // our own constants
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxPlain), zstd.WithDecoderLowmem(true),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // our own constants
	}
	return &Zipper{enc: enc, dec: dec}
}

// Compress appends the compressed form of plain to dst if a sample shows that
// it pays and it really is shorter; otherwise it returns dst as it was and
// [Stored], and the caller takes plain itself.
func (z *Zipper) Compress(dst, plain []byte) ([]byte, Compression) {
	if len(plain) < 64 || !z.pays(plain) {
		return dst, Stored
	}
	out := z.enc.EncodeAll(plain, dst)
	if len(out)-len(dst) >= len(plain)-len(plain)/64 {
		return dst, Stored
	}
	return out, Zstd
}

const (
	// samplePart is a whole page of any common database: its parts differ much
	// in how they compress, and samples of 2^n bytes apart all hit the same one.
	samplePart = 16 << 10
	sampleMin  = 128 << 10
)

// pays compresses four small pieces spread over a large frame.
func (z *Zipper) pays(plain []byte) bool {
	if len(plain) < sampleMin {
		return true
	}
	step := len(plain) / 4
	total := 0
	for i := range 4 {
		z.scratch = z.enc.EncodeAll(plain[i*step:i*step+samplePart], z.scratch[:0])
		total += min(len(z.scratch), samplePart)
	}
	return total < 4*samplePart*97/100
}

// Expand appends the plaintext of data to dst. The plaintext must be exactly
// plain bytes long.
func (z *Zipper) Expand(dst []byte, c Compression, data []byte, plain int) ([]byte, error) {
	if plain < 0 || plain > MaxPlain {
		return nil, errkind.New(errkind.Damaged, "frame claims a plaintext of %d bytes", plain)
	}
	before := len(dst)
	switch c {
	case Stored:
		dst = append(dst, data...)
	case Zstd:
		// Into the room behind dst and no further: the decoder's own bound
		// would count dst too.
		dst = slices.Grow(dst, plain+decodeAhead)
		out, err := z.dec.DecodeAll(data, dst[before:before:before+plain+decodeAhead])
		if err != nil {
			return nil, errkind.Wrap(errkind.Damaged, err, "decompress frame")
		}
		dst = dst[:before+len(out)]
	default:
		return nil, errkind.New(errkind.Damaged, "unknown compression %d", c)
	}
	if len(dst)-before != plain {
		return nil, errkind.New(errkind.Damaged, "frame has %d bytes of plaintext, %d were announced", len(dst)-before, plain)
	}
	return dst, nil
}

// ZipperPool lends zippers. Its zero value is ready.
type ZipperPool struct{ pool sync.Pool }

// Get lends a zipper; give it back with Put.
func (p *ZipperPool) Get() *Zipper {
	if z, ok := p.pool.Get().(*Zipper); ok {
		return z
	}
	return NewZipper()
}

// Put takes a zipper back.
func (p *ZipperPool) Put(z *Zipper) { p.pool.Put(z) }

// pieceHead is the prefix of a box's or stream frame's plaintext.
const pieceHead = 5

// wrapPiece gives compression, length and data as sealed in boxes and streams.
func (z *Zipper) wrapPiece(dst, plain []byte) []byte {
	head := len(dst)
	dst = append(dst, byte(Zstd))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(plain)))
	out, c := z.Compress(dst, plain)
	if c == Stored {
		out = append(out, plain...)
	}
	out[head] = byte(c)
	return out
}

func (z *Zipper) unwrapPiece(dst, piece []byte) ([]byte, error) {
	if len(piece) < pieceHead {
		return nil, errkind.New(errkind.Damaged, "frame ends inside its head")
	}
	n := binary.BigEndian.Uint32(piece[1:])
	if n > MaxBox {
		return nil, errkind.New(errkind.Damaged, "frame claims a plaintext of %d bytes", n)
	}
	return z.Expand(dst, Compression(piece[0]), piece[pieceHead:], int(n))
}
