package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	defaultRuns    = 5
	defaultTimeout = 30 * time.Minute
	defaultLimit   = 6 * time.Hour
	defaultSizeMB  = 1800
)

// options are what the command line says.
type options struct {
	work     string
	corpora  []string
	only     []string
	paths    map[string]string // path of a tool given by name
	growth   []string
	runs     int
	scale    float64
	sizeMB   int
	timeout  time.Duration
	limit    time.Duration
	jsonFile string
	clean    bool
}

func parseOptions(args []string, errs io.Writer) (options, error) {
	o := options{paths: map[string]string{}}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVar(&o.work, "work", filepath.Join(os.TempDir(), "counterfoil-bench"), "`DIR` for corpora and stores; kept, so that the next run is quicker")
	f.IntVar(&o.runs, "runs", 0, "runs of each step (default 5; 1 with --growth)")
	f.Float64Var(&o.scale, "scale", 1, "multiply the size of every corpus, as 0.1 for a quick look")
	f.IntVar(&o.sizeMB, "size", defaultSizeMB, "`MB` of the database corpus before --scale; 18 MB are one unit of pgbench -s")
	f.DurationVar(&o.timeout, "timeout", defaultTimeout, "longest time for one command")
	f.DurationVar(&o.limit, "limit", defaultLimit, "longest time for everything; the table then shows what was measured")
	f.StringVar(&o.jsonFile, "json", "", "write everything measured to `FILE`")
	f.BoolVar(&o.clean, "clean", false, "remove the work folder and end")
	f.Func("corpora", "`LIST` of db, small, rnd (default these three) and db-synthetic, which stands in for db where PostgreSQL is missing", listFlag(&o.corpora, append(slices.Clone(corpusNames), syntheticCorpus)))
	f.Func("growth", "`LIST` of files, bytes: this engine alone on growing corpora, instead of the comparison", listFlag(&o.growth, []string{"files", "bytes"}))
	f.Func("only", "`LIST` of tools to run (default all that are found)", listFlag(&o.only, nil))
	f.Func("tool", "`NAME=PATH` of a tool: counterfoil, restic, borg, kopia or plakar; NAME:LABEL=PATH adds another build of it", o.addTool)
	f.Usage = func() {
		say(errs, "Usage: go run ./bench [flags]\n\nMeasures this engine beside restic, borg, kopia and plakar; see docs/bench.md.\n")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	return o, o.complete(f.Args())
}

func (o *options) complete(rest []string) (err error) {
	if o.runs == 0 {
		o.runs = defaultRuns
		if o.growth != nil {
			o.runs = 1
		}
	}
	if o.corpora == nil {
		o.corpora = corpusNames
	}
	if o.work, err = filepath.Abs(o.work); err != nil {
		return err
	}
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.runs < 0:
		return errors.New("--runs must be positive")
	case o.scale <= 0:
		return errors.New("--scale must be above 0")
	case o.sizeMB <= 0:
		return errors.New("--size must be positive")
	}
	return nil
}

func (o *options) addTool(value string) error {
	name, path, found := strings.Cut(value, "=")
	if !found || name == "" || path == "" {
		return errors.New("want NAME=PATH")
	}
	kind, label, labelled := strings.Cut(name, ":")
	if !slices.Contains(toolKinds, kind) {
		return fmt.Errorf("tool %q is not one of %s", kind, strings.Join(toolKinds, ", "))
	}
	if labelled && !plainName(label) {
		return fmt.Errorf("label %q may hold letters, digits, dots and dashes only", label)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	o.paths[name] = path
	return nil
}

// plainName tells that a label can be part of a file name.
func plainName(s string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"
	return s != "" && strings.Trim(s, plain) == ""
}

// listFlag reads a list with commas; allowed nil lets everything pass.
func listFlag(to *[]string, allowed []string) func(string) error {
	return func(value string) error {
		for _, item := range strings.Split(value, ",") {
			if allowed != nil && !slices.Contains(allowed, item) {
				return fmt.Errorf("%q is not one of %s", item, strings.Join(allowed, ", "))
			}
			*to = append(*to, item)
		}
		return nil
	}
}
