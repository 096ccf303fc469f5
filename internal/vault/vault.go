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
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/vault/inventory"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/points"
	"github.com/counterfoil/counterfoil/internal/vault/reader"
	"github.com/counterfoil/counterfoil/internal/vault/records"
	"github.com/counterfoil/counterfoil/internal/vault/verify"
)

// Kinds of vaults at their creation.
const (
	Trial    = "trial"
	Unlocked = "unlocked"
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
	// OwnLock gives the lock of the vault's own objects as they are written:
	// header, keys and records, which outlast every point. It may be nil.
	OwnLock func() blob.Lock
	// Heads keeps what the newest governance record is; it may be nil.
	Heads Heads
}

func (o *Options) fill() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Exclude == nil {
		o.Exclude = func(string) bool { return false }
	}
	if o.OwnLock == nil {
		o.OwnLock = func() blob.Lock { return blob.Lock{} }
	}
	if o.Host == "" {
		o.Host, _ = os.Hostname() // only a label
	}
}

// Vault is an opened vault. It is safe for concurrent use.
type Vault struct {
	opts    Options
	header  Header
	store   *objects.Store
	records *records.Log
	points  *points.Points
	packs   *inventory.Inventory

	mu       sync.Mutex          // guards sessions
	sessions map[*Session]uint64 // the open ones, with the last governance record of their beginning
	// committing is held by commits from their last look at what is condemned
	// until the point is written, and by what condemns packs.
	committing sync.RWMutex

	// collecting is held while a plan of garbage collection is applied.
	collecting sync.Mutex
}

// Format keeps the vault's secrets out of logs, whatever the verb.
func (v *Vault) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "vault %x", v.store.Vault[:]) }

// Header gives the vault's header.
func (v *Vault) Header() Header { return v.header }

// ID gives the vault's id.
func (v *Vault) ID() ID { return v.store.Vault }

// Bucket gives the vault's store, for the audit log and reports.
func (v *Vault) Bucket() *blob.Bucket { return v.store.Bucket }

// Attachment gives a secret kept in the keyring for another package (the
// audit log's signing key), nil if there is none.
func (v *Vault) Attachment(name string) []byte { return v.store.Ring.Attachments[name] }

// SigningKeyID gives the id of the signing key in use, as printed on kits.
func (v *Vault) SigningKeyID() string {
	return fmt.Sprintf("%x", v.store.Ring.Signing[len(v.store.Ring.Signing)-1].ID)
}

// Warnings lists what was found wrong while opening but did not prevent it.
func (v *Vault) Warnings() []string { return v.store.Warnings() }

// over gives a vault on a store, locked yet.
func over(b *blob.Bucket, opts Options) *Vault {
	store := &objects.Store{Bucket: b, Now: opts.Now}
	log := records.New(store, opts.Server, opts.Host)
	log.Lock, log.Heads = opts.OwnLock, opts.Heads
	return &Vault{opts: opts, store: store, records: log, points: points.New(store),
		packs: inventory.New(store, log, inventory.Options{Exclude: opts.Exclude, Cache: opts.Cache})}
}

// Records gives all governance records in order and checks their chain. A
// broken chain is errkind.Damaged; the records before the break are returned
// with it. Those that were read before are not read again.
func (v *Vault) Records(ctx context.Context) ([]Record, error) { return v.records.All(ctx) }

// ReadableRecords gives the governance records that can be read where Records
// fails: some may be missing, so nothing that destroys may rely on them.
func (v *Vault) ReadableRecords(ctx context.Context) ([]Record, error) {
	return v.records.Readable(ctx)
}

// RecordsAnew is Records for what destroys: every record is read again.
func (v *Vault) RecordsAnew(ctx context.Context) ([]Record, error) { return v.records.Fresh(ctx) }

// AcceptRecords takes the governance records that are there for all there are.
func (v *Vault) AcceptRecords(ctx context.Context, g access.Grant) error {
	return v.records.Accept(ctx, g)
}

