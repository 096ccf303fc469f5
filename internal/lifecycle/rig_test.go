package lifecycle_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/clock"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/jobs"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/tlog"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// rig is an installation on a simulated clock, with one vault in memory.
type rig struct {
	t       *testing.T
	mu      sync.Mutex // guards now where something works beside the test
	now     time.Time
	latched string
	// meanwhile is called once when the clock is next asked whether anything may be
	// deleted: after the records were read, and before anything is recorded.
	meanwhile func()
	driver    *memblob.Driver
	// disk is the store instead of driver, if there is one.
	disk blob.Driver
	// leaky is a store that refuses nothing.
	leaky   bool
	heads   *heads
	clock   *clock.Clock // nil for the simulated time itself
	catalog *catalog.Catalog
	custody *custody.Custody
	jobs    *jobs.Runner
	life    *lifecycle.Lifecycle
	folder  string
}

func (r *rig) Receipt() time.Time {
	if r.clock != nil {
		return r.clock.Receipt()
	}
	return r.time()
}

// time is the simulated time, also for what works beside the test.
func (r *rig) time() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) LockBase(maximum calendar.Period) time.Time {
	if r.clock != nil {
		return r.clock.LockBase(maximum)
	}
	return r.time()
}

func (r *rig) MayDelete(immutable bool) (time.Time, error) {
	if r.clock != nil {
		return r.clock.MayDelete(immutable)
	}
	if f := r.meanwhile; f != nil {
		r.meanwhile = nil
		f()
	}
	if r.latched != "" {
		return time.Time{}, errkind.New(errkind.Refused, "%s", r.latched)
	}
	return r.now, nil
}

func grant(a access.Action) access.Grant {
	return access.Issue(a, "books", "ann", "01JZEVENT", time.Now())
}

// heads remembers the newest governance record of each vault, as an audit log
// does that nobody touched.
type heads struct {
	known map[vault.ID]vault.Record
	// asked is called once, when the newest is next asked for and before it is given.
	asked func()
	// fails is the error of a log that cannot be read.
	fails error
}

func (h *heads) Newest(_ context.Context, id vault.ID) (uint64, [32]byte, error) {
	if f := h.asked; f != nil {
		h.asked = nil
		f()
	}
	return h.known[id].Number, h.known[id].Digest, h.fails
}

func (h *heads) Keep(_ context.Context, id vault.ID, r vault.Record) error {
	if r.Number >= h.known[id].Number {
		h.known[id] = r
	}
	return nil
}

func (h *heads) Accept(_ context.Context, id vault.ID, r vault.Record) error {
	h.known[id] = r
	return nil
}

// stores gives the one store there is, whatever it is called.
type stores struct{ r *rig }

func (s stores) Open(context.Context, blob.URL) (*blob.Bucket, func() error, error) {
	if s.r.disk != nil {
		return blob.New(s.r.disk, blob.Options{}), func() error { return nil }, nil
	}
	closed := new(bool)
	return blob.New(front{s.r.driver, s.r, closed}, blob.Options{}), func() error { *closed = true; return nil }, nil
}

func (s stores) Create(ctx context.Context, u blob.URL) (*blob.Bucket, func() error, error) {
	return s.Open(ctx, u)
}

type options struct {
	kind     string
	min, max calendar.Period
	classes  []policy.ClassRule
	policy   string
	// written is a policy of the test's own, for the source.
	written *policy.Policy
	start   time.Time
	// disk makes the store, where it is not to be in memory.
	disk func(now func() time.Time) blob.Driver
}

func newRig(t *testing.T, o options) *rig {
	t.Helper()
	r := &rig{t: t, heads: &heads{known: map[vault.ID]vault.Record{}}, now: time.Date(2026, 1, 1, 22, 0, 0, 0, time.UTC)}
	if !o.start.IsZero() {
		r.now = o.start
	}
	r.driver = memblob.New(r.time) // the store's own clock is right
	if o.disk != nil {
		r.disk = o.disk(r.Receipt)
	}
	dir := t.TempDir()
	index, err := catalog.Open(t.Context(), filepath.Join(dir, "catalog.db"), catalog.Options{})
	r.must(err)
	t.Cleanup(func() { r.must(index.Close()) })
	secret, _, err := tlog.NewKey("counterfoil/test", rand.Reader)
	r.must(err)
	r.catalog = index
	r.custody = custody.New(custody.Config{DataDir: dir, Catalog: index, Stores: stores{r}, Server: vault.NewID(), Host: "host", Now: r.Receipt,
		Heads: r.heads, AuditKey: func(context.Context) ([]byte, error) { return []byte(secret), nil }})
	t.Cleanup(func() { r.must(r.custody.Close()) })
	r.jobs = jobs.New(jobs.Config{DataDir: dir, Catalog: index, Custody: r.custody, Receipt: r.Receipt, LockBase: r.LockBase, Keep: func(context.Context, time.Time) error { return nil },
		HostNow: r.Receipt, Publish: func(context.Context, *vault.Vault) error { return nil }, Host: "host", Version: "test"})
	r.life = lifecycle.New(lifecycle.Config{Catalog: index, Custody: r.custody, Clock: r})
	if o.kind == "" {
		o.kind = vault.Unlocked
	}
	url, err := blob.ParseURL("mem://books")
	r.must(err)
	_, err = r.custody.CreateVault(t.Context(), grant(access.VaultCreate), custody.NewVault{Name: "books", URL: url, Kind: o.kind, Minimum: o.min, Maximum: o.max,
		RecoveryKit: filepath.Join(t.TempDir(), "kit.txt")})
	r.must(err)
	if p := o.written; p != nil {
		body, err := json.Marshal(p)
		r.must(err)
		r.must(index.CreatePolicy(t.Context(), grant(access.VaultCreate), catalog.Policy{Name: p.Name, Version: p.Version, Body: body, CreatedAt: r.now}))
		o.policy = p.Name
	}
	r.folder = t.TempDir()
	r.write("ledger.csv", "1,2\n")
	_, err = r.custody.CreateSource(t.Context(), grant(access.SourceCreate), custody.NewSource{Name: "ledgers", Vault: "books", Paths: [][]byte{[]byte(r.folder)}, Classes: o.classes, Policy: o.policy})
	r.must(err)
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	r.must(os.WriteFile(filepath.Join(r.folder, name), []byte(text), 0o600))
}

