package backup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func isRemnant(p vault.Point) bool { return p.Body.Retention.Trigger == retention.Remnant }

// isDamage reports whether something of the vault is damaged or missing, rather
// than out of reach for now.
func isDamage(err error) bool {
	return errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound)
}

// keepError says why records that are gone could not be kept. Then there is no
// point either: with one they would be forgotten.
func keepError(source string, err error) error {
	if isDamage(err) {
		return fmt.Errorf("keep records that are gone from source %q: %w; what 'vault verify' finds damaged is left out by the next backup", source, err)
	}
	return fmt.Errorf("keep records that are gone from source %q: %w", source, err)
}

// keeper makes the remnants of one run.
type keeper struct {
	a      *assembler
	grant  access.Grant
	reader *vault.Reader
	// past are the earlier points as the rules know them, by id.
	past map[string]retention.PastPoint
	// kept are the remnants since the last state of the source: those of a run
	// that stopped before its point.
	kept []vault.Point
	// within is where it is still open what became of records, unread where the
	// new point does not tell.
	within, unread region
	made           []Made
}

// keepGone makes remnants of the records that earlier points have and the one
// about to be made has not. The last point of the source is compared as a whole;
// for what that one could not read, those before it. A deleted point is compared
// as long as it was not disposed of: until then it can be brought back, and its
// records need a carrier when it is.
//
// The remnants come before the point: a run that stops in between leaves the
// earlier point the last one, with which the next run compares again.
func (a *assembler) keepGone(ctx context.Context, g access.Grant) ([]Made, error) {
	if !a.classes.carriedBelow("") {
		return nil, nil
	}
	listed := vault.Body{Problems: slices.Clone(a.sortedProblems())}
	listed.Fit() // what the point will not tell of is taken for gone now, since no later run could
	k := &keeper{a: a, grant: g, within: newRegion(""), unread: unread(listed.Problems), past: map[string]retention.PastPoint{}}
	for _, p := range a.r.History {
		k.past[p.ID] = p
	}
	var failed error
	err := a.r.Vault.EachPoint(ctx, a.r.Source.ID, func(p vault.Point) bool {
		failed = k.compare(ctx, p)
		return failed == nil && !k.within.empty()
	})
	if failed != nil {
		err = failed
	}
	return k.made, err
}

// compare makes the remnant that one earlier point asks for, and notes where
// those before it must be looked at too.
func (k *keeper) compare(ctx context.Context, p vault.Point) error {
	known := k.past[p.Envelope.ID.String()]
	switch {
	case known.Disposed:
		return nil
	case isRemnant(p):
		if !known.Deleted && known.Verified != retention.Failed {
			k.kept = append(k.kept, p)
		}
		return nil
	case p.Envelope.Root == k.a.rootDigest: // nothing is gone
		k.next(p, nil)
		return nil
	}
	if k.reader == nil {
		var err error
		if k.reader, err = k.a.session.Reader(ctx); err != nil {
			return err
		}
	}
	broken := map[string]bool{}
	tell := func(path string, err error) {
		if !broken[path] {
			broken[path] = true
			k.warn("folder %q of point %s cannot be read (%v): which records are gone from it is looked up in earlier points", path, p.Envelope.ID, err)
		}
	}
	if _, err := k.reader.Root(ctx, p.Envelope.Root); isDamage(err) {
		tell("", err)
		return nil
	} else if err != nil {
		return err
	}
	c := comparison{reader: k.reader, before: p.Envelope.Root, after: k.a.rootDigest, classes: &k.a.classes, within: k.within, unread: k.unread, broken: tell,
		blind: slices.Collect(maps.Keys(unread(p.Body.Problems).tops))}
	if err := k.keep(ctx, &c, p.Envelope.Started); err != nil {
		return err
	}
	k.next(p, slices.Collect(maps.Keys(broken)))
	return nil
}

// next narrows where earlier points are looked at to what a point does not tell.
func (k *keeper) next(p vault.Point, broken []string) {
	for path := range k.within.meet(unread(p.Body.Problems)).tops {
		if !k.unread.has(path) {
			broken = append(broken, path)
		}
	}
	k.within = newRegion(broken...)
}

func (k *keeper) warn(format string, args ...any) {
	k.a.warnings = append(k.a.warnings, fmt.Sprintf(format, args...))
}

