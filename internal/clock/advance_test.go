package clock

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

var start = time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)

// process is one program over a state that others may have moved on.
type process struct {
	state   State
	counted time.Duration
	given   time.Time
	givenAt time.Duration
}

// simulation is a random history. Clocks are moved only as their honesty allows.
type simulation struct {
	now         time.Time
	slept       time.Duration
	system      time.Duration // wrong by
	store       time.Duration
	storeDown   bool
	countsSleep bool
	disk        []byte
	processes   [2]*process
	proven      time.Time
}

func (w *simulation) passed() time.Duration {
	if w.countsSleep {
		return w.now.Sub(start)
	}
	return w.now.Sub(start) - w.slept
}

func (w *simulation) load(t *rapid.T) State {
	if w.disk == nil {
		return State{}
	}
	s, err := decodeState(w.disk)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *simulation) keep(t *rapid.T, s State) {
	data, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	w.disk = data
}

func (w *simulation) restart(t *rapid.T, i int) {
	w.processes[i] = &process{state: w.load(t).opened(w.now.Add(w.system)), counted: w.passed()}
}

func (w *simulation) observation(p *process) Observation {
	o := Observation{
		System: w.now.Add(w.system), Elapsed: w.passed() - p.counted,
		CountsSleep: w.countsSleep, Started: !p.state.run.started,
	}
	if !w.storeDown {
		o.Sources = []Reading{{Name: "store", Group: "offsite", At: w.now.Add(w.store)}}
	}
	return o
}

func (w *simulation) observe(t *rapid.T, i int) {
	p := w.processes[i]
	p.state, _ = Advance(merge(w.load(t), p.state), w.observation(p))
	p.counted = w.passed()
	w.keep(t, p.state)
}

func (w *simulation) attest(t *rapid.T, i int) {
	p := w.processes[i]
	next, _, err := attest(merge(w.load(t), p.state), w.observation(p), Attestation{At: w.now, By: "ann", Reason: "true"})
	if err != nil {
		return // the honest clock was out of reach, or another one proved more
	}
	p.state, p.counted = next, w.passed()
	w.keep(t, next)
}

// receipt reads receipt time and fails if it goes back in one process.
func (w *simulation) receipt(t *rapid.T, i int) {
	p := w.processes[i]
	var line time.Time
	if !p.given.IsZero() {
		line = p.given.Add(w.passed() - p.givenAt)
	}
	got := p.state.receipt(bound(w.now.Add(w.system)), line, w.passed()-p.counted)
	if got.Before(p.given) {
		t.Fatalf("receipt time went back from %v to %v", p.given, got)
	}
	if got.Before(p.state.Floor) || got.Before(p.state.Proven) {
		t.Fatalf("receipt time %v lies behind %+v", got, p.state)
	}
	p.given, p.givenAt = got, w.passed()
	if p.state.Latch != nil && p.state.run.started {
		if _, err := p.state.mayDelete(false, got, got, 0); !errkind.Is(err, errkind.Refused) {
			t.Fatalf("deletion while latched: %v", err)
		}
	}
}

// step does something at random to the world, moving the clocks that lie.
func (w *simulation) step(t *rapid.T, systemLies, storeLies bool) {
	wrong := func() time.Duration {
		hours := rapid.OneOf(rapid.IntRange(-30, 30), rapid.IntRange(-24*900, 24*900), rapid.IntRange(-24*4000, 24*4000)).Draw(t, "hours wrong")
		return time.Duration(hours) * time.Hour
	}
	i := rapid.IntRange(0, 1).Draw(t, "process")
	some := func() time.Duration {
		return time.Duration(rapid.OneOf(rapid.IntRange(1, 48), rapid.IntRange(1, 24*600)).Draw(t, "hours")) * time.Hour
	}
	switch rapid.IntRange(0, 8).Draw(t, "step") {
	case 0, 1:
		w.now = w.now.Add(some())
	case 2:
		asleep := some()
		w.now, w.slept = w.now.Add(asleep), w.slept+asleep
	case 3:
		if systemLies {
			w.system = wrong()
		}
	case 4:
		if storeLies {
			w.store = wrong()
		}
	case 5:
		w.storeDown = !w.storeDown
	case 6:
		w.restart(t, i)
	case 7:
		w.attest(t, i)
	case 8:
		p := w.processes[i]
		p.state.Floor = later(p.state.Floor, p.given)
		w.keep(t, merge(w.load(t), p.state))
	}
	if rapid.Bool().Draw(t, "observed") {
		w.observe(t, i)
	}
	w.receipt(t, i)
}