// RecordFacts appends a governance record, durable on return. Two writers
// cannot both take a number: the later gets errkind.Busy and nothing is lost.
func (v *Vault) RecordFacts(ctx context.Context, g access.Grant, facts ...Fact) (Record, error) {
	return v.records.Append(ctx, g, facts...)
}

// RecordFactsAfter is RecordFacts for what was decided by the records up to one:
// when another was written since, it fails with errkind.Busy and writes nothing.
func (v *Vault) RecordFactsAfter(ctx context.Context, g access.Grant, last Record, facts ...Fact) (Record, error) {
	return v.records.AppendAfter(ctx, g, last, facts...)
}

// Owner reads the epoch of ownership in force.
func (v *Vault) Owner(ctx context.Context) (Owner, error) { return v.records.Owner(ctx) }

// CheckOwner fails with errkind.NotAllowed unless this server owns the vault.
func (v *Vault) CheckOwner(ctx context.Context) error { return v.records.CheckOwner(ctx) }

// TakeOwnership opens a new epoch for this server. The one that had it can
// read but no longer write. An epoch that cannot be read is no obstacle.
func (v *Vault) TakeOwnership(ctx context.Context, g access.Grant) error {
	return v.records.TakeOwnership(ctx, g)
}

// ListPoints lists the points of all sources, by source and number. A point
// whose intent alone is left is listed too: it can be read from there.
func (v *Vault) ListPoints(ctx context.Context) ([]PointRef, error) { return v.points.List(ctx) }

// ReadPoint reads and checks one point: from its object, or, where that is
// lost or damaged, from its intent, with a warning.
func (v *Vault) ReadPoint(ctx context.Context, object string) (Point, error) {
	return v.points.Read(ctx, object)
}

// EachPoint calls fn for the points of a source that can be read, the newest
// first, until it gives false.
func (v *Vault) EachPoint(ctx context.Context, source SourceID, fn func(Point) bool) error {
	_, err := v.points.Back(ctx, source, fn)
	return err
}

// ReadHints reads the hints stored with a point: errkind.NotFound or Damaged
// when there are none to use.
func (v *Vault) ReadHints(ctx context.Context, source SourceID, number uint64) (*Hints, error) {
	return v.points.ReadHints(ctx, source, number)
}

// PackObjects gives the object names of the packs that the point needs: those
// listed at commit, or what replaced them since. The kind of each is looked up
// among the packs present; a missing one is given as a data pack.
func (v *Vault) PackObjects(ctx context.Context, e Envelope) ([]string, error) {
	set, err := v.packs.Load(ctx)
	if err != nil {
		return nil, err
	}
	return set.Objects(e)
}

// NewReader makes a reader over the vault as it is now.
func (v *Vault) NewReader(ctx context.Context) (*Reader, error) {
	set, err := v.packs.Load(ctx)
	if err != nil {
		return nil, err
	}
	return v.reader(set), nil
}

func (v *Vault) reader(set *inventory.Set) *Reader { return reader.New(v.store, v.packs, set) }

// Verify checks the vault. Findings are in the report; an error means that
// the verification itself could not be carried through.
func (v *Vault) Verify(ctx context.Context, mode VerifyMode, progress VerifyProgress) (*VerifyReport, error) {
	return verify.Run(ctx, verify.Vault{Store: v.store, Records: v.records, Points: v.points, Packs: v.packs, Exclude: v.opts.Exclude}, mode, progress)
}

// RebuildIndex reads the directories of all packs, writes index segments of
// those that no segment in the store has as they are, and gives the number of packs that
// could be read. Older segments stay.
func (v *Vault) RebuildIndex(ctx context.Context, g access.Grant) (int, error) {
	return v.packs.Rebuild(ctx, g)
}

// MergeIndex writes index segments in place of many small ones, without the
// packs that are gone, and gives how many went into them and how many objects were
// deleted: none on which a lock holds.
func (v *Vault) MergeIndex(ctx context.Context, g access.Grant) (merged, removed int, err error) {
	return v.packs.Merge(ctx, g)
}
