// Command minireader restores one recovery point of a vault of format 1. It is written from docs/format/vault-1.md alone and
// shares no code with the engine: where the two disagree, the document or one of them is wrong. It reads everything it
// needs from packs, points, keys and governance records, and never looks into index/.
//
// Usage: minireader VAULT KEYFILE POINT TARGET, where POINT is SOURCE/NUMBER, SOURCE/latest or latest.
//
// It restores files, directories and symbolic links, and prints what it does not make. It exits with 0 when everything it
// read was whole, with 1 when something was not (what is whole is still restored, wrong bytes never), with 2 on bad usage.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: minireader VAULT KEYFILE SOURCE/NUMBER|SOURCE/latest|latest TARGET")
		os.Exit(2)
	}
	r := &reader{root: os.Args[1], out: os.Stdout, errs: os.Stderr}
	if err := r.run(os.Args[2], os.Args[3], os.Args[4]); err != nil {
		r.problem("%v", err)
	}
	if r.problems > 0 {
		os.Exit(1)
	}
}

// reader holds one vault opened with its key.
type reader struct {
	root     string
	out      io.Writer
	errs     io.Writer
	problems int

	vaultID [16]byte
	ring    keyring
	signers map[[16]byte][]byte // trusted key id to public key
	places  map[placeKey][]place
	frames  map[frameKey][]byte
}

// say prints a line about the point. Output that is lost is a problem: somebody may rely on it.
func (r *reader) say(format string, args ...any) {
	if _, err := fmt.Fprintf(r.out, format+"\n", args...); err != nil {
		r.problem("write output: %v", err)
	}
}

// problem reports one thing that is not as it should be; the exit status will say so.
func (r *reader) problem(format string, args ...any) {
	r.problems++
	_, _ = fmt.Fprintf(r.errs, "minireader: "+format+"\n", args...) // the exit status tells the rest
}

func (r *reader) run(keyFile, which, target string) error {
	if err := r.open(keyFile); err != nil {
		return err
	}
	r.checkHeader()
	r.checkOwners()
	r.checkGovernance()
	points := r.readPoints()
	p, err := choose(points, which)
	if err != nil {
		return err
	}
	if err := r.readPacks(); err != nil {
		return err
	}
	r.describe(p)
	if err := makeTarget(target); err != nil {
		return err
	}
	return r.restore(p, target)
}

// makeTarget creates the target folder, or accepts an empty one.
func makeTarget(target string) error {
	if err := os.MkdirAll(target, 0o700); err != nil {
		return err
	}
	names, err := os.ReadDir(target)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return errors.New("target folder is not empty")
	}
	return nil
}
