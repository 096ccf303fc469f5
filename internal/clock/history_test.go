package clock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/clock"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// world simulates true time and clocks that tell it wrongly.
type world struct {
	t      *testing.T
	dir    string
	now    time.Time // true time
	asleep time.Duration
	paused time.Duration            // by the hypervisor: no clock of the machine counts it
	wrong  map[string]time.Duration // how far each clock is from true time
	down   map[string]bool
	groups map[string]string
	waking bool // the monotonic clock stands still in sleep

	c       *clock.Clock
	events  []clock.Event
	proven  time.Time
	receipt time.Time
}

// newWorld has a system clock and a source for each group.
func newWorld(t *testing.T, groups map[string]string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), now: noon, groups: groups, wrong: map[string]time.Duration{}, down: map[string]bool{}}
	w.start()
	return w
}

func (w *world) system() time.Time { return w.now.Add(w.wrong["system"]) }

func (w *world) monotonic() time.Duration {
	if w.waking {
		return w.now.Sub(noon) - w.paused - w.asleep
	}
	return w.now.Sub(noon) - w.paused
}

// open is another process over the same file.
func (w *world) open() *clock.Clock {
	w.t.Helper()
	var sources []clock.Source
	for name, group := range w.groups {
		sources = append(sources, clock.NewFuncSource(name, group, func(context.Context) (time.Time, error) {
			if w.down[name] {
				return time.Time{}, errors.New("no route to host")
			}
			return w.now.Add(w.wrong[name]), nil
		}))
	}
	monotonic := clock.WithMonotonic(w.monotonic)
	if w.waking {
		monotonic = clock.WithWakingMonotonic(w.monotonic)
	}
	c, err := clock.Open(w.dir, w.system, clock.WithSources(sources...), monotonic)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// start is the process that the story is about, and its first observation.
func (w *world) start() {
	w.t.Helper()
	w.c, w.receipt = w.open(), time.Time{}
	w.observe()
}

func (w *world) off(d time.Duration) { w.now = w.now.Add(d); w.start() }

func (w *world) observe() {
	w.t.Helper()
	events, err := w.c.Observe(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.events = events
	s := w.c.Status()
	if s.Proven.Before(w.proven) {
		w.t.Errorf("proven time went back from %v to %v", w.proven, s.Proven)
	}
	if s.Receipt.Before(w.receipt) {
		w.t.Errorf("receipt time went back from %v to %v", w.receipt, s.Receipt)
	}
	w.proven, w.receipt = s.Proven, s.Receipt
}

// run lets time pass, observed hourly, over days every eight hours.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	step := time.Hour
	if d >= day {
		step = 8 * time.Hour
	}
	for ; d > 0; d -= step {
		w.now = w.now.Add(min(d, step))
		w.observe()
	}
}

func (w *world) sleep(d time.Duration) {
	w.t.Helper()
	w.now, w.asleep = w.now.Add(d), w.asleep+d
	w.observe()
}

func (w *world) pause(d time.Duration) {
	w.t.Helper()
	w.now, w.paused = w.now.Add(d), w.paused+d
	w.observe()
}

// old puts a file of the first form in place of all that is known.
func (w *world) old(floor time.Time) {
	w.t.Helper()
	w.proven = time.Time{}
	text := `{"floor":"` + floor.Format(time.RFC3339) + `"}`
	if err := os.WriteFile(filepath.Join(w.dir, "clock.json"), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) set(d time.Duration, clocks ...string) {
	for _, name := range clocks {
		w.wrong[name] = d
	}
}

func (w *world) attest(c *clock.Clock, at time.Time) error {
	w.t.Helper()
	grant := access.Issue(access.ClockAttest, "", "ann", "17", w.now)
	events, err := c.Attest(w.t.Context(), grant, at, "ann", "checked against two phones")
	w.events = events
	return err
}

func (w *world) mustAttest() {
	w.t.Helper()
	if err := w.attest(w.c, w.now); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) saw(kind clock.EventKind) bool {
	return slices.ContainsFunc(w.events, func(e clock.Event) bool { return e.Kind == kind && e.Text != "" })
}

var (
	alone   = map[string]string{"nas": "", "pool": clock.SystemGroup} // of the system clock's own group
	two     = map[string]string{"store": "offsite"}
	unknown = time.Duration(-1)
)

func TestClock_Histories(t *testing.T) {
	for name, tt := range map[string]struct {
		groups map[string]string
		waking bool
		story  func(w *world)
		latch  clock.LatchReason
		gap    bool
		lag    time.Duration // of proven time behind true time, unknown if none
		behind time.Duration // of receipt time behind true time
	}{
		"a quiet month, two groups":  {groups: two, story: func(w *world) { w.run(30 * day) }},
		"a quiet month, one group":   {groups: alone, story: func(w *world) { w.run(30 * day) }, lag: unknown},
		"a quiet month, no source":   {story: func(w *world) { w.run(30 * day) }, lag: unknown},
		"attested, then running on":  {groups: alone, story: func(w *world) { w.mustAttest(); w.run(40 * day) }},
		"attested, then restarted":   {groups: alone, story: func(w *world) { w.mustAttest(); w.run(day); w.off(day); w.run(day) }, lag: 2 * day},
		"a clock that creeps behind": {groups: alone, story: func(w *world) { w.mustAttest(); w.set(-20*time.Minute, "nas"); w.run(day) }, lag: 20 * time.Minute},

		"ten years ahead while running, system": {story: func(w *world) { w.run(day); w.set(10*year, "system"); w.run(3 * day) }, latch: clock.LatchJump, lag: unknown},
		"ten years ahead while running, both": {
			groups: two, story: func(w *world) { w.run(day); w.set(10*year, "system", "store"); w.run(3 * day) },
			latch: clock.LatchJump, lag: 3 * day,
		},
		"ten years ahead while running, both, sleep not counted": {
			groups: two, waking: true, story: func(w *world) { w.run(day); w.set(10*year, "system", "store"); w.run(3 * day) },
			latch: clock.LatchJump, lag: 3 * day,
		},
		"ten years ahead while running, store": {
			groups: two, story: func(w *world) { w.run(day); w.set(10*year, "store"); w.run(time.Hour) },
			latch: clock.LatchApart, lag: time.Hour,
		},
		"ten years ahead after a restart, system": {
			story: func(w *world) { w.run(day); w.set(10*year, "system"); w.off(day) },
			latch: clock.LatchLongGap, lag: unknown, behind: day,
		},
		"ten years ahead after a restart, both": {
			groups: two, story: func(w *world) { w.run(day); w.set(10*year, "system", "store"); w.off(day); w.run(day) },
			latch: clock.LatchLongGap, lag: 2 * day, behind: day,
		},
		"ten years ahead after a restart, system beside a store": {
			groups: two, story: func(w *world) { w.set(10*year, "system"); w.off(day) },
			latch: clock.LatchApart, lag: day, behind: day,
		},
		"a day at a time, both": {
			groups: two, story: func(w *world) {
				for i := range time.Duration(5) {
					w.set(i*20*time.Hour, "system", "store")
					w.run(time.Hour)
				}
			}, latch: clock.LatchJump, lag: 3*time.Hour - 20*time.Hour, behind: -20 * time.Hour,
		},

		"three weeks' sleep":                       {groups: two, story: func(w *world) { w.run(day); w.sleep(21 * day) }},
		"three weeks' sleep, one group":            {story: func(w *world) { w.run(day); w.sleep(21 * day) }, lag: unknown},
		"three weeks' sleep, not counted":          {groups: two, waking: true, story: func(w *world) { w.run(day); w.sleep(21 * day); w.run(day) }},
		"three weeks' sleep, unseen, one group":    {waking: true, story: func(w *world) { w.run(day); w.sleep(21 * day) }, latch: clock.LatchJump, lag: unknown, behind: 21 * day},
		"five weeks' sleep, not counted":           {groups: two, waking: true, story: func(w *world) { w.run(day); w.sleep(35 * day) }, latch: clock.LatchJump, lag: 35 * day, behind: 35 * day},
		"nights of sleep, not counted":             {waking: true, lag: unknown, story: nights},
		"nights of sleep, not counted, two groups": {groups: two, waking: true, story: nights},
		"a machine paused for three days":          {groups: two, story: func(w *world) { w.pause(3 * day) }, latch: clock.LatchJump, lag: 3 * day, behind: 3 * day},

		"a command a day for a year": {groups: two, story: func(w *world) {
			for range 365 {
				w.off(day)
			}
		}},
		"a command a day for a year, one group": {lag: unknown, story: func(w *world) {
			for range 365 {
				w.off(day)
			}
		}},
		"off over the holidays":              {groups: two, story: func(w *world) { w.run(day); w.off(20 * day) }},
		"off for two months":                 {groups: two, story: func(w *world) { w.off(60 * day); w.run(day) }, gap: true, lag: 61 * day},
		"off for two months, restarted":      {groups: two, story: func(w *world) { w.off(60 * day); w.off(day) }, gap: true, lag: 61 * day},
		"off for two months, one group":      {story: func(w *world) { w.off(60 * day) }, gap: true, lag: unknown},
		"off for two months, attested":       {groups: two, story: func(w *world) { w.off(60 * day); w.mustAttest(); w.run(day); w.off(day) }},
		"off again before anybody attested":  {groups: two, story: func(w *world) { w.off(60 * day); w.off(350 * day) }, latch: clock.LatchLongGap, gap: true, lag: 410 * day, behind: 410 * day},
		"an old file and two months":         {groups: two, story: func(w *world) { w.old(noon); w.off(60 * day) }, gap: true, lag: unknown},
		"an old file and 500 days":           {groups: two, story: func(w *world) { w.old(noon); w.off(500 * day) }, latch: clock.LatchLongGap, lag: unknown, behind: 500 * day},
		"an old file and a week":             {groups: two, story: func(w *world) { w.old(noon); w.off(7 * day) }},
		"off for 500 days":                   {groups: two, story: func(w *world) { w.off(500 * day) }, latch: clock.LatchLongGap, lag: 500 * day, behind: 500 * day},
		"off for 500 days, attested":         {groups: two, story: func(w *world) { w.off(500 * day); w.mustAttest(); w.run(day); w.off(day) }},
		"the store away for two months":      {groups: two, story: func(w *world) { w.down["store"] = true; w.run(60 * day); w.down["store"] = false; w.run(day) }},
		"the store away, a command each day": {groups: two, gap: true, lag: 41 * day, story: func(w *world) { outage(w, 40) }},
		"the store away for a week of them":  {groups: two, story: func(w *world) { outage(w, 7) }},

		"set back by ten years":               {story: func(w *world) { w.run(day); w.set(-10*year, "system"); w.run(day) }, lag: unknown},
		"set back by ten years and put right": {story: func(w *world) { w.run(day); w.set(-10*year, "system"); w.run(day); w.set(0, "system"); w.run(day) }, lag: unknown},
		"started set back, then put right":    {story: func(w *world) { w.run(day); w.set(-10*year, "system"); w.off(0); w.set(0, "system"); w.run(day) }, lag: unknown},
		"set back beside a store":             {groups: two, story: func(w *world) { w.run(day); w.set(-10*year, "system"); w.run(day) }, latch: clock.LatchApart, lag: day},
		"25 hours apart":                      {groups: two, story: func(w *world) { w.run(day); w.set(25*time.Hour, "store"); w.run(day) }, latch: clock.LatchApart, lag: day},
		"each wrong by half":                  {groups: two, story: func(w *world) { w.run(day); w.set(20*time.Hour, "system"); w.set(-5*time.Hour, "store"); w.run(day) }, latch: clock.LatchApart, lag: day},
		"apart from the first": {groups: two, story: func(w *world) {
			w.dir, w.proven = w.t.TempDir(), time.Time{}
			w.set(3*day, "store")
			w.start()
			w.run(day)
		}, latch: clock.LatchApart, lag: unknown},
		"both ahead by less than a latch": {groups: two, story: func(w *world) {
			w.set(20*time.Hour, "system")
			w.off(0)
			w.set(38*time.Hour, "system", "store")
			w.run(time.Hour)
		}, lag: -24 * time.Hour, behind: -38 * time.Hour},
		"23 hours apart":  {groups: two, story: func(w *world) { w.run(day); w.set(23*time.Hour, "store"); w.run(day) }},
		"23 hours behind": {groups: two, story: func(w *world) { w.run(day); w.set(-23*time.Hour, "store"); w.run(2 * day) }, lag: 23 * time.Hour},
		"a latch over restarts": {groups: two, story: func(w *world) {
			w.set(25*time.Hour, "store")
			w.run(time.Hour)
			w.set(0, "store")
			w.off(day)
			w.off(day)
		}, latch: clock.LatchApart, lag: 2*day + time.Hour, behind: 2 * day},
		"a latch opened": {groups: two, story: func(w *world) {
			w.set(25*time.Hour, "store")
			w.run(day)
			w.set(0, "store")
			w.mustAttest()
			w.run(day)
		}},
		"attested beside a store that lies": {groups: two, story: func(w *world) {
			w.set(3*day, "store")
			w.run(day)
			w.mustAttest()
			w.down["store"] = true
			w.set(2*day, "system")
			w.run(day)
		}, latch: clock.LatchJump, lag: day},
		"attested by a command of its own": {groups: two, story: func(w *world) { w.off(500 * day); w.c = w.open(); w.mustAttest(); w.off(day) }},
		"attested, then off for long":      {groups: two, story: func(w *world) { w.off(60 * day); w.mustAttest(); w.off(350 * day) }, gap: true, lag: 350 * day},
		"a latch opened too early":         {groups: two, story: func(w *world) { w.set(25*time.Hour, "store"); w.run(day); w.mustAttest(); w.run(day) }, latch: clock.LatchApart, lag: day},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.groups, w.waking = tt.groups, tt.waking
			w.dir = t.TempDir()
			w.start()
			tt.story(w)
			s := w.c.Status()
			if got := reason(s.Latch); got != tt.latch {
				t.Fatalf("latch %q (%+v), want %q", got, s.Latch, tt.latch)
			}
			if got := s.Gap != nil; got != tt.gap {
				t.Errorf("gap %+v", s.Gap)
			}
			if got := w.now.Sub(s.Receipt); (got - tt.behind).Abs() > time.Minute {
				t.Errorf("receipt time is %v behind, want %v", got, tt.behind)
			}
			switch got := w.now.Sub(s.Proven); {
			case tt.lag == unknown && !s.Proven.IsZero():
				t.Errorf("proven time %v, want none", s.Proven)
			case tt.lag != unknown && (got-tt.lag).Abs() > time.Minute:
				t.Errorf("proven time is %v behind, want %v", got, tt.lag)
			}
			w.checkDeletion(tt.latch == "", tt.latch == "" && !tt.gap && tt.lag != unknown)
		})
	}
}

