// Package scheduler starts what is due while a server runs: backups by the
// schedules of their policies, and the chores of vaults, such as the renewal of
// locks.
//
// What must always be true: a run that the schedule asks for is started once, and
// one that was not is reported as missed; what ended badly is tried again while it
// may still start; one backup runs at a time, as jobs allow. What is due is decided
// by package policy, and everything that is done passes the gate of whoever wires it.
package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
)

// Source is a source that is backed up by a schedule.
type Source struct {
	// ID is a ULID.
	ID, Name string
	Schedule policy.Schedule
	Zone     *time.Location
	// Since is when the schedule began to hold for it.
	Since time.Time
}

// Vault is a vault that has chores.
type Vault struct{ ID, Name string }

// Chore is what is to be done with every vault from time to time.
type Chore struct {
	Name  string
	Every time.Duration
	Do    func(ctx context.Context, vault string) error
}

// Config is what a scheduler works with.
type Config struct {
	// Path is the file in which it keeps what it started.
	Path string
	Now  func() time.Time
	// Sources gives the sources that are to be backed up, Vaults the vaults that have
	// chores.
	Sources func(ctx context.Context) ([]Source, error)
	Vaults  func(ctx context.Context) ([]Vault, error)
	// Backup takes a point of a source. One that was made of what could be read is
	// no error.
	Backup func(ctx context.Context, source string) error
	Chores []Chore
	// Missed tells of runs that were not started in time.
	Missed func(ctx context.Context, source string, runs []policy.MissedRun) error
	// Failed tells of what could not be done.
	Failed func(what string, err error)
}

// The times between two looks and two tries.
const (
	// lookEvery is the longest time between two looks, aliveEvery how often it is
	// kept that there was one.
	lookEvery  = time.Minute
	aliveEvery = 10 * time.Minute
	// retryFirst is when a failed run is tried again, doubling up to retryMost.
	retryFirst = 2 * time.Minute
	retryMost  = 30 * time.Minute
	// choreRetry is when a chore that failed is tried again.
	choreRetry = time.Hour
)

// Scheduler starts what is due. It is used by one goroutine.
type Scheduler struct {
	cfg   Config
	state state
	// changed says that the file lacks something.
	changed bool
}

// Open reads what was started before. A file that cannot be read is an error: what
// it says decides what is started again.
func Open(cfg Config) (*Scheduler, error) {
	s := &Scheduler{cfg: cfg}
	if err := s.state.load(cfg.Path); err != nil {
		return nil, err
	}
	s.state.began(cfg.Now())
	return s, nil
}

// Run looks and starts until the context ends.
func (s *Scheduler) Run(ctx context.Context) error {
	for {
		next := s.Step(ctx)
		timer := time.NewTimer(max(0, next.Sub(s.cfg.Now())))
		select {
		case <-ctx.Done():
			timer.Stop()
			return s.save()
		case <-timer.C:
		}
	}
}

// Step looks once, starts what is due one after another, and gives when to look
// again.
func (s *Scheduler) Step(ctx context.Context) time.Time {
	next := s.cfg.Now().Add(lookEvery)
	sources, err := s.cfg.Sources(ctx)
	if err != nil {
		s.cfg.Failed("list the sources", err)
	}
	for _, source := range sources {
		if ctx.Err() != nil {
			return next
		}
		if again := s.source(ctx, source); !again.IsZero() && again.Before(next) {
			next = again
		}
	}
	vaults, err := s.cfg.Vaults(ctx)
	if err != nil {
		s.cfg.Failed("list the vaults", err)
	}
	for _, v := range vaults {
		for _, c := range s.cfg.Chores {
			if ctx.Err() == nil {
				s.chore(ctx, v, c)
			}
		}
	}
	if now := s.cfg.Now(); s.changed || now.Sub(s.state.Alive) >= aliveEvery {
		if err := s.save(); err != nil {
			s.cfg.Failed("keep what was started", err)
		}
	}
	return next
}

// source starts a backup of a source if one is due.
func (s *Scheduler) source(ctx context.Context, source Source) time.Time {
	now, kept := s.cfg.Now(), s.state.source(source.ID)
	d := policy.Due(policy.DueInput{Schedule: source.Schedule, Zone: source.Zone, Source: source.ID, Since: source.Since,
		LastStarted: kept.Started, LastMissed: kept.Missed, Outages: s.state.Outages, Now: now})
	if n := len(d.Missed); n > 0 {
		if err := s.cfg.Missed(ctx, source.Name, d.Missed); err != nil {
			s.cfg.Failed("tell of missed runs of "+source.Name, err)
		} else {
			kept.Missed, s.changed = d.Missed[n-1].Run, true
		}
	}
	if !d.Due() {
		return d.Again
	}
	if now.Before(kept.Retry) {
		return kept.Retry
	}
	s.backup(ctx, source, kept)
	return time.Time{}
}

// backup runs a backup. That it began is kept first: a process that dies in the
// middle finds that it was under way, and tries again.
func (s *Scheduler) backup(ctx context.Context, source Source, kept *keptSource) {
	before := kept.Started
	kept.Running, kept.Before, kept.Started = true, before, s.cfg.Now()
	if err := s.save(); err != nil {
		kept.Running, kept.Started = false, before
		s.cfg.Failed("keep that the backup of "+source.Name+" begins", err)
		return
	}
	err := s.cfg.Backup(ctx, source.Name)
	kept.Running, s.changed = false, true
	if err == nil {
		kept.Tries, kept.Retry = 0, time.Time{}
		return
	}
	kept.Started = before
	kept.Tries++
	kept.Retry = s.cfg.Now().Add(backOff(kept.Tries))
	if !errors.Is(err, context.Canceled) && !errkind.Is(err, errkind.Cancelled) {
		s.cfg.Failed("back up "+source.Name, err)
	}
}

// backOff gives how long to wait after so many tries.
func backOff(tries int) time.Duration {
	wait := retryFirst
	for range tries - 1 {
		if wait *= 2; wait >= retryMost {
			return retryMost
		}
	}
	return wait
}

// chore does a chore of a vault if it is due.
func (s *Scheduler) chore(ctx context.Context, v Vault, c Chore) {
	now, key := s.cfg.Now(), v.ID+" "+c.Name
	if due := s.state.Chores[key]; now.Before(due) {
		return
	}
	next := now.Add(c.Every)
	if err := c.Do(ctx, v.Name); err != nil {
		next = now.Add(min(choreRetry, c.Every))
		if ctx.Err() == nil {
			s.cfg.Failed(c.Name+" of "+v.Name, err)
		}
	}
	s.state.Chores[key], s.changed = next, true
}

func (s *Scheduler) save() error {
	s.state.Alive = s.cfg.Now()
	err := s.state.save(s.cfg.Path)
	s.changed = err != nil
	return err
}
