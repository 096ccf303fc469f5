// Package model lets simulated years go by over a vault in memory: backups of
// changing files, sessions that stay open for days, removals, garbage collections,
// crashes at any change of the store, servers that take over, jumps of the
// clock. Beside it runs a slow and simple model of what must be there, which knows
// files, points and raw objects of the store but nothing of packs or indexes.
//
// After every step: every byte of every kept point reads back; what a point
// needs is locked as long as the point is kept; no object went while its lock
// held, or without a record that says so; the records only grow. In the end all
// points go, and the garbage with them.
//
// A run is determined by its seed, which is printed, but for the order in which
// the engine's own goroutines reach the store. COUNTERFOIL_MODEL_WORLDS sets how many
// worlds there are for each way of locking, COUNTERFOIL_MODEL_DAYS the days of each,
// COUNTERFOIL_MODEL_SEED the seed.
package model

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/vault"
	"github.com/counterfoil/counterfoil/internal/vault/gc"
)

func fromEnv(t *testing.T, key string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(key)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return n
}

func TestModel(t *testing.T) {
	days := int(fromEnv(t, "COUNTERFOIL_MODEL_DAYS", 80))
	worlds := fromEnv(t, "COUNTERFOIL_MODEL_WORLDS", 1)
	seed := fromEnv(t, "COUNTERFOIL_MODEL_SEED", rand.Uint64()>>1)
	t.Logf("COUNTERFOIL_MODEL_SEED=%d COUNTERFOIL_MODEL_WORLDS=%d COUNTERFOIL_MODEL_DAYS=%d", seed, worlds, days)
	lived := 0
	for i := range worlds {
		for _, lock := range []blob.Mode{blob.NoLock, blob.Governance, blob.Compliance} {
			t.Run(fmt.Sprintf("world %d, lock %s", seed+i, lock), func(t *testing.T) {
				cryptotest.SetGlobalRandom(t, seed+i)
				w := newWorld(t, seed+i, lock)
				for w.day = 1; w.day <= days && !t.Failed(); w.day++ {
					w.live()
					lived++
				}
				if !t.Failed() {
					w.end()
				}
				t.Logf("%d days: %v, %d points at the end", w.day-1, w.done, w.kept)
			})
		}
	}
	t.Logf("%d vault-days", lived)
}

// world is a vault, and the model of it.
type world struct {
	t      *testing.T
	rnd    *rand.Rand
	lock   blob.Mode
	driver *memblob.Driver
	cache  string // the folder of the index; a restart may lose it
	kek    *keys.Held
	server vault.ID
	v      *vault.Vault
	now    time.Time
	day    int
	done   map[string]int

	sources []*source
	points  map[string]*point // the kept ones, by object
	objects map[string]blob.Info
	records int
	open    *draft // a session that stays open
	kept    int    // points before the end
}

type source struct {
	id    vault.SourceID
	files map[string][]byte
	last  uint64 // number of its last point
}

type point struct {
	object string
	digest vault.Digest
	root   vault.Digest
	files  map[string][]byte
	until  time.Time
}

// draft is a session that is being filled.
type draft struct {
	session *vault.Session
	source  *source
	draft   vault.Draft
	files   map[string][]byte
	records int // governance records when it was opened
}

var errInjected = errors.New("injected")

func newWorld(t *testing.T, seed uint64, lock blob.Mode) *world {
	t.Helper()
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), lock: lock, now: time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC), server: vault.NewID(),
		done: map[string]int{}, points: map[string]*point{}, objects: map[string]blob.Info{}}
	w.driver = memblob.New(func() time.Time { return w.now })
	w.cache = t.TempDir()
	id := vault.NewID()
	w.kek = keys.NewHeld(keys.FileProvider, id)
	kind := vault.Trial
	if lock != blob.NoLock {
		kind = vault.Unlocked
	}
	_, err := vault.Create(t.Context(), grant(access.VaultCreate), w.bucket(), map[string]vault.KEK{"key": w.kek},
		vault.CreateOptions{Options: w.options(), ID: id, Name: "v", Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s := &source{id: vault.NewSourceID(w.now), files: map[string][]byte{}}
		for range 8 {
			w.change(s)
		}
		w.sources = append(w.sources, s)
	}
	w.reopen()
	return w
}

