package seal

import (
	"encoding/binary"
	"sync"

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

// Zipper compresses and decompresses frames. One goroutine at a time uses it;
// take them from a [ZipperPool].
type Zipper struct {
	codec   codec
	scratch []byte
	// easy says that the frame before shrank to a small part, as the next is
	// then likely to.
	easy bool
}

// effort is how hard a frame is compressed.
type effort int

const (
	// quick is for what shrinks to a small part anyway, like database pages.
	quick effort = iota
	normal
)

// NewZipper makes a zipper. Its memory is about 10 MiB once used.
func NewZipper() *Zipper { return &Zipper{codec: newCodec()} }

// Compress appends the compressed form of plain to dst if a sample shows that
// it pays and it really is shorter; otherwise it returns dst as it was and
// [Stored], and the caller takes plain itself.
func (z *Zipper) Compress(dst, plain []byte) ([]byte, Compression) {
	if len(plain) < 64 {
		return dst, Stored
	}
	if z.easy && len(plain) >= sampleMin {
		out, err := z.codec.compress(dst, plain, quick)
		if z.easy = err == nil && shrank(len(out)-len(dst), len(plain)); z.easy {
			return out, Zstd
		}
	}
	how, pays := z.sample(plain)
	if !pays {
		return dst, Stored
	}
	out, err := z.codec.compress(dst, plain, how)
	if err != nil || len(out)-len(dst) >= len(plain)-len(plain)/64 {
		return dst, Stored
	}
	z.easy = shrank(len(out)-len(dst), len(plain))
	return out, Zstd
}

// shrank tells whether less effort would have lost hardly any space.
func shrank(to, from int) bool { return to < from/quickFrom }

const (
	// samplePart is a whole page of any common database: its parts differ much
	// in how they compress, and samples of 2^n bytes apart all hit the same one.
	samplePart = 16 << 10
	sampleMin  = 128 << 10
	// quickFrom is the ratio from which less effort loses hardly any space.
	quickFrom = 8
)

// sample compresses four small pieces spread over a large frame, to tell
// whether compressing it pays and how hard to try.
func (z *Zipper) sample(plain []byte) (how effort, pays bool) {
	if len(plain) < sampleMin {
		return normal, true
	}
	step := len(plain) / 4
	total := 0
	for i := range 4 {
		out, err := z.codec.compress(z.scratch[:0], plain[i*step:i*step+samplePart], quick)
		if err != nil {
			return normal, false
		}
		z.scratch = out
		total += min(len(out), samplePart)
	}
	if shrank(total, 4*samplePart) {
		return quick, true
	}
	return normal, total < 4*samplePart*97/100
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
		out, err := z.codec.decompress(dst, data, plain)
		if err != nil {
			return nil, errkind.Wrap(errkind.Damaged, err, "decompress frame")
		}
		dst = out
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
