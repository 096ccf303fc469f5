package seal

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Generation is one random secret from which session keys are derived.
type Generation struct {
	ID      ID         `cbor:"1,keyasint"`
	Secret  Secret     `cbor:"2,keyasint"`
	Created tree.Stamp `cbor:"3,keyasint"`
}

// Domain is a set of sources that share chunks: its keys are stable.
type Domain struct {
	Name      string `cbor:"1,keyasint"`
	IDKey     Secret `cbor:"2,keyasint"`
	CutterKey Secret `cbor:"3,keyasint"`

	macs *sync.Pool // of hash.Hash keyed with IDKey; keying one costs more than an id
}

// SigningSeed is the private half of a signing key.
type SigningSeed struct {
	ID   canon.KeyID `cbor:"1,keyasint"`
	Seed Secret      `cbor:"2,keyasint"`
}

// Keyring is all the secrets of a vault, as sealed in its key slots.
type Keyring struct {
	Vault       ID                `cbor:"1,keyasint"`
	Generations []Generation      `cbor:"2,keyasint"`
	Current     ID                `cbor:"3,keyasint"`
	Domains     []Domain          `cbor:"4,keyasint"`
	Signing     []SigningSeed     `cbor:"5,keyasint"`
	Attachments map[string][]byte `cbor:"6,keyasint,omitempty"`
}

// Format keeps the ring's secrets out of logs, whatever the verb.
func (k Keyring) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "keyring of vault %x", k.Vault[:])
}

// MarshalJSON keeps the ring's secrets out of structured logs.
func (k Keyring) MarshalJSON() ([]byte, error) { return []byte(`"keyring"`), nil }

// VaultDomain is the name of the domain that always exists.
const VaultDomain = "vault"

// NewKeyring makes the secrets of a new vault.
func NewKeyring(vault ID, now time.Time) *Keyring {
	gen := Generation{ID: NewID(), Secret: NewSecret(), Created: tree.StampOf(now)}
	seed := NewSecret()
	pub := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
	return &Keyring{
		Vault:       vault,
		Generations: []Generation{gen},
		Current:     gen.ID,
		Domains:     []Domain{{Name: VaultDomain, IDKey: NewSecret(), CutterKey: NewSecret()}},
		Signing:     []SigningSeed{{ID: canon.KeyIDOf(pub), Seed: seed}},
		Attachments: map[string][]byte{},
	}
}

// SessionKey derives the key of a session of a known generation.
func (k *Keyring) SessionKey(generation, session ID) (Secret, error) {
	for _, g := range k.Generations {
		if g.ID == generation {
			return SessionKey(g.Secret, session), nil
		}
	}
	return Secret{}, errkind.New(errkind.WrongKey, "the keyring has no generation %x", generation)
}

// SigningKey gives the private signing key in use.
func (k *Keyring) SigningKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(k.Signing[len(k.Signing)-1].Seed[:])
}

// Public finds the public half of one of the ring's signing keys, nil if it
// is not there.
func (k *Keyring) Public(id canon.KeyID) ed25519.PublicKey {
	for _, s := range k.Signing {
		if s.ID == id {
			return ed25519.NewKeyFromSeed(s.Seed[:]).Public().(ed25519.PublicKey)
		}
	}
	return nil
}

// Domain finds a domain's keys.
func (k *Keyring) Domain(name string) (Domain, error) {
	for _, d := range k.Domains {
		if d.Name == name {
			d.keyMACs()
			return d, nil
		}
	}
	return Domain{}, errkind.New(errkind.NotFound, "the vault has no dedup domain %q", name)
}

// ChunkKind separates the ids of data chunks and of tree nodes.
type ChunkKind byte

// The kinds of chunks.
const (
	DataChunk ChunkKind = 'd'
	TreeChunk ChunkKind = 't'
)

// Magic is the magic of packs that hold chunks of this kind.
func (k ChunkKind) Magic() canon.Magic {
	if k == TreeChunk {
		return canon.TreePack
	}
	return canon.DataPack
}

// ChunkID gives the id of a chunk in the domain.
func (d Domain) ChunkID(kind ChunkKind, digest tree.Digest) [32]byte {
	m := d.macs.Get().(*mac)
	defer d.macs.Put(m)
	m.hash.Reset()
	m.text = append(append(m.text[:0], byte(kind)), digest[:]...)
	m.hash.Write(m.text)
	m.text = m.hash.Sum(m.text[:0])
	return [32]byte(m.text)
}

// mac is an HMAC and room for what goes in and comes out.
type mac struct {
	hash hash.Hash
	text []byte
}

func (d *Domain) keyMACs() {
	key := d.IDKey
	d.macs = &sync.Pool{New: func() any { return &mac{hash: hmac.New(sha256.New, key[:])} }}
}

// GearTable gives the 2048 bytes of the domain's cutting table.
func (d Domain) GearTable() []byte {
	out, err := hkdf.Key(sha256.New, d.CutterKey[:], nil, "counterfoil/1 gear table", 2048)
	if err != nil {
		panic(err) // a fixed, allowed length
	}
	return out
}

func (k *Keyring) check(vault ID) error {
	if k.Vault != vault {
		return errkind.New(errkind.Damaged, "keyring belongs to another vault")
	}
	if len(k.Signing) == 0 || len(k.Generations) == 0 || len(k.Domains) == 0 {
		return errkind.New(errkind.Damaged, "keyring lacks its keys")
	}
	if _, err := k.SessionKey(k.Current, ID{}); err != nil {
		return errkind.New(errkind.Damaged, "keyring lacks its current generation")
	}
	return nil
}
