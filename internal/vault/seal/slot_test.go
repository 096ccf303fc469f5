package seal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// newSlot gives a slot object of a fresh ring.
func newSlot(t testing.TB, f *fixture, kek KEK) (SlotInfo, []byte) {
	t.Helper()
	info := SlotInfo{Vault: f.vault, Slot: NewID(), Version: 1, Created: tree.StampOf(now), Label: "platform"}
	object, err := NewSlot(context.Background(), info, f.ring, kek)
	if err != nil {
		t.Fatal(err)
	}
	return info, object
}

// keyrings are compared by their encoding: they do not print.
func encoded(t *testing.T, k *Keyring) []byte {
	t.Helper()
	data, err := canon.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSlot_RoundTrip(t *testing.T) {
	f := newFixture(t)
	f.ring.Attachments["audit-log"] = []byte("seed")
	kek := keys.NewHeld(keys.FileProvider, f.vault)
	info, object := newSlot(t, f, kek)
	ring, err := OpenSlot(t.Context(), object, kek)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded(t, ring), encoded(t, f.ring)) {
		t.Error("another keyring came back")
	}
	got, err := ParseSlot(object)
	if err != nil {
		t.Fatal(err)
	}
	info.Provider, info.Check, info.Wrapped = keys.FileProvider, got.Check, got.Wrapped
	if diff := cmp.Diff(info, got); diff != "" || len(got.Check) != 8 || len(got.Wrapped) != 32+Overhead {
		t.Error(diff)
	}
}

func TestSlot_WrongKeyIsNotDamage(t *testing.T) {
	f := newFixture(t)
	kek := keys.NewHeld(keys.FileProvider, f.vault)
	_, object := newSlot(t, f, kek)
	if _, err := OpenSlot(t.Context(), object, keys.NewHeld(keys.FileProvider, f.vault)); !errkind.Is(err, errkind.WrongKey) {
		t.Errorf("a stranger's key: %v", err)
	}
	for i := range object {
		bad := bytes.Clone(object)
		bad[i] ^= 0x10
		if _, err := OpenSlot(t.Context(), bad, kek); !errkind.Is(err, errkind.Damaged) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
	}
	for _, n := range []int{0, 7, 8, 40, len(object) - 1} {
		if _, err := OpenSlot(t.Context(), object[:n], kek); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
}

// TestSlot_TamperedWithRightDigest flips bytes and sets the digest right, as
// an attacker at the store would: nothing opens, and nothing else is opened.
func TestSlot_TamperedWithRightDigest(t *testing.T) {
	f := newFixture(t)
	kek := keys.NewHeld(keys.FileProvider, f.vault)
	_, object := newSlot(t, f, kek)
	for i := canon.MagicSize; i < len(object)-sha256.Size; i++ {
		bad := bytes.Clone(object[:len(object)-sha256.Size])
		bad[i] ^= 1
		_, err := OpenSlot(t.Context(), canon.AppendDigest(bad), kek)
		if !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.WrongKey) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
}

func TestSlot_RingOfAnotherVaultIsRefused(t *testing.T) {
	f := newFixture(t)
	kek := keys.NewHeld(keys.FileProvider, f.vault)
	tests := map[string]func(*Keyring){
		"another vault": func(k *Keyring) { k.Vault = NewID() },
		"no signing":    func(k *Keyring) { k.Signing = nil },
		"no generation": func(k *Keyring) { k.Generations = nil },
		"no current":    func(k *Keyring) { k.Current = NewID() },
		"no domain":     func(k *Keyring) { k.Domains = nil },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			ring := *f.ring
			change(&ring)
			object, err := NewSlot(t.Context(), SlotInfo{Vault: f.vault, Slot: NewID(), Version: 1}, &ring, kek)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := OpenSlot(t.Context(), object, kek); !errkind.Is(err, errkind.Damaged) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestKeyring_FindsWhatItHas(t *testing.T) {
	f := newFixture(t)
	if f.ring.Public(f.ring.Signing[0].ID) == nil || f.ring.Public(canon.KeyID{}) != nil {
		t.Error("public keys")
	}
	if _, err := f.ring.Domain(VaultDomain); err != nil {
		t.Error(err)
	}
	if _, err := f.ring.Domain("other"); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("%v", err)
	}
	if _, err := f.ring.SessionKey(NewID(), f.session); !errkind.Is(err, errkind.WrongKey) {
		t.Errorf("%v", err)
	}
	old := f.ring.Generations[0]
	f.ring.Generations = append(f.ring.Generations, Generation{ID: NewID(), Secret: NewSecret()})
	f.ring.Current = f.ring.Generations[1].ID
	if key, err := f.ring.SessionKey(old.ID, f.session); err != nil || key != f.key {
		t.Errorf("an old generation is no longer read: %v", err)
	}
}

func FuzzParseSlot(f *testing.F) {
	x := newFixture(f)
	kek := keys.NewHeld(keys.FileProvider, x.vault)
	_, object := newSlot(f, x, kek)
	f.Add(object[:len(object)-sha256.Size])
	f.Add([]byte("CFV1slot\x00\x00\x00\x01\xa0\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, front []byte) {
		whole := canon.AppendDigest(bytes.Clone(front))
		info, err := ParseSlot(whole)
		if err != nil {
			checkPlain(t, nil, err)
			return
		}
		if ring, err := OpenSlot(t.Context(), whole, kek); err == nil && ring.Vault != x.vault {
			t.Fatal("a ring of another vault")
		} else if err != nil {
			checkPlain(t, nil, err)
		}
		data, err := canon.Marshal(info)
		if err != nil {
			t.Fatal(err)
		}
		var again SlotInfo
		if err := canon.Unmarshal(data, &again); err != nil {
			t.Fatal(err)
		}
		second, err := canon.Marshal(again)
		if err != nil || !bytes.Equal(data, second) {
			t.Fatalf("%x became %x, %v", data, second, err)
		}
	})
}

func FuzzKeyring(f *testing.F) {
	x := newFixture(f)
	x.ring.Attachments["a"] = []byte{1}
	seed, err := canon.Marshal(x.ring)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		ring := new(Keyring)
		if canon.Unmarshal(data, ring) != nil {
			return
		}
		if ring.check(ring.Vault) == nil { // then everything asked of a ring works
			ring.SigningKey()
			_, _ = ring.Domain(VaultDomain)
			_ = ring.Public(ring.Signing[0].ID)
		}
		first := encoded(t, ring)
		again := new(Keyring)
		if err := canon.Unmarshal(first, again); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, encoded(t, again)) {
			t.Fatal("another encoding")
		}
	})
}
