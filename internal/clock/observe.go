package clock

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
)

const (
	// sourceDeadline is how long sources may take to answer: commands wait for it.
	sourceDeadline = 5 * time.Second
	// lookTries is how often a look is repeated that a sleep of the machine, or
	// somebody who set its clock, interrupted.
	lookTries = 3
)

// look is one reading of everything.
type look struct {
	observation Observation
	readings    []SourceReading
	passed      time.Duration // monotonic time of the look
}

// Observe reads all sources, moves the state on and keeps it. A source without
// an answer is an event. When the state cannot be kept the error says so, and
// what was seen counts in this process all the same. Long-running programs
// observe at least hourly, others once when they start.
func (c *Clock) Observe(ctx context.Context) ([]Event, error) {
	c.observing.Lock()
	defer c.observing.Unlock()
	l := c.look(ctx)
	events, decided := l.unreachable(), false
	advance := func(s State) (State, error) {
		next, more := Advance(s, l.observation)
		events, decided = append(events, more...), true
		return next, nil
	}
	next, err := c.change(ctx, advance)
	if !decided {
		next, _ = advance(next) // never fails
	}
	c.adopt(next, l)
	return events, err
}

// Attest takes a person's word that it is at: by is who says so, reason why. It
// opens the latch, closes a gap and moves proven time. It refuses a time that
// no source agrees with, one before proven time and one that no source has
// reached. Who must approve is the gate's, whose grant it takes.
func (c *Clock) Attest(ctx context.Context, grant access.Grant, at time.Time, by, reason string) ([]Event, error) {
	if err := grant.Require(access.ClockAttest); err != nil {
		return nil, err
	}
	c.observing.Lock()
	defer c.observing.Unlock()
	l := c.look(ctx)
	word := Attestation{At: at, By: by, Reason: reason, Event: grant.Event(), On: c.Receipt()}
	var events []Event
	next, err := c.change(ctx, func(s State) (State, error) {
		next, happened, err := attest(s, l.observation, word)
		events = happened
		return next, err
	})
	if err != nil {
		return nil, err // nothing counts that a restart would forget
	}
	c.adopt(next, l)
	return append(l.unreachable(), events...), nil
}

// adopt makes next, which was decided by l, the state of this process.
func (c *Clock) adopt(next State, l look) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next.Floor = later(next.Floor, c.state.Floor) // kept by another goroutine meanwhile
	c.state, c.counted, c.read = next, l.passed, l.readings
	c.readAt = c.receipt()
}

// look reads the sources and then the clocks of this machine. If these moved
// unlike each other, or for long, what the sources said is of another time.
func (c *Clock) look(ctx context.Context) look {
	c.mu.Lock()
	counted, started := c.counted, c.state.run.started
	c.mu.Unlock()
	var l look
	var system time.Time
	for range lookTries {
		before, passed := c.system(), c.passed.now()
		l.readings = readSources(ctx, c.sources, sourceDeadline)
		system, l.passed = c.system(), c.passed.now()
		took := l.passed - passed
		if took < 2*sourceDeadline && (system.Sub(before)-took).Abs() < Tolerance {
			break
		}
	}
	l.observation = Observation{
		System: system, Elapsed: l.passed - counted,
		CountsSleep: c.passed.countsSleep, Started: !started,
	}
	for _, r := range l.readings {
		if r.Error == "" {
			l.observation.Sources = append(l.observation.Sources, Reading{Name: r.Name, Group: r.Group, At: r.At})
		}
	}
	return l
}

func (l look) unreachable() (events []Event) {
	for _, r := range l.readings {
		if r.Error != "" {
			events = append(events, Event{Kind: EventUnreachable, Source: r.Name, Text: "the time source " + r.Name + " gave no time: " + r.Error})
		}
	}
	return events
}
