package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/blobtest"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// fixture is a bucket over a store in memory that records its pauses instead
// of making them.
type fixture struct {
	*blob.Bucket
	mem    *memblob.Driver
	clock  *blobtest.Clock
	pauses []time.Duration
}

func newFixture() *fixture {
	f := &fixture{clock: blobtest.NewClock()}
	f.mem = memblob.New(f.clock.Now)
	f.Bucket = blob.New(f.mem, blob.Options{
		Attempts: 5,
		Pause:    time.Second,
		MaxPause: 3 * time.Second,
		Sleep: func(ctx context.Context, d time.Duration) error {
			f.pauses = append(f.pauses, d)
			return ctx.Err()
		},
		Random: func() float64 { return 0.5 },
	})
	return f
}

// failing makes the first n operations of kind op fail.
func (f *fixture) failing(op memblob.Op, n int, fault memblob.Fault) {
	f.mem.SetFault(func(o memblob.Op, _ string) memblob.Fault {
		if o != op || n == 0 {
			return memblob.Fault{}
		}
		n--
		return fault
	})
}

func grant(action access.Action) access.Grant {
	return access.Issue(action, "vault", "owner", "event-1", time.Time{})
}

func wantKind(t *testing.T, doing string, err error, want errkind.Kind) {
	t.Helper()
	if !errkind.Is(err, want) {
		t.Fatalf("%s: %v, want kind %v, got %v", doing, err, want, errkind.Of(err))
	}
}

func (f *fixture) put(t *testing.T, name, data string, opts blob.PutOptions) {
	t.Helper()
	if _, err := f.Put(t.Context(), name, []byte(data), opts); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) want(t *testing.T, name, data string) {
	t.Helper()
	got, err := f.ReadAll(t.Context(), name, 1<<20)
	if err != nil || string(got) != data {
		t.Fatalf("%s holds %q, %v; want %q", name, got, err, data)
	}
}

func TestRetry_UnavailableWithGrowingPauses(t *testing.T) {
	f := newFixture()
	f.failing(memblob.OpPut, 4, memblob.Fault{When: memblob.NotApplied})
	f.put(t, "a", "x", blob.PutOptions{})
	// Half of each pause is random, and Random gives 0.5.
	want := []time.Duration{750 * time.Millisecond, 1500 * time.Millisecond, 2250 * time.Millisecond, 2250 * time.Millisecond}
	if diff := cmp.Diff(want, f.pauses); diff != "" {
		t.Fatalf("pauses (-want +got):\n%s", diff)
	}
	f.failing(memblob.OpStat, 5, memblob.Fault{When: memblob.NotApplied})
	_, err := f.Stat(t.Context(), "a")
	wantKind(t, "stat that fails too often", err, errkind.Unavailable)
	if _, err := f.Stat(t.Context(), "a"); err != nil {
		t.Fatalf("tried more than 5 times: %v", err)
	}
}

func TestRetry_OtherKindsAreNotRepeated(t *testing.T) {
	for _, kind := range []errkind.Kind{errkind.Internal, errkind.NoSpace, errkind.ReadOnly, errkind.Refused, errkind.Damaged} {
		f := newFixture()
		f.failing(memblob.OpPut, 1, memblob.Fault{When: memblob.NotApplied, Err: errkind.New(kind, "no")})
		_, err := f.Put(t.Context(), "a", nil, blob.PutOptions{})
		wantKind(t, "put", err, kind)
		if len(f.pauses) != 0 {
			t.Fatalf("%v was repeated", kind)
		}
	}
}

func TestRetry_EndsWithItsContext(t *testing.T) {
	f := newFixture()
	ctx, cancel := context.WithCancel(t.Context())
	f.mem.SetFault(func(memblob.Op, string) memblob.Fault {
		cancel()
		return memblob.Fault{When: memblob.NotApplied}
	})
	_, err := f.Stat(ctx, "a")
	if err == nil || f.mem.Counts()[memblob.OpStat] != 1 {
		t.Fatalf("%d attempts, %v", f.mem.Counts()[memblob.OpStat], err)
	}
	slow := newFixture()
	slow.Bucket = blob.New(slow.mem, blob.Options{Sleep: func(context.Context, time.Duration) error { return context.DeadlineExceeded }})
	slow.failing(memblob.OpStat, 1, memblob.Fault{When: memblob.NotApplied})
	_, err = slow.Stat(t.Context(), "a")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "injected fault") {
		t.Fatalf("a pause cut short: %v", err)
	}
}

