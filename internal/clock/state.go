package clock

import (
	"encoding/json"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// State is all that is known about time. What has a JSON name outlives the
// process; the rest is the count of the process that runs.
type State struct {
	// Floor is the greatest receipt time that was used: none is given below it.
	Floor time.Time `json:"floor,omitzero"`
	// Trusted is the time of the last observation that nothing speaks against;
	// gaps are measured from it, and it goes on by the monotonic clock alone
	// while the latch is closed or a gap is not attested. It never goes back.
	Trusted time.Time `json:"trusted,omitzero"`
	// Proven has passed for certain; zero is unknown. It never goes back.
	Proven time.Time `json:"proven,omitzero"`
	// Latch is closed while it is there.
	Latch *Latch `json:"latch,omitempty"`
	// Gap is there until a person attests the time after it.
	Gap *Gap `json:"gap,omitempty"`
	// Attested is the last attestation.
	Attested *Attestation `json:"attested,omitempty"`

	run run
}

// Latch says why the clock is not trusted.
type Latch struct {
	Reason LatchReason `json:"reason"`
	// Since is the trusted time at which it closed.
	Since time.Time `json:"since"`
	Text  string    `json:"text"`
}

// LatchReason is what closed a latch.
type LatchReason string

// The reasons.
const (
	// LatchJump is a reading more than [Margin] ahead of what had passed.
	LatchJump LatchReason = "jump"
	// LatchApart is readings more than [Margin] from each other.
	LatchApart LatchReason = "apart"
	// LatchLongGap is a start more than [LatchGap] after the last observation.
	LatchLongGap LatchReason = "long_gap"
)

// Gap is a time that nothing watched, longer than [LongGap].
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Attestation is a person's word on the time.
type Attestation struct {
	// Number counts attestations, so that processes see each other's.
	Number int `json:"number"`
	// At is the time attested: proven time from then on.
	At time.Time `json:"at"`
	// Confirmed is the greatest reading that the attested time agreed with.
	Confirmed time.Time `json:"confirmed"`
	// On is the receipt time when it was given.
	On     time.Time `json:"on"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	// Event is the audit record that allowed it.
	Event string `json:"event,omitempty"`
}

// run is what one process knows beyond the file: how much time passed since
// readings that it saw itself.
type run struct {
	started bool
	// base and since: no honest reading is more than Margin ahead of their sum.
	base  time.Time
	since time.Duration
	// proven and sinceProven are the same for proven time, while anchored.
	proven      time.Time
	sinceProven time.Duration
	anchored    bool
	// The rest is of the last observation.
	trusted  time.Time
	system   time.Time
	greatest time.Time // zero while latched
	groups   int
	attests  int
}

// Times of the file lie between these, so that none overflows the format.
var (
	earliest = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9998, 1, 1, 0, 0, 0, 0, time.UTC)
)

const stateFormat = 2

// stateFile is clock.json. The first form had no number and only a floor.
type stateFile struct {
	Format int `json:"format,omitempty"`
	State
}

func (s State) encode() ([]byte, error) {
	return json.Marshal(stateFile{Format: stateFormat, State: s})
}

// decodeState reads either form. Bytes that are no state are errkind.Damaged:
// taking them for none would open a latch.
func decodeState(data []byte) (State, error) {
	var f stateFile
	if err := json.Unmarshal(data, &f); err != nil {
		return State{}, errkind.Wrap(errkind.Damaged, err, "read the clock's state")
	}
	if f.Format > stateFormat {
		return State{}, errkind.New(errkind.NewerFormat, "the clock's state has format %d, written by a later version", f.Format)
	}
	if f.Format < 0 || f.Floor.IsZero() && (f.Format == 0 || f.Trusted.IsZero() && f.Proven.IsZero()) {
		return State{}, errkind.New(errkind.Damaged, "the clock's state holds no time")
	}
	if err := f.normalise(); err != nil {
		return State{}, err
	}
	return f.State, nil
}

// normalise brings all times to UTC and refuses those out of range.
func (s *State) normalise() error {
	times := []*time.Time{&s.Floor, &s.Trusted, &s.Proven}
	if s.Latch != nil {
		times = append(times, &s.Latch.Since)
	}
	if s.Gap != nil {
		times = append(times, &s.Gap.From, &s.Gap.To)
	}
	if s.Attested != nil {
		times = append(times, &s.Attested.At, &s.Attested.Confirmed, &s.Attested.On)
	}
	for _, t := range times {
		*t = t.UTC()
		if !t.IsZero() && !inRange(*t) {
			return errkind.New(errkind.Damaged, "the clock's state holds the year %d", t.Year())
		}
	}
	return nil
}

// merge joins what another process kept with what this one knows. Times never
// go back. A latch or gap seen by either counts, unless the file holds an
// attestation that this process has not seen: that came after both.
func merge(disk, own State) State {
	out := own
	out.Floor = later(disk.Floor, own.Floor)
	out.Trusted = later(disk.Trusted, own.Trusted)
	out.Proven = later(disk.Proven, own.Proven)
	newer := disk.attests() > own.attests()
	if newer {
		out.Attested = disk.Attested
	}
	if newer || own.Latch == nil {
		out.Latch = disk.Latch
	}
	if newer || own.Gap == nil {
		out.Gap = disk.Gap
	}
	return out
}

func (s State) attests() int {
	if s.Attested == nil {
		return 0
	}
	return s.Attested.Number
}

// opened begins the count of a process that has read no source yet. A system
// clock further ahead than a latch permits is not followed meanwhile.
func (s State) opened(system time.Time) State {
	if s.run.trusted = s.Trusted; s.Trusted.IsZero() {
		s.run.trusted = system // there is no better word
	}
	if s.run.base = s.run.trusted; system.Sub(s.run.base) <= LatchGap {
		s.run.base = later(system, s.run.base)
	}
	return s
}

// jumped reports whether a reading lies further ahead than the monotonic clock
// explains, since after the last observation.
func (s State) jumped(reading time.Time, since time.Duration) bool {
	return reading.Sub(s.run.base) > s.run.since+since+Margin
}

// receipt gives the time by which things are dated: the system clock, or what
// was trusted last plus the time since where that clock may not be followed.
// line is the last receipt time given plus the time since, zero if none was.
func (s State) receipt(system, line time.Time, since time.Duration) time.Time {
	t := later(later(s.Floor, s.Proven), line)
	if s.Latch == nil && !s.jumped(system, since) {
		return later(t, system)
	}
	return later(t, s.run.trusted.Add(since))
}

// lockBase gives the time from which locks are dated: the greatest of all
// readings, so that no lock is too short, but not beyond what the vault would
// lock from proven time.
func (s State) lockBase(receipt, system time.Time, since time.Duration, maximum calendar.Period) time.Time {
	t := receipt
	if s.Latch == nil && !s.jumped(system, since) && !s.run.greatest.IsZero() {
		t = later(t, s.run.greatest.Add(since))
	}
	if s.Proven.IsZero() || maximum.IsZero() {
		return t
	}
	if limit := maximum.AddTo(s.Proven, time.UTC); t.After(limit) {
		return limit
	}
	return t
}

// mayDelete gives the time that a deletion may rely on, or says why there is
// none.
func (s State) mayDelete(immutable bool, receipt, system time.Time, since time.Duration) (time.Time, error) {
	const advice = "set the clocks right and have a person with approval run 'counterfoil clock attest'"
	switch {
	case !s.run.started:
		return time.Time{}, errkind.New(errkind.Refused, "nothing is deleted before the time sources have been read: run 'counterfoil clock status'")
	case s.Latch != nil:
		return time.Time{}, errkind.New(errkind.Refused, "nothing is deleted while the clock's latch is closed (since %s: %s): %s", stamp(s.Latch.Since), s.Latch.Text, advice)
	case s.jumped(system, since):
		return time.Time{}, errkind.New(errkind.Refused, "nothing is deleted: the system clock reads %s, far ahead of the time that passed: %s", stamp(system), advice)
	case !immutable:
		return receipt, nil
	case s.Gap != nil:
		return time.Time{}, errkind.New(errkind.Refused, "nothing is deleted from an immutable vault: nobody watched the time from %s to %s: have a person with approval run 'counterfoil clock attest'", stamp(s.Gap.From), stamp(s.Gap.To))
	case s.Proven.IsZero():
		return time.Time{}, errkind.New(errkind.Refused, "nothing is let go of in an immutable vault, since one clock alone does not prove the time: a vault in an off-site object store brings a second, or a person attests it with 'counterfoil clock attest'")
	}
	return s.Proven, nil
}

func inRange(t time.Time) bool { return !t.Before(earliest) && !t.After(latest) }

// bound brings a reading of the system clock into the range of the file.
func bound(t time.Time) time.Time {
	t = t.UTC().Round(0)
	if t.After(latest) {
		return latest
	}
	return later(t, earliest)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
