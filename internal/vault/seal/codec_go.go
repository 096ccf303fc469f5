//go:build !cgo

package seal

import (
	"slices"

	"github.com/klauspost/compress/zstd"
)

// codec is zstd in Go, for builds without a C compiler. Both codecs write and
// read the same format.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

// decodeAhead is room with which the decoder need not look at every step
// whether it is at the end.
const decodeAhead = 32

func newCodec() codec {
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
	return codec{enc: enc, dec: dec}
}

// compress appends the compressed form of plain to dst.
func (c codec) compress(dst, plain []byte, _ effort) ([]byte, error) {
	return c.enc.EncodeAll(plain, dst), nil
}

// decompress appends the plaintext of data, which is at most plain bytes long.
func (c codec) decompress(dst, data []byte, plain int) ([]byte, error) {
	// Into the room behind dst and no further: the decoder's own bound
	// would count dst too.
	before := len(dst)
	dst = slices.Grow(dst, plain+decodeAhead)
	out, err := c.dec.DecodeAll(data, dst[before:before:before+plain+decodeAhead])
	if err != nil {
		return nil, err
	}
	return dst[:before+len(out)], nil
}
