package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
)

// The exit codes, part of the interface.
const (
	exitOK       = 0 // proven against a trust anchor
	exitDamaged  = 1 // something is wrong, or could not be read
	exitUsage    = 2 // the command line, or a file named in it, is no use
	exitUnproven = 3 // consistent, but no trust anchor was given
)

const help = `counterfoil-verify checks offline what Counterfoil wrote.

Usage:
  counterfoil-verify log DIR [--key FILE | --vkey KEY] [--checkpoint FILE] [--print]
  counterfoil-verify proof FILE [--root HEX]
  counterfoil-verify version
  counterfoil-verify help

log checks an audit log, a folder in the C2SP tlog-tiles form: every record,
every hash, the checkpoint. What it can prove depends on what you kept
beforehand, from a source other than DIR:
  --key FILE         the log's public key (one line, name+hash+key)
  --vkey KEY         the same, on the command line
  --checkpoint FILE  a checkpoint of this log from an earlier day
  --print            print the records too, each as: index, tab, record

proof checks a retention proof, as 'counterfoil vault proof --output json' writes
it: that its root and its earliest lock are those of its objects, and with --root
that it is the proof you were told of. Compare the objects with the store's own
inventory: until then the proof is the vault's word.

Example:
  counterfoil-verify log /srv/audit --key auditors-copy-of-log.pub

Exit codes: 0 proven; 1 damaged, rewritten or unreadable, the first bad tile or
record is named; 2 usage; 3 consistent, origin unproven (no anchor was given).
`

// usageError is a mistake on the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// errUnproven ends a verification that found nothing wrong and proved nothing.
var errUnproven = errors.New("consistent, origin unproven")

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, stdout)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUnproven):
		return exitUnproven
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "counterfoil-verify: %v\ntry: counterfoil-verify help\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "counterfoil-verify: NOT VERIFIED: %v\n", err)
		return exitDamaged
	}
}

func dispatch(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return usagef("no command given")
	}
	switch args[0] {
	case "log":
		opts, err := parseLogOptions(args[1:])
		if errors.Is(err, errHelp) {
			return write(stdout, help)
		}
		if err != nil {
			return err
		}
		return verifyLog(ctx, opts, stdout)
	case "proof":
		file, root, err := parseProofOptions(args[1:])
		if errors.Is(err, errHelp) {
			return write(stdout, help)
		}
		if err != nil {
			return err
		}
		return verifyProof(file, root, stdout)
	case "version", "--version":
		return write(stdout, "counterfoil-verify "+version()+"\n")
	case "help", "--help", "-h":
		return write(stdout, help)
	}
	return usagef("no command is called %q", args[0])
}

func write(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// version is what the Go toolchain stamped into the binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value
		}
		if s.Key == "vcs.modified" && s.Value == "true" {
			v += " (modified)"
		}
	}
	return v + " " + info.GoVersion
}
