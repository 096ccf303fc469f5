// Package canon is the canonical encoding of the vault format: deterministic
// CBOR (docs/format/vault-1.md, section 1) and the frame of signed objects
// (section 3). The same value always gives the same bytes; a decoder accepts
// no second spelling that matters (duplicate keys, indefinite lengths) and
// never allocates more than its input warrants.
package canon

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// MagicSize is the length of an object's magic.
const MagicSize = 8

// Magic names a kind of object and the format's version.
type Magic string

// The magics of format 1 (section 2).
const (
	Header     Magic = "CFV1head"
	Slot       Magic = "CFV1slot"
	SigningKey Magic = "CFV1sigk"
	DataPack   Magic = "CFV1pckd"
	TreePack   Magic = "CFV1pckt"
	PackEnd    Magic = "CFV1pend"
	Segment    Magic = "CFV1indx"
	Hint       Magic = "CFV1hint"
	Intent     Magic = "CFV1itnt"
	Point      Magic = "CFV1poin"
	Governance Magic = "CFV1gove"
	Owner      Magic = "CFV1ownr"
)

// Check reports whether data begins with the magic, with errkind.Damaged if
// it does not.
func (m Magic) Check(data []byte) error {
	if len(data) < MagicSize {
		return errkind.New(errkind.Damaged, "%d bytes where a %s object was expected", len(data), m[4:])
	}
	if got := data[:MagicSize]; string(got) != string(m) {
		return errkind.New(errkind.Damaged, "not a %s object (begins with %q)", m[4:], got)
	}
	return nil
}

// newer reports whether data is a whole object of a later format. Every format
// ends its signed objects with the SHA-256 of all before, so that a flipped bit in the
// version is not taken for one.
func newer(data []byte) bool {
	end := len(data) - sha256.Size
	if end < MagicSize || string(data[:3]) != "CFV" || data[3] < '2' || data[3] > '9' {
		return false
	}
	sum := sha256.Sum256(data[:end])
	return bytes.Equal(sum[:], data[end:])
}

// codec encodes and decodes CBOR by the rules of the format. It is safe for
// concurrent use.
type codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

func newCodec() codec {
	options := cbor.CoreDetEncOptions()
	options.Time = cbor.TimeRFC3339NanoUTC
	enc, err := options.EncMode()
	if err != nil {
		panic(err) // our own constants
	}
	dec, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		MaxNestedLevels:  16,
		MaxArrayElements: 1 << 20,
		MaxMapPairs:      1 << 16,
		UTF8:             cbor.UTF8DecodeInvalid,
	}.DecMode()
	if err != nil {
		panic(err) // our own constants
	}
	return codec{enc: enc, dec: dec}
}

var modes = newCodec() // immutable after start

// Raw is a value that is encoded already.
type Raw = cbor.RawMessage

// Marshal gives the canonical encoding of v.
func Marshal(v any) ([]byte, error) {
	data, err := modes.enc.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return data, nil
}

// Unmarshal decodes data, all of it, into v; any fault is errkind.Damaged.
func Unmarshal(data []byte, v any) error {
	if err := modes.dec.Unmarshal(data, v); err != nil {
		return errkind.Wrap(errkind.Damaged, err, "decode %T", v)
	}
	return nil
}
