// Command bench measures this engine beside other backup programs on the same
// data, machine and run, and says which of the goals are reached.
//
// A corpus is a tree of files that every program backs up; a step is one thing
// done with it (first, unchanged, changed, restore, verify); a measurement is
// one step of one program in one run. Programs take turns within each step, so
// that what else the machine does hits all of them; figures are medians, and
// ratios are medians of the ratios of each run.
//
// What must hold: every program gets a fresh store, its own folders for
// configuration and caches, warm sources and a disk with nothing left to
// write; what it restores is compared with the source; nothing is left
// running. docs/bench.md says how to run it and how to read it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, time.Now)
	stop()
	os.Exit(code) //nolint:forbidigo // the program ends here, with its exit code
}

func run(ctx context.Context, args []string, out, errs io.Writer, now func() time.Time) int {
	opts, err := parseOptions(args, errs)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		say(errs, "bench: %v", err)
		return exitUsage
	}
	if err := runWith(ctx, opts, out, errs, now); err != nil {
		say(errs, "bench: %v", err)
		return exitFailed
	}
	return 0
}

func runWith(ctx context.Context, opts options, out, errs io.Writer, now func() time.Time) (err error) {
	work := workDir{opts.work}
	if opts.clean {
		return work.remove()
	}
	lock, err := work.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	ctx, stop := context.WithTimeoutCause(ctx, opts.limit, errLimit)
	defer stop()
	b := &bench{opts: opts, work: work, now: now, log: errs, launch: newLauncher(work, opts.timeout, now)}
	defer func() { err = errors.Join(err, work.dropRuns()) }()
	if err := work.dropRuns(); err != nil {
		return err
	}
	if b.tools, err = findTools(ctx, b.launch, opts, errs); err != nil {
		return err
	}
	report := newReport(now(), opts, factsOf(opts.work), b.tools)
	if opts.growth != nil {
		err = b.measureGrowth(ctx)
	} else {
		err = b.measureAll(ctx)
	}
	report.finish(b.results, b.corpora)
	return errors.Join(err, b.firstFailure(), report.write(out, opts.jsonFile))
}

// errLimit ends a run that takes longer than it was given; what was measured
// until then is printed.
var errLimit = errors.New("the time given by --limit is over")

// say writes one line for the person who watches.
func say(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", args...)
}
