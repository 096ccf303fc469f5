package restore

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// output is a file being written. It is finished by whoever brings its last
// piece, which may be in a later batch than its first.
type output struct {
	named
	layout layout
	// group is the group of hard links of which this is the first, or nil.
	group *group
	// left counts the pieces on their way, and one more while they are listed.
	left atomic.Int64
	// counted is how many bytes the progress has seen.
	counted atomic.Int64

	mu  sync.Mutex // guards err
	err error
}

// fail notes the first reason why the file cannot be finished.
func (o *output) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
}

func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// fill collects the pieces of a file that the target prepared.
func (j *job) fill(ctx context.Context, path string, e vault.Entry) error {
	o := j.begin(path, e)
	at := int64(0)
	var ended error // what ends the restore, not only this file
	err := o.failure()
	if err == nil {
		err = j.reader.Chunks(ctx, e.Content, func(d vault.Digest, length int64) error {
			if !o.layout.holds(at, length) {
				return errkind.New(errkind.Damaged, "the content is longer than the file")
			}
			ended = j.want(ctx, d, piece{out: o, at: at, length: length})
			at += length
			return ended
		})
	}
	switch {
	case ended != nil:
		return ended
	case err == nil && at != o.layout.stream:
		err = errkind.New(errkind.Damaged, "the content has %d bytes where %d belong", at, o.layout.stream)
	case err != nil && !errkind.Is(err, errkind.Damaged):
		return err
	}
	if err != nil {
		o.fail(err)
	}
	return j.arrived(o)
}

// begin notes a file that the target prepared.
func (j *job) begin(path string, e vault.Entry) *output {
	if e.Content != nil {
		j.batch.files++
		j.batch.hold(path, e)
	}
	e.Content = nil
	o := &output{named: named{path, e}}
	o.left.Store(1)
	var err error
	if o.layout, err = layoutOf(e); err != nil {
		o.fail(err)
	}
	if len(e.LinkGroup) > 0 {
		o.group = &group{state: groupWriting, path: path}
		j.setGroup(e, o.group)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.open[o] = struct{}{}
	return o
}

// want adds a piece to the batch, which is handed over when it is full.
func (j *job) want(ctx context.Context, d vault.Digest, p piece) error {
	p.out.left.Add(1)
	j.batch.add(d, p)
	if j.batch.full() {
		return j.flush(ctx)
	}
	return nil
}

// arrived counts down; the last one finishes the file.
func (j *job) arrived(o *output) error {
	if o.left.Add(-1) > 0 {
		return nil
	}
	err := o.failure()
	if err == nil {
		err = j.target.Finish(o.path, o.entry)
	}
	switch {
	case err == nil:
		j.tally.file(o.entry.Size)
	case errkind.Is(err, errkind.Damaged) || concernsOne(err):
		j.abandon(o, err)
	default:
		return err
	}
	j.mu.Lock()
	delete(j.open, o)
	j.mu.Unlock()
	j.tally.advance(o.entry.Size-o.counted.Load(), 1, 0)
	return j.settle(o, err)
}

// abandon gives up a file for the reason given.
func (j *job) abandon(o *output, why error) {
	j.setAside(o.path)
	if errkind.Is(why, errkind.Damaged) {
		j.tally.damaged(o.path, "read", why)
	} else {
		j.tally.problem(source.Problem{Path: o.path, Op: "write", Err: why})
	}
	if err := j.target.Abandon(o.path); err != nil {
		j.tally.problem(source.Problem{Path: o.path, Op: "remove unfinished", Err: err})
	}
}

// abandonOpen removes what a run that ended early leaves unfinished. What
// cannot be removed is recognised and replaced by the next run.
func (j *job) abandonOpen() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for o := range j.open {
		_ = j.target.Abandon(o.path)
	}
	clear(j.open)
}
