package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/scheduler"
)

var errDown = errkind.New(errkind.Unavailable, "the store is away")

// world is a server over simulated time, with sources that are backed up nightly.
type world struct {
	t       *testing.T
	path    string
	now     time.Time
	s       *scheduler.Scheduler
	sources []scheduler.Source
	// takes is how long a backup lasts, fails what it comes to.
	takes time.Duration
	fails func(source string) error

	began    map[string][]time.Time
	done     map[string][]time.Time
	missed   map[string]int
	renewed  []time.Time
	canaries int
	told     []string
}

func nightly(catchUp bool) policy.Schedule {
	return policy.Schedule{Kind: policy.EveryDay, At: "22:00", CatchUp: catchUp}
}

func newWorld(t *testing.T, sources ...scheduler.Source) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "scheduler.json"), now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), sources: sources,
		began: map[string][]time.Time{}, done: map[string][]time.Time{}, missed: map[string]int{}, fails: func(string) error { return nil }}
	for i := range w.sources {
		w.sources[i].Since = w.now
	}
	w.start()
	return w
}

// start is a process that begins.
func (w *world) start() {
	w.t.Helper()
	s, err := scheduler.Open(scheduler.Config{
		Path: w.path, Now: func() time.Time { return w.now },
		Sources: func(context.Context) ([]scheduler.Source, error) { return w.sources, nil },
		Vaults: func(context.Context) ([]scheduler.Vault, error) {
			return []scheduler.Vault{{ID: "v", Name: "books"}}, nil
		},
		Backup: func(_ context.Context, source string) error {
			w.began[source] = append(w.began[source], w.now)
			w.now = w.now.Add(w.takes)
			if err := w.fails(source); err != nil {
				return err
			}
			w.done[source] = append(w.done[source], w.now)
			return nil
		},
		Chores: []scheduler.Chore{
			{Name: "renew the locks", Every: 20 * time.Hour, Do: func(context.Context, string) error {
				w.renewed = append(w.renewed, w.now)
				return w.fails("locks")
			}},
			{Name: "attack a canary", Every: 7 * 24 * time.Hour, Do: func(context.Context, string) error { w.canaries++; return nil }},
		},
		Missed: func(_ context.Context, source string, runs []policy.MissedRun) error {
			w.missed[source] += len(runs)
			return nil
		},
		Failed: func(what string, err error) { w.told = append(w.told, fmt.Sprintf("%s: %v", what, err)) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.s = s
}

// run lets the server work until a time.
func (w *world) run(until time.Time) {
	w.t.Helper()
	for w.now.Before(until) {
		next := w.s.Step(w.t.Context())
		if !next.After(w.now) {
			next = w.now.Add(time.Second)
		}
		if next.After(w.now) {
			w.now = next
		}
	}
}

func (w *world) days(n int) { w.t.Helper(); w.run(w.now.AddDate(0, 0, n)) }

func TestScheduler_EachRunOnceForWeeks(t *testing.T) {
	w := newWorld(t, scheduler.Source{ID: "01A", Name: "a", Schedule: nightly(true)}, scheduler.Source{ID: "01B", Name: "b", Schedule: nightly(true)})
	w.takes = 7 * time.Minute
	w.days(20)
	for _, source := range []string{"a", "b"} {
		if n := len(w.done[source]); n != 20 || len(w.began[source]) != 20 || w.missed[source] != 0 {
			t.Errorf("%s: %d done, %d begun, %d missed", source, n, len(w.began[source]), w.missed[source])
		}
		for i, at := range w.began[source] {
			if run := time.Date(2026, 11, 28+i, 22, 0, 0, 0, time.UTC); at.Before(run) || at.After(run.Add(10*time.Minute)) {
				t.Errorf("%s began at %s for the run of %s", source, at, run)
			}
		}
	}
	if n := len(w.renewed); n < 20 || n > 25 {
		t.Errorf("locks were looked at %d times in 20 days", n)
	}
	if w.canaries != 3 {
		t.Errorf("%d canaries in 20 days", w.canaries)
	}
	if len(w.told) != 0 {
		t.Errorf("%q", w.told)
	}
}

func TestScheduler_DownOverTheHolidays(t *testing.T) {
	for catchUp, want := range map[bool]int{true: 1, false: 0} {
		w := newWorld(t, scheduler.Source{ID: "01A", Name: "a", Schedule: nightly(catchUp)})
		w.days(3)
		w.now = w.now.AddDate(0, 0, 10)
		w.start()
		before := len(w.began["a"])
		w.run(w.now.Add(5 * time.Hour)) // until the afternoon
		if n := len(w.began["a"]) - before; n != want || w.missed["a"] != 10 {
			t.Errorf("catch-up %v: %d begun at once, %d missed", catchUp, n, w.missed["a"])
		}
		w.days(5)
		if n := len(w.began["a"]) - before; n != want+5 || w.missed["a"] != 10 {
			t.Errorf("catch-up %v: %d begun since, %d missed", catchUp, n, w.missed["a"])
		}
	}
}

// TestScheduler_KilledInTheMiddle ends the process while a backup is under way: the
// next one makes the run again.
func TestScheduler_KilledInTheMiddle(t *testing.T) {
	w := newWorld(t, scheduler.Source{ID: "01A", Name: "a", Schedule: nightly(true)})
	w.fails = func(source string) error {
		if source == "a" {
			panic("killed")
		}
		return nil
	}
	func() {
		defer func() { _ = recover() }()
		w.run(w.now.Add(11 * time.Hour))
	}()
	if len(w.began["a"]) != 1 || len(w.done["a"]) != 0 {
		t.Fatalf("%v, %v", w.began, w.done)
	}
	w.fails = func(string) error { return nil }
	w.now = w.now.Add(5 * time.Minute)
	w.start()
	w.days(1)
	if len(w.began["a"]) != 3 || len(w.done["a"]) != 2 || w.missed["a"] != 0 {
		t.Errorf("begun %v, done %v, missed %v", w.began, w.done, w.missed)
	}
}

// TestScheduler_FailuresAreTriedAgainAndTold has a store that is away for an hour
// and a half: the run of the night is missed, told, and made up for.
func TestScheduler_FailuresAreTriedAgainAndTold(t *testing.T) {
	w := newWorld(t, scheduler.Source{ID: "01A", Name: "a", Schedule: nightly(true)})
	away := time.Date(2026, 11, 28, 23, 30, 0, 0, time.UTC)
	w.fails = func(source string) error {
		if source == "a" && w.now.Before(away) {
			return errDown
		}
		return nil
	}
	w.run(w.now.Add(20 * time.Hour))
	if n := len(w.began["a"]); n < 4 || n > 12 || len(w.done["a"]) != 1 || w.missed["a"] != 1 || len(w.told) != n-1 {
		t.Errorf("%d tries, done %v, %d missed, told %q", n, w.done, w.missed["a"], w.told)
	}
	w.days(2)
	if len(w.done["a"]) != 3 {
		t.Errorf("done %v", w.done["a"])
	}
}

// TestScheduler_RestartsAnywhere kills the server at random times over weeks: no
// night has two points, and no night that could be served has none.
func TestScheduler_RestartsAnywhere(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 5)) //nolint:gosec // the same in each run
	w := newWorld(t, scheduler.Source{ID: "01A", Name: "a", Schedule: nightly(true)})
	w.takes = 20 * time.Minute
	for range 60 {
		w.run(w.now.Add(time.Duration(random.Int64N(int64(20 * time.Hour)))))
		w.now = w.now.Add(time.Duration(random.Int64N(int64(40 * time.Minute))))
		w.start()
	}
	nights := map[string]int{}
	for _, at := range w.done["a"] {
		nights[at.Add(-22*time.Hour).Format(time.DateOnly)]++
	}
	want := map[string]int{}
	for d := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC); d.Add(24 * time.Hour).Before(w.now); d = d.AddDate(0, 0, 1) {
		want[d.Format(time.DateOnly)] = 1
	}
	for night := range nights {
		if want[night] == 0 {
			delete(nights, night) // the one that runs now
		}
	}
	if diff := cmp.Diff(want, nights); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestScheduler_LocksAreTriedAgainSooner(t *testing.T) {
	w := newWorld(t)
	w.fails = func(string) error { return errDown }
	w.run(w.now.Add(5 * time.Hour))
	if n := len(w.renewed); n != 5 {
		t.Errorf("%d tries in five hours", n)
	}
	w.fails = func(string) error { return nil }
	w.days(1)
	if n := len(w.renewed); n != 7 {
		t.Errorf("%d tries after another day", n)
	}
}

func TestScheduler_ADamagedStateIsNotReplaced(t *testing.T) {
	w := newWorld(t)
	w.days(1)
	if err := os.WriteFile(w.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := scheduler.Open(scheduler.Config{Path: w.path, Now: func() time.Time { return w.now }}); !errkind.Is(err, errkind.Damaged) {
		t.Errorf("%v", err)
	}
}

// TestScheduler_RunEndsWithItsContext lets a real loop wait in simulated time.
func TestScheduler_RunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		s, err := scheduler.Open(scheduler.Config{Path: filepath.Join(t.TempDir(), "s.json"), Now: time.Now,
			Sources: func(context.Context) ([]scheduler.Source, error) { looks++; return nil, errors.New("not now") },
			Vaults:  func(context.Context) ([]scheduler.Vault, error) { return nil, nil }, Failed: func(string, error) {}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
		defer stop()
		if err := s.Run(ctx); err != nil || looks < 10 || looks > 11 {
			t.Errorf("%d looks, %v", looks, err)
		}
	})
}
