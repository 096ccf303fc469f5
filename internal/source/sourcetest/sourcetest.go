// Package sourcetest helps to test what reads and restores files: it makes a
// tree with every nasty thing a file system can hold, records what a
// [source.Reader] tells, and compares trees by a judge of its own, rsync.
package sourcetest

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Item is one entry as a walk reported it.
type Item struct {
	Path  string
	Entry vault.Entry
	Hint  source.Hint
	Open  func() (source.File, error)
}

// Recording is all that a walk reported. It is a [source.Visitor].
type Recording struct {
	// Calls lists every call in order: "enter p", "entry p", "leave p",
	// "problem op p", "excluded p (rule)".
	Calls    []string
	Items    []Item // directories and entries in walk order
	Problems []source.Problem
	Excludes map[string]string // path to rule
	// OnEntry, if set, is called with every item's path as it is reported.
	OnEntry func(path string)
}

// Record walks a reader to its end.
func Record(t testing.TB, r source.Reader) *Recording {
	t.Helper()
	rec := &Recording{}
	if err := r.Walk(context.Background(), rec); err != nil {
		t.Fatalf("walk: %v", err)
	}
	return rec
}

// Find gives the item at path; the test ends if there is none.
func (r *Recording) Find(t testing.TB, path string) Item {
	t.Helper()
	for _, it := range r.Items {
		if it.Path == path {
			return it
		}
	}
	t.Fatalf("no entry %q in the walk", path)
	return Item{}
}

// Paths lists the paths of all items in walk order.
func (r *Recording) Paths() []string {
	var out []string
	for _, it := range r.Items {
		out = append(out, it.Path)
	}
	return out
}

// EnterDir implements [source.Visitor].
func (r *Recording) EnterDir(path string, e vault.Entry, h source.Hint) error {
	r.add("enter", Item{Path: path, Entry: e, Hint: h})
	return nil
}

// Entry implements [source.Visitor].
func (r *Recording) Entry(path string, e vault.Entry, h source.Hint, open func() (source.File, error)) error {
	r.add("entry", Item{Path: path, Entry: e, Hint: h, Open: open})
	return nil
}

func (r *Recording) add(call string, it Item) {
	r.Calls = append(r.Calls, call+" "+it.Path)
	r.Items = append(r.Items, it)
	if r.OnEntry != nil {
		r.OnEntry(it.Path)
	}
}

// LeaveDir implements [source.Visitor].
func (r *Recording) LeaveDir(path string) error {
	r.Calls = append(r.Calls, "leave "+path)
	return nil
}

// Problem implements [source.Visitor].
func (r *Recording) Problem(p source.Problem) error {
	r.Calls = append(r.Calls, "problem "+p.Op+" "+p.Path)
	r.Problems = append(r.Problems, p)
	return nil
}

// Excluded implements [source.Visitor].
func (r *Recording) Excluded(path, rule string) error {
	r.Calls = append(r.Calls, fmt.Sprintf("excluded %s (%s)", path, rule))
	if r.Excludes == nil {
		r.Excludes = map[string]string{}
	}
	r.Excludes[path] = rule
	return nil
}

// Compare says what rsync finds different between two trees, "" for nothing:
// names, contents, links, owners, modes, times, ACLs, extended attributes,
// devices. It skips the test where rsync is not installed.
func Compare(t testing.TB, src, dst string) string {
	t.Helper()
	if _, err := exec.LookPath("rsync"); err != nil {
		t.Skip("rsync, which judges the result, is not installed")
	}
	cmd := exec.Command("rsync", "-aHAXn", "--checksum", "--delete", "--itemize-changes", src+"/", dst+"/")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("rsync: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}
