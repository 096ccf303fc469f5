package lifecycle_test

import (
	"context"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/clock"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
)

// trusted is a rig with the trusted clock, over a system clock and an off-site one
// that may each be wrong; r.now is true time, and the store's.
type trusted struct {
	*rig
	dir             string
	began           time.Time
	system, offSite time.Duration // how far each is from true time
	latched         bool
}

func newTrusted(t *testing.T) *trusted {
	t.Helper()
	w := &trusted{rig: newRig(t, options{}), dir: t.TempDir()}
	w.began = w.now
	w.start()
	return w
}

// start is a process that begins: it reads the clock's state and the sources.
func (w *trusted) start() {
	w.t.Helper()
	offSite := clock.NewFuncSource("elsewhere", "elsewhere", func(context.Context) (time.Time, error) { return w.now.Add(w.offSite), nil })
	c, err := clock.Open(w.dir, func() time.Time { return w.now.Add(w.system) }, clock.WithSources(offSite), clock.WithMonotonic(func() time.Duration { return w.now.Sub(w.began) }))
	w.must(err)
	w.clock = c
	w.observe()
}

func (w *trusted) observe() {
	w.t.Helper()
	events, err := w.clock.Observe(w.t.Context())
	w.must(err)
	for _, e := range events {
		w.latched = w.latched || e.Kind == clock.EventLatched
	}
}

// goOn lets days pass, with a backup on each; locks are renewed when asked for.
func (w *trusted) goOn(days int) {
	w.t.Helper()
	for range days {
		for range 3 {
			w.now = w.now.Add(8 * time.Hour)
			w.observe()
		}
		w.backup()
	}
}

// covered fails unless everything is locked as it must be, by true time.
func (w *trusted) covered() {
	w.t.Helper()
	w.raise()
	l := w.locks()
	if l.Short() || len(l.Missing) > 0 || l.Objects == 0 {
		w.t.Errorf("margin %v at %s, %d missing of %d", l.Margin, l.MarginObject, len(l.Missing), l.Objects)
	}
	for _, p := range w.points() {
		info, err := w.vault().Bucket().Stat(w.t.Context(), objectOf(w.t, p))
		w.must(err)
		least := w.now.Add(6 * 24 * time.Hour)
		if young := p.ReceivedAt.After(w.now.AddDate(0, 0, -1)); young && info.Lock.Until.Before(least) {
			w.t.Errorf("a fresh point is locked until %s only, and it is %s", info.Lock.Until, w.now)
		}
	}
}

// nothingGoes tries what a wrong clock must not allow.
func (w *trusted) nothingGoes(holdID string) {
	w.t.Helper()
	e := w.plan()
	if e.Stopped == "" || len(e.Expire) != 0 {
		w.t.Errorf("expiry: %+v", e)
	}
	ctx := w.t.Context()
	if _, err := w.life.DeletePoint(ctx, grant(access.PointDelete), w.points()[0].ID, "x"); !errkind.Is(err, errkind.Refused) {
		w.t.Errorf("delete: %v", err)
	}
	if _, err := w.life.ReleaseHold(ctx, grant(access.HoldRelease), "books", holdID, "x"); !errkind.Is(err, errkind.Refused) {
		w.t.Errorf("release: %v", err)
	}
	none := 0
	if err := w.change(access.VaultWeaken, lifecycle.NewSettings{SoftDeleteDays: &none}); !errkind.Is(err, errkind.Refused) {
		w.t.Errorf("weaken: %v", err)
	}
}

// TestLatch_BackupsLocksAndRenewalGoOn sets the system clock ten years ahead while
// the program runs, then the other clock too, and starts the program anew: nothing
// goes, and everything goes on.
func TestLatch_BackupsLocksAndRenewalGoOn(t *testing.T) {
	w := newTrusted(t)
	w.goOn(3)
	if e := w.plan(); e.Stopped != "" {
		t.Fatalf("two clocks agree, and expiry is stopped: %s", e.Stopped)
	}
	h, err := w.life.PlaceHold(t.Context(), grant(access.HoldPlace), "books", hold.Hold{Matter: "M", Reason: "R"})
	w.must(err)
	const tenYears = 3653 * 24 * time.Hour
	w.system = tenYears
	w.observe()
	if !w.latched {
		t.Error("no alert of the latch")
	}
	w.nothingGoes(h.ID)
	w.goOn(40) // past the daily points' time
	w.covered()
	w.nothingGoes(h.ID)
	w.start() // the program again, with the clock still ahead
	w.goOn(3)
	w.covered()
	w.nothingGoes(h.ID)
	w.offSite = tenYears // the store's time too
	w.observe()
	w.goOn(3)
	w.nothingGoes(h.ID)
	w.start()
	w.goOn(3)
	w.covered()
	w.nothingGoes(h.ID)
	// Sliding locks renew: those of the vault's own objects and of what is held.
	for range 9 {
		for range 30 {
			w.now = w.now.Add(24 * time.Hour)
			w.observe()
		}
		w.goOn(1)
	}
	if n := w.raise(); n == 0 {
		t.Error("no lock was renewed in nine months")
	}
	w.covered()
	if n := len(w.points()); n != 61 {
		t.Errorf("%d points are left of 61", n)
	}
}