func TestPut_AppliedButFailed(t *testing.T) {
	fault := memblob.Fault{When: memblob.Applied}
	f := newFixture()
	lock := blob.Lock{Mode: blob.Governance, Until: f.clock.Now().Add(time.Hour)}
	f.failing(memblob.OpPut, 2, fault)
	info, err := f.Put(t.Context(), "a", []byte("mine"), blob.PutOptions{Lock: lock})
	if err != nil || info.Lock != lock || info.Size != 4 {
		t.Fatalf("put told %+v, %v", info, err)
	}
	f.failing(memblob.OpPut, 1, fault)
	if _, err := f.Put(t.Context(), "b", []byte("mine"), blob.PutOptions{Replace: true, Lock: lock}); err != nil {
		t.Fatalf("replace that locked itself out: %v", err)
	}
	if n := len(f.mem.Versions("b")); n != 1 {
		t.Fatalf("%d versions of what was put once", n)
	}
}

func TestPut_SomebodyElseWonMeanwhile(t *testing.T) {
	for _, theirs := range []string{"them", "theirs"} {
		f := newFixture()
		other := blob.New(f.mem, blob.Options{})
		failed := false
		f.Bucket = blob.New(f.mem, blob.Options{Sleep: func(ctx context.Context, _ time.Duration) error {
			failed = true
			_, err := other.Put(ctx, "epoch/1", []byte(theirs), blob.PutOptions{})
			return err
		}})
		f.failing(memblob.OpPut, 1, memblob.Fault{When: memblob.NotApplied})
		_, err := f.Put(t.Context(), "epoch/1", []byte("mine"), blob.PutOptions{})
		wantKind(t, "put", err, errkind.Exists)
		if !failed {
			t.Fatal("no attempt failed")
		}
		f.want(t, "epoch/1", theirs)
	}
}

func TestPut_SameBytesWeakerLockIsRaised(t *testing.T) {
	f := newFixture()
	want := blob.Lock{Mode: blob.Compliance, Until: f.clock.Now().Add(2 * time.Hour)}
	weak := blob.Lock{Mode: blob.Governance, Until: f.clock.Now().Add(time.Hour)}
	f.Bucket = blob.New(f.mem, blob.Options{Sleep: func(ctx context.Context, _ time.Duration) error {
		_, err := f.mem.Put(ctx, "a", []byte("same"), blob.PutOptions{Lock: weak})
		return err
	}})
	f.failing(memblob.OpPut, 1, memblob.Fault{When: memblob.NotApplied})
	f.put(t, "a", "same", blob.PutOptions{Lock: want})
	if info, err := f.Stat(t.Context(), "a"); err != nil || info.Lock != want {
		t.Fatalf("%+v, %v", info, err)
	}
}

// sumDriver remembers the SHA-256 that was passed to it.
type sumDriver struct {
	blob.Driver
	sum [32]byte
}

func (d *sumDriver) Put(ctx context.Context, name string, data []byte, opts blob.PutOptions) (blob.Info, error) {
	d.sum = opts.SHA256
	return d.Driver.Put(ctx, name, data, opts)
}