func newSimulation(t *rapid.T) *simulation {
	w := &simulation{now: start, countsSleep: rapid.Bool().Draw(t, "counts sleep")}
	w.restart(t, 0)
	w.restart(t, 1)
	w.observe(t, 0)
	return w
}

func TestAdvance_OneHonestGroupOfTwoKeepsProvenTimeTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		systemLies := rapid.Bool().Draw(t, "the system clock lies")
		w := newSimulation(t)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.step(t, systemLies, !systemLies)
			for _, p := range w.processes {
				if p.state.Proven.After(w.now) {
					t.Fatalf("proven time %v has not passed at %v", p.state.Proven, w.now)
				}
			}
			s := w.load(t)
			if s.Proven.Before(w.proven) {
				t.Fatalf("proven time went back from %v to %v", w.proven, s.Proven)
			}
			w.proven = s.Proven
		}
	})
}

// Clocks that all lie while a program runs gain a day by it, whatever they say.
func TestAdvance_LiesOfAllGainNoMoreThanADayWhileRunning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newSimulation(t)
		w.countsSleep = true
		w.restart(t, 0)
		w.observe(t, 0)
		begun, proven := w.now, w.processes[0].state.Proven
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 72).Draw(t, "hours")) * time.Hour)
			lie := time.Duration(rapid.IntRange(-40, 400).Draw(t, "ahead")) * time.Hour
			w.system, w.store = lie, lie+time.Duration(rapid.IntRange(-30, 30).Draw(t, "apart"))*time.Hour
			w.storeDown = rapid.Bool().Draw(t, "down")
			w.observe(t, 0)
			w.receipt(t, 0)
			s := w.processes[0].state
			if gained := s.Proven.Sub(proven) - w.now.Sub(begun); gained > Margin {
				t.Fatalf("proven time gained %v", gained)
			}
			if ahead := w.processes[0].given.Sub(w.now); ahead > Margin {
				t.Fatalf("receipt time is %v ahead", ahead)
			}
		}
	})
}

func TestAdvance_TheSameHistoryGivesTheSameState(t *testing.T) {
	observe := func() (State, []Event) {
		s, events := Advance(State{}, Observation{System: start, Started: true, CountsSleep: true})
		next, more := Advance(s, Observation{System: start.Add(50 * time.Hour), Elapsed: time.Hour, CountsSleep: true})
		return next, append(events, more...)
	}
	a, eventsA := observe()
	b, eventsB := observe()
	if d := cmp.Diff(a, b, cmp.AllowUnexported(State{}, run{})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(eventsA, eventsB); d != "" || len(eventsA) == 0 {
		t.Error(d, eventsA)
	}
}

func TestAdvance_NoGroupIsTheSystemsGroup(t *testing.T) {
	s, _ := Advance(State{}, Observation{System: start, Started: true, Sources: []Reading{{Name: "nas", At: start}, {Name: "ntp", Group: SystemGroup, At: start}}})
	if !s.Proven.IsZero() || s.run.groups != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAdvance_ReadingsOutOfRange(t *testing.T) {
	far := time.Date(60000, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, o := range map[string]Observation{
		"system far ahead": {System: far, Started: true},
		"system long ago":  {System: time.Time{}, Started: true},
		"source far ahead": {System: start, Started: true, Sources: []Reading{{Name: "store", Group: "offsite", At: far}}},
		"source says none": {System: start, Started: true, Sources: []Reading{{Name: "store", Group: "offsite"}}},
		"time runs back":   {System: start, Started: true, Elapsed: -year()},
		"all of it":        {System: far, Started: true, Elapsed: 1<<63 - 1, Sources: []Reading{{At: far}, {}}},
	} {
		s, _ := Advance(State{}, o)
		data, err := s.encode()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := decodeState(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !s.Proven.IsZero() {
			t.Errorf("%s: proven %v", name, s.Proven)
		}
	}
}

func year() time.Duration { return 365 * 24 * time.Hour }