// backup changes a file and takes a scheduled point.
func (r *rig) backup() catalog.Point {
	r.t.Helper()
	r.write("ledger.csv", fmt.Sprintf("%d\n", r.now.UnixNano()))
	out, err := r.jobs.Backup(r.t.Context(), grant(access.BackupRun), jobs.Backup{Source: "ledgers", Trigger: retention.Scheduled})
	r.must(err)
	return out.Row
}

func (r *rig) plan() *lifecycle.Expiry {
	r.t.Helper()
	e, err := r.life.PlanExpiry(r.t.Context(), "books")
	r.must(err)
	return e
}

func (r *rig) expire() lifecycle.Disposed {
	r.t.Helper()
	out, err := r.life.ApplyExpiry(r.t.Context(), grant(access.PointExpire), "books", r.plan().Digest)
	r.must(err)
	return out
}

// sign signs what waits for a signature in an office.
func (r *rig) sign(as string) (vault.BatchRecord, error) {
	r.t.Helper()
	b, err := r.life.PlanBatch(r.t.Context(), "books", as, nil)
	r.must(err)
	return r.life.SignBatch(r.t.Context(), grant(access.DisposalSign), "books", as, nil, b.Digest, "minute 12")
}

// signAll signs all that waits, in both offices.
func (r *rig) signAll() {
	r.t.Helper()
	for _, as := range []string{vault.SignedByOwner, vault.SignedByOfficer} {
		if _, err := r.sign(as); err != nil && !errkind.Is(err, errkind.NotFound) {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) locks() *lifecycle.Locks {
	r.t.Helper()
	l, err := r.life.PlanLocks(r.t.Context(), "books")
	r.must(err)
	return l
}

func (r *rig) raise() int {
	r.t.Helper()
	_, n, err := r.life.RaiseLocks(r.t.Context(), grant(access.LockRaise), "books")
	r.must(err)
	return n
}

func (r *rig) points() []catalog.Point {
	r.t.Helper()
	rows, err := r.catalog.Points(r.t.Context(), catalog.PointFilter{Order: catalog.OldestFirst,
		States: []catalog.PointState{catalog.PointProtected, catalog.PointSoftDeleted, catalog.PointStopped}})
	r.must(err)
	return rows
}

func (r *rig) vault() *vault.Vault {
	r.t.Helper()
	_, v, err := r.custody.Vault(r.t.Context(), "books")
	r.must(err)
	return v
}

func (r *rig) days(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.AddDate(0, 0, n)
}

// front lets a test make the store forget what it promises.
type front struct {
	*memblob.Driver
	r      *rig
	closed *bool
}

var errClosed = errors.New("the store was closed")

func (f front) List(ctx context.Context, prefix string, fn func(blob.Info) error) error {
	if *f.closed {
		return errClosed
	}
	return f.Driver.List(ctx, prefix, fn)
}

func (f front) Put(ctx context.Context, name string, data []byte, o blob.PutOptions) (blob.Info, error) {
	if *f.closed {
		return blob.Info{}, errClosed
	}
	return f.Driver.Put(ctx, name, data, o)
}

func (f front) Delete(ctx context.Context, name string) error {
	if *f.closed {
		return errClosed
	}
	if f.r.leaky && f.Drop(name) {
		return nil
	}
	return f.Driver.Delete(ctx, name)
}

var errInjected = errors.New("injected")

// inject fails the changes for which fn says so.
func (r *rig) inject(fn func() bool) {
	r.driver.SetFault(func(op memblob.Op, _ string) memblob.Fault {
		if op != memblob.OpPut && op != memblob.OpDelete && op != memblob.OpLock || !fn() {
			return memblob.Fault{}
		}
		return memblob.Fault{When: memblob.NotApplied, Err: errInjected}
	})
}

// unlock makes an object again without its lock, as a store that lost it.
func (r *rig) unlock(object string) {
	r.t.Helper()
	v := r.driver.Versions(object)
	if len(v) == 0 || !r.driver.Drop(object) {
		r.t.Fatalf("no object %q", object)
	}
	_, err := r.driver.Put(r.t.Context(), object, v[len(v)-1].Data, blob.PutOptions{})
	r.must(err)
}