func nights(w *world) {
	for range 14 {
		w.run(12 * time.Hour)
		w.sleep(12 * time.Hour)
	}
}

// outage is a store out of reach for some days of one command each.
func outage(w *world, days int) {
	w.down["store"] = true
	for range days {
		w.off(day)
	}
	w.down["store"] = false
	w.off(day)
}

func reason(l *clock.Latch) clock.LatchReason {
	if l == nil {
		return ""
	}
	return l.Reason
}

// checkDeletion wants deletion allowed or refused in a vault that is not
// immutable and in one that is.
func (w *world) checkDeletion(other, immutable bool) {
	w.t.Helper()
	s := w.c.Status()
	at, err := w.c.MayDelete(false)
	if other != (err == nil) || err == nil && !at.Equal(s.Receipt) || err != nil && !errkind.Is(err, errkind.Refused) {
		w.t.Errorf("deletion elsewhere: %v, %v", at, err)
	}
	at, err = w.c.MayDelete(true)
	if immutable != (err == nil) || err == nil && !at.Equal(s.Proven) || err != nil && !errkind.Is(err, errkind.Refused) {
		w.t.Errorf("deletion in an immutable vault: %v, %v", at, err)
	}
	if immutable != (s.Refusal == "") {
		w.t.Errorf("status says %q", s.Refusal)
	}
}

