// Package restore brings the files of a recovery point back into a directory.
//
// A batch is what is fetched in one go: the chunks that some files still want,
// each once, in the order in which they lie in packs. An output is a file that
// is being written. A selection is the part of a point that was asked for.
//
// What must always be true: a file has its name only when every byte of it
// arrived and was checked by digest; what could not be brought back is counted
// and named in the [Report], and the rest comes back all the same; memory is
// bounded by batches, whatever the size of the point, but for what [files.Target]
// keeps per directory and a few dozen bytes for each group of hard links.
//
// What is left to others: making and naming objects (source/files), reading
// and checking chunks (vault), and who may restore what where (gate).
package restore

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/erasure"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Options say what is restored where.
type Options struct {
	// To is the directory to restore into; it is made if it is missing.
	To string
	// Paths are the parts wanted, as bytes with slashes: relative to the point's
	// root, or absolute as on the source. None means everything.
	Paths [][]byte
	// Overwrite says what happens to objects that are there already.
	Overwrite files.Overwrite
	// Owner says whose the restored objects become.
	Owner files.Owner
	// Verify reads the files again at the end and compares them with the
	// point. What the system still has in memory is compared from there.
	Verify bool
	// Removable leaves out the inode flags that forbid removal, which not even
	// root is spared.
	Removable bool
	// Erased are the erasures that concern the point: what they match is left out
	// and counted.
	Erased erasure.List
	// Doubt says why that may not be all, "" if it is; it is handed on in the report.
	Doubt string
	// Now is the clock; nil stands for the system's.
	Now func() time.Time
}

func (o *Options) fill() {
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Progress is how far a restore is.
type Progress struct {
	// Done counts the logical bytes of files dealt with, Total all that will be;
	// Total is 0 when that is not known.
	Done, Total int64
	// Files counts the names of regular files dealt with.
	Files int64
	// Verified counts the bytes read again and compared.
	Verified int64
}

// maxProblems bounds the problems that a report lists; all are counted.
const maxProblems = 10_000

// Report tells what a restore did. It is also meaningful beside an error: it
// then tells what was done before.
type Report struct {
	// Files counts the names of regular files restored, further links included.
	Files int64
	// Entries counts objects of every kind restored or found in place.
	Entries int64
	// Bytes is the logical length of the files written.
	Bytes int64
	// Skipped counts regular files left as they were: the same already, or
	// kept by the overwrite policy.
	Skipped int64
	// Damaged counts files, and parts of directories, that could not be brought
	// back because the vault no longer holds what was stored, or that turned
	// out different when they were read again.
	Damaged int64
	// Problems name what was damaged or could not be restored as it was; at
	// most 10 000 are listed, ProblemCount counts all.
	Problems     []source.Problem
	ProblemCount int64
	// Doubt says why perhaps not everything that was erased was left out.
	Doubt string
	// LeftOut counts what was not restored because it was erased.
	LeftOut LeftOut
	// Verified means that every file that is there now by this restore was read
	// again and is what the point holds.
	Verified bool
	Elapsed  time.Duration
}

// Err gives what the report means as an error: kind Damaged if anything was
// damaged, Incomplete if there were other problems, nil if all came back.
func (r Report) Err() error {
	switch {
	case r.Damaged > 0:
		return errkind.New(errkind.Damaged, "%d files or folders of the point are damaged and were not restored", r.Damaged)
	case r.ProblemCount > 0:
		return errkind.New(errkind.Incomplete, "%d problems kept the restore from being complete", r.ProblemCount)
	}
	return nil
}

// Run restores the point p, or the parts of it that opts names, into the
// directory opts.To. Everything: the contents of the point's root go directly
// into it, and it gets the root's metadata. Parts: each goes to its path relative
// to the root, in folders with the metadata of its parents; opts.To itself gets
// the root's only if it is made by this run. A path that is not in the point is
// an error of kind NotFound before anything is written.
//
// Damage and what the target did not take are no errors: they are in the
// report, whose Err sums them up. An error means that the run ended early; files
// that have their names are whole, and the same call again goes on from there.
//
// progress may be nil. It is called often, by one goroutine at a time, and
// must return at once.
func Run(ctx context.Context, g access.Grant, r *vault.Reader, p vault.Point, opts Options, progress func(Progress)) (Report, error) {
	if err := g.Require(access.RestoreRun, access.RestoreErased); err != nil {
		return Report{}, err
	}
	if opts.To == "" {
		return Report{}, errkind.New(errkind.Invalid, "a restore needs a directory to restore into")
	}
	opts.fill()
	began := opts.Now()
	j, err := newJob(ctx, r, p, opts, progress)
	if err != nil {
		return Report{Elapsed: opts.Now().Sub(began)}, err
	}
	err = j.run(ctx, p.Envelope.ID.String())
	report := j.tally.result()
	report.Doubt = opts.Doubt
	report.Elapsed = opts.Now().Sub(began)
	return report, err
}

// newJob reads the root and finds what is wanted. It writes nothing.
func newJob(ctx context.Context, r *vault.Reader, p vault.Point, opts Options, progress func(Progress)) (*job, error) {
	wanted, err := newSelection(opts.Paths, p.Body.Source.Paths)
	if err != nil {
		return nil, err
	}
	root, err := r.Root(ctx, p.Envelope.Root)
	if err != nil {
		return nil, errkind.Wrap(errkind.Of(err), err, "read the root of point %s", p.Envelope.ID)
	}
	if root.Kind != vault.Dir {
		return nil, errkind.New(errkind.Damaged, "the root of point %s is not a folder", p.Envelope.ID)
	}
	total := p.Envelope.Size
	if !wanted.all {
		if total, err = sizeOf(ctx, r, root, wanted); err != nil {
			return nil, err
		}
	}
	j := &job{reader: r, opts: opts, root: root, wanted: wanted, groups: map[groupKey]*group{}, open: map[*output]struct{}{}}
	j.tally.progress = progress
	j.tally.at.Total = total
	return j, nil
}

// run restores into the target and closes it, whatever happens.
func (j *job) run(ctx context.Context, token string) error {
	// Closed to others until its metadata is in place, like all folders below.
	fresh := os.MkdirAll(filepath.Dir(j.opts.To), 0o755) == nil && os.Mkdir(j.opts.To, 0o700) == nil
	target, err := files.NewTarget(j.opts.To, files.TargetOptions{Overwrite: j.opts.Overwrite, Owner: j.opts.Owner, Token: token, Removable: j.opts.Removable})
	if err != nil {
		return j.explain(ctx, err)
	}
	j.target = target
	j.withRoot = fresh || j.wanted.all
	err = j.restore(ctx)
	for _, p := range target.Problems() {
		j.tally.problem(p)
	}
	if closeErr := target.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err == nil && j.opts.Verify {
		err = j.verify(ctx)
	}
	return j.explain(ctx, err)
}

// restore writes everything, then the metadata of folders, then syncs once.
func (j *job) restore(ctx context.Context) error {
	if err := j.write(ctx); err != nil {
		j.abandonOpen()
		return err
	}
	if err := j.target.FinishDirs(); err != nil {
		return err
	}
	return j.target.Sync()
}

// explain gives an error that ends the run the words its reader needs.
func (j *job) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errkind.Is(err, errkind.NoSpace):
		return errkind.Wrap(errkind.NoSpace, err, "%q is full: make room and restore again, what is there is kept", j.opts.To)
	}
	return errkind.Wrap(errkind.Of(err), err, "restore to %q", j.opts.To)
}
