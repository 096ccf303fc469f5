package jobs

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// claim is what a job needs while it works: so much of each resource. A
// resource has a capacity; who needs all of it is alone with it.
type claim struct {
	purpose string // in the words of a person: "backup of ledgers"
	needs   map[resource]int
}

// resource is something that jobs share: the installation, a vault, a source.
type resource struct{ kind, id string }

// capacity is how much there is of a resource. A vault's and the installation's
// bound how many jobs write at once; more would only take turns on the disk.
func (r resource) capacity() int {
	switch r.kind {
	case "installation":
		return 64
	case "vault":
		return 8
	default:
		return 1
	}
}

var installation = resource{kind: "installation"}

// claims hands out what jobs need, in the order in which they asked, but for those
// whose needs nobody before them waits for. It is safe for concurrent use.
type claims struct {
	mu      sync.Mutex // guards all below
	held    map[resource]int
	holders []*waiter
	waiting []*waiter // oldest first
}

type waiter struct {
	claim
	granted chan struct{} // closed when it is
}

// take waits until the claim is granted. note, which may be nil, is told once for
// whom it waits. The claim is given back by the function returned.
func (c *claims) take(ctx context.Context, want claim, note func(string)) (func(), error) {
	w, before := c.ask(want)
	select {
	case <-w.granted:
		return func() { c.release(w) }, nil
	default:
	}
	if note != nil {
		note("waits for " + strings.Join(before, " and "))
	}
	select {
	case <-w.granted:
		return func() { c.release(w) }, nil
	case <-ctx.Done():
		c.release(w)
		return nil, errkind.Wrap(errkind.Cancelled, ctx.Err(), "%s waited for %s; nothing was done", want.purpose, strings.Join(before, " and "))
	}
}

// try takes the claim if it need not wait, else it says for whom it would, with
// errkind.Busy.
func (c *claims) try(want claim) (func(), error) {
	w, before := c.ask(want)
	select {
	case <-w.granted:
		return func() { c.release(w) }, nil
	default:
		c.release(w)
		return nil, errkind.New(errkind.Busy, "%s has to wait for %s; nothing was changed", want.purpose, strings.Join(before, " and "))
	}
}

// ask puts a claim at the end of the line and names those before it that are in
// its way.
func (c *claims) ask(want claim) (*waiter, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := slices.Concat(c.holders, c.waiting)
	taken := map[resource]int{}
	for _, other := range line {
		for r, n := range other.needs {
			taken[r] += n
		}
	}
	var before []string
	for _, other := range line {
		for r, n := range want.needs {
			if other.needs[r] > 0 && taken[r]+n > r.capacity() && !slices.Contains(before, other.purpose) {
				before = append(before, other.purpose)
			}
		}
	}
	w := &waiter{claim: want, granted: make(chan struct{})}
	c.waiting = append(c.waiting, w)
	c.grant()
	return w, before
}

// release gives back what was granted, or takes a claim out of the line.
func (c *claims) release(w *waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.holders, w); i >= 0 {
		c.holders = slices.Delete(c.holders, i, i+1)
		for r, n := range w.needs {
			if c.held[r] -= n; c.held[r] == 0 {
				delete(c.held, r)
			}
		}
	} else if i := slices.Index(c.waiting, w); i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
	}
	c.grant()
}

// grant goes down the line. What somebody waits for is set aside: given to who
// came later, those who need much would never get it.
func (c *claims) grant() {
	aside := map[resource]int{}
	c.waiting = slices.DeleteFunc(c.waiting, func(w *waiter) bool {
		for r, n := range w.needs {
			if c.held[r]+aside[r]+n > r.capacity() {
				for r, n := range w.needs {
					aside[r] += n
				}
				return false
			}
		}
		if c.held == nil {
			c.held = map[resource]int{}
		}
		for r, n := range w.needs {
			c.held[r] += n
		}
		c.holders = append(c.holders, w)
		close(w.granted)
		return true
	})
}