func TestObserve_SaysWhatHappened(t *testing.T) {
	w := newWorld(t, two)
	want := func(kind clock.EventKind) {
		t.Helper()
		if !w.saw(kind) {
			t.Errorf("no event %q in %+v", kind, w.events)
		}
	}
	want(clock.EventAdvanced)
	w.down["store"] = true
	w.run(time.Hour)
	want(clock.EventUnreachable)
	want(clock.EventSingle)
	w.run(time.Hour)
	if w.saw(clock.EventSingle) {
		t.Error("the lack of a second group is said every hour")
	}
	w.down["store"] = false
	w.set(-2*time.Hour, "system")
	w.run(time.Hour)
	want(clock.EventSetBack)
	w.run(time.Hour)
	if len(w.events) > 0 {
		t.Errorf("an hour without news: %+v", w.events)
	}
	w.off(60 * day)
	want(clock.EventGap)
	w.set(10*year, "system", "store")
	w.run(time.Hour)
	want(clock.EventLatched)
	w.run(time.Hour)
	if w.saw(clock.EventLatched) {
		t.Error("a closed latch closes again")
	}
	w.set(0, "system", "store")
	w.mustAttest()
	want(clock.EventAttested)
	want(clock.EventCleared)
}

func TestReceipt_DoesNotFollowAJumpThatNobodyObservedYet(t *testing.T) {
	w := newWorld(t, two)
	w.set(10*year, "system")
	w.now = w.now.Add(time.Minute)
	if got := w.c.Receipt(); !got.Equal(w.now) {
		t.Errorf("receipt %v, want %v", got, w.now)
	}
	if got := w.c.LockBase(calendar.Years(12)); !got.Equal(w.now) {
		t.Errorf("lock base %v, want %v", got, w.now)
	}
	w.checkDeletion(false, false)
	w.c = w.open()
	if got := w.c.Receipt(); got.After(w.now) {
		t.Errorf("receipt of the next process %v", got)
	}
	w.checkDeletion(false, false)
}

