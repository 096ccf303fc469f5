package blobtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// modes gives the lock modes of the store, and skips a test of locks where
// there are none.
func modes(t *testing.T, h Harness) []blob.Mode {
	t.Helper()
	list := h.Driver.Caps().Modes
	if len(list) == 0 {
		lock := blob.Lock{Mode: blob.Governance, Until: h.Clock.Now().Add(time.Hour)}
		_, err := h.Driver.Put(t.Context(), "object", nil, blob.PutOptions{Lock: lock})
		wantKind(t, "lock in a store without locks", err, errkind.Unsupported)
		t.Skip("the store has no locks")
	}
	return list
}

func wantLock(t *testing.T, d blob.Driver, name string, want blob.Lock) {
	t.Helper()
	info, err := d.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, info.Lock); diff != "" {
		t.Fatalf("lock of %s (-want +stat):\n%s", name, diff)
	}
	for _, listed := range list(t, d, name) {
		if listed.Name == name && listed != info {
			t.Fatalf("list tells %+v, stat tells %+v", listed, info)
		}
	}
}

// wantLocked checks that the object can be neither deleted nor replaced.
func wantLocked(t *testing.T, d blob.Driver, name string, data []byte) {
	t.Helper()
	wantKind(t, "delete under a lock", d.Delete(t.Context(), name), errkind.Refused)
	_, err := d.Put(t.Context(), name, []byte("instead"), blob.PutOptions{Replace: true})
	wantKind(t, "replace under a lock", err, errkind.Refused)
	_, err = d.Put(t.Context(), name, []byte("instead"), blob.PutOptions{})
	wantKind(t, "put over a locked object", err, errkind.Exists)
	wantBytes(t, d, name, data)
}

func lockHolds(t *testing.T, h Harness) {
	until := h.in(h.term(72 * time.Hour))
	list := modes(t, h)
	name := func(i int) string { return fmt.Sprintf("packs/%d", i) }
	for i, mode := range list {
		lock := blob.Lock{Mode: mode, Until: until}
		info := put(t, h.Driver, name(i), []byte("kept"), blob.PutOptions{Lock: lock})
		if info.Lock != lock {
			t.Fatalf("put told the lock %+v, want %+v", info.Lock, lock)
		}
		wantLock(t, h.Driver, name(i), lock)
		wantLocked(t, h.Driver, name(i), []byte("kept"))
	}
	if !h.RealTime {
		h.pass(t, until.Add(-time.Nanosecond))
		for i := range list {
			wantLocked(t, h.Driver, name(i), []byte("kept"))
		}
	}
	h.pass(t, until)
	for i := range list {
		if err := h.Driver.Delete(t.Context(), name(i)); err != nil {
			t.Fatalf("delete once the lock has ended: %v", err)
		}
		wantMissing(t, h.Driver, name(i))
	}
}

func lockRaisedLater(t *testing.T, h Harness) {
	now := h.in(0)
	for i, mode := range modes(t, h) {
		name := fmt.Sprintf("packs/%d", i)
		put(t, h.Driver, name, []byte("kept"), blob.PutOptions{})
		wantLock(t, h.Driver, name, blob.Lock{})
		for _, days := range []int{1, 1, 30, 3650} {
			lock := blob.Lock{Mode: mode, Until: now.AddDate(0, 0, days)}
			if err := h.Driver.SetLock(t.Context(), name, lock); err != nil {
				t.Fatalf("raise to %d days: %v", days, err)
			}
			wantLock(t, h.Driver, name, lock)
			wantLocked(t, h.Driver, name, []byte("kept"))
		}
	}
	if !h.RealTime {
		h.pass(t, now.AddDate(0, 0, 3649))
		wantLocked(t, h.Driver, "packs/0", []byte("kept"))
	}
}

func lockNeverLowered(t *testing.T, h Harness) {
	list := modes(t, h)
	weak, strong := list[0], list[len(list)-1]
	lock := blob.Lock{Mode: strong, Until: h.in(48 * time.Hour)}
	put(t, h.Driver, "object", []byte("kept"), blob.PutOptions{Lock: lock})
	lower := []blob.Lock{
		{Mode: strong, Until: lock.Until.Add(-h.step())},
		{Mode: strong, Until: h.in(-time.Hour)},
	}
	if weak != strong {
		lower = append(lower, blob.Lock{Mode: weak, Until: lock.Until}, blob.Lock{Mode: weak, Until: lock.Until.Add(time.Hour)})
	}
	for _, to := range lower {
		wantKind(t, fmt.Sprintf("lower to %v", to), h.Driver.SetLock(t.Context(), "object", to), errkind.Refused)
	}
	err := h.Driver.SetLock(t.Context(), "object", blob.Lock{})
	wantKind(t, "unlock", err, errkind.Refused)
	wantLock(t, h.Driver, "object", lock)
	if weak == strong {
		return
	}
	put(t, h.Driver, "weak", []byte("kept"), blob.PutOptions{Lock: blob.Lock{Mode: weak, Until: lock.Until}})
	err = h.Driver.SetLock(t.Context(), "weak", lock)
	if h.ModeFixed {
		wantKind(t, "strengthen the mode alone", err, errkind.NotAllowed)
		wantLock(t, h.Driver, "weak", blob.Lock{Mode: weak, Until: lock.Until})
		return
	}
	if err != nil {
		t.Fatalf("strengthen the mode alone: %v", err)
	}
	wantLock(t, h.Driver, "weak", lock)
}

