package index

import (
	"encoding/binary"
	"math/bits"
)

// filter is a Bloom filter whose bits of one id lie in one cache line: about
// ten bits for each id, and one in a hundred absent ids passes.
type filter []byte

const (
	lineSize   = 64
	lineBits   = lineSize * 8
	bitsPerID  = 10
	filterBits = 6 // bits set for each id
)

func newFilter(ids uint64) filter {
	lines := (ids*bitsPerID + lineBits - 1) / lineBits
	return make(filter, max(lines, 1)*lineSize)
}

// line chooses the cache line, and the bits within it are the id's later ones:
// ids are MACs, and as good as random.
func (f filter) line(id ID) []byte {
	n, _ := bits.Mul64(binary.BigEndian.Uint64(id[8:]), uint64(len(f))/lineSize)
	return f[n*lineSize:][:lineSize]
}

func (f filter) add(id ID) {
	line, h := f.line(id), binary.BigEndian.Uint64(id[16:])
	for range filterBits {
		line[h%lineBits/8] |= 1 << (h % 8)
		h /= lineBits
	}
}

func (f filter) has(id ID) bool {
	if len(f) == 0 {
		return false
	}
	line, h := f.line(id), binary.BigEndian.Uint64(id[16:])
	for range filterBits {
		if line[h%lineBits/8]&(1<<(h%8)) == 0 {
			return false
		}
		h /= lineBits
	}
	return true
}
