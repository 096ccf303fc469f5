package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

type keyring struct {
	Vault       []byte `cbor:"1,keyasint"`
	Generations []struct {
		ID     []byte `cbor:"1,keyasint"`
		Secret []byte `cbor:"2,keyasint"`
	} `cbor:"2,keyasint"`
	Signing []struct {
		ID   []byte `cbor:"1,keyasint"`
		Seed []byte `cbor:"2,keyasint"`
	} `cbor:"5,keyasint"`
}

type slotClear struct {
	Vault    []byte `cbor:"1,keyasint"`
	Slot     []byte `cbor:"2,keyasint"`
	Version  uint64 `cbor:"3,keyasint"`
	Provider string `cbor:"5,keyasint"`
	Check    []byte `cbor:"8,keyasint"`
	Wrapped  []byte `cbor:"9,keyasint"`
}

type signKeyClear struct {
	Vault     []byte `cbor:"1,keyasint"`
	ID        []byte `cbor:"2,keyasint"`
	Algorithm string `cbor:"3,keyasint"`
	Public    []byte `cbor:"4,keyasint"`
}

// readKeyFile finds the vault id and the KEK in a platform key file or a recovery kit (section 13).
func readKeyFile(path string) (vault [16]byte, kek []byte, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return vault, nil, err
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "recovery-key:"))
		if len(words) < 3 || (words[0] != "counterfoil-key-1" && words[0] != "counterfoil-recovery-1") {
			continue
		}
		id, err := hex.DecodeString(words[1])
		if err != nil {
			return vault, nil, err
		}
		if vault, err = toBytes16(id); err != nil {
			return vault, nil, err
		}
		secret := strings.ToUpper(strings.ReplaceAll(strings.Join(words[2:], ""), "-", ""))
		key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
		if err != nil || len(key) != 36 {
			return vault, nil, errors.New("key is not complete")
		}
		if sum := sha256.Sum256(append(bytes.Clone(key[:32]), id...)); !bytes.Equal(sum[:4], key[32:]) {
			return vault, nil, errors.New("key has a typing error")
		}
		return vault, key[:32], nil
	}
	return vault, nil, errors.New("no key found in the key file")
}

// open unwraps the keyring with the key file and collects the trusted signing keys.
func (r *reader) open(keyFile string) error {
	vault, kek, err := readKeyFile(keyFile)
	if err != nil {
		return fmt.Errorf("read key file: %w", err)
	}
	r.vaultID = vault
	names, err := filepath.Glob(filepath.Join(r.root, "keys", "slot-*"))
	if err != nil {
		return err
	}
	sort.Sort(sort.Reverse(sort.StringSlice(names))) // of one slot the highest version comes first
	opened := false
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		ring, err := r.openSlot(data, kek)
		switch {
		case err != nil:
			r.problem("%s: %v", name, err)
		case ring != nil && !opened:
			r.ring, opened = *ring, true
		}
	}
	if !opened {
		return errors.New("no slot opens with this key")
	}
	return r.trustSigners()
}

// openSlot returns nothing when the slot belongs to another key.
func (r *reader) openSlot(data, kek []byte) (*keyring, error) {
	rest, err := checkDigest(data, "CFV1slot")
	if err != nil {
		return nil, err
	}
	head, rest, err := part(rest[8:], 4)
	if err != nil {
		return nil, err
	}
	sealed, rest, err := part(rest, 4)
	if err != nil {
		return nil, err
	}
	var c slotClear
	if err := decode(head, &c); err != nil {
		return nil, err
	}
	if len(rest) != 0 || !bytes.Equal(c.Vault, r.vaultID[:]) {
		return nil, errors.New("slot is malformed or of another vault")
	}
	mac := hmac.New(sha256.New, kek)
	mac.Write([]byte("counterfoil/1 key check"))
	mac.Write(r.vaultID[:])
	if !hmac.Equal(mac.Sum(nil)[:8], c.Check) {
		return nil, nil
	}
	wrapping, err := derive(kek, c.Slot, "counterfoil/1 slot", 32)
	if err != nil {
		return nil, err
	}
	associated := append(append([]byte("counterfoil/1 slot"), r.vaultID[:]...), c.Slot...)
	key, err := openAEAD(wrapping, c.Wrapped, associated)
	if err != nil {
		return nil, err
	}
	plain, err := openAEAD(key, sealed, append([]byte("CFV1slot"), head...))
	if err != nil {
		return nil, err
	}
	ring := &keyring{}
	if err := decode(plain, ring); err != nil {
		return nil, err
	}
	if !bytes.Equal(ring.Vault, r.vaultID[:]) {
		return nil, errors.New("keyring is of another vault")
	}
	return ring, nil
}

// trustSigners trusts the keys whose seeds are in the keyring, and checks the objects that publish them.
func (r *reader) trustSigners() error {
	r.signers = map[[16]byte][]byte{}
	for _, s := range r.ring.Signing {
		id, err := toBytes16(s.ID)
		if err != nil || len(s.Seed) != ed25519.SeedSize {
			return errors.New("a signing key of the keyring is malformed")
		}
		public := []byte(ed25519.NewKeyFromSeed(s.Seed).Public().(ed25519.PublicKey))
		if sum := sha256.Sum256(public); !bytes.Equal(sum[:16], s.ID) {
			return errors.New("a signing key's id is not that of its public key")
		}
		r.signers[id] = public
		name := filepath.Join(r.root, "keys", "sign-"+hex.EncodeToString(s.ID))
		if err := r.checkSignKey(name, public); err != nil {
			r.problem("%s: %v", name, err)
		}
	}
	return nil
}

func (r *reader) checkSignKey(name string, public []byte) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var c signKeyClear
	if _, err := r.readSigned(data, "CFV1sigk", &c); err != nil {
		return err
	}
	if !bytes.Equal(c.Public, public) || !bytes.Equal(c.Vault, r.vaultID[:]) || c.Algorithm != "ed25519" {
		return errors.New("signing key differs from the keyring")
	}
	return nil
}
