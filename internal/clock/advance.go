package clock

import (
	"fmt"
	"time"
)

// The limits of trust.
const (
	// Margin is how far readings may lie from each other, and ahead of what the
	// monotonic clock counted, before they are not believed.
	Margin = 24 * time.Hour
	// LongGap is how long nothing may have watched the time before a person
	// must attest it.
	LongGap = 30 * 24 * time.Hour
	// LatchGap is how long nothing may have watched the time before the latch
	// closes: a server off for longer is rarer than clocks that are wrong.
	LatchGap = 400 * 24 * time.Hour
)

// SystemGroup is the group of the system clock and of all that whoever sets it
// can set as well: plain NTP, a store on the same site.
const SystemGroup = "system"

// Reading is what one source says.
type Reading struct {
	Name string `json:"name"`
	// Group names those whose clocks one person or fault could move together;
	// empty is [SystemGroup].
	Group string    `json:"group"`
	At    time.Time `json:"at"`
}

// Observation is what was read at one moment.
type Observation struct {
	System  time.Time
	Sources []Reading
	// Elapsed is the monotonic time since the last observation of this process,
	// for its first since it opened the state.
	Elapsed time.Duration
	// CountsSleep says that Elapsed counts the time that the machine slept.
	CountsSleep bool
	// Started marks the first observation of a process.
	Started bool
}

// EventKind classifies an event.
type EventKind string

// The kinds of event.
const (
	// EventLatched calls for a security alert.
	EventLatched EventKind = "latched"
	// EventCleared is a latch opened by a person.
	EventCleared EventKind = "cleared"
	// EventAttested is a time that a person attested.
	EventAttested EventKind = "attested"
	// EventGap is a time that nothing watched, to be attested.
	EventGap EventKind = "gap"
	// EventAdvanced is proven time moved on by other than the passing of time.
	EventAdvanced EventKind = "advanced"
	// EventSlept is a sleep of the machine that the sources agree on.
	EventSlept EventKind = "slept"
	// EventSetBack is a system clock set back.
	EventSetBack EventKind = "set_back"
	// EventSingle is a lack of a second independent group.
	EventSingle EventKind = "single"
	// EventUnreachable is a source that gave no time.
	EventUnreachable EventKind = "unreachable"
)

// Event is something that an operator should see, in a sentence.
type Event struct {
	Kind   EventKind `json:"kind"`
	Source string    `json:"source,omitempty"`
	Text   string    `json:"text"`
}

// Advance moves the state on by what was read. It is the rule of the trusted
// clock: the same history gives the same state.
func Advance(s State, o Observation) (State, []Event) {
	a := newStep(s, o)
	a.begin()
	if a.s.Latch == nil {
		a.check()
	}
	if a.s.Latch == nil {
		a.watchGap()
		a.prove()
	}
	a.end()
	return a.s, a.events
}

// step is one advance in the making.
type step struct {
	s      State
	o      Observation
	all    []Reading // the system clock and the sources
	groups int
	least  time.Time
	most   time.Time
	// fresh says that the count before this observation does not reach it: a
	// start, or a sleep that the monotonic clock missed.
	fresh  bool
	events []Event
}

func newStep(s State, o Observation) *step {
	a := &step{s: s, o: o}
	a.o.Elapsed = max(o.Elapsed, 0)
	a.o.System = bound(o.System)
	a.all = []Reading{{Name: "system clock", Group: SystemGroup, At: a.o.System}}
	for _, r := range o.Sources {
		r.At = r.At.UTC().Round(0)
		if r.Group == "" {
			r.Group = SystemGroup
		}
		if inRange(r.At) {
			a.all = append(a.all, r)
		}
	}
	seen := map[string]bool{}
	a.least, a.most = a.o.System, a.o.System
	for _, r := range a.all {
		seen[r.Group] = true
		a.least, a.most = earlier(a.least, r.At), later(a.most, r.At)
	}
	a.groups = len(seen)
	return a
}

func (a *step) event(kind EventKind, format string, args ...any) {
	a.events = append(a.events, Event{Kind: kind, Text: fmt.Sprintf(format, args...)})
}

// begin brings the process's count up to this observation.
func (a *step) begin() {
	if a.s.Trusted.IsZero() {
		a.s.Trusted = a.s.Floor // the first form of the file knew no more
	}
	run := &a.s.run
	if a.o.Started || !run.started {
		*run = newRun(a.s)
		a.fresh = true
		return
	}
	run.since += a.o.Elapsed
	run.sinceProven += a.o.Elapsed
	if run.attests != a.s.attests() {
		// Another process attested between the last observation and this one:
		// readings may be ahead of its time by as much, proven time not. Two
		// groups prove anew.
		run.base, run.since = a.s.Attested.Confirmed, a.o.Elapsed
		run.proven, run.sinceProven, run.anchored = a.s.Proven, 0, a.groups < 2
		run.attests = a.s.attests()
	}
	if back := run.system.Add(a.o.Elapsed).Sub(a.o.System); back > Tolerance {
		a.event(EventSetBack, "the system clock was set back by %v to %s; trusted time goes on", back.Round(time.Second), stamp(a.o.System))
	}
}

