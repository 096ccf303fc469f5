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

// commit dates the point, asks the rules how long it is kept, and makes it.
func (a *assembler) commit(ctx context.Context, g access.Grant, started time.Time) (Result, error) {
	r := a.r
	received := r.Receipt()
	complete := a.problemN == 0
	found := a.classes.found()
	in := retention.AssignInput{
		Source: r.Source.ID.String(), Policy: r.Policy, Zone: r.Zone, ReceivedAt: received, SourceCreatedAt: r.Source.Created.Time(),
		Trigger: r.Trigger, Complete: complete, Entries: a.entries, Bytes: a.bytes, History: r.History, Classes: found, Events: r.Events, Holds: r.Holds, Bounds: r.Bounds,
	}
	assigned := retention.Assign(in)
	base := received
	if r.LockBase != nil {
		base = r.LockBase()
	}
	lock := retention.LockFor(base, received, assigned.RetainUntil, r.Bounds.Max)
	stats := a.session.Stats()
	draft := vault.Draft{
		Source: r.Source.ID, Root: a.rootDigest, Started: vault.StampOf(started), Received: vault.StampOf(received),
		Complete: complete, Trial: r.Trial, Size: a.bytes, Entries: a.entries, LockUntil: vault.StampOf(lock.Target), OwnLockUntil: vault.StampOf(lock.Exact), Hints: &a.hints, Known: r.Known, KnownDigest: r.KnownDigest,
		Body: a.body(assigned, found, stats),
	}
	draft.Term, draft.RetainUntil = term(assigned.Computed)
	p, err := a.session.Commit(ctx, g, draft)
	if err != nil {
		return Result{}, err
	}
	return Result{Point: p, Assignment: assigned, Lock: lock, New: stats.New.Load(), Stored: stats.Stored.Load(),
		Files: a.files, Dirs: a.dirs, Unchanged: a.unchanged}, nil
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

func (a *assembler) body(assigned retention.Assignment, found []retention.FoundClass, stats *vault.SessionStats) vault.Body {
	r := a.r
	facts := retention.PointFacts{
		Source: r.Source.ID.String(), Complete: a.problemN == 0, Trigger: r.Trigger, Tags: assigned.Tags, Computed: assigned.Computed,
		Reasons: assigned.Reasons, Pending: assigned.Pending, Policy: r.Policy.Name, PolicyVersion: r.Policy.Version,
	}
	for _, c := range found {
		facts.Classes = append(facts.Classes, c.Class.ID)
	}
	body := vault.Body{
		Source: r.Source, Host: r.Host, Retention: facts, Classes: a.classes.points(), Problems: a.problems, ProblemCount: a.problemN,
		Fuzzy: a.fuzzy, FuzzyCount: a.fuzzyN, Excluded: a.excluded, Version: r.Version,
		Statistics: map[string]int64{
			"files": a.files, "dirs": a.dirs, "entries": a.entries, "bytes": a.bytes, "unchanged": a.unchanged,
			"read": stats.Read.Load(), "new": stats.New.Load(), "stored": stats.Stored.Load(),
		},
	}
	for _, w := range assigned.Warnings {
		body.Warnings = append(body.Warnings, w.Text)
	}
	sort.Slice(body.Problems, func(i, j int) bool { return string(body.Problems[i].Path) < string(body.Problems[j].Path) })
	return body
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
		out = append(out, retention.FoundClass{Class: class, CarriedBy: rule.Carrier(), Paths: []string{rule.Path}})
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