func lockStopsReplacement(t *testing.T, h Harness) {
	mode := modes(t, h)[0]
	until := h.in(time.Hour)
	put(t, h.Driver, "object", []byte("kept"), blob.PutOptions{Lock: blob.Lock{Mode: mode, Until: until}})
	longer := blob.PutOptions{Replace: true, Lock: blob.Lock{Mode: mode, Until: until.Add(time.Hour)}}
	_, err := h.Driver.Put(t.Context(), "object", []byte("instead"), longer)
	wantKind(t, "replace with a longer lock", err, errkind.Refused)
	wantBytes(t, h.Driver, "object", []byte("kept"))
	wantLock(t, h.Driver, "object", blob.Lock{Mode: mode, Until: until})
}

// lockSeenWithObject checks that nobody sees the object without its lock.
func lockSeenWithObject(t *testing.T, h Harness) {
	lock := blob.Lock{Mode: modes(t, h)[0], Until: h.in(time.Hour)}
	done := make(chan struct{})
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		defer close(done)
		for i := range 40 {
			if _, err := h.Driver.Put(t.Context(), fmt.Sprintf("packs/%02d", i), []byte("x"), blob.PutOptions{Lock: lock}); err != nil {
				t.Errorf("put: %v", err)
			}
		}
	})
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		for _, info := range list(t, h.Driver, "") {
			if info.Lock != lock {
				t.Fatalf("listed %s with the lock %+v", info.Name, info.Lock)
			}
		}
	}
}

func lockSurvives(t *testing.T, h Harness) {
	list := modes(t, h)
	given := blob.Lock{Mode: list[len(list)-1], Until: h.in(time.Hour).Add(5 * time.Nanosecond)}
	lock := blob.Lock{Mode: given.Mode, Until: h.kept(given.Until)}
	// The zone in which a date is given does not matter.
	given.Until = given.Until.In(time.FixedZone("elsewhere", 5*3600))
	put(t, h.Driver, "packs/put", []byte("kept"), blob.PutOptions{Lock: given})
	put(t, h.Driver, "packs/raised", []byte("kept"), blob.PutOptions{})
	if err := h.Driver.SetLock(t.Context(), "packs/raised", given); err != nil {
		t.Fatal(err)
	}
	d := h.Reopen(t)
	for _, name := range []string{"packs/put", "packs/raised"} {
		wantLock(t, d, name, lock)
		wantLocked(t, d, name, []byte("kept"))
	}
}

func lockEndedAndReplaced(t *testing.T, h Harness) {
	mode := modes(t, h)[0]
	until := h.in(h.term(time.Hour))
	put(t, h.Driver, "object", []byte("one"), blob.PutOptions{Lock: blob.Lock{Mode: mode, Until: until}})
	h.pass(t, until)
	second := blob.Lock{Mode: mode, Until: h.in(h.term(time.Minute))}
	put(t, h.Driver, "object", []byte("two"), blob.PutOptions{Replace: true, Lock: second})
	wantLock(t, h.Driver, "object", second)
	wantLocked(t, h.Driver, "object", []byte("two"))
	h.pass(t, second.Until)
	put(t, h.Driver, "object", []byte("three"), blob.PutOptions{Replace: true})
	wantLock(t, h.Driver, "object", blob.Lock{})
	if err := h.Driver.Delete(t.Context(), "object"); err != nil {
		t.Fatal(err)
	}
	put(t, h.Driver, "object", []byte("four"), blob.PutOptions{})
	wantLock(t, h.Driver, "object", blob.Lock{})
}

func lockNonsense(t *testing.T, h Harness) {
	mode := modes(t, h)[0]
	until := h.Clock.Now().Add(time.Hour)
	put(t, h.Driver, "object", []byte("x"), blob.PutOptions{})
	for _, lock := range []blob.Lock{
		{Mode: "forever", Until: until}, {Mode: mode}, {Until: until},
		{Mode: mode, Until: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Mode: mode, Until: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		wantKind(t, fmt.Sprintf("lock %+v", lock), h.Driver.SetLock(t.Context(), "object", lock), errkind.Invalid)
		_, err := h.Driver.Put(t.Context(), "other", nil, blob.PutOptions{Lock: lock})
		wantKind(t, fmt.Sprintf("put with %+v", lock), err, errkind.Invalid)
	}
	wantLock(t, h.Driver, "object", blob.Lock{})
	wantMissing(t, h.Driver, "other")
}

func lockConcurrent(t *testing.T, h Harness) {
	mode := modes(t, h)[0]
	now := h.in(0)
	put(t, h.Driver, "object", []byte("kept"), blob.PutOptions{})
	errs := compete(func(i int) error {
		return h.Driver.SetLock(t.Context(), "object", blob.Lock{Mode: mode, Until: now.Add(time.Duration(i+1) * time.Hour)})
	})
	for i, err := range errs {
		if err != nil && i == writers-1 {
			t.Fatalf("the highest raise: %v", err)
		}
		if err != nil {
			wantKind(t, "a raise that came late", err, errkind.Refused)
		}
	}
	wantLock(t, h.Driver, "object", blob.Lock{Mode: mode, Until: now.Add(writers * time.Hour)})
}
