package main

import (
	"errors"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// decode reads one CBOR item as section 1 asks: no duplicate keys, no indefinite lengths, no tags, nothing behind it.
func decode(data []byte, into any) error {
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		MaxArrayElements: 1 << 24,
		MaxMapPairs:      1 << 20,
	}.DecMode()
	if err != nil {
		return err
	}
	return mode.Unmarshal(data, into)
}

// stamp is a time of a file or an object.
type stamp struct {
	_       struct{} `cbor:",toarray"`
	Seconds int64
	Nanos   uint32
}

func (s stamp) time() time.Time { return time.Unix(s.Seconds, int64(s.Nanos)) }

// toBytes16 copies an identifier of exactly 16 bytes.
func toBytes16(b []byte) (out [16]byte, err error) {
	if len(b) != len(out) {
		return out, errors.New("an identifier is not 16 bytes long")
	}
	copy(out[:], b)
	return out, nil
}

// toBytes32 copies a digest of exactly 32 bytes.
func toBytes32(b []byte) (out [32]byte, err error) {
	if len(b) != len(out) {
		return out, errors.New("a digest is not 32 bytes long")
	}
	copy(out[:], b)
	return out, nil
}
