package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"github.com/counterfoil/counterfoil/internal/tlog"
)

// logOptions is the command line of log.
type logOptions struct {
	dir        string
	keyFile    string
	vkey       string
	checkpoint string
	print      bool
}

var errHelp = errors.New("help was asked for")

// parseLogOptions accepts flags before and after the folder.
func parseLogOptions(args []string) (logOptions, error) {
	var o logOptions
	f := flag.NewFlagSet("log", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.keyFile, "key", "", "")
	f.StringVar(&o.vkey, "vkey", "", "")
	f.StringVar(&o.checkpoint, "checkpoint", "", "")
	f.BoolVar(&o.print, "print", false, "")
	for rest := args; ; {
		if err := f.Parse(rest); errors.Is(err, flag.ErrHelp) {
			return o, errHelp
		} else if err != nil {
			return o, usageError{err}
		}
		if f.NArg() == 0 {
			break
		}
		if o.dir != "" {
			return o, usagef("log takes one folder, not %q and %q", o.dir, f.Arg(0))
		}
		o.dir = f.Arg(0)
		rest = f.Args()[1:]
	}
	if o.dir == "" {
		return o, usagef("log needs the folder of the log")
	}
	if o.keyFile != "" && o.vkey != "" {
		return o, usagef("--key and --vkey exclude each other")
	}
	if info, err := os.Stat(o.dir); err != nil {
		return o, usageError{err}
	} else if !info.IsDir() {
		return o, usagef("%s is not a folder", o.dir)
	}
	return o, nil
}

// anchors are what the auditor brought along; each may be nil.
type anchors struct {
	verifier note.Verifier
	older    *tlog.Checkpoint
}

func readAnchors(o logOptions) (anchors, error) {
	var a anchors
	text := o.vkey
	if o.keyFile != "" {
		b, err := readSmall(o.keyFile)
		if err != nil {
			return a, err
		}
		text = string(b)
	}
	if text != "" {
		v, err := tlog.ParseVerifier(text)
		if err != nil {
			return a, usageError{err}
		}
		a.verifier = v
	}
	if o.checkpoint == "" {
		return a, nil
	}
	b, err := readSmall(o.checkpoint)
	if err != nil {
		return a, err
	}
	open := tlog.ParseCheckpoint
	if a.verifier != nil {
		open = func(msg []byte) (tlog.Checkpoint, error) { return tlog.OpenCheckpoint(msg, a.verifier) }
	}
	c, err := open(b)
	if err != nil {
		return a, usagef("%s: %w", o.checkpoint, err)
	}
	a.older = &c
	return a, nil
}

// readSmall reads a file that should be a few lines.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usageError{err}
	}
	defer f.Close() //nolint:errcheck // read only
	const limit = 1 << 20
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, usageError{err}
	}
	if len(b) == 0 || len(b) > limit {
		return nil, usagef("%s: neither a key nor a checkpoint", path)
	}
	return b, nil
}

func verifyLog(ctx context.Context, o logOptions, stdout io.Writer) (err error) {
	a, err := readAnchors(o)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(stdout)
	defer func() { err = errors.Join(err, out.Flush()) }()
	opts := tlog.VerifyOptions{Anchor: a.older}
	if a.verifier != nil {
		opts.Origin = a.verifier.Name()
	}
	if o.print {
		opts.Each = func(i int64, record []byte) error {
			_, err := fmt.Fprintf(out, "%d\t%s\n", i, printable(record))
			return err
		}
	}
	dir := tlog.DirStore(o.dir)
	report, err := tlog.Verify(ctx, dir, a.verifier, opts)
	if err != nil {
		return err
	}
	strays, err := dir.Strays(ctx, report.Checkpoint.Size)
	if err != nil {
		return err
	}
	return conclude(out, o, a, report, strays)
}

// conclude says what was proved, what was not, and what lies about.
func conclude(out io.Writer, o logOptions, a anchors, r tlog.Report, strays []tlog.Stray) error {
	c := r.Checkpoint
	for _, s := range strays {
		fmt.Fprintf(out, "note: %s: %s\n", strconv.Quote(s.Name), s.Reason)
	}
	fmt.Fprintf(out, "log %s: %d records, root %s\n", strconv.Quote(c.Origin), c.Size, c.Root)
	if a.verifier != nil {
		fmt.Fprintf(out, "OK: all %d records are under the signature of the key %s+%08x\n", c.Size, a.verifier.Name(), a.verifier.KeyHash())
	}
	if a.older != nil {
		fmt.Fprintf(out, "OK: the first %d records are those of the checkpoint %s\n", a.older.Size, o.checkpoint)
	}
	if a.verifier != nil {
		return nil
	}
	for _, k := range c.Keys {
		fmt.Fprintf(out, "the checkpoint claims the key %s; no key was given, so its signature was not checked\n", strconv.Quote(k.String()))
	}
	if a.older == nil {
		fmt.Fprintln(out, errUnproven)
		return errUnproven
	}
	if a.older.Size < c.Size {
		fmt.Fprintf(out, "unproven: records %d to %d only follow consistently on the proven ones\n", a.older.Size, c.Size-1)
	}
	return nil
}

// printable shows a record; one with characters that could play tricks on a
// terminal is shown as a quoted Go string.
func printable(record []byte) string {
	s := string(record)
	if !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