func grant(a access.Action) access.Grant {
	return access.Issue(a, "model", "model", "event", time.Time{}.AddDate(2026, 0, 0))
}

// bucket repeats nothing, so that an injected fault is seen.
func (w *world) bucket() *blob.Bucket { return blob.New(w.driver, blob.Options{Attempts: 1}) }

func (w *world) options() vault.Options {
	return vault.Options{Server: w.server, Host: "model", Now: func() time.Time { return w.now }, Cache: w.cache}
}

// reopen is what a restart does: sessions of before are gone.
func (w *world) reopen() {
	w.t.Helper()
	if w.open != nil {
		w.open.session.Abort()
		w.open = nil
	}
	if w.rnd.IntN(3) == 0 {
		if err := os.RemoveAll(w.cache); err != nil {
			w.t.Fatal(err)
		}
	}
	v, err := vault.Open(w.t.Context(), w.bucket(), w.kek, w.options())
	if err != nil {
		w.t.Fatalf("day %d: open: %v", w.day, err)
	}
	w.v = v
}

// change makes, changes or deletes a file. Contents repeat now and then, also
// between sources, and some consist of several chunks.
func (w *world) change(s *source) {
	name := fmt.Sprintf("f%02d", w.rnd.IntN(20))
	if len(s.files) > 3 && w.rnd.IntN(5) == 0 {
		delete(s.files, name)
		return
	}
	size := []int{0, 1, 100, 5000, 60_000, 700_000}[w.rnd.IntN(6)]
	if size == 700_000 && w.rnd.IntN(4) > 0 {
		size = 20_000
	}
	s.files[name] = contents(uint64(w.rnd.IntN(60)), size)
}

func contents(seed uint64, size int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(size>>8)
	out := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(out) // never fails
	return out
}

// live is one day.
func (w *world) live() {
	w.now = w.now.Add(time.Duration(20+w.rnd.IntN(9)) * time.Hour)
	for range w.rnd.IntN(4) {
		w.change(w.sources[w.rnd.IntN(len(w.sources))])
	}
	steps := []struct {
		name   string
		weight int
		do     func()
	}{
		{"backup", 40, w.backup}, {"long session", 10, w.longSession}, {"remove", 25, w.remove}, {"gc", 25, w.collect}, {"crash", 12, w.crash},
		{"takeover", 2, w.takeOver}, {"restart", 5, w.reopen}, {"clock jump", 2, func() { w.now = w.now.AddDate(0, w.rnd.IntN(9), 0) }},
		{"rebuild index", 2, w.rebuild}, {"tamper", 6, w.tamper},
	}
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	n := w.rnd.IntN(total)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			w.done[s.name]++
			s.do()
			w.check(s.name)
			return
		}
	}
}

func (w *world) backup() {
	if err := w.commit(w.begin()); err != nil {
		w.t.Errorf("day %d: backup: %v", w.day, err)
	}
}

// begin opens a session and stores a source in it.
func (w *world) begin() (*draft, error) {
	d, err := w.openSession()
	if err != nil {
		return nil, err
	}
	return d, w.store(context.Background(), d)
}

func (w *world) openSession() (*draft, error) {
	s := w.sources[w.rnd.IntN(len(w.sources))]
	session, err := w.v.OpenSession(context.Background(), grant(access.BackupRun), vault.SessionOptions{Lock: w.lock})
	if err != nil {
		return nil, err
	}
	return &draft{session: session, source: s, files: maps.Clone(s.files), records: w.records}, nil
}