func TestMayDelete_NotBeforeTheSourcesAreRead(t *testing.T) {
	w := newWorld(t, two)
	w.c = w.open()
	w.checkDeletion(false, false)
	w.observe()
	w.checkDeletion(true, true)
}

func TestLockBase_IsTheGreatestWithinReason(t *testing.T) {
	w := newWorld(t, two)
	w.set(20*time.Hour, "store")
	w.run(time.Hour)
	w.now = w.now.Add(time.Minute)
	if got, want := w.c.LockBase(calendar.Years(12)), w.now.Add(20*time.Hour); !got.Equal(want) {
		t.Errorf("lock base %v, want the store's %v", got, want)
	}
	if got, want := w.c.LockBase(calendar.Days(0)), w.now.Add(20*time.Hour); !got.Equal(want) {
		t.Errorf("without a maximum %v, want %v", got, want)
	}
	w.down["store"] = true
	w.off(0)
	proven := w.c.Status().Proven
	w.off(300 * day)
	if got, want := w.c.LockBase(calendar.Days(7)), proven.Add(7*day); !got.Equal(want) {
		t.Errorf("lock base %v, want not beyond %v", got, want)
	}
}

func TestAttest_Refuses(t *testing.T) {
	w := newWorld(t, two)
	w.run(day)
	w.set(30*day, "store")
	w.run(time.Hour)
	grant := access.Issue(access.ClockAttest, "", "ann", "17", w.now)
	for name, tt := range map[string]struct {
		grant      access.Grant
		at         time.Time
		by, reason string
		want       errkind.Kind
	}{
		"no grant":          {access.Grant{}, w.now, "ann", "checked", errkind.NotAllowed},
		"another grant":     {access.Issue(access.BackupRun, "", "ann", "17", w.now), w.now, "ann", "checked", errkind.NotAllowed},
		"nobody":            {grant, w.now, " ", "checked", errkind.Invalid},
		"no reason":         {grant, w.now, "ann", "", errkind.Invalid},
		"between sources":   {grant, w.now.Add(10 * day), "ann", "checked", errkind.Refused},
		"before proven":     {grant, w.now.Add(-2 * time.Hour), "ann", "checked", errkind.Refused},
		"beyond all":        {grant, w.now.Add(30*day + time.Hour), "ann", "checked", errkind.Refused},
		"years behind":      {grant, w.now.Add(-3 * year), "ann", "checked", errkind.Refused},
		"no time":           {grant, time.Time{}, "ann", "checked", errkind.Refused},
		"outside all years": {grant, time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), "ann", "checked", errkind.Refused},
	} {
		if _, err := w.c.Attest(t.Context(), tt.grant, tt.at, tt.by, tt.reason); !errkind.Is(err, tt.want) {
			t.Errorf("%s: %v, want kind %v", name, err, tt.want)
		}
	}
	if s := w.c.Status(); s.Latch == nil || s.Attested != nil {
		t.Errorf("a refused attestation changed %+v", s)
	}
	if err := w.attest(w.c, w.now.Add(30*day+time.Second)); err != nil {
		t.Errorf("a second beyond all: %v", err)
	}
	got := w.c.Status().Attested
	if got == nil || got.By != "ann" || got.Event != "17" || !got.At.Equal(w.now.Add(30*day)) || got.On.IsZero() {
		t.Errorf("attested %+v", got)
	}
}

