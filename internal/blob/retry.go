package blob

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Options say how a [Bucket] repeats what failed because the store was out of
// reach. Zero fields take the defaults.
type Options struct {
	// Attempts is how often an operation is tried in all; default 6.
	Attempts int
	// Pause is the longest wait before the second attempt, doubled before each
	// further one; default 200 ms.
	Pause time.Duration
	// MaxPause bounds every wait; default 10 s.
	MaxPause time.Duration
	// Sleep waits for d or until ctx is done, whose error it then returns.
	Sleep func(ctx context.Context, d time.Duration) error
	// Random gives numbers from 0 up to but not including 1; half of each wait
	// is random, so that many clients do not return at the same moment.
	Random func() float64
}

func (o Options) withDefaults() Options {
	if o.Attempts <= 0 {
		o.Attempts = 6
	}
	if o.Pause <= 0 {
		o.Pause = 200 * time.Millisecond
	}
	if o.MaxPause <= 0 {
		o.MaxPause = 10 * time.Second
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	return o
}

// wait gives the pause before the attempt that follows the failed ones.
func (o Options) wait(failed int) time.Duration {
	d := o.Pause
	for range failed - 1 {
		d = min(2*d, o.MaxPause)
	}
	d = min(d, o.MaxPause)
	return d/2 + time.Duration(o.Random()*float64(d/2))
}

// retry calls do until it succeeds, fails with a kind other than
// errkind.Unavailable, or has been tried often enough. The error is that of
// the last attempt; a context that ends while waiting does not hide it.
func (o Options) retry(ctx context.Context, do func() error) error {
	for failed := 1; ; failed++ {
		err := do()
		if !errkind.Is(err, errkind.Unavailable) || failed >= o.Attempts || ctx.Err() != nil {
			return err
		}
		if ended := o.Sleep(ctx, o.wait(failed)); ended != nil {
			return errkind.Wrap(errkind.Unavailable, ended, "gave up after %d attempts (%v)", failed, err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