func (w *world) store(ctx context.Context, d *draft) error {
	dir := d.session.NewDirectory()
	size := int64(0)
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		data := d.files[name]
		c, n, err := d.session.StoreContent(ctx, bytes.NewReader(data), int64(len(data)), vault.CutAuto)
		if err != nil {
			return err
		}
		size += n
		if err := dir.Add(ctx, vault.Entry{Name: []byte(name), Kind: vault.Regular, Mode: 0o644, Size: n, Content: c}); err != nil {
			return err
		}
	}
	tree, err := dir.Finish(ctx)
	if err != nil {
		return err
	}
	root, err := d.session.PutRoot(ctx, vault.Entry{Kind: vault.Dir, Mode: 0o755, Tree: &tree})
	if err != nil {
		return err
	}
	hints := &vault.Hints{}
	hints.Add("a", vault.StampOf(w.now), 1)
	d.draft = vault.Draft{Source: d.source.id, Root: root, Term: vault.Fixed, Complete: true, Trial: w.lock == blob.NoLock, Size: size, Entries: int64(len(d.files)) + 1,
		Hints: hints, Body: vault.Body{Source: vault.SourceRecord{ID: d.source.id, Name: "s", Kind: "files"}}}
	return nil
}

// commit makes the point and notes it in the model.
func (w *world) commit(d *draft, err error) error {
	if err != nil {
		if d != nil {
			d.session.Abort()
		}
		return err
	}
	w.now = w.now.Add(time.Minute)
	until := w.now.AddDate(0, 0, 1+w.rnd.IntN(400))
	stamp := vault.StampOf(until)
	d.draft.Started, d.draft.Received, d.draft.RetainUntil = vault.StampOf(w.now), vault.StampOf(w.now), &stamp
	if w.lock != blob.NoLock {
		d.draft.LockUntil = stamp
	}
	p, err := d.session.Commit(context.Background(), grant(access.BackupRun), d.draft)
	if err != nil {
		return err
	}
	w.keep(d, p)
	spent := w.facts().spent
	for names := p.Envelope.Packs.Names; len(names) >= 32; names = names[32:] {
		if n := hex.EncodeToString(names[:32]); spent[n] {
			w.t.Errorf("day %d: point %s counts on pack %s, which was given up", w.day, p.Object, n)
		}
	}
	return nil
}

func (w *world) keep(d *draft, p vault.Point) {
	if p.Envelope.Number <= d.source.last {
		w.t.Errorf("day %d: point %s takes a number again", w.day, p.Object)
	}
	d.source.last = p.Envelope.Number
	w.points[p.Object] = &point{object: p.Object, digest: p.Digest, root: p.Envelope.Root, files: d.files, until: p.Envelope.RetainUntil.Time()}
}

// longSession leaves a session open, or ends the one that is. What it stores it
// stores at once or only at its end, when others have changed much.
func (w *world) longSession() {
	if w.open == nil {
		begin := w.begin
		if w.rnd.IntN(2) == 0 {
			begin = w.openSession
		}
		d, err := begin()
		if err != nil {
			w.t.Errorf("day %d: %v", w.day, err)
			return
		}
		w.open = d
		return
	}
	d := w.open
	w.open = nil
	if w.rnd.IntN(4) == 0 {
		d.session.Abort()
		return
	}
	var err error
	if d.draft.Root == (vault.Digest{}) {
		err = w.store(context.Background(), d)
	}
	// What it counted on may have been condemned: then it makes no point.
	if err := w.commit(d, err); err != nil && !errkind.Is(err, errkind.Busy) {
		w.t.Errorf("day %d: long session: %v", w.day, err)
	}
}

