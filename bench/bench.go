package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

// step is one thing that is done with a corpus.
type step string

const (
	stepFirst     step = "first"
	stepUnchanged step = "unchanged"
	stepChanged   step = "changed"
	stepRestore   step = "restore"
	stepVerify    step = "verify"
)

var allSteps = []step{stepFirst, stepUnchanged, stepChanged, stepRestore, stepVerify}

// References take part in a step like tools: what the machine itself needs.
const (
	copyReference = "cp -a, sync -f"
	walkReference = "bare walk"
)

// bench holds one whole measurement.
type bench struct {
	opts    options
	work    workDir
	now     func() time.Time
	log     io.Writer
	launch  *launcher
	tools   []tool
	corpora []corpus
	results []measurement
}

func (b *bench) say(format string, args ...any) { say(b.log, "bench: "+format, args...) }

// measureAll runs every corpus. When the time is over it stops without a
// fault: what there is will be shown.
func (b *bench) measureAll(ctx context.Context) error {
	for _, name := range b.opts.corpora {
		c, err := b.corpusNamed(ctx, name)
		if err == nil {
			b.corpora = append(b.corpora, c)
			err = b.measureCorpus(ctx, c)
		}
		if errors.Is(context.Cause(ctx), errLimit) {
			b.say("%v: stopped in corpus %s", errLimit, name)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// measureCorpus does the steps for every run. A corpus that changes does so
// once, in place, after every run has its stores: only so is what did not
// change the same files as before.
func (b *bench) measureCorpus(ctx context.Context, c corpus) error {
	b.say("corpus %s: %d files, %s", c.Name, c.Size.Files, megabytes(c.Size.Bytes))
	before, after := []step{stepFirst, stepUnchanged}, []step{stepRestore, stepVerify}
	if c.change == nil {
		for run := 1; run <= b.opts.runs; run++ {
			if err := b.measureRun(ctx, c, run, append(before, after...)); err != nil {
				return err
			}
			if err := b.dropRun(ctx, c, run); err != nil {
				return err
			}
		}
		return nil
	}
	for run := 1; run <= b.opts.runs; run++ {
		if err := b.measureRun(ctx, c, run, before); err != nil {
			return err
		}
	}
	b.say("changing corpus %s", c.Name)
	if err := c.change(ctx); err != nil {
		return fmt.Errorf("change corpus %s: %w", c.Name, err)
	}
	for run := 1; run <= b.opts.runs; run++ {
		if err := b.measureRun(ctx, c, run, append([]step{stepChanged}, after...)); err != nil {
			return err
		}
		if err := b.dropRun(ctx, c, run); err != nil {
			return err
		}
	}
	return nil
}

// Removing many files costs whoever makes files afterwards: ext4 passes over
// every inode freed within the last seconds, more while that is not on the disk.
const (
	manyFiles = 10_000
	forgotten = 40 * time.Second
)

// dropRun removes what a run left, all at once, and waits until that slows
// nobody down.
func (b *bench) dropRun(ctx context.Context, c corpus, run int) error {
	errs := []error{os.RemoveAll(b.work.site(c.Name, copyReference, run))}
	for _, t := range b.tools {
		errs = append(errs, os.RemoveAll(b.work.site(c.Name, t.Name, run)))
	}
	if err := errors.Join(append(errs, syncFS(b.work.path))...); err != nil || c.Size.Files < manyFiles {
		return err
	}
	select {
	case <-time.After(forgotten):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// measureRun lets the tools take turns in each step.
func (b *bench) measureRun(ctx context.Context, c corpus, run int, steps []step) error {
	for _, s := range steps {
		if s == stepUnchanged {
			if err := b.measureWalk(ctx, c, run); err != nil {
				return err
			}
		}
		if s == stepRestore {
			if err := b.measureCopy(ctx, c, run); err != nil {
				return err
			}
		}
		for _, t := range b.tools {
			m := measurement{Corpus: c.Name, Step: s, Tool: t.Name, Kind: t.Kind, Run: run}
			if b.failedBefore(m) {
				continue
			}
			used, size, err := b.measureStep(ctx, c, t, run, s)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			b.record(m, used, size, err)
		}
	}
	return nil
}

func (b *bench) record(m measurement, used usage, stored int64, err error) {
	m.Wall, m.CPU, m.Peak, m.Anon, m.Stored = used.wall.Seconds(), used.cpu.Seconds(), used.peak, used.anon, stored
	if err != nil {
		m.Failure = err.Error()
		b.say("%s/%s run %d %s FAILED: %v", m.Corpus, m.Step, m.Run, m.Tool, err)
	} else {
		b.say("%s/%s run %d %s: %s", m.Corpus, m.Step, m.Run, m.Tool, used.wall.Round(time.Millisecond))
	}
	b.results = append(b.results, m)
}

// failedBefore tells that a step cannot be done for want of an earlier one.
func (b *bench) failedBefore(m measurement) bool {
	for _, old := range b.results {
		if old.Corpus == m.Corpus && old.Tool == m.Tool && old.Run == m.Run && old.Failure != "" && old.Step != stepRestore {
			return true
		}
	}
	return false
}

// firstFailure makes a fault of this engine one of the whole program; a peer's
// is shown in the table only.
func (b *bench) firstFailure() error {
	for _, m := range b.results {
		if m.Kind == engineKind && m.Failure != "" {
			return fmt.Errorf("%s/%s run %d of %s failed: %s", m.Corpus, m.Step, m.Run, m.Tool, m.Failure)
		}
	}
	return nil
}

func (b *bench) measureStep(ctx context.Context, c corpus, t tool, run int, s step) (used usage, stored int64, err error) {
	p := placeOf(t.Path, b.work.site(c.Name, t.Name, run), c.path)
	if s == stepFirst {
		if err := b.prepare(ctx, t, p); err != nil {
			return used, 0, err
		}
	}
	switch s {
	case stepFirst:
		used, err = b.measured(ctx, c.path, t.recipe.backup(p, 1))
	case stepUnchanged:
		used, err = b.measured(ctx, c.path, t.recipe.backup(p, 2))
	case stepChanged:
		used, err = b.measured(ctx, c.path, t.recipe.backup(p, 3))
	case stepVerify:
		used, err = b.measured(ctx, p.store, t.recipe.verify(p))
	case stepRestore:
		used, err = b.measureRestore(ctx, c, t, p, run)
	}
	if err != nil {
		return used, 0, err
	}
	size, err := walkTree(p.store)
	return used, size.Bytes, err
}

func (b *bench) prepare(ctx context.Context, t tool, p place) error {
	if err := os.RemoveAll(p.root); err != nil {
		return err
	}
	if err := makeSite(p); err != nil {
		return err
	}
	for _, c := range t.recipe.prepare(p) {
		if _, _, err := b.launch.run(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// measured runs a command over files that are in memory, with nothing of
// earlier steps still waiting for the disk.
func (b *bench) measured(ctx context.Context, reads string, c command) (usage, error) {
	if err := warm(ctx, reads); err != nil {
		return usage{}, err
	}
	if err := syncFS(b.work.path); err != nil {
		return usage{}, err
	}
	used, _, err := b.launch.run(ctx, c)
	return used, err
}

// measureRestore restores into an empty folder and compares what came with
// the source: in the first run every byte, later names, kinds and sizes. The
// time runs until what was restored is on the disk.
func (b *bench) measureRestore(ctx context.Context, c corpus, t tool, p place, run int) (used usage, err error) {
	n := 2
	if c.change != nil {
		n = 3
	}
	to := p.in("restored")
	if err := os.Mkdir(to, 0o755); err != nil {
		return used, err
	}
	if used, err = b.measured(ctx, p.store, t.recipe.restore(p, n, to)); err != nil {
		return used, err
	}
	start := b.now()
	if err := syncFS(to); err != nil {
		return used, err
	}
	used.wall += b.now().Sub(start)
	return used, sameTree(ctx, c.path, restoredRoot(to, c.path), run == 1)
}

// measureCopy is the reference for restoring: the same tree by cp, on disk.
func (b *bench) measureCopy(ctx context.Context, c corpus, run int) error {
	to := b.work.site(c.Name, copyReference, run)
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	used, err := b.measured(ctx, c.path, command{
		args: []string{"/bin/sh", "-c", `cp -a "$1" "$2" && sync -f "$2"`, "copy", c.path, to}, env: []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"},
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b.record(measurement{Corpus: c.Name, Step: stepRestore, Tool: copyReference, Run: run}, used, 0, err)
	return nil
}

// measureWalk is the reference for finding nothing changed: looking at every
// entry, which no backup can do without.
func (b *bench) measureWalk(ctx context.Context, c corpus, run int) error {
	if err := warm(ctx, c.path); err != nil {
		return err
	}
	runtime.GC()
	start, cpu := b.now(), ownCPU()
	_, err := walkTree(c.path)
	used := usage{wall: b.now().Sub(start), cpu: ownCPU() - cpu}
	b.record(measurement{Corpus: c.Name, Step: stepUnchanged, Tool: walkReference, Run: run}, used, 0, err)
	return nil
}
