package seal

import (
	"context"
	"encoding/binary"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Derivation says how a KEK comes from a passphrase.
type Derivation struct {
	Algorithm  string `cbor:"1,keyasint"`
	Salt       []byte `cbor:"2,keyasint"`
	Iterations uint32 `cbor:"3,keyasint"`
}

// SlotInfo is the clear part of a key slot.
type SlotInfo struct {
	Vault      ID          `cbor:"1,keyasint"`
	Slot       ID          `cbor:"2,keyasint"`
	Version    uint32      `cbor:"3,keyasint"`
	Created    tree.Stamp  `cbor:"4,keyasint"`
	Provider   string      `cbor:"5,keyasint"`
	Reference  string      `cbor:"6,keyasint,omitempty"`
	Label      string      `cbor:"7,keyasint,omitempty"`
	Check      []byte      `cbor:"8,keyasint"`
	Wrapped    []byte      `cbor:"9,keyasint"`
	Derivation *Derivation `cbor:"10,keyasint,omitempty"`
}

// KEK is a key-encryption key at its provider. Implementations live in
// package keys.
type KEK interface {
	// Describe names provider and key; it is stored in clear in the slot.
	Describe() (provider, reference string)
	// Check gives the 8 bytes that tell a wrong key from damage.
	Check(vault [16]byte) ([]byte, error)
	// Wrap seals a slot key.
	Wrap(ctx context.Context, vault, slot [16]byte, key [32]byte) ([]byte, error)
	// Unwrap opens what Wrap sealed; errkind.WrongKey if it is not this key's.
	Unwrap(ctx context.Context, vault, slot [16]byte, wrapped []byte) ([32]byte, error)
}

// NewSlot seals the keyring for one KEK and returns the slot object.
func NewSlot(ctx context.Context, info SlotInfo, ring *Keyring, kek KEK) ([]byte, error) {
	check, err := kek.Check(info.Vault)
	if err != nil {
		return nil, err
	}
	slotKey := NewSecret()
	wrapped, err := kek.Wrap(ctx, info.Vault, info.Slot, slotKey)
	if err != nil {
		return nil, err
	}
	info.Provider, info.Reference = kek.Describe()
	info.Check, info.Wrapped = check, wrapped
	clear, err := canon.Marshal(info)
	if err != nil {
		return nil, err
	}
	plain, err := canon.Marshal(ring)
	if err != nil {
		return nil, err
	}
	sealed := newAEAD(slotKey).Seal(nil, nil, plain, append([]byte(canon.Slot), clear...))
	out := append([]byte(canon.Slot), binary.BigEndian.AppendUint32(nil, uint32(len(clear)))...)
	out = append(out, clear...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(sealed)))
	return canon.AppendDigest(append(out, sealed...)), nil
}

// ParseSlot checks a slot object and gives its clear part.
func ParseSlot(object []byte) (SlotInfo, error) {
	info, _, _, err := parseSlot(object)
	return info, err
}

func parseSlot(object []byte) (info SlotInfo, clear, sealed []byte, err error) {
	rest, err := canon.CheckDigest(canon.Slot, object)
	if err != nil {
		return info, nil, nil, err
	}
	if clear, rest, err = canon.Cut32(rest); err != nil {
		return info, nil, nil, err
	}
	if sealed, rest, err = canon.Cut32(rest); err != nil {
		return info, nil, nil, err
	}
	if len(rest) != 0 {
		return info, nil, nil, errkind.New(errkind.Damaged, "bytes after the end of the key slot")
	}
	return info, clear, sealed, canon.Unmarshal(clear, &info)
}

// OpenSlot opens the keyring in a slot object: errkind.WrongKey when the KEK
// is not the slot's, errkind.Damaged when the slot is.
func OpenSlot(ctx context.Context, object []byte, kek KEK) (*Keyring, error) {
	info, clear, sealed, err := parseSlot(object)
	if err != nil {
		return nil, err
	}
	check, err := kek.Check(info.Vault)
	if err != nil {
		return nil, err
	}
	if string(check) != string(info.Check) {
		return nil, errkind.New(errkind.WrongKey, "the key given is not the key of slot %x (%s)", info.Slot, info.Label)
	}
	key, err := kek.Unwrap(ctx, info.Vault, info.Slot, info.Wrapped)
	if err != nil {
		return nil, errkind.Wrap(errkind.Damaged, err, "unwrap key slot %x", info.Slot)
	}
	plain, err := newAEAD(Secret(key)).Open(nil, nil, sealed, append([]byte(canon.Slot), clear...))
	if err != nil {
		return nil, errkind.New(errkind.Damaged, "key slot %x does not open under its key", info.Slot)
	}
	ring := new(Keyring)
	if err := canon.Unmarshal(plain, ring); err != nil {
		return nil, err
	}
	return ring, ring.check(info.Vault)
}
