package vault

import (
	"context"
	"crypto/ed25519"
	"fmt"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/chunk"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// CreateOptions say what a new vault is.
type CreateOptions struct {
	Options
	ID   ID
	Name string
	Kind string
	// Attachments are secrets kept in the keyring for other packages.
	Attachments map[string][]byte
}

// Create makes a vault in an empty store, opened by any of the KEKs. The
// header is written last: a store without one is not a vault yet.
func Create(ctx context.Context, g access.Grant, b *blob.Bucket, keks map[string]KEK, co CreateOptions) (*Vault, error) {
	if err := g.Require(access.VaultCreate); err != nil {
		return nil, err
	}
	if len(keks) == 0 {
		return nil, errkind.New(errkind.Invalid, "a vault without a key slot could never be opened")
	}
	if err := checkEmpty(ctx, b); err != nil {
		return nil, err
	}
	co.fill()
	now := tree.StampOf(co.Now())
	ring := seal.NewKeyring(co.ID, now.Time())
	for name, secret := range co.Attachments {
		ring.Attachments[name] = secret
	}
	v := over(b, co.Options)
	v.header = Header{Format: 1, Vault: co.ID, Created: now, Name: co.Name, Kind: co.Kind, Cutter: chunk.Default(), PackSize: packTarget}
	if err := v.store.Unlock(co.ID, ring); err != nil {
		return nil, err
	}
	if err := v.putKeys(ctx, keks, now); err != nil {
		return nil, err
	}
	if err := v.records.OpenEpoch(ctx, g, 1); err != nil {
		return nil, err
	}
	clear, err := canon.Marshal(v.header)
	if err != nil {
		return nil, err
	}
	object, err := canon.Sign(canon.Header, clear, nil, ring.SigningKey())
	if err != nil {
		return nil, err
	}
	for _, name := range []string{objects.HeaderTwin, objects.HeaderName} {
		if _, err := b.Put(ctx, name, object, blob.PutOptions{Lock: v.opts.OwnLock()}); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func checkEmpty(ctx context.Context, b *blob.Bucket) error {
	return b.List(ctx, "", func(i blob.Info) error {
		return errkind.New(errkind.Exists, "the store is not empty (it holds %q): a new vault needs an empty store, an existing one is opened with 'vault recover'", i.Name)
	})
}

func (v *Vault) putKeys(ctx context.Context, keks map[string]KEK, now tree.Stamp) error {
	pub := v.store.Ring.SigningKey().Public().(ed25519.PublicKey)
	clear, err := canon.Marshal(objects.SigningKey{Vault: v.store.Vault, ID: canon.KeyIDOf(pub), Algorithm: canon.Ed25519, Public: pub, From: now})
	if err != nil {
		return err
	}
	object, err := canon.Sign(canon.SigningKey, clear, nil, v.store.Ring.SigningKey())
	if err != nil {
		return err
	}
	if _, err := v.store.Bucket.Put(ctx, fmt.Sprintf("%s%x", objects.SigningPrefix, canon.KeyIDOf(pub)), object, blob.PutOptions{Lock: v.opts.OwnLock()}); err != nil {
		return err
	}
	for label, kek := range keks {
		if err := v.putSlot(ctx, label, kek, now); err != nil {
			return err
		}
	}
	return nil
}

func (v *Vault) putSlot(ctx context.Context, label string, kek KEK, now tree.Stamp) error {
	info := seal.SlotInfo{Vault: v.store.Vault, Slot: seal.NewID(), Version: 1, Created: now, Label: label}
	object, err := seal.NewSlot(ctx, info, v.store.Ring, kek)
	if err != nil {
		return err
	}
	for _, twin := range []string{"a", "b"} {
		if _, err := v.store.Bucket.Put(ctx, slotObject(info, twin), object, blob.PutOptions{Lock: v.opts.OwnLock()}); err != nil {
			return err
		}
	}
	return nil
}

func slotObject(info seal.SlotInfo, twin string) string {
	return fmt.Sprintf("%s%x-%06d-%s", objects.SlotPrefix, info.Slot, info.Version, twin)
}

// Open opens a vault with one KEK. It fails with errkind.NotFound for a store
// that holds no vault, errkind.NewerFormat, or errkind.WrongKey.
//
// A header that is damaged shows at once, one that was replaced by another
// vault's only by its keys or signature; either way its copy is tried.
func Open(ctx context.Context, b *blob.Bucket, kek KEK, opts Options) (*Vault, error) {
	opts.fill()
	v := over(b, opts)
	err := v.openBy(ctx, objects.HeaderName, kek)
	if err == nil {
		return v, nil
	}
	if !passable(err) {
		return nil, err
	}
	v.store.Forgive()
	twinErr := v.openBy(ctx, objects.HeaderTwin, kek)
	switch {
	case twinErr == nil:
		v.store.Warn("the object %q cannot be used (%v); its copy %q was read instead", objects.HeaderName, err, objects.HeaderTwin)
		return v, nil
	case errkind.Is(err, errkind.NotFound) && errkind.Is(twinErr, errkind.NotFound):
		return nil, errkind.New(errkind.NotFound, "there is no vault in this store: it has no object %q", objects.HeaderName)
	case errkind.Is(err, errkind.NotFound):
		return nil, twinErr
	default:
		return nil, err
	}
}

// passable reports whether the header's copy may do better.
func passable(err error) bool {
	return errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) || errkind.Is(err, errkind.WrongKey)
}

func (v *Vault) openBy(ctx context.Context, name string, kek KEK) error {
	object, header, err := v.store.ReadHeader(ctx, name)
	if err != nil {
		return err
	}
	v.header = header
	ring, err := v.openSlots(ctx, kek)
	if err != nil {
		return err
	}
	if err := v.store.Unlock(header.Vault, ring); err != nil {
		return err
	}
	if err := object.Verify(canon.Header, v.store.Public); err != nil {
		return errkind.Wrap(errkind.Of(err), err, "object %q", name)
	}
	return nil
}

// openSlots finds a slot that the KEK opens. A damaged slot is passed over for
// its twin; only if none opens does the worst finding count.
func (v *Vault) openSlots(ctx context.Context, kek KEK) (*seal.Keyring, error) {
	var names []string
	err := v.store.Bucket.List(ctx, objects.SlotPrefix, func(i blob.Info) error {
		names = append(names, i.Name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var damaged error
	wrong := false
	for i := len(names) - 1; i >= 0; i-- { // newest version of a slot first
		ring, err := v.openSlot(ctx, names[i], kek)
		switch {
		case err == nil:
			return ring, nil
		case errkind.Is(err, errkind.WrongKey):
			wrong = true
		case errkind.Is(err, errkind.Damaged):
			v.store.Warn("%v", err)
			damaged = err
		default:
			return nil, err
		}
	}
	switch {
	case damaged != nil:
		return nil, damaged
	case wrong:
		return nil, errkind.New(errkind.WrongKey, "the key given does not open vault %q: use its platform key file or its recovery kit", v.header.Name)
	default:
		return nil, errkind.New(errkind.Damaged, "the vault has no key slot left in keys/")
	}
}

func (v *Vault) openSlot(ctx context.Context, name string, kek KEK) (*seal.Keyring, error) {
	data, err := v.store.Bucket.ReadAll(ctx, name, objects.SmallLimit)
	if err != nil {
		return nil, err
	}
	ring, err := seal.OpenSlot(ctx, data, kek)
	if err == nil && ring.Vault != v.header.Vault {
		err = errkind.New(errkind.Damaged, "slot of another vault")
	}
	if err != nil {
		return nil, errkind.Wrap(errkind.Of(err), err, "key slot %q", name)
	}
	return ring, nil
}

// CreateSlot lets one more KEK open the vault.
func (v *Vault) CreateSlot(ctx context.Context, g access.Grant, label string, kek KEK) error {
	if err := g.Require(access.KeyCreate, access.VaultCreate, access.VaultRecover); err != nil {
		return err
	}
	return v.putSlot(ctx, label, kek, tree.StampOf(v.store.Now()))
}

// Opens reports whether a KEK opens the vault.
func (v *Vault) Opens(ctx context.Context, kek KEK) bool {
	_, err := v.openSlots(ctx, kek)
	return err == nil
}
