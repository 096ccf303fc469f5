// Package clock is trusted time: what a deletion, a lock and a date may rely on
// when the system clock may be wrong or set by somebody who gains by it.
//
// Its words: a source tells the time; sources that one person or fault could
// move together are one group, the system clock's among them. Receipt time
// dates points and records; proven time has passed for certain and alone lets
// an immutable vault delete; the lock base is the greatest that any source
// says. A gap is a time that nothing watched. The latch closes on readings that
// cannot be honest and stays closed until a person attests the time.
//
// What must always be true: proven time never goes back and never passes the
// least of two groups; no receipt time lies below one that was kept; while the
// latch is closed nothing is deleted, and dating goes on from the last trusted
// time. Wrong clocks delay deletion and never hasten it.
//
// [Advance] is the rule, pure; [Clock] reads, keeps the state in clock.json and
// shares it with other processes. What to do with an answer, alerts and the
// record of it are the caller's.
package clock

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Tolerance is how far the system clock may lie behind the floor before it is
// worth a word: time servers correct clocks by less.
const Tolerance = time.Minute

// Clock reads trusted time. It is safe for concurrent use, and several
// processes may share its file.
type Clock struct {
	path    string
	system  func() time.Time
	passed  *progress
	sources []Source

	observing sync.Mutex // held while sources are read and what they said is kept

	mu      sync.Mutex // guards the rest
	state   State
	counted time.Duration // monotonic time of the last observation
	given   time.Time     // the last receipt time
	givenAt time.Duration // monotonic time then
	read    []SourceReading
	readAt  time.Time // receipt time then
}

// Option changes how a clock reads time.
type Option func(*Clock)

// WithSources gives the sources beside the system clock.
func WithSources(sources ...Source) Option {
	return func(c *Clock) { c.sources = append(c.sources, sources...) }
}

// WithMonotonic gives a monotonic clock that counts the time that the machine
// sleeps. The default is that of the operating system, where it has one.
func WithMonotonic(read func() time.Duration) Option {
	return func(c *Clock) { c.passed = &progress{read: read, countsSleep: true} }
}

// WithWakingMonotonic gives a monotonic clock that stands still while the
// machine sleeps.
func WithWakingMonotonic(read func() time.Duration) Option {
	return func(c *Clock) { c.passed = &progress{read: read} }
}

// Open reads the state kept in dir. system is the system clock, nil for the
// real one. A state that cannot be read is errkind.Damaged: without it a clock
// set back, or a closed latch, would go unseen. [Clock.Observe] comes next:
// until then nothing but the system clock and the state is known.
func Open(dir string, system func() time.Time, options ...Option) (*Clock, error) {
	real := system == nil
	if real {
		system = time.Now
	}
	c := &Clock{path: filepath.Join(dir, "clock.json"), system: system}
	for _, option := range options {
		option(c)
	}
	if c.passed == nil {
		c.passed = newProgress(system, real)
	}
	state, err := c.load()
	if err != nil {
		return nil, err
	}
	c.counted = c.passed.now()
	c.state = state.opened(bound(system()))
	return c, nil
}

// load reads the file; where there is none nothing is known.
func (c *Clock) load() (State, error) {
	data, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, errkind.Wrap(errkind.Unavailable, err, "read the trusted clock's floor")
	}
	state, err := decodeState(data)
	if errkind.Is(err, errkind.Damaged) {
		return State{}, errkind.Wrap(errkind.Damaged, err, "the trusted clock's floor in %s is damaged; see that the system clock is right, move the file away and run this again: the next point is dated after the newest one all the same, and immutable vaults delete again once the time is proven anew", c.path)
	}
	return state, err
}

// Receipt gives the time by which points and records are dated: the system
// clock, but never below what was kept or proven, and by the monotonic clock
// alone while the system clock lies behind, runs ahead or the latch is closed.
// Within a process it never goes back.
func (c *Clock) Receipt() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.receipt()
}

// receipt is Receipt for callers that hold mu.
func (c *Clock) receipt() time.Time {
	now := c.passed.now()
	var line time.Time
	if !c.given.IsZero() {
		line = c.given.Add(now - c.givenAt)
	}
	c.given = c.state.receipt(bound(c.system()), line, now-c.counted)
	c.givenAt = now
	return c.given
}

// LockBase gives the time from which locks are dated: the greatest of all
// readings, or receipt time while the latch is closed. It is never beyond
// proven time, where that is known, plus the vault's maximum.
func (c *Clock) LockBase(maximum calendar.Period) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	receipt := c.receipt()
	return c.state.lockBase(receipt, bound(c.system()), c.passed.now()-c.counted, maximum)
}

// Behind tells how far the system clock lies behind trusted time, zero while
// that is within [Tolerance].
func (c *Clock) Behind() time.Duration {
	d := c.Receipt().Sub(c.system())
	if d < Tolerance {
		return 0
	}
	return d.Round(time.Second)
}

// MayDelete gives the time by which a vault may delete, or errkind.Refused with
// the reason: proven time for an immutable vault, receipt time for others, and
// none while the latch is closed, be it by another process.
func (c *Clock) MayDelete(immutable bool) (time.Time, error) {
	disk, err := c.load()
	if err != nil {
		return time.Time{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	receipt := c.receipt()
	return merge(disk, c.state).mayDelete(immutable, receipt, bound(c.system()), c.passed.now()-c.counted)
}

// Status gives all that the clock knows, without asking the sources.
func (c *Clock) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := Status{
		System: bound(c.system()), Sources: append([]SourceReading{}, c.read...), Observed: c.readAt,
		Groups: c.state.run.groups, Receipt: c.receipt(),
		Trusted: c.state.Trusted, Proven: c.state.Proven,
		Latch: c.state.Latch, Gap: c.state.Gap, Attested: c.state.Attested,
	}
	if _, err := c.state.mayDelete(true, out.Receipt, out.System, c.passed.now()-c.counted); err != nil {
		out.Refusal = err.Error()
	}
	return out
}

// Keep raises the floor to a reading that was used, durably. It never lowers
// it, also when another process raised it meanwhile.
func (c *Clock) Keep(ctx context.Context, t time.Time) error {
	t = t.UTC().Round(0)
	if t.After(latest) {
		return errkind.New(errkind.Invalid, "keep the time %s: out of range", stamp(t))
	}
	if t.Before(earliest) {
		return nil // no floor is as low
	}
	next, err := c.change(ctx, func(s State) (State, error) {
		s.Floor = later(s.Floor, t)
		return s, nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = merge(next, c.state)
	return err
}

// change decides on what all processes know and keeps the outcome durably. On
// an error it gives what was decided so far, which the file may lack.
func (c *Clock) change(ctx context.Context, decide func(State) (State, error)) (State, error) {
	unlock, err := durable.LockWait(ctx, c.path+".lock", "trusted clock")
	if err != nil {
		return c.known(), err
	}
	defer func() { _ = unlock.Unlock() }() // ends with the process at the latest
	disk, err := c.load()
	if err != nil {
		return c.known(), err
	}
	next, err := decide(merge(disk, c.known()))
	if err != nil {
		return next, err
	}
	before, err := disk.encode()
	if err != nil {
		return next, err
	}
	after, err := next.encode()
	if err != nil || bytes.Equal(before, after) {
		return next, err
	}
	return next, durable.WriteFile(c.path, after, 0o600)
}

func (c *Clock) known() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}
