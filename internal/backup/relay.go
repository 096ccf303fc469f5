package backup

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// relay lets a walk go ahead of what is done with its findings: the walk's
// calls are noted, and made to the next visitor by another goroutine in the same
// order.
type relay struct {
	ctx   context.Context
	batch []call
	to    chan []call
	free  chan []call
}

// call is one call to a visitor.
type call struct {
	what  callKind
	path  string
	entry vault.Entry
	hint  source.Hint
	open  func() (source.File, error)
	op    string // of a problem; the rule of an exclusion
	err   error
}

type callKind int8

const (
	enterDir callKind = iota
	entry
	leaveDir
	problem
	excluded
)

// A walk is at most so far ahead.
const (
	relayBatch   = 128
	relayBatches = 8
)

func newRelay(ctx context.Context) *relay {
	r := &relay{ctx: ctx, to: make(chan []call, relayBatches), free: make(chan []call, relayBatches+2)}
	for range cap(r.free) {
		r.free <- make([]call, 0, relayBatch)
	}
	r.batch = <-r.free
	return r
}

// walk walks the reader and sends what it finds.
func (r *relay) walk(reader source.Reader) error {
	defer close(r.to)
	if err := reader.Walk(r.ctx, r); err != nil {
		return err
	}
	return r.send()
}

// serve makes the calls to v until the walk ends.
func (r *relay) serve(v source.Visitor) error {
	for batch := range r.to {
		for i := range batch {
			if err := batch[i].make(v); err != nil {
				return err
			}
		}
		clear(batch)
		r.free <- batch[:0]
	}
	return nil
}

func (c *call) make(v source.Visitor) error {
	switch c.what {
	case enterDir:
		return v.EnterDir(c.path, c.entry, c.hint)
	case leaveDir:
		return v.LeaveDir(c.path)
	case problem:
		return v.Problem(source.Problem{Path: c.path, Op: c.op, Err: c.err})
	case excluded:
		return v.Excluded(c.path, c.op)
	default:
		return v.Entry(c.path, c.entry, c.hint, c.open)
	}
}

func (r *relay) note(c call) error {
	r.batch = append(r.batch, c)
	if len(r.batch) < relayBatch {
		return nil
	}
	return r.send()
}

// send waits where the walk is too far ahead.
func (r *relay) send() error {
	select {
	case r.to <- r.batch:
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
	select {
	case r.batch = <-r.free:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// EnterDir implements [source.Visitor].
func (r *relay) EnterDir(p string, e vault.Entry, h source.Hint) error {
	return r.note(call{what: enterDir, path: p, entry: e, hint: h})
}

// Entry implements [source.Visitor].
func (r *relay) Entry(p string, e vault.Entry, h source.Hint, open func() (source.File, error)) error {
	return r.note(call{what: entry, path: p, entry: e, hint: h, open: open})
}

// LeaveDir implements [source.Visitor].
func (r *relay) LeaveDir(p string) error { return r.note(call{what: leaveDir, path: p}) }

// Problem implements [source.Visitor].
func (r *relay) Problem(p source.Problem) error {
	return r.note(call{what: problem, path: p.Path, op: p.Op, err: p.Err})
}

// Excluded implements [source.Visitor].
func (r *relay) Excluded(p, rule string) error {
	return r.note(call{what: excluded, path: p, op: rule})
}