func TestClock_ProcessesShareTheFile(t *testing.T) {
	w := newWorld(t, two)
	server := w.c
	other := w.open() // opened before the latch closes
	w.pause(3 * day)
	if w.c.Status().Latch == nil {
		t.Fatal("a pause of the machine did not close the latch")
	}
	w.c = other
	w.observe()
	w.checkDeletion(false, false)

	w.mustAttest() // in the other process
	w.checkDeletion(true, true)
	w.now = w.now.Add(time.Hour)
	w.c, w.receipt = server, time.Time{}
	w.observe()
	w.checkDeletion(true, true)
	w.down["store"] = true
	w.run(2 * day)
	if lag := w.now.Sub(w.c.Status().Proven); lag > time.Minute {
		t.Errorf("proven time is %v behind after another process attested", lag)
	}

	w.down["store"] = false
	w.set(25*time.Hour, "store")
	w.observe() // the server latches
	w.c = other
	if _, err := w.c.MayDelete(false); !errkind.Is(err, errkind.Refused) {
		t.Errorf("a latch that another process closed: %v", err)
	}
}

func TestClock_KeepAndAttestOfTwoProcessesJoin(t *testing.T) {
	w := newWorld(t, two)
	other := w.open()
	w.set(25*time.Hour, "store")
	w.observe()
	if err := other.Keep(t.Context(), noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if s := other.Status(); s.Latch == nil {
		t.Error("keeping a time did not show the latch that another process closed")
	}
	w.now = w.now.Add(time.Second)
	w.observe()
	if got := w.c.Receipt(); got.Before(noon.Add(time.Minute)) {
		t.Errorf("receipt %v lies behind what another process kept", got)
	}
}
