package backup

import (
	"context"
	"sort"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// commit makes the point of what was walked.
func (a *assembler) commit(ctx context.Context, g access.Grant, started, received time.Time) (Result, error) {
	stats := a.session.Stats()
	made, err := a.r.commit(ctx, g, a.session, a.r.Trigger, a.classes.found(), vault.Draft{
		Root: a.rootDigest, Started: vault.StampOf(started), Received: vault.StampOf(received), Complete: a.problemN == 0, Size: a.bytes, Entries: a.entries, Hints: &a.hints, Body: a.body(stats),
	})
	if err != nil {
		return Result{}, err
	}
	return Result{Made: made, New: stats.New.Load(), Stored: stats.Stored.Load(), Files: a.files, Dirs: a.dirs, Unchanged: a.unchanged}, nil
}

// commit asks the rules how long a draft is kept, and makes the point.
func (r *Request) commit(ctx context.Context, g access.Grant, s *vault.Session, trigger retention.Trigger, found []retention.FoundClass, d vault.Draft) (Made, error) {
	received := d.Received.Time()
	in := retention.AssignInput{
		Source: r.Source.ID.String(), Policy: r.Policy, Zone: r.Zone, ReceivedAt: received, SourceCreatedAt: r.Source.Created.Time(),
		Trigger: trigger, Complete: d.Complete, Entries: d.Entries, Bytes: d.Size, History: r.History, Classes: found, Events: r.Events, Holds: r.Holds, Bounds: r.Bounds,
	}
	assigned := retention.Assign(in)
	base := received
	if r.LockBase != nil {
		base = r.LockBase(r.Bounds.Max)
	}
	lock := retention.LockFor(base, received, assigned.RetainUntil, r.Bounds.Max)
	d.Source, d.Trial, d.Known, d.KnownDigest = r.Source.ID, r.Trial, r.Known, r.KnownDigest
	d.Lock, d.LockUntil, d.OwnLockUntil = r.Lock, vault.StampOf(lock.Target), vault.StampOf(lock.Exact)
	d.Term, d.RetainUntil = term(assigned.Computed)
	d.Body.Source, d.Body.Host, d.Body.Version = r.Source, r.Host, r.Version
	d.Body.Retention = facts(in, assigned)
	for _, w := range assigned.Warnings {
		d.Body.Warnings = append(d.Body.Warnings, w.Text)
	}
	p, err := s.Commit(ctx, g, d)
	return Made{Point: p, Assignment: assigned, Lock: lock}, err
}

// facts are what the point says of its retention.
func facts(in retention.AssignInput, assigned retention.Assignment) retention.PointFacts {
	f := retention.PointFacts{
		Source: in.Source, Complete: in.Complete, Trigger: in.Trigger, Tags: assigned.Tags, Computed: assigned.Computed,
		Reasons: assigned.Reasons, Pending: assigned.Pending, Policy: in.Policy.Name, PolicyVersion: in.Policy.Version,
	}
	for _, c := range in.Classes {
		f.Classes = append(f.Classes, c.Class.ID)
	}
	return f
}

func term(u retention.Until) (vault.Term, *vault.Stamp) {
	until := vault.StampOf(u.Time)
	switch {
	case u.Unlimited:
		return vault.UnlimitedTerm, nil
	case u.OpenEnded:
		return vault.OpenEnded, &until
	default:
		return vault.Fixed, &until
	}
}

func (a *assembler) body(stats *vault.SessionStats) vault.Body {
	return vault.Body{
		Classes: a.classes.points(), Problems: a.sortedProblems(), ProblemCount: a.problemN,
		Fuzzy: a.fuzzy, FuzzyCount: a.fuzzyN, Excluded: a.excluded, Warnings: a.warnings,
		Statistics: map[string]int64{
			"files": a.files, "dirs": a.dirs, "entries": a.entries, "bytes": a.bytes, "unchanged": a.unchanged,
			"read": stats.Read.Load(), "new": stats.New.Load(), "stored": stats.Stored.Load(),
		},
	}
}

// sortedProblems gives the problems that are listed, by path.
func (a *assembler) sortedProblems() []vault.PointProblem {
	sort.Slice(a.problems, func(i, j int) bool { return string(a.problems[i].Path) < string(a.problems[j].Path) })
	return a.problems
}

// classCount finds out which record classes the point has records of.
type classCount struct {
	rules   []policy.ClassRule
	classes map[string]policy.Class
	counts  map[policy.ClassRule]*vault.PointClass
}

func newClassCount(r *Request) classCount {
	c := classCount{classes: r.Classes, counts: map[policy.ClassRule]*vault.PointClass{}}
	c.rules = append(c.rules, r.Policy.Classes...)
	for _, x := range r.Source.Classes {
		c.rules = append(c.rules, policy.ClassRule{Class: x.Class, Path: x.Path, CarriedBy: policy.Carrier(x.CarriedBy)})
	}
	return c
}

func (c *classCount) add(path string, size int64) {
	for _, rule := range c.rules {
		if !policy.MatchPath(rule.Path, path) {
			continue
		}
		n := c.counts[rule]
		if n == nil {
			n = &vault.PointClass{Class: rule.Class, Path: rule.Path}
			c.counts[rule] = n
		}
		n.Files++
		n.Bytes += size
	}
}

func (c *classCount) found() []retention.FoundClass {
	var out []retention.FoundClass
	for _, rule := range c.rules {
		class, ok := c.classes[rule.Class]
		if c.counts[rule] == nil || !ok {
			continue
		}
		out = append(out, retention.FoundClass{Class: class, CarriedBy: rule.Carrier(), Paths: []string{rule.Path}, Beyond: rule.BeyondMaximum})
	}
	return out
}

func (c *classCount) points() []vault.PointClass {
	var out []vault.PointClass
	for _, rule := range c.rules {
		if n := c.counts[rule]; n != nil {
			out = append(out, *n)
		}
	}
	return out
}
