// Package chunk cuts streams into chunks by content (docs/format/vault-1.md,
// section 9, "Cutting"): the same stretch of bytes is cut at the same places
// wherever it stands, so that an insertion costs the chunks around it and not
// the rest of the file. The cutting table is keyed; which cuts are made never
// matters to a reader.
package chunk

import (
	"encoding/binary"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Name is the cutter's name in the vault's header.
const Name = "gear-1"

// Params bound the length of chunks in bytes.
type Params struct {
	Name string `cbor:"1,keyasint"`
	Min  uint32 `cbor:"2,keyasint"`
	Avg  uint32 `cbor:"3,keyasint"`
	Max  uint32 `cbor:"4,keyasint"`
}

// Default are the parameters of new vaults.
func Default() Params { return Params{Name: Name, Min: 256 << 10, Avg: 1 << 20, Max: 4 << 20} }

const (
	window = 64 // a 64-bit rolling hash forgets a byte after 64 steps
	// For an average of 2^20: two bits harder before it, two easier after.
	strict = 1 << (64 - 22)
	easy   = 1 << (64 - 18)
)

// Stretches are scanned in four lanes at once, since each step of a lane waits
// for the one before it.
const (
	lane    = 4096
	stretch = 4 * lane
)

// Cutter finds cuts. It holds no state between calls and is safe for
// concurrent use.
type Cutter struct {
	params Params
	gear   [256]uint64
}

// New makes a cutter from the domain's 2048-byte table. It refuses parameters
// this version does not know how to cut by.
func New(p Params, table []byte) (*Cutter, error) {
	if p.Name != Name || p.Avg != 1<<20 || p.Min < window || p.Min > p.Avg || p.Max < p.Avg || p.Max > 4<<20 {
		return nil, errkind.New(errkind.Unsupported, "this version cannot cut by %q with %d/%d/%d bytes", p.Name, p.Min, p.Avg, p.Max)
	}
	if len(table) != 2048 {
		return nil, errkind.New(errkind.Damaged, "cutting table of %d bytes", len(table))
	}
	c := &Cutter{params: p}
	for i := range c.gear {
		c.gear[i] = binary.BigEndian.Uint64(table[8*i:])
	}
	return c, nil
}

// Params gives the cutter's bounds.
func (c *Cutter) Params() Params { return c.params }

// Cut gives the length of the first chunk of data. data must hold at least
// Max bytes unless the stream ends with it.
func (c *Cutter) Cut(data []byte) int {
	n := len(data)
	if n <= int(c.params.Min) {
		return n
	}
	n = min(n, int(c.params.Max))
	avg := min(n, int(c.params.Avg))
	if i := c.find(data[:avg], int(c.params.Min), strict); i >= 0 {
		return i + 1
	}
	if i := c.find(data[:n], avg, easy); i >= 0 {
		return i + 1
	}
	return n
}

// find gives the first place from `from` on where the hash of the window that
// ends there is below limit, -1 if there is none. A window lies before from.
func (c *Cutter) find(data []byte, from int, limit uint64) int {
	for ; len(data)-from >= stretch; from += stretch {
		if c.within(data[from-window:from+stretch], limit) {
			return c.first(data, from, limit)
		}
	}
	return c.first(data, from, limit)
}

// within reports whether there is such a place in the stretch that follows the
// window at data's beginning.
func (c *Cutter) within(data []byte, limit uint64) bool {
	var h [4]uint64
	for k := range h {
		h[k] = c.hash((*[window]byte)(data[k*lane:]))
	}
	h0, h1, h2, h3 := h[0], h[1], h[2], h[3]
	data = data[window:]
	l0, l1 := (*[lane]byte)(data), (*[lane]byte)(data[lane:])
	l2, l3 := (*[lane]byte)(data[2*lane:]), (*[lane]byte)(data[3*lane:])
	gear := &c.gear
	for i := range lane {
		h0 = h0<<1 + gear[l0[i]]
		h1 = h1<<1 + gear[l1[i]]
		h2 = h2<<1 + gear[l2[i]]
		h3 = h3<<1 + gear[l3[i]]
		if h0 < limit || h1 < limit || h2 < limit || h3 < limit {
			return true
		}
	}
	return false
}

// hash gives the hash of a window.
func (c *Cutter) hash(data *[window]byte) (h uint64) {
	for _, b := range data {
		h = h<<1 + c.gear[b]
	}
	return h
}

// first is find, step by step.
func (c *Cutter) first(data []byte, from int, limit uint64) int {
	h := c.hash((*[window]byte)(data[from-window:]))
	for i := from; i < len(data); i++ {
		h = h<<1 + c.gear[data[i]]
		if h < limit {
			return i
		}
	}
	return -1
}
