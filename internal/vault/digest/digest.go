// Package digest hashes two runs of bytes at once with SHA-256 (FIPS 180-4).
//
// A processor with instructions for SHA-256 has to wait for each round of a
// stream; with a second stream beside it, it does almost twice as much.
// Where it has none, and in FIPS 140-3 mode, all is done by crypto/sha256.
package digest

import (
	"crypto/fips140"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Size is the length of a digest in bytes.
const Size = sha256.Size

const blockSize = sha256.BlockSize

// paired says that two streams are worth more than one after the other.
var paired = hasInstructions() && !fips140.Enabled()

// state holds the words of a hash as the instructions want them: F E B A H G D C.
type state [8]uint32

// Hash is one stream. It must be made by [New].
type Hash struct {
	std hash.Hash // where streams are not paired

	state  state
	length uint64
	rest   [blockSize]byte
	held   int // bytes in rest
}

// New begins a stream.
func New() *Hash {
	h := new(Hash)
	if !paired {
		h.std = sha256.New()
	}
	h.Reset()
	return h
}

// Reset begins the stream anew.
func (h *Hash) Reset() {
	if h.std != nil {
		h.std.Reset()
		return
	}
	// The fractional parts of the square roots of the first eight primes
	// (FIPS 180-4, 5.3.3).
	h.state = state{0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667, 0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372}
	h.length, h.held = 0, 0
}

// Write adds p to the stream.
func (h *Hash) Write(p []byte) {
	if h.std != nil {
		_, _ = h.std.Write(p) // a hash takes everything
		return
	}
	h.alone(h.top(p))
}

// Beside adds q to the stream b and about as much of p to the stream a, which
// must be another. It returns what of p is left; only whole blocks are taken
// while something is.
func Beside(a, b *Hash, p, q []byte) []byte {
	rest, left := pair(a, b, p, q)
	b.Write(left)
	return rest
}

// pair adds from both what they have in common, of the longer whole blocks
// only, and returns what is left.
func pair(a, b *Hash, p, q []byte) (restP, restQ []byte) {
	i := min(len(p), len(q))
	j := i
	if len(p) > i {
		i &^= blockSize - 1
	}
	if len(q) > j {
		j &^= blockSize - 1
	}
	write2(a, b, p[:i], q[:j])
	return p[i:], q[j:]
}

func write2(a, b *Hash, p, q []byte) {
	if a.std != nil {
		a.Write(p)
		b.Write(q)
		return
	}
	p, q = a.top(p), b.top(q)
	if n := min(len(p), len(q)) / blockSize; n > 0 {
		blocks2(&a.state, &b.state, &p[0], &q[0], n)
		p, q = p[n*blockSize:], q[n*blockSize:]
	}
	a.alone(p)
	b.alone(q)
}

// top fills up what was left of a block and gives what comes after it.
func (h *Hash) top(p []byte) []byte {
	h.length += uint64(len(p))
	if h.held == 0 {
		return p
	}
	n := copy(h.rest[h.held:], p)
	h.held += n
	if h.held == blockSize {
		h.blocks(h.rest[:])
		h.held = 0
	}
	return p[n:]
}

// alone takes what has no partner, and keeps what is no whole block.
func (h *Hash) alone(p []byte) {
	whole := len(p) &^ (blockSize - 1)
	h.blocks(p[:whole])
	if whole < len(p) {
		h.held = copy(h.rest[:], p[whole:])
	}
}

// blocks hashes whole blocks; the second stream is thrown away.
func (h *Hash) blocks(p []byte) {
	if len(p) > 0 {
		var nobody state
		blocks2(&h.state, &nobody, &p[0], &p[0], len(p)/blockSize)
	}
}

// Sum gives the digest of what was written and ends the stream: after it, only
// Reset may be called.
func (h *Hash) Sum() (sum [Size]byte) {
	if h.std != nil {
		return [Size]byte(h.std.Sum(nil))
	}
	// A bit, zeros, and the length in bits at the end of a block.
	var pad [2 * blockSize]byte
	n := copy(pad[:], h.rest[:h.held])
	pad[n] = 0x80
	end := blockSize
	if n+1+8 > blockSize {
		end = 2 * blockSize
	}
	binary.BigEndian.PutUint64(pad[end-8:end], 8*h.length)
	h.blocks(pad[:end])
	for i, at := range [8]int{3, 2, 7, 6, 1, 0, 5, 4} { // A B C D E F G H
		binary.BigEndian.PutUint32(sum[4*i:], h.state[at])
	}
	return sum
}

// Runs hashes consecutive runs of data: the first begins at from and ends
// before ends[0], the next ends before ends[1], and so on. out must have as
// many places as ends.
func Runs[D ~[Size]byte](data []byte, from int, ends []int, out []D) {
	if !paired {
		for i, to := range ends {
			out[i] = sha256.Sum256(data[from:to])
			from = to
		}
		return
	}
	var a, b lane
	q := queue{data, from, ends, 0}
	more := q.fill(&a) && q.fill(&b)
	for more {
		a.left, b.left = pair(&a.hash, &b.hash, a.left, b.left)
		for _, l := range [...]*lane{&a, &b} {
			if more && len(l.left) == 0 {
				out[l.run] = D(l.hash.Sum())
				l.filled = false
				more = q.fill(l)
			}
		}
	}
	for _, l := range [...]*lane{&a, &b} {
		if l.filled {
			l.hash.Write(l.left)
			out[l.run] = D(l.hash.Sum())
		}
	}
}

type lane struct {
	hash   Hash
	run    int
	left   []byte
	filled bool
}

type queue struct {
	data []byte
	from int // where the next run begins
	ends []int
	at   int
}

// fill begins the next run in a lane.
func (q *queue) fill(l *lane) bool {
	if q.at == len(q.ends) {
		return false
	}
	end := q.ends[q.at]
	l.hash.Reset()
	l.run, l.left, l.filled = q.at, q.data[q.from:end], true
	q.at, q.from = q.at+1, end
	return true
}
