package backup

import (
	"context"
	"path"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Terms are what decides which records a point has, how long it is kept and how
// it is locked.
type Terms struct {
	// Source is recorded in the point.
	Source vault.SourceRecord
	Policy policy.Policy
	Zone   *time.Location
	// Classes are the record classes of the source, by id.
	Classes map[string]policy.Class
	Bounds  retention.Bounds
	// Known is the number of the last point that the catalog knows, 0 for none,
	// and KnownDigest the digest of its manifest.
	Known       uint64
	KnownDigest [32]byte
	// Events and Holds are those recorded in the vault.
	Events []retention.Event
	Holds  []hold.Hold
	// History are the earlier points of the source, oldest first.
	History []retention.PastPoint
	// Trial marks the point as one of a trial vault.
	Trial bool
	// Lock is the mode in which objects are locked.
	Lock blob.Mode
	// LockBase dates locks in a vault with a maximum; nil is the receipt time.
	LockBase func(maximum calendar.Period) time.Time
}

// renew reads the terms again: since the run began, or its remnants were looked
// for, hours may have passed, and the point gets what is in force now.
func (a *assembler) renew(ctx context.Context) error {
	if a.r.Again == nil {
		return nil
	}
	terms, err := a.r.Again(ctx)
	if err != nil {
		return err
	}
	a.r.Terms = terms
	next := newClassCount(a.r)
	if slices.Equal(next.rules, a.classes.rules) {
		a.classes.classes = next.classes
		return nil
	}
	a.classes = next
	reader, err := a.session.Reader(ctx)
	if err != nil {
		return err
	}
	root, err := reader.Root(ctx, a.rootDigest)
	if err != nil {
		return err
	}
	return a.recount(ctx, reader, "", root)
}

// recount goes through a folder of the new point for the records it has.
func (a *assembler) recount(ctx context.Context, reader *vault.Reader, folder string, at vault.Entry) error {
	if !a.classes.below(folder) {
		return nil
	}
	var below []vault.Entry
	err := reader.ReadDir(ctx, *at.Tree, nil, func(e vault.Entry) error {
		if e.Kind == vault.Regular {
			a.classes.add(path.Join(folder, string(e.Name)), e.Size)
		}
		if e.Kind == vault.Dir {
			below = append(below, e)
		}
		return nil
	})
	for i := 0; err == nil && i < len(below); i++ {
		err = a.recount(ctx, reader, path.Join(folder, string(below[i].Name)), below[i])
	}
	return err
}
