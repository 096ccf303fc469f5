package tlog

import (
	"encoding/binary"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// appendRecord adds a record to a bundle: its length as two bytes, big end
// first, then its bytes.
func appendRecord(bundle, record []byte) []byte {
	bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(record)))
	return append(bundle, record...)
}

// parseBundle splits a bundle into its records, which share its memory. There
// must be exactly count of them and no byte more.
func parseBundle(data []byte, count int) ([][]byte, error) {
	records := make([][]byte, 0, count)
	rest := data
	for len(records) < count {
		if len(rest) < 2 {
			return nil, errkind.New(errkind.Damaged, "cut short in the length of item %d of %d", len(records), count)
		}
		n := int(binary.BigEndian.Uint16(rest))
		if len(rest) < 2+n {
			return nil, errkind.New(errkind.Damaged, "cut short in item %d of %d", len(records), count)
		}
		records = append(records, rest[2:2+n:2+n])
		rest = rest[2+n:]
	}
	if len(rest) > 0 {
		return nil, errkind.New(errkind.Damaged, "%d bytes too many after item %d", len(rest), count)
	}
	return records, nil
}

// parseTile splits a hash tile; there must be exactly count hashes.
func parseTile(data []byte, count int) ([]Hash, error) {
	if len(data) != count*len(Hash{}) {
		return nil, errkind.New(errkind.Damaged, "%d bytes instead of %d", len(data), count*len(Hash{}))
	}
	hashes := make([]Hash, count)
	for i := range hashes {
		copy(hashes[i][:], data[i*len(Hash{}):])
	}
	return hashes, nil
}

func encodeTile(hashes []Hash) []byte {
	data := make([]byte, 0, len(hashes)*len(Hash{}))
	for _, h := range hashes {
		data = append(data, h[:]...)
	}
	return data
}
