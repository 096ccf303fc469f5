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
	strictShift = 64 - 22
	easyShift   = 64 - 18
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
	var h uint64
	i := int(c.params.Min) - window
	for ; i < int(c.params.Min); i++ {
		h = h<<1 + c.gear[data[i]]
	}
	for ; i < avg; i++ {
		h = h<<1 + c.gear[data[i]]
		if h>>strictShift == 0 {
			return i + 1
		}
	}
	for ; i < n; i++ {
		h = h<<1 + c.gear[data[i]]
		if h>>easyShift == 0 {
			return i + 1
		}
	}
	return n
}
