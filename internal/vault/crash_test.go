package vault_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// once is a bucket that does not repeat what fails.
func once(d *memblob.Driver) *blob.Bucket { return blob.New(d, blob.Options{Attempts: 1}) }

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = chaCha(seed).Read(b) // never fails
	return b
}

func chaCha(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	return rand.NewChaCha8(key)
}

// fewFiles are some that share much between versions.
func fewFiles(version int) []file {
	files := []file{{"a-common", noise(1, 90<<10)}, {"b-own", noise(uint64(100+version), 40<<10)}, {"c-empty", nil}}
	for i := range 10 {
		files = append(files, file{fmt.Sprintf("d-%02d", i), []byte(strings.Repeat(fmt.Sprintf("ledger %d of %d ", i, version*(i%2)), 50))})
	}
	return files
}

func changes(op memblob.Op) bool {
	return op == memblob.OpPut || op == memblob.OpLock || op == memblob.OpDelete
}

// on gives the fixture over another driver.
func (f *fixture) on(t *testing.T, d *memblob.Driver) *fixture {
	g := *f
	g.t, g.driver, g.bucket = t, d, once(d)
	return &g
}

// whole checks that a point verifies and reads back.
func (f *fixture) whole(v *vault.Vault, object string, files []file) {
	f.t.Helper()
	p, err := v.ReadPoint(f.t.Context(), object)
	if err != nil {
		f.t.Errorf("%s: %v", object, err)
		return
	}
	got, broken := f.read(v, p)
	if broken != 0 {
		f.t.Errorf("%s: %d broken", object, broken)
	}
	check(f.t, files, got)
}