// remove takes out a point whose time is over; one whose is not must be
// refused where there are locks.
func (w *world) remove() {
	for _, object := range slices.Sorted(maps.Keys(w.points)) {
		p := w.points[object]
		over := !w.now.Before(p.until)
		if !over && w.rnd.IntN(10) > 0 {
			continue
		}
		err := w.v.RemovePoint(context.Background(), grant(access.PointDelete), object)
		switch {
		case !over && w.lock != blob.NoLock:
			if !errkind.Is(err, errkind.Refused) {
				w.t.Errorf("day %d: removing a locked point: %v", w.day, err)
			}
		case err != nil:
			w.t.Errorf("day %d: remove: %v", w.day, err)
		default:
			delete(w.points, object)
		}
		if w.rnd.IntN(2) == 0 {
			return
		}
	}
}

func (w *world) known() (o vault.GCOptions) {
	o.Lock = w.lock
	for _, p := range w.points {
		o.Known = append(o.Known, vault.KnownPoint{Object: p.object, Digest: p.digest})
	}
	return o
}

func (w *world) collect() {
	if err := w.gc(); err != nil {
		w.t.Errorf("day %d: gc: %v", w.day, err)
	}
}

func (w *world) gc() error {
	o := w.known()
	plan, err := w.v.PlanGC(context.Background(), o)
	if err != nil {
		return err
	}
	for _, step := range plan.Steps {
		if step.Reason == gc.Unlisted {
			w.t.Errorf("day %d: %s: %s", w.day, step.Object, step.Reason)
		}
	}
	_, err = w.v.ApplyGC(context.Background(), grant(access.PackDelete), o, plan.Digest)
	return err
}

// crash lets a step go wrong at some change of the store, applied or not, once
// or from there on, and starts again.
func (w *world) crash() {
	at, when, dies := 1+w.rnd.IntN(14), memblob.NotApplied, w.rnd.IntN(2) == 0
	if w.rnd.IntN(2) == 0 {
		when = memblob.Applied
	}
	n := 0
	w.driver.SetFault(func(op memblob.Op, _ string) memblob.Fault {
		if op != memblob.OpPut && op != memblob.OpLock && op != memblob.OpDelete {
			return memblob.Fault{}
		}
		switch n++; {
		case n == at:
			return memblob.Fault{When: when, Err: errInjected}
		case n > at && dies:
			return memblob.Fault{When: memblob.NotApplied, Err: errInjected}
		}
		return memblob.Fault{}
	})
	var err error
	switch w.rnd.IntN(3) {
	case 0:
		err = w.gc()
	case 1:
		err = w.crashRemove()
	default:
		err = w.crashBackup()
	}
	w.driver.SetFault(nil)
	if err != nil && !errors.Is(err, errInjected) {
		w.t.Errorf("day %d: a crash came out as %v", w.day, err)
	}
	w.reopen()
	w.settle()
}

func (w *world) crashBackup() error { return w.commit(w.begin()) }

func (w *world) crashRemove() error {
	for _, object := range slices.Sorted(maps.Keys(w.points)) {
		if w.now.Before(w.points[object].until) {
			continue
		}
		err := w.v.RemovePoint(context.Background(), grant(access.PointDelete), object)
		if err == nil {
			delete(w.points, object)
		}
		return err
	}
	return nil
}

