// Package clock is the server's trusted time. It keeps a floor on disk below
// which its readings never fall, whatever the system clock is set to, so that a
// clock set back can neither reorder points nor renew what has expired.
//
// This version has one source, the system clock. A receipt time dates points
// and records; no reading of it proves that time has passed, so it permits no
// deletion in an immutable vault. The floor moves only by readings that were
// kept with [Clock.Keep].
package clock

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Tolerance is how far the system clock may lie behind the floor before it is
// worth a word: time servers correct clocks by less.
const Tolerance = time.Minute

// Clock reads trusted time. It is safe for concurrent use, and several
// processes may share its file.
type Clock struct {
	path   string
	system func() time.Time

	mu    sync.Mutex // guards floor and the two below
	floor time.Time
	began time.Time // a reading with its monotonic part
	at    time.Time // what the receipt time was then
}

type state struct {
	Floor time.Time `json:"floor"`
}

// Open reads the floor kept in dir. system is the system clock, nil for the
// real one. A state that cannot be read is errkind.Damaged: without it a clock
// set back would go unseen.
func Open(dir string, system func() time.Time) (*Clock, error) {
	if system == nil {
		system = time.Now
	}
	c := &Clock{path: filepath.Join(dir, "clock.json"), system: system}
	floor, err := c.read()
	if err != nil {
		return nil, err
	}
	c.floor = floor
	c.began = system()
	c.at = later(c.began.UTC(), floor)
	return c, nil
}

func (c *Clock) read() (time.Time, error) {
	data, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, errkind.Wrap(errkind.Unavailable, err, "read the trusted clock's floor")
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil || s.Floor.IsZero() {
		return time.Time{}, errkind.New(errkind.Damaged, "the trusted clock's floor in %s is damaged; see that the system clock is right, move the file away and run this again: the next point is dated after the newest one all the same", c.path)
	}
	return s.Floor, nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// Receipt gives the time by which points and records are dated: the system
// clock, but while that lies behind the floor, the floor plus the time that passed
// in this process.
func (c *Clock) Receipt() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.system()
	progressed := c.at.Add(now.Sub(c.began)) // monotonic: not moved by setting the clock
	return later(later(now.UTC(), c.floor), progressed).UTC().Round(0)
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

// Keep raises the floor to a reading that was used, durably. It never lowers
// it, also when another process raised it meanwhile.
func (c *Clock) Keep(ctx context.Context, t time.Time) error {
	unlock, err := durable.LockWait(ctx, c.path+".lock", "trusted clock")
	if err != nil {
		return err
	}
	defer func() { _ = unlock.Unlock() }() // ends with the process at the latest
	kept, err := c.read()
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.floor = later(later(t.UTC(), kept), c.floor)
	floor := c.floor
	c.mu.Unlock()
	if !floor.After(kept) {
		return nil
	}
	data, err := json.Marshal(state{Floor: floor})
	if err != nil {
		return err
	}
	return durable.WriteFile(c.path, data, 0o600)
}
