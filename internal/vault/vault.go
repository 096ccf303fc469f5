// Package vault is the storage engine (docs/format/vault-1.md): deduplicated,
// compressed, encrypted recovery points in one store.
//
// Words: a chunk is the unit of dedup, a frame of encryption, a pack of
// storage and locking; a point is one restorable state of one source.
//
// What must always be true: nothing stored is ever overwritten; what a point
// needs is durable before the point is; every byte handed out was checked
// against its digest; a crash anywhere leaves every earlier point whole.
//
// When to keep, lock or delete is decided elsewhere (retention, lifecycle);
// this package does as it is told, under a grant.
package vault

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/chunk"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// ID names a vault, a server, a slot or a session.
type ID = seal.ID

// KEK is a key-encryption key at its provider; package keys has them.
type KEK = seal.KEK

// NewID makes a random id.
func NewID() ID { return seal.NewID() }

// Kinds of vaults at their creation.
const (
	Trial    = "trial"
	Unlocked = "unlocked"
)

// Header is the clear first object of a vault (section 3).
type Header struct {
	Format   uint32       `cbor:"1,keyasint"`
	Vault    ID           `cbor:"2,keyasint"`
	Created  tree.Stamp   `cbor:"3,keyasint"`
	Name     string       `cbor:"4,keyasint"`
	Kind     string       `cbor:"5,keyasint"`
	Cutter   chunk.Params `cbor:"6,keyasint"`
	PackSize uint32       `cbor:"7,keyasint"`
}

// Object names with one instance.
const (
	headerObject     = "header"
	headerTwin       = "keys/header"
	smallObjectLimit = 64 << 20
)

// Options are what a vault is opened with.
type Options struct {
	// Server identifies this installation for the owner epoch.
	Server ID
	// Host is recorded with the owner epoch.
	Host string
	// Now is the trusted clock's receipt time.
	Now func() time.Time
	// Exclude tells which packs are known to be damaged, so that their chunks
	// are not counted as stored. It may be nil.
	Exclude func(object string) bool
	// Cache is a folder of this vault's own in which its index is kept; "" keeps
	// it in temporary files.
	Cache string
}

func (o *Options) fill() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Exclude == nil {
		o.Exclude = func(string) bool { return false }
	}
	if o.Host == "" {
		o.Host, _ = os.Hostname() // only a label
	}
}

// Vault is an opened vault. It is safe for concurrent use.
type Vault struct {
	bucket  *blob.Bucket
	opts    Options
	header  Header
	ring    *seal.Keyring
	domain  seal.Domain
	publics map[canon.KeyID]ed25519.PublicKey
	zippers seal.ZipperPool

	mu       sync.Mutex // guards packs, index, ledger, sessions, warnings
	packs    *packSet
	index    *index.Store
	ledger   *ledger
	sessions map[*Session]uint64 // the open ones, with the last governance record of their beginning
	warnings []string

	// committing is held by commits from their last look at what is condemned
	// until the point is written, and by what condemns packs.
	committing sync.RWMutex

	// collecting is held while a plan of garbage collection is applied.
	collecting sync.Mutex
}

// Format keeps the vault's secrets out of logs, whatever the verb.
func (v *Vault) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "vault %x", v.header.Vault[:]) }

// Header gives the vault's header.
func (v *Vault) Header() Header { return v.header }

// ID gives the vault's id.
func (v *Vault) ID() ID { return v.header.Vault }

// Bucket gives the vault's store, for the audit log and reports.
func (v *Vault) Bucket() *blob.Bucket { return v.bucket }

// Attachment gives a secret kept in the keyring for another package (the
// audit log's signing key), nil if there is none.
func (v *Vault) Attachment(name string) []byte { return v.ring.Attachments[name] }

// SigningKeyID gives the id of the signing key in use, as printed on kits.
func (v *Vault) SigningKeyID() string {
	return fmt.Sprintf("%x", v.ring.Signing[len(v.ring.Signing)-1].ID)
}

// Warnings lists what was found wrong while opening but did not prevent it.
func (v *Vault) Warnings() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.warnings...)
}