func TestPut_AlwaysPassesTheSHA256(t *testing.T) {
	d := &sumDriver{Driver: memblob.New(nil)}
	b := blob.New(d, blob.Options{})
	if _, err := b.Put(t.Context(), "a", []byte("abc"), blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if d.sum != sha256.Sum256([]byte("abc")) {
		t.Fatal("the driver was not given the SHA-256")
	}
	_, err := b.Put(t.Context(), "b", []byte("abc"), blob.PutOptions{SHA256: [32]byte{1}})
	wantKind(t, "put with a wrong SHA-256", err, errkind.Damaged)
}

func TestErrors_SayWhatWasDone(t *testing.T) {
	f := newFixture()
	f.put(t, "packs/a", "x", blob.PutOptions{})
	_, err := f.Put(t.Context(), "packs/a", nil, blob.PutOptions{})
	if !strings.HasPrefix(err.Error(), "put packs/a: ") {
		t.Errorf("put: %v", err)
	}
	_, err = f.ReadAll(t.Context(), "packs/b", 1)
	if !strings.HasPrefix(err.Error(), "read packs/b: ") {
		t.Errorf("read: %v", err)
	}
	err = f.Delete(t.Context(), grant("object/delete"), "packs/b")
	if !strings.HasPrefix(err.Error(), "delete packs/b: ") {
		t.Errorf("delete: %v", err)
	}
}

func TestNames_AreCheckedBeforeTheDriver(t *testing.T) {
	f := newFixture()
	lock := blob.Lock{Mode: blob.Governance, Until: f.clock.Now().Add(time.Hour)}
	for _, name := range []string{"", "../a", "A", "a//b", "locks/a.lock", ".tmp-1"} {
		_, putErr := f.Put(t.Context(), name, nil, blob.PutOptions{})
		_, allErr := f.ReadAll(t.Context(), name, 1)
		_, atErr := f.ReadAt(t.Context(), name, nil, 0)
		_, statErr := f.Stat(t.Context(), name)
		for _, err := range []error{
			putErr, allErr, atErr, statErr,
			f.Delete(t.Context(), grant("object/delete"), name),
			f.SetLock(t.Context(), grant("lock/raise"), name, lock),
			f.SetLegalHold(t.Context(), grant(access.HoldPlace), name, true),
			f.ReadVersions(t.Context(), name, 1, nil),
		} {
			wantKind(t, name, err, errkind.Invalid)
		}
	}
	wantKind(t, "list", f.List(t.Context(), "../", nil), errkind.Invalid)
	_, err := f.ReadAt(t.Context(), "a", nil, -1)
	wantKind(t, "read at -1", err, errkind.Invalid)
	if diff := cmp.Diff(map[memblob.Op]int{}, f.mem.Counts()); diff != "" {
		t.Fatalf("the driver was called:\n%s", diff)
	}
}

func TestReadAll_Limit(t *testing.T) {
	f := newFixture()
	f.put(t, "a", "12345", blob.PutOptions{})
	f.put(t, "empty", "", blob.PutOptions{})
	f.want(t, "a", "12345")
	f.want(t, "empty", "")
	if _, err := f.ReadAll(t.Context(), "a", 5); err != nil {
		t.Fatal(err)
	}
	_, err := f.ReadAll(t.Context(), "a", 4)
	wantKind(t, "read of too much", err, errkind.Damaged)
}

func TestReadAll_ReplacedMeanwhileIsReadAgain(t *testing.T) {
	f := newFixture()
	f.put(t, "a", "first", blob.PutOptions{})
	swap := &swapDriver{Driver: f.mem, swap: func() { f.put(t, "a", "second one", blob.PutOptions{Replace: true}) }}
	b := blob.New(swap, blob.Options{Sleep: func(context.Context, time.Duration) error { return nil }})
	got, err := b.ReadAll(t.Context(), "a", 100)
	if err != nil || string(got) != "second one" {
		t.Fatalf("read %q, %v", got, err)
	}
}

// swapDriver runs swap once, after the first Stat.
type swapDriver struct {
	blob.Driver
	swap func()
}

func (d *swapDriver) Stat(ctx context.Context, name string) (blob.Info, error) {
	info, err := d.Driver.Stat(ctx, name)
	if d.swap != nil {
		d.swap()
		d.swap = nil
	}
	return info, err
}

func TestReadAt_EOFIsBare(t *testing.T) {
	f := newFixture()
	f.put(t, "a", "12345", blob.PutOptions{})
	p := make([]byte, 4)
	if n, err := f.ReadAt(t.Context(), "a", p, 3); n != 2 || err != io.EOF || !bytes.Equal(p[:n], []byte("45")) { //nolint:errorlint // bare is what is promised
		t.Fatalf("read %d, %v", n, err)
	}
}

// brokenList breaks a listing off, one object later each time.
type brokenList struct {
	blob.Driver
	reach int
}

func (d *brokenList) List(ctx context.Context, prefix string, fn func(blob.Info) error) error {
	d.reach++
	left := d.reach
	return d.Driver.List(ctx, prefix, func(info blob.Info) error {
		if left--; left < 0 {
			return errkind.New(errkind.Unavailable, "gone")
		}
		return fn(info)
	})
}

func TestList_GoesOnWhereItBrokeOff(t *testing.T) {
	f := newFixture()
	all := []string{"a", "b", "c", "d"}
	for _, name := range all {
		f.put(t, name, name, blob.PutOptions{})
	}
	b := blob.New(&brokenList{Driver: f.mem}, blob.Options{Sleep: func(context.Context, time.Duration) error { return nil }})
	var seen []string
	err := b.List(t.Context(), "", func(info blob.Info) error {
		seen = append(seen, info.Name)
		return nil
	})
	if diff := cmp.Diff(all, seen); diff != "" || err != nil {
		t.Fatalf("seen (-want +got), %v:\n%s", err, diff)
	}
	f.failing(memblob.OpList, 2, memblob.Fault{When: memblob.Applied})
	if objects, size, err := f.Count(t.Context(), ""); objects != 4 || size != 4 || err != nil {
		t.Fatalf("counted %d objects of %d bytes, %v", objects, size, err)
	}
}

func TestList_ErrorOfTheCallerIsNotRepeated(t *testing.T) {
	f := newFixture()
	f.put(t, "a", "", blob.PutOptions{})
	mine := errkind.New(errkind.Unavailable, "mine")
	calls := 0
	err := f.List(t.Context(), "", func(blob.Info) error {
		calls++
		return mine
	})
	if err != mine || calls != 1 { //nolint:errorlint // as it is, is what is promised
		t.Fatalf("%d calls, %v", calls, err)
	}
}

func TestDelete_NeedsAGrant(t *testing.T) {
	for _, action := range []access.Action{"", "backup/run", "lock/raise", "object/read"} {
		f := newFixture()
		f.put(t, "a", "kept", blob.PutOptions{})
		wantKind(t, string(action), f.Delete(t.Context(), grant(action), "a"), errkind.NotAllowed)
		f.want(t, "a", "kept")
	}
	for _, action := range blob.DeleteActions() {
		f := newFixture()
		f.put(t, "a", "", blob.PutOptions{})
		if err := f.Delete(t.Context(), grant(action), "a"); err != nil {
			t.Errorf("%s: %v", action, err)
		}
	}
}

func TestDelete_AppliedButFailed(t *testing.T) {
	f := newFixture()
	f.put(t, "a", "", blob.PutOptions{})
	f.failing(memblob.OpDelete, 1, memblob.Fault{When: memblob.Applied})
	if err := f.Delete(t.Context(), grant("object/delete"), "a"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "delete again", f.Delete(t.Context(), grant("object/delete"), "a"), errkind.NotFound)
}

func TestSetLock_NeedsAGrantAndALock(t *testing.T) {
	f := newFixture()
	f.put(t, "a", "", blob.PutOptions{})
	lock := blob.Lock{Mode: blob.Compliance, Until: f.clock.Now().Add(time.Hour)}
	for _, action := range []access.Action{"", "object/delete", "vault/remove"} {
		wantKind(t, string(action), f.SetLock(t.Context(), grant(action), "a", lock), errkind.NotAllowed)
	}
	wantKind(t, "no lock", f.SetLock(t.Context(), grant("lock/raise"), "a", blob.Lock{}), errkind.Invalid)
	for _, action := range blob.LockActions() {
		if err := f.SetLock(t.Context(), grant(action), "a", lock); err != nil {
			t.Errorf("%s: %v", action, err)
		}
	}
	lower := blob.Lock{Mode: blob.Compliance, Until: lock.Until.Add(-1)}
	wantKind(t, "lower", f.SetLock(t.Context(), grant("lock/raise"), "a", lower), errkind.Refused)
	wantKind(t, "delete", f.Delete(t.Context(), grant("object/delete"), "a"), errkind.Refused)
}