// clean checks that verification finds nothing at all.
func (f *fixture) clean(v *vault.Vault) {
	f.t.Helper()
	report, err := v.Verify(f.t.Context(), vault.Full, nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	for _, p := range report.Problems {
		f.t.Errorf("verify: %+v", *p)
	}
	for _, n := range report.Notes {
		f.t.Errorf("verify notes: %s", n)
	}
}

// unharmed checks that verification finds no file of the point lost.
func (f *fixture) unharmed(v *vault.Vault, p vault.Point) {
	f.t.Helper()
	report, err := v.Verify(f.t.Context(), vault.Full, nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	for _, x := range report.Problems {
		if slices.Contains(x.Points, p.Envelope.ID) {
			f.t.Errorf("verify: %+v", *x)
		}
	}
}

func (f *fixture) names(prefix string) (names []string) {
	f.t.Helper()
	err := f.bucket.List(f.t.Context(), prefix, func(i blob.Info) error {
		names = append(names, i.Name)
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return names
}

func TestCommit_OrderOnStorage(t *testing.T) {
	for _, lock := range []blob.Mode{blob.NoLock, blob.Governance, blob.Compliance} {
		t.Run("lock "+string(lock), func(t *testing.T) {
			f := newFixtureOf(t, lock)
			if _, err := f.backup(f.open(), fewFiles(1)); err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			var order []string
			f.driver.SetFault(func(op memblob.Op, name string) memblob.Fault {
				mu.Lock()
				defer mu.Unlock()
				if changes(op) {
					order = append(order, string(op)+" "+stage(name))
				}
				return memblob.Fault{}
			})
			p, err := f.backup(f.open(), fewFiles(2))
			if err != nil {
				t.Fatal(err)
			}
			f.driver.SetFault(nil)
			order = slices.Compact(order)
			want := []string{"put pack", "put segment", "put hint", "put intent", "lock pack", "put point"}
			if lock == blob.NoLock {
				want = slices.Delete(want, 4, 5)
			}
			if !slices.Equal(order, want) {
				t.Errorf("%q, want %q", order, want)
			}
			f.checkLocks(p)
			f.clean(f.open())
		})
	}
}

func stage(name string) string {
	switch {
	case strings.HasPrefix(name, "packs/"):
		return "pack"
	case strings.HasPrefix(name, "index/seg-"):
		return "segment"
	case strings.HasPrefix(name, "index/hint-"):
		return "hint"
	case strings.HasSuffix(name, ".intent"):
		return "intent"
	case strings.HasPrefix(name, "points/"):
		return "point"
	default:
		return name
	}
}

// checkLocks checks that all a point needs is locked for as long as it is.
func (f *fixture) checkLocks(p vault.Point) {
	f.t.Helper()
	packs, err := f.open().PackObjects(f.t.Context(), p.Envelope)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, name := range append(packs, p.Object, p.Object+".intent") {
		info, err := f.bucket.Stat(f.t.Context(), name)
		if err != nil {
			f.t.Fatal(err)
		}
		if info.Lock.Mode != f.lock || f.lock != blob.NoLock && info.Lock.Until.Before(p.Envelope.RetainUntil.Time()) {
			f.t.Errorf("%s is locked %+v", name, info.Lock)
		}
	}
}

// crash is a way in which the k-th change of the store goes wrong.
type crash struct {
	name  string
	fault func(n, k int) memblob.When
}

func crashes() []crash {
	return []crash{
		{"fails, not applied", func(n, k int) memblob.When { return pick(n == k, memblob.NotApplied) }},
		{"fails, applied", func(n, k int) memblob.When { return pick(n == k, memblob.Applied) }},
		{"dies before", func(n, k int) memblob.When { return pick(n >= k, memblob.NotApplied) }},
		{"dies after", func(n, k int) memblob.When { return pick(n > k, memblob.NotApplied) }},
	}
}

func pick(is bool, w memblob.When) memblob.When {
	if is {
		return w
	}
	return memblob.Never
}

// TestBackup_CrashAnywhere lets every single change of a second backup go
// wrong in every way, reopens the store, and asks that the first point is
// whole, the second absent or whole, and the next backup succeeds.
func TestBackup_CrashAnywhere(t *testing.T) {
	for _, lock := range []blob.Mode{blob.NoLock, blob.Governance} {
		base := newFixtureOf(t, lock)
		first, err := base.backup(base.open(), fewFiles(1))
		if err != nil {
			t.Fatal(err)
		}
		total := base.on(t, base.driver.Clone()).countChanges()
		for _, c := range crashes() {
			for k := 1; k <= total; k++ {
				t.Run(fmt.Sprintf("lock %s, %s %d of %d", lock, c.name, k, total), func(t *testing.T) {
					f := base.on(t, base.driver.Clone())
					f.crashAt(c, k)
					f.recovers(first)
				})
			}
		}
	}
}

func (f *fixture) countChanges() int {
	f.t.Helper()
	n := 0
	f.driver.SetFault(func(op memblob.Op, _ string) memblob.Fault {
		if changes(op) {
			n++
		}
		return memblob.Fault{}
	})
	if _, err := f.backup(f.open(), fewFiles(2)); err != nil {
		f.t.Fatal(err)
	}
	f.driver.SetFault(nil)
	return n
}

func (f *fixture) crashAt(c crash, k int) {
	f.t.Helper()
	n, dead := 0, false
	boom := errors.New("injected")
	f.driver.SetFault(func(op memblob.Op, _ string) memblob.Fault {
		if changes(op) {
			n++
			when := c.fault(n, k)
			dead = dead || strings.HasPrefix(c.name, "dies") && when != memblob.Never
			return memblob.Fault{When: when, Err: boom}
		}
		if dead {
			return memblob.Fault{When: memblob.NotApplied, Err: boom}
		}
		return memblob.Fault{}
	})
	_, err := f.backup(f.open(), fewFiles(2))
	if err == nil && n >= k && c.name != "dies after" {
		f.t.Error("the backup succeeded")
	}
	if err != nil && !errors.Is(err, boom) {
		f.t.Errorf("another error: %v", err)
	}
	f.driver.SetFault(nil)
}

// recovers checks what must hold after any crash.
func (f *fixture) recovers(first vault.Point) {
	t := f.t
	t.Helper()
	state := *f
	state.driver = f.driver.Clone()
	state.bucket = once(state.driver)
	v := state.open()
	state.whole(v, first.Object, fewFiles(1))
	state.unharmed(v, first)
	refs, err := v.ListPoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(refs) > 2 {
		t.Fatalf("%d points", len(refs))
	}
	for _, r := range refs[1:] {
		state.whole(v, r.Object, fewFiles(2)) // from its intent where it was not written
	}
	p, err := state.backup(v, fewFiles(3))
	if err != nil {
		t.Fatalf("next backup: %v", err)
	}
	if int(p.Envelope.Number) != len(refs)+1 {
		t.Errorf("next point has number %d after %d", p.Envelope.Number, len(refs))
	}
	v = state.open()
	state.whole(v, p.Object, fewFiles(3))
	for _, r := range refs {
		info, err := state.bucket.Stat(t.Context(), r.Object)
		if err != nil {
			t.Errorf("an intent was not finished: %v", err)
		}
		if point, err := v.ReadPoint(t.Context(), r.Object); err != nil || state.lock != blob.NoLock && info.Lock.Until.Before(point.Envelope.RetainUntil.Time()) {
			t.Errorf("point %s is locked %+v, %v", r.Object, info.Lock, err)
		} else {
			state.checkLocks(point)
		}
	}
	state.clean(v)
	if len(v.Warnings()) != 0 {
		t.Errorf("warnings %q", v.Warnings())
	}
}

// TestCreate_CrashNeverLeavesHalfAVault stops the creation at every change.
func TestCreate_CrashNeverLeavesHalfAVault(t *testing.T) {
	whole := newFixture(t)
	objects := whole.names("")
	for k := 1; k <= len(objects); k++ {
		f := whole.on(t, memblob.New(nil))
		n := 0
		f.driver.SetFault(func(op memblob.Op, _ string) memblob.Fault {
			if changes(op) {
				n++
			}
			return memblob.Fault{When: pick(n >= k, memblob.NotApplied)}
		})
		if err := f.create(); err == nil {
			t.Fatalf("change %d: created", k)
		}
		f.driver.SetFault(nil)
		_, err := vault.Open(t.Context(), f.bucket, f.kek, f.options())
		if last := k == len(objects); last != (err == nil) { // only the twin of the header is there
			t.Errorf("change %d: %v", k, err)
		}
	}
}

func TestBackup_ResumesWithPacksOfAFailedOne(t *testing.T) {
	f := newFixture(t)
	f.bucket = once(f.driver)
	f.driver.SetFault(func(op memblob.Op, name string) memblob.Fault {
		return memblob.Fault{When: pick(op == memblob.OpPut && strings.HasPrefix(name, "index/"), memblob.NotApplied)}
	})
	if _, err := f.backup(f.open(), fewFiles(1)); err == nil {
		t.Fatal("no failure")
	}
	f.driver.SetFault(nil)
	before := f.names("packs/")
	v := f.open()
	s, err := v.OpenSession(t.Context(), grant("backup/run"), vault.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.fill(t.Context(), s, fewFiles(1)); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().New.Load(); n != 0 || !slices.Equal(before, f.names("packs/")) {
		t.Errorf("%d bytes stored again", n)
	}
	f.clean(f.open())
	if bytes.Contains([]byte(strings.Join(f.names(""), " ")), []byte(".tmp")) {
		t.Error("temporary objects")
	}
}