// keep makes a remnant of what a comparison finds gone, if it finds anything.
// began is when the reading of the earlier point began.
func (k *keeper) keep(ctx context.Context, c *comparison, began vault.Stamp) error {
	r := k.a.r
	w := remnant{keeper: k, began: began, classes: newClassCount(r)}
	defer w.abort()
	if err := c.run(ctx, func(x vault.Change) { w.tree.enter(x) }, func(x vault.Change) error { return w.add(ctx, x) }); err != nil {
		return err
	}
	if w.problemN > 0 {
		first := w.problems[0]
		k.warn("%d records that are gone from the source could not be kept, the first %q: %s", w.problemN, first.Path, first.Message)
	}
	if w.tree.files == 0 {
		return nil
	}
	root, err := w.tree.finish(ctx)
	if err != nil {
		return err
	}
	found := w.classes.found()
	if w.keptBefore(root, found) {
		return nil
	}
	if err := w.session.Flush(ctx); err != nil {
		return err
	}
	made, err := r.commit(ctx, k.grant, w.session, retention.Remnant, found, w.draft(root))
	if err != nil {
		return err
	}
	k.made = append(k.made, made)
	return nil
}

// remnant is a remnant being made.
type remnant struct {
	*keeper
	// began is when the point was begun of which this keeps the records as they
	// were then: an erasure that concerns that point concerns the remnant.
	began    vault.Stamp
	session  *vault.Session // nil until there is a record
	tree     recordTree
	classes  classCount
	problems []vault.PointProblem
	problemN int64
}

// add takes a record. One that the vault does not have whole any more becomes a
// problem of the remnant.
func (w *remnant) add(ctx context.Context, x vault.Change) error {
	r := w.a.r
	if w.session == nil {
		s, err := r.Vault.OpenSession(ctx, w.grant, vault.SessionOptions{Lock: r.Lock, Workers: 1})
		if err != nil {
			return err
		}
		w.session, w.tree.session = s, s
	}
	known, err := w.session.Known(ctx, x.Before.Content)
	if err != nil && !isDamage(err) {
		return err
	}
	if !known {
		if w.problemN++; len(w.problems) < maxListed {
			w.problems = append(w.problems, vault.PointProblem{Path: []byte(x.Path), Op: "keep", Message: "its content is not whole in the vault"})
		}
		return nil
	}
	w.classes.add(x.Path, x.Before.Size)
	return w.tree.add(ctx, x)
}

func (w *remnant) abort() {
	if w.session != nil {
		w.session.Abort() // does nothing once committed
	}
}

// keptBefore reports whether a run that stopped before its point has made the
// same remnant already.
func (w *remnant) keptBefore(root vault.Digest, found []retention.FoundClass) bool {
	var ids []string
	for _, f := range found {
		ids = append(ids, f.Class.ID)
	}
	return slices.ContainsFunc(w.kept, func(p vault.Point) bool {
		return p.Envelope.Root == root && p.Envelope.Complete && slices.Equal(p.Body.Retention.Classes, ids)
	})
}

func (w *remnant) draft(root vault.Digest) vault.Draft {
	t, stats := &w.tree, w.session.Stats()
	entries := t.files + t.dirs
	return vault.Draft{
		Root: root, Started: w.began, Received: vault.StampOf(w.a.r.Receipt()), Complete: w.problemN == 0, Size: t.bytes, Entries: entries,
		Body: vault.Body{
			Classes: w.classes.points(), Problems: w.problems, ProblemCount: w.problemN,
			Statistics: map[string]int64{
				"files": t.files, "dirs": t.dirs, "entries": entries, "bytes": t.bytes, "unchanged": t.files,
				"read": stats.Read.Load(), "new": stats.New.Load(), "stored": stats.Stored.Load(),
			},
		},
	}
}

// Sentence says what a remnant keeps, and how long.
func (m Made) Sentence() string {
	var ids []string
	for _, c := range m.Point.Body.Classes {
		ids = append(ids, c.Class)
	}
	slices.Sort(ids)
	until := "until " + m.Assignment.RetainUntil.String()
	if m.Assignment.RetainUntil.Endless() {
		until = "without an end for now"
	}
	return fmt.Sprintf("records of class %s are gone from the source: remnant point %s keeps them (files: %d) %s",
		strings.Join(slices.Compact(ids), ", "), strings.ToUpper(m.Point.Envelope.ID.String()), m.Point.Body.Statistics["files"], until)
}
