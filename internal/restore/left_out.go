package restore

import (
	"context"
	"slices"

	"github.com/counterfoil/counterfoil/internal/erasure"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// LeftOut counts what erasures kept from being restored.
type LeftOut struct {
	// Entries counts objects of every kind, Files the names of regular files
	// among them, Bytes the logical length of those.
	Entries int64 `json:"entries"`
	Files   int64 `json:"files"`
	Bytes   int64 `json:"bytes"`
	// Erasures are the ids of those that left anything out, ascending.
	Erasures []string `json:"erasures,omitempty"`
}

// leaveOut counts an erased entry and, of a folder, everything wanted below it.
// Nothing of it is written; that part of it may be damaged changes nothing.
func (j *job) leaveOut(ctx context.Context, path string, e vault.Entry, s *selection, by erasure.Erasure) error {
	w := walk{
		reader: j.reader,
		enter: func(string, vault.Entry, *selection) (bool, error) {
			j.tally.leftOut(vault.Entry{}, by.ID)
			return true, nil
		},
		entry: func(_ string, e vault.Entry) error {
			j.tally.leftOut(e, by.ID)
			if e.Kind == vault.Regular {
				j.tally.advance(e.Size, 1, 0)
			}
			return nil
		},
		lost: func(string, error) {},
	}
	return w.child(ctx, path, e, s)
}

// leftOut counts an entry that an erasure left out.
func (t *tally) leftOut(e vault.Entry, by string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := &t.report.LeftOut
	l.Entries++
	if e.Kind == vault.Regular {
		l.Files++
		l.Bytes += e.Size
	}
	if at, found := slices.BinarySearch(l.Erasures, by); !found {
		l.Erasures = slices.Insert(l.Erasures, at, by)
	}
}
