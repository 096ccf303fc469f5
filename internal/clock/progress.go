package clock

import (
	"sync"
	"time"
)

// progress is a monotonic clock: what it reads never goes back, whatever it is
// made of.
type progress struct {
	read        func() time.Duration
	countsSleep bool

	mu   sync.Mutex // guards last
	last time.Duration
}

func (p *progress) now() time.Duration {
	read := p.read()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = max(p.last, read)
	return p.last
}

// newProgress chooses the monotonic clock: the machine's for the real system
// clock, else the one that the system clock's times carry.
func newProgress(system func() time.Time, real bool) *progress {
	if real {
		if _, ok := bootTime(); ok {
			return &progress{countsSleep: true, read: func() time.Duration { t, _ := bootTime(); return t }}
		}
	}
	began := system()
	return &progress{read: func() time.Duration { return system().Sub(began) }}
}
