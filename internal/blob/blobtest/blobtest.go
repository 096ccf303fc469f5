// Package blobtest is the conformance suite of the drivers of package blob: a
// driver is done when it passes [Run].
//
// A harness is a fresh, empty store with a clock that the test sets, or with the
// system's own where the store is a real one: then locks are short and the test
// waits for their end. The suite asks for everything that the contract of
// blob.Driver promises, through the contract alone; what only one driver promises
// is tested beside that driver.
package blobtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Harness is one fresh, empty store.
type Harness struct {
	// Driver is the store under test, whose locks go by Clock.
	Driver blob.Driver
	// Clock is the store's clock.
	Clock *Clock
	// RealTime tells that Clock is the system's, which cannot be set.
	RealTime bool
	// ReplaceGap tells that the store shows no object for a moment while one is
	// replaced, which is a fault of the store and not of the driver.
	ReplaceGap bool
	// Precision is that of lock dates, which are rounded up to it; zero stands for
	// exact ones.
	Precision time.Duration
	// ModeFixed tells that the mode of a lock that holds is made stronger only by
	// somebody with a privilege: SetLock is then NotAllowed.
	ModeFixed bool
	// Reopen opens the same store anew, as another process would.
	Reopen func(t *testing.T) blob.Driver
}

// Clock is a clock that stands still until it is set, or that of the system.
// Make one with [NewClock] or [NewSystemClock].
type Clock struct {
	system bool

	// mu guards now.
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock at a fixed time in 2026.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

// NewSystemClock makes a clock that goes with the system's and cannot be set.
func NewSystemClock() *Clock { return &Clock{system: true} }

// Now gives the clock's time.
func (c *Clock) Now() time.Time {
	if c.system {
		return time.Now().UTC().Round(0)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set sets the clock to t.
func (c *Clock) Set(t time.Time) {
	if c.system {
		panic("the system's clock is not set")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// realTerm is how long a lock lasts whose end a test waits for in real time: long
// enough for what is asked under it.
const realTerm = 6 * time.Second

// in gives the date that is term from now, as the store can keep it.
func (h Harness) in(term time.Duration) time.Time { return h.kept(h.Clock.Now().Add(term)) }

// kept gives the date that the store keeps for t.
func (h Harness) kept(t time.Time) time.Time {
	down := t
	if h.Precision > 0 {
		down = t.Truncate(h.Precision)
	}
	if down.Before(t) {
		return down.Add(h.Precision)
	}
	return down
}

// step is the least by which two dates differ in the store.
func (h Harness) step() time.Duration { return max(h.Precision, time.Nanosecond) }

// term gives how long a lock is to last whose end the test waits for.
func (h Harness) term(term time.Duration) time.Duration {
	if h.RealTime {
		return realTerm
	}
	return term
}

// pass lets the store's clock come to at.
func (h Harness) pass(t *testing.T, at time.Time) {
	t.Helper()
	if !h.RealTime {
		h.Clock.Set(at)
		return
	}
	// A store may count the very end of a lock to it.
	select {
	case <-time.After(time.Until(at.Add(100 * time.Millisecond))):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

// Run runs the whole suite, its tests in parallel; fresh is called for every
// one of them.
func Run(t *testing.T, fresh func(t *testing.T) Harness) {
	tests := []struct {
		name string
		run  func(t *testing.T, h Harness)
	}{
		{"Put_IsReadBack", putIsReadBack},
		{"Put_ZeroLength", putZeroLength},
		{"Put_Large", putLarge},
		{"Put_KeepsNothingOfTheBuffer", putKeepsNoBuffer},
		{"Put_ExistingIsRefused", putExisting},
		{"Put_OneOfManyWins", putOneOfManyWins},
		{"Put_Replace", putReplace},
		{"Put_ReplaceIsWhole", putReplaceIsWhole},
		{"Put_WrongSHA256LeavesNothing", putWrongSum},
		{"Put_CancelledLeavesNothing", putCancelled},
		{"Put_SurvivesReopening", putSurvives},
		{"Names_Allowed", namesAllowed},
		{"Names_Refused", namesRefused},
		{"Read_Ranges", readRanges},
		{"Read_MissingIsNotFound", missing},
		{"List_OrderAndPrefixes", listOrder},
		{"List_ErrorEndsIt", listError},
		{"List_WhileWriting", listWhileWriting},
		{"Delete_Removes", deleteRemoves},
		{"Delete_OneOfManyWins", deleteOneOfManyWins},
		{"Cancelled_DoesNothing", cancelled},
		{"Lock_HoldsUntilItsTime", lockHolds},
		{"Lock_RaisedLater", lockRaisedLater},
		{"Lock_IsNeverLowered", lockNeverLowered},
		{"Lock_StopsReplacement", lockStopsReplacement},
		{"Lock_IsSeenWithItsObject", lockSeenWithObject},
		{"Lock_SurvivesReopening", lockSurvives},
		{"Lock_EndedAndReplaced", lockEndedAndReplaced},
		{"Lock_Nonsense", lockNonsense},
		{"Lock_ConcurrentRaisesKeepTheLatest", lockConcurrent},
		{"Hold_ForbidsDeletionAndReplacement", holdForbids},
		{"Hold_StandsBesideALock", holdBesideLock},
		{"Hold_SurvivesReopening", holdSurvives},
		{"Hold_OfNothing", holdOfNothing},
		{"Versions_OneIsTheObject", versionsCurrent},
		{"Versions_OfNothing", versionsOfNothing},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// Most of the time goes into waiting for disks.
			t.Parallel()
			test.run(t, fresh(t))
		})
	}
}

// Bytes gives n bytes that look random and are the same for the same seed.
func Bytes(seed uint64, n int) []byte {
	data := make([]byte, n)
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	// Reading from a ChaCha8 never fails.
	_, _ = rand.NewChaCha8(key).Read(data)
	return data
}

func put(t *testing.T, d blob.Driver, name string, data []byte, opts blob.PutOptions) blob.Info {
	t.Helper()
	info, err := d.Put(t.Context(), name, data, opts)
	if err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
	return info
}

// read reads a whole object of at most a little over size bytes.
func read(t *testing.T, d blob.Driver, name string, size int) ([]byte, error) {
	t.Helper()
	buf := make([]byte, size+16)
	n, err := d.ReadAt(t.Context(), name, buf, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return buf[:n], err
}

func wantBytes(t *testing.T, d blob.Driver, name string, want []byte) {
	t.Helper()
	got, err := read(t, d, name, len(want))
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("read %s: %d bytes that differ from the %d bytes put", name, len(got), len(want))
	}
	info, err := d.Stat(t.Context(), name)
	if err != nil || info.Size != int64(len(want)) || info.Name != name {
		t.Fatalf("stat %s: %+v, %v; want its name and size %d", name, info, err, len(want))
	}
}

// wantMissing checks that name is nowhere to be seen.
func wantMissing(t *testing.T, d blob.Driver, name string) {
	t.Helper()
	if _, err := d.Stat(t.Context(), name); !errkind.Is(err, errkind.NotFound) {
		t.Fatalf("stat %s: %v, want kind %v", name, err, errkind.NotFound)
	}
	for _, info := range list(t, d, "") {
		if info.Name == name {
			t.Fatalf("%s is listed", name)
		}
	}
}

func wantKind(t *testing.T, doing string, err error, want errkind.Kind) {
	t.Helper()
	if !errkind.Is(err, want) {
		t.Fatalf("%s: error %q of kind %v, want kind %v", doing, fmt.Sprint(err), errkind.Of(err), want)
	}
}

func list(t *testing.T, d blob.Driver, prefix string) []blob.Info {
	t.Helper()
	var infos []blob.Info
	err := d.List(t.Context(), prefix, func(info blob.Info) error {
		infos = append(infos, info)
		return nil
	})
	if err != nil {
		t.Fatalf("list %q: %v", prefix, err)
	}
	return infos
}

func names(infos []blob.Info) []string {
	list := []string{}
	for _, info := range infos {
		list = append(list, info.Name)
	}
	return list
}