func (v *Vault) warn(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.warnings = append(v.warnings, fmt.Sprintf(format, args...))
}

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
	v := &Vault{bucket: b, opts: co.Options, ring: ring, header: Header{
		Format: 1, Vault: co.ID, Created: now, Name: co.Name, Kind: co.Kind, Cutter: chunk.Default(), PackSize: packTarget}}
	if err := v.putKeys(ctx, keks, now); err != nil {
		return nil, err
	}
	if err := v.finishOpen(ctx); err != nil {
		return nil, err
	}
	if err := v.takeOwnership(ctx, 1); err != nil {
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
	for _, name := range []string{headerTwin, headerObject} {
		if _, err := b.Put(ctx, name, object, blob.PutOptions{}); err != nil {
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
	pub := v.ring.SigningKey().Public().(ed25519.PublicKey)
	clear, err := canon.Marshal(signingKey{Vault: v.header.Vault, ID: canon.KeyIDOf(pub), Algorithm: canon.Ed25519, Public: pub, From: now})
	if err != nil {
		return err
	}
	object, err := canon.Sign(canon.SigningKey, clear, nil, v.ring.SigningKey())
	if err != nil {
		return err
	}
	if _, err := v.bucket.Put(ctx, fmt.Sprintf("keys/sign-%x", canon.KeyIDOf(pub)), object, blob.PutOptions{}); err != nil {
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
	info := seal.SlotInfo{Vault: v.header.Vault, Slot: seal.NewID(), Version: 1, Created: now, Label: label}
	object, err := seal.NewSlot(ctx, info, v.ring, kek)
	if err != nil {
		return err
	}
	for _, twin := range []string{"a", "b"} {
		if _, err := v.bucket.Put(ctx, slotObject(info, twin), object, blob.PutOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func slotObject(info seal.SlotInfo, twin string) string {
	return fmt.Sprintf("keys/slot-%x-%06d-%s", info.Slot, info.Version, twin)
}

// Open opens a vault with one KEK. It fails with errkind.NotFound for a store
// that holds no vault, errkind.NewerFormat, or errkind.WrongKey.
//
// A header that is damaged shows at once, one that was replaced by another
// vault's only by its keys or signature; either way its copy is tried.
func Open(ctx context.Context, b *blob.Bucket, kek KEK, opts Options) (*Vault, error) {
	opts.fill()
	v := &Vault{bucket: b, opts: opts}
	err := v.openBy(ctx, headerObject, kek)
	if err == nil {
		return v, nil
	}
	if !passable(err) {
		return nil, err
	}
	v.warnings = nil
	twinErr := v.openBy(ctx, headerTwin, kek)
	switch {
	case twinErr == nil:
		v.warn("the object %q cannot be used (%v); its copy %q was read instead", headerObject, err, headerTwin)
		return v, nil
	case errkind.Is(err, errkind.NotFound) && errkind.Is(twinErr, errkind.NotFound):
		return nil, errkind.New(errkind.NotFound, "there is no vault in this store: it has no object %q", headerObject)
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
	object, header, err := v.readHeaderObject(ctx, name)
	if err != nil {
		return err
	}
	v.header = header
	if v.ring, err = v.openSlots(ctx, kek); err != nil {
		return err
	}
	if err := v.finishOpen(ctx); err != nil {
		return err
	}
	if err := object.Verify(canon.Header, v.public); err != nil {
		return errkind.Wrap(errkind.Of(err), err, "object %q", name)
	}
	return nil
}

func (v *Vault) finishOpen(ctx context.Context) error {
	var err error
	if v.domain, err = v.ring.Domain(seal.VaultDomain); err != nil {
		return err
	}
	v.publics = make(map[canon.KeyID]ed25519.PublicKey)
	for _, s := range v.ring.Signing {
		v.publics[s.ID] = v.ring.Public(s.ID)
	}
	return ctx.Err()
}

func (v *Vault) public(id canon.KeyID) ed25519.PublicKey { return v.publics[id] }

func (v *Vault) readHeaderObject(ctx context.Context, name string) (canon.SignedObject, Header, error) {
	var h Header
	data, err := v.bucket.ReadAll(ctx, name, smallObjectLimit)
	if err != nil {
		return canon.SignedObject{}, h, err
	}
	object, err := canon.ParseSigned(canon.Header, data)
	if err == nil {
		err = canon.Unmarshal(object.Clear, &h)
	}
	if err == nil && h.Format != 1 {
		err = errkind.New(errkind.NewerFormat, "written in vault format %d, this program reads format 1: use a newer counterfoil", h.Format)
	}
	if err != nil {
		return object, h, errkind.Wrap(errkind.Of(err), err, "read object %q", name)
	}
	return object, h, nil
}

type signingKey struct {
	Vault     ID          `cbor:"1,keyasint"`
	ID        canon.KeyID `cbor:"2,keyasint"`
	Algorithm string      `cbor:"3,keyasint"`
	Public    []byte      `cbor:"4,keyasint"`
	From      tree.Stamp  `cbor:"5,keyasint"`
	To        *tree.Stamp `cbor:"6,keyasint,omitempty"`
}

// openSlots finds a slot that the KEK opens. A damaged slot is passed over for
// its twin; only if none opens does the worst finding count.
func (v *Vault) openSlots(ctx context.Context, kek KEK) (*seal.Keyring, error) {
	var names []string
	err := v.bucket.List(ctx, "keys/slot-", func(i blob.Info) error {
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
			v.warn("%v", err)
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
	data, err := v.bucket.ReadAll(ctx, name, smallObjectLimit)
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
	return v.putSlot(ctx, label, kek, tree.StampOf(v.opts.Now()))
}

// Opens reports whether a KEK opens the vault.
func (v *Vault) Opens(ctx context.Context, kek KEK) bool {
	_, err := v.openSlots(ctx, kek)
	return err == nil
}
