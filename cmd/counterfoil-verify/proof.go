package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/tlog"
)

// proofLimit bounds a proof's file in bytes.
const proofLimit = 1 << 30

// retentionProof is what 'counterfoil vault proof --output json' writes.
type retentionProof struct {
	Vault   string        `json:"vault"`
	Point   string        `json:"point"`
	At      time.Time     `json:"at"`
	Until   time.Time     `json:"until"`
	Mode    string        `json:"mode"`
	Root    string        `json:"root"`
	Objects []proofObject `json:"objects"`
}

type proofObject struct {
	Object  string    `json:"object"`
	Version string    `json:"version"`
	Size    int64     `json:"size"`
	SHA256  string    `json:"sha256"`
	Mode    string    `json:"mode"`
	Until   time.Time `json:"until"`
}

// line is the object's leaf in the proof's tree.
func (o proofObject) line() []byte {
	until := ""
	if !o.Until.IsZero() {
		until = o.Until.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Appendf(nil, "%s\t%s\t%d\t%s\t%s\t%s\n", o.Object, o.Version, o.Size, o.SHA256, o.Mode, until)
}

func parseProofOptions(args []string) (file, root string, err error) {
	f := flag.NewFlagSet("proof", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&root, "root", "", "")
	for rest := args; ; {
		if err := f.Parse(rest); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return "", "", errHelp
			}
			return "", "", usagef("proof: %w", err)
		}
		if f.NArg() == 0 {
			break
		}
		if file != "" {
			return "", "", usagef("proof: %q is one file too many", f.Arg(0))
		}
		file, rest = f.Arg(0), f.Args()[1:]
	}
	if file == "" {
		return "", "", usagef("proof: name the file that 'counterfoil vault proof --output json' wrote")
	}
	return file, root, nil
}

// verifyProof works out a proof's root and its earliest lock from its objects,
// and compares the root with the one that the auditor was given.
func verifyProof(file, root string, stdout io.Writer) error {
	f, err := os.Open(file)
	if err != nil {
		return usagef("proof: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	var p retentionProof
	if err := json.NewDecoder(io.LimitReader(f, proofLimit)).Decode(&p); err != nil {
		return fmt.Errorf("%s is no proof: %w", file, err)
	}
	if err := p.check(); err != nil {
		return err
	}
	text := fmt.Sprintf("vault: %s\npoint: %s\nmade: %s\nobjects: %d\nlocked: until %s at least, in %s mode\nroot: %s\n",
		p.Vault, p.Point, p.At.UTC().Format(time.RFC3339), len(p.Objects), p.Until.UTC().Format(time.RFC3339), p.Mode, p.Root)
	if p.Until.IsZero() {
		text = strings.Replace(text, "locked: until 0001-01-01T00:00:00Z at least, in  mode", "locked: no", 1)
	}
	if err := write(stdout, text); err != nil {
		return err
	}
	switch {
	case root == "":
		return errUnproven
	case !strings.EqualFold(root, p.Root):
		return fmt.Errorf("the proof's root is %s, and not the %s that was given", p.Root, root)
	}
	return nil
}

// check compares what the proof says of itself with its objects.
func (p retentionProof) check() error {
	if len(p.Objects) == 0 {
		return errors.New("the proof lists no object")
	}
	var leaves [][]byte
	last, until, mode := "", p.Objects[0].Until, "compliance"
	for _, o := range p.Objects {
		if o.Object <= last {
			return fmt.Errorf("object %q is out of order or there twice", o.Object)
		}
		last = o.Object
		leaves = append(leaves, o.line())
		if o.Until.Before(until) {
			until = o.Until
		}
		if o.Mode == "governance" && mode != "" || o.Mode == "" {
			mode = o.Mode
		}
	}
	root := tlog.Root(leaves)
	switch {
	case hex.EncodeToString(root[:]) != p.Root:
		return fmt.Errorf("the root of the objects is %x, and the proof says %s: it was changed", root[:], p.Root)
	case mode != p.Mode:
		return fmt.Errorf("the weakest lock is in mode %q, and the proof says %q", mode, p.Mode)
	case mode != "" && !until.Equal(p.Until):
		return fmt.Errorf("the earliest lock ends %s, and the proof says %s", until.Format(time.RFC3339), p.Until.Format(time.RFC3339))
	}
	return nil
}