// settle finishes what a crash left, as a server does when it starts, and
// learns which of the interrupted commits and removals happened.
func (w *world) settle() {
	ctx := context.Background()
	if _, err := w.v.FinishCommits(ctx, grant(access.CommitFinish)); err != nil {
		w.t.Errorf("day %d: finish commits: %v", w.day, err)
	}
	removed := w.facts().removed
	for object := range removed {
		delete(w.points, object)
	}
	refs, err := w.v.ListPoints(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range refs {
		if w.points[r.Object] != nil || removed[r.Object] {
			continue
		}
		// The interrupted backup's point: it must hold what the source had.
		p, err := w.v.ReadPoint(ctx, r.Object)
		if err != nil {
			w.t.Errorf("day %d: %v", w.day, err)
			continue
		}
		for _, s := range w.sources {
			if s.id == p.Envelope.Source {
				w.keep(&draft{source: s, files: maps.Clone(s.files)}, p)
			}
		}
	}
}

// takeOver lets another server take the vault; the old one can change nothing
// any more.
func (w *world) takeOver() {
	old := w.v
	w.server = vault.NewID()
	w.reopen()
	ctx := context.Background()
	if err := w.v.TakeOwnership(ctx, grant(access.OwnerTake)); err != nil {
		w.t.Fatalf("day %d: %v", w.day, err)
	}
	if _, err := old.OpenSession(ctx, grant(access.BackupRun), vault.SessionOptions{Lock: w.lock}); !errkind.Is(err, errkind.NotAllowed) {
		w.t.Errorf("day %d: the old server opens a session: %v", w.day, err)
	}
	if _, err := old.PlanGC(ctx, w.known()); !errkind.Is(err, errkind.NotAllowed) {
		w.t.Errorf("day %d: the old server plans to delete: %v", w.day, err)
	}
}

func (w *world) rebuild() {
	if _, err := w.v.RebuildIndex(context.Background(), grant(access.IndexRebuild)); err != nil {
		w.t.Errorf("day %d: %v", w.day, err)
	}
}

// tamper tries to delete and to shorten by the store's own API, as somebody
// with the server's credentials would.
func (w *world) tamper() {
	if w.lock == blob.NoLock {
		return
	}
	var names []string
	for name, info := range w.objects {
		if info.Lock.Holds(w.now) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return
	}
	name := names[w.rnd.IntN(len(names))]
	if err := w.driver.Delete(context.Background(), name); !errkind.Is(err, errkind.Refused) {
		w.t.Errorf("day %d: %s was deleted under its lock: %v", w.day, name, err)
	}
	shorter := blob.Lock{Mode: w.lock, Until: w.now.Add(time.Second)}
	if err := w.driver.SetLock(context.Background(), name, shorter); err == nil && w.objects[name].Lock.Until.After(shorter.Until) {
		w.t.Errorf("day %d: the lock of %s was shortened", w.day, name)
	}
}

// unlocked tells that no lock holds on a pack.
func (w *world) unlocked() bool {
	for name, info := range w.objects {
		if strings.HasPrefix(name, "packs/") && info.Lock.Holds(w.now) {
			return false
		}
	}
	return true
}

// rest collects until there is nothing to do, which must come soon.
func (w *world) rest() {
	for range 8 {
		plan, err := w.v.PlanGC(context.Background(), w.known())
		if err != nil {
			w.t.Fatal(err)
		}
		if plan.Nothing() && w.unlocked() {
			return
		}
		w.collect()
		w.check("end")
		w.now = w.now.AddDate(0, 0, 4) // what was written is locked for three days
	}
	w.t.Error("in the end the garbage never ends")
}

// end lets all time go by, removes everything and collects: nothing may be
// left but what governs.
func (w *world) end() {
	w.reopen()
	w.kept = len(w.points)
	w.now = w.now.AddDate(20, 0, 0)
	w.rest()
	for object := range w.points {
		if err := w.v.RemovePoint(context.Background(), grant(access.PointDelete), object); err != nil {
			w.t.Fatal(err)
		}
		delete(w.points, object)
	}
	w.check("end")
	w.rest()
	for name := range w.objects {
		if strings.HasPrefix(name, "packs/") || strings.HasPrefix(name, "points/") {
			w.t.Errorf("in the end %s is left: %s", name, w.reason(name))
		}
	}
}

// reason tells why garbage collection keeps an object.
func (w *world) reason(object string) string {
	plan, err := w.v.PlanGC(context.Background(), w.known())
	if err != nil {
		return err.Error()
	}
	for _, step := range plan.Steps {
		if step.Object == object {
			return fmt.Sprintf("%s: %s", step.Action, step.Reason)
		}
	}
	return "no plan knows it"
}