func newRun(s State) run {
	return run{started: true, trusted: s.Trusted, attests: s.attests()}
}

// check closes the latch on readings that cannot be honest.
func (a *step) check() {
	gap := a.most.Sub(a.s.Trusted)
	switch {
	case a.most.Sub(a.least) > Margin:
		a.latch(LatchApart, "the time sources differ by %v: %s", a.most.Sub(a.least).Round(time.Minute), a.list())
	case a.fresh && !a.s.Trusted.IsZero() && gap > LatchGap:
		a.latch(LatchLongGap, "%d days seem to have passed since this installation last read the time, at %s: %s", days(gap), stamp(a.s.Trusted), a.list())
	case a.fresh || !a.s.jumped(a.most, 0):
	case a.slept():
		a.fresh = true
		a.event(EventSlept, "the time moved on by %v unseen, and %d independent sources agree on it", a.most.Sub(a.expected()).Round(time.Minute), a.groups)
	default:
		a.latch(LatchJump, "the time went ahead by %v of what passed while this program ran: %s", a.most.Sub(a.expected()).Round(time.Minute), a.list())
	}
}

// slept reports whether a jump is a sleep: the monotonic clock may have stood
// still, and independent sources agree on the time.
func (a *step) slept() bool {
	return !a.o.CountsSleep && a.groups > 1 && a.most.Sub(a.expected()) < LongGap
}

func (a *step) expected() time.Time { return a.s.run.base.Add(a.s.run.since) }

func (a *step) latch(reason LatchReason, format string, args ...any) {
	since := a.s.run.trusted.Add(a.o.Elapsed)
	if since.Before(earliest) {
		since = a.o.System
	}
	a.s.Latch = &Latch{Reason: reason, Since: since, Text: fmt.Sprintf(format, args...)}
	a.event(EventLatched, "the clock's latch closed: %s; nothing is deleted until a person attests the time, backups go on", a.s.Latch.Text)
}

// watchGap notes a time that nothing watched, seen when the count begins: by
// the last observation, and for proven time by the last proof.
func (a *step) watchGap() {
	if a.s.Gap != nil {
		return
	}
	from := a.s.Trusted
	if !a.fresh {
		from = time.Time{}
	}
	if a.proves() && !a.s.Proven.IsZero() && a.least.Sub(a.s.Proven) > LongGap {
		from = a.s.Proven
	}
	if from.IsZero() || a.most.Sub(from) <= LongGap {
		return
	}
	a.s.Gap = &Gap{From: from, To: a.most}
	a.s.run.anchored = false
	a.event(EventGap, "nobody watched the time for %d days from %s: nothing is deleted from immutable vaults until a person attests the time", days(a.most.Sub(from)), stamp(from))
}

// proves reports whether independent groups now begin a proof.
func (a *step) proves() bool {
	return a.groups > 1 && (a.fresh || !a.s.run.anchored)
}

// prove moves proven time on, by the least of the readings.
func (a *step) prove() {
	run, before := &a.s.run, a.s.Proven
	begins := a.proves()
	switch {
	case a.s.Gap != nil:
		return
	case begins:
		a.s.Proven = later(before, a.least)
	case a.groups > 1:
		a.s.Proven = later(before, earlier(a.least, run.proven.Add(run.sinceProven+Margin)))
	case run.anchored && !a.fresh:
		// One group alone is believed as far as the count from a proof goes.
		a.s.Proven = later(before, earlier(a.least, run.proven.Add(run.sinceProven)))
	}
	if begins || a.groups > 1 && !a.o.CountsSleep {
		run.proven, run.sinceProven, run.anchored = a.s.Proven, 0, true
	}
	if begins && a.s.Proven.After(before) {
		a.event(EventAdvanced, "proven time is %s, by %d independent sources", stamp(a.s.Proven), a.groups)
	}
}

// end keeps what the next observation is measured by.
func (a *step) end() {
	run, closed := &a.s.run, a.s.Latch != nil
	if !run.trusted.IsZero() {
		a.s.Trusted = later(a.s.Trusted, run.trusted.Add(a.o.Elapsed))
	}
	if !closed && a.s.Gap == nil {
		a.s.Trusted = later(a.s.Trusted, a.most)
	}
	if a.s.Trusted.IsZero() {
		a.s.Trusted = a.o.System // the first word ever, for want of a better one
	}
	run.greatest = time.Time{}
	switch {
	case closed && a.fresh:
		run.base, run.since = a.s.Trusted, 0
	case closed:
	case a.fresh || !a.o.CountsSleep:
		// Where sleep is not counted, nights would add up to a jump: there each
		// observation is measured by the one before.
		run.base, run.since = later(a.most, a.s.Trusted), 0
		run.greatest = a.most
	default:
		run.greatest = a.most
	}
	if a.groups < 2 && run.groups != a.groups {
		a.event(EventSingle, "there is one group of time sources: proven time needs a second one, or 'counterfoil clock attest'")
	}
	run.trusted, run.system, run.groups = a.s.Trusted, a.o.System, a.groups
}

// list names the readings in a sentence.
func (a *step) list() string {
	text := ""
	for i, r := range a.all {
		if i > 0 {
			text += ", "
		}
		text += r.Name + " " + stamp(r.At)
	}
	return text
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }
