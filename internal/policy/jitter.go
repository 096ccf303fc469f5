package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/counterfoil/counterfoil/internal/calendar"
)

// leeway is what jitter leaves of the window, and before the next run, so that
// the last source to start still has time to.
const leeway = 5 * time.Minute

// Start gives when a source starts a run: later by the source's share of the
// jitter. The share follows from the source's id alone, so a source starts at
// the same time of day on every day and after every restart, and its runs lie
// as far apart as the schedule says. The start reaches neither the end of the
// window nor the next run.
func (s Schedule) Start(run time.Time, source string, zone *time.Location) time.Time {
	t, ok := s.table(zone)
	if !ok {
		return run
	}
	return t.start(run, source)
}

func (t timetable) start(run time.Time, source string) time.Time {
	start, _ := t.allowed(run, source)
	return start
}

// allowed gives when a source starts a run, and the instant before which it
// must have: the next run or the end of the window. A run at the end of a window
// because the clocks skipped the rest of it starts at once, bound by no window.
func (t timetable) allowed(run time.Time, source string) (start, end time.Time) {
	end, ok := t.next(run)
	if !ok {
		end = calendar.End
	}
	window := t.opening(run)
	if !window.has(run) {
		return run, end
	}
	end = earliest(end, window.shut)
	return t.spread(run, end, source), end
}

// spread gives the source's instant within the jitter after from and clear of
// the end.
func (t timetable) spread(from, end time.Time, source string) time.Time {
	if t.jitter.IsZero() {
		return from
	}
	room := end.Sub(from)
	room -= min(leeway, room/2)
	width := min(t.jitter.AddTo(from, t.zone).Sub(from), room)
	if width <= 0 {
		return from
	}
	// The high word of the product is uniform over the width.
	sum := sha256.Sum256([]byte(source))
	offset, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:8]), uint64(width))
	return from.Add(time.Duration(offset).Truncate(time.Second))
}
