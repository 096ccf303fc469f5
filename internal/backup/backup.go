// Package backup takes one recovery point of a source: it walks what is
// protected, stores what the vault does not know yet, and commits the point
// with the retention that the rules give it.
//
// What must always be true: a point never silently holds less than was asked;
// what could not be read makes it incomplete, what changed while it was read makes
// it fuzzy. Files are taken as unchanged only when size, mtime, ctime and inode
// agree with the last point and its hints, and all their chunks are in healthy packs.
package backup

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Request is one backup.
type Request struct {
	Vault  *vault.Vault
	Reader source.Reader
	// Terms are those when the run begins. Again reads them anew before anything is
	// committed, and its error ends the run without a point; nil leaves them as they are.
	Terms
	Again   func(context.Context) (Terms, error)
	Trigger retention.Trigger
	// Receipt reads the trusted clock.
	Receipt func() time.Time
	// HostNow reads the clock of the source's host, by which its files are dated.
	HostNow func() time.Time
	Version string
	Host    string
	// Rehash distrusts what is known of unchanged files.
	Rehash bool
	// Cut is how files are cut into chunks.
	Cut vault.Cut
	// Readers is the number of files read at once, by default two.
	Readers int
	// Progress is called now and then, from any goroutine; it may be nil.
	Progress func(Progress)
}

// Progress is how far a backup has come.
type Progress struct {
	// Bytes and Entries are done; ExpectedBytes is the size of the last point, 0 if there is none.
	Bytes, ExpectedBytes, Entries int64
}

// Made is a committed point.
type Made struct {
	Point      vault.Point
	Assignment retention.Assignment
	// Lock is what is locked, or would be in a vault that is no trial.
	Lock retention.Lock
}

// Result is the point and what making it took.
type Result struct {
	Made
	// Remnants keep the records that are gone from the source since the points
	// before; there is one at most unless folders could not be read for a while.
	Remnants []Made
	// New is how many plaintext bytes were not known before, Stored how many
	// bytes went to the store.
	New, Stored int64
	Files, Dirs int64
	// Unchanged is the number of files that were not read.
	Unchanged int64
}

// Run takes one point, and before it the remnants that its records gone from the
// source need: where it stops in between, the next run finds the same records gone.
// When it fails, no point of the source was made and every earlier one is whole;
// what was stored is found again by the next run.
func Run(ctx context.Context, g access.Grant, r Request) (Result, error) {
	if err := r.Cut.Check(); err != nil {
		return Result{}, err
	}
	session, err := r.Vault.OpenSession(ctx, g, vault.SessionOptions{Lock: r.Lock, Workers: r.Readers})
	if err != nil {
		return Result{}, err
	}
	defer session.Abort() // does nothing once committed
	started := r.Receipt()
	a, err := newAssembler(ctx, &r, session)
	if err != nil {
		return Result{}, err
	}
	if err := a.run(ctx); err != nil {
		return Result{}, err
	}
	if err := session.Flush(ctx); err != nil {
		return Result{}, err
	}
	if err := a.renew(ctx); err != nil {
		return Result{}, err
	}
	remnants, err := a.keepGone(ctx, g)
	if err != nil {
		return Result{}, keepError(r.Source.Name, err)
	}
	// Receipt comes first: what was recorded before it counts for the point.
	received := r.Receipt()
	if err := a.renew(ctx); err != nil {
		return Result{}, err
	}
	result, err := a.commit(ctx, g, started, received)
	result.Remnants = remnants
	return result, err
}

// run walks the source and stores it.
func (a *assembler) run(ctx context.Context) error {
	readers := a.r.Readers
	if readers < 1 {
		readers = 2
	}
	work, wctx := errgroup.WithContext(ctx)
	for range readers {
		work.Go(func() error {
			for job := range a.jobs {
				if err := a.takeFile(wctx, job); err != nil {
					return err
				}
			}
			return nil
		})
	}
	a.walking = wctx
	ahead := newRelay(wctx)
	work.Go(func() error { return ahead.walk(a.r.Reader) })
	work.Go(func() error {
		defer close(a.jobs)
		return ahead.serve(a)
	})
	if err := work.Wait(); err != nil {
		if cause := a.session.Err(); cause != nil && ctx.Err() == nil {
			return cause
		}
		return err
	}
	if a.root == nil {
		return a.nothing()
	}
	return nil
}

// nothing says why there is no point.
func (a *assembler) nothing() error {
	if len(a.problems) > 0 {
		p := a.problems[0]
		path := string(p.Path)
		if path == "" && len(a.r.Source.Paths) > 0 {
			path = string(a.r.Source.Paths[0])
		}
		return errkind.New(errkind.Unavailable, "nothing of source %q can be read, so no point was made: %s %s: %s", a.r.Source.Name, p.Op, path, p.Message)
	}
	return errkind.New(errkind.Internal, "the walk of source %q gave no root", a.r.Source.Name)
}
