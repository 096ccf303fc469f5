package vault

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/gc"
	"github.com/counterfoil/counterfoil/internal/vault/inventory"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/records"
)

// KnownPoint is a point that the catalog knows.
type KnownPoint struct {
	Object string
	Digest Digest
}

// GCOptions say what is garbage.
type GCOptions struct {
	// Known are the points that the catalog knows to be in the vault. Unless they
	// are those in the store, nothing is collected.
	Known []KnownPoint
	// RepackBelow is the share of a pack, by bytes, under which what is needed of
	// it is copied; 0 means [RepackBelow], a negative one never.
	RepackBelow float64
	// Lock is the mode in which objects are locked; blob.NoLock on a trial vault.
	Lock blob.Mode
}

// RepackBelow is the usual share under which packs are repacked.
const RepackBelow = 0.25

// GCPlan is what a garbage collection would do. It changes nothing.
type GCPlan struct {
	// Steps has one for every pack, the kept ones too, by object name.
	Steps []gc.Step
	// Stale are hints that newer ones of their source have replaced, and what is left of
	// removed points.
	Stale []blob.Info
	// Points is the number of points whose needs were looked at.
	Points int
	// Missing counts chunks that points need and no pack in the store is known to
	// hold; one may count more than once.
	Missing int64
	// Record is the number of the last governance record taken into account.
	Record uint64
	// Digest names what is to be done: two plans with the same one do the same.
	Digest Digest
}

// Bytes adds up the size of the packs that are to be treated so.
func (p *GCPlan) Bytes(a gc.Action) (packs int, size int64) {
	for _, s := range p.Steps {
		if s.Action == a {
			packs++
			size += s.Size
		}
	}
	return packs, size
}

// Nothing reports whether there is nothing to do.
func (p *GCPlan) Nothing() bool {
	return len(p.Stale) == 0 && !slices.ContainsFunc(p.Steps, func(s gc.Step) bool { return s.Action != gc.Keep })
}

// PlanGC finds out what points need, and plans what becomes of the rest. It
// fails, and nothing is planned, when anything is in doubt: a point, a record or a tree
// that cannot be read, or points that the catalog knows otherwise.
func (v *Vault) PlanGC(ctx context.Context, o GCOptions) (*GCPlan, error) {
	run, err := v.collect(ctx, o)
	if err != nil {
		return nil, err
	}
	return run.plan, nil
}

// collection is a plan with what it came from.
type collection struct {
	v      *Vault
	opts   GCOptions
	ledger *records.Ledger
	set    *inventory.Set
	needs  needs
	marks  *marker
	facts  map[pack.Name]*gc.Pack
	now    time.Time
	plan   *GCPlan
}

func (v *Vault) collect(ctx context.Context, o GCOptions) (*collection, error) {
	c := &collection{v: v, opts: o, facts: map[pack.Name]*gc.Pack{}, now: v.store.Now(), plan: &GCPlan{}}
	if err := v.CheckOwner(ctx); err != nil {
		return nil, err
	}
	var err error
	if c.ledger, err = v.records.Ledger(ctx); err != nil {
		return nil, errkind.Wrap(errkind.Of(err), err, "garbage is not collected while a governance record cannot be read")
	}
	// Sessions are asked before the packs are listed: what one stores between is
	// not listed yet, or known to be its own.
	held, oldest := v.openSessions()
	if c.needs, err = v.live(ctx, c.ledger, o.Known); err != nil {
		return nil, err
	}
	if c.set, err = v.packs.Read(ctx); err != nil {
		return nil, err
	}
	again, older := v.openSessions()
	for n := range again {
		held[n] = true
	}
	if err := c.mark(ctx); err != nil {
		return nil, err
	}
	if err := c.weigh(ctx, held); err != nil {
		return nil, err
	}
	return c, c.decide(ctx, min(oldest, older))
}

// openSessions gives the packs that open sessions stored or count on, and the
// last governance record when the oldest of them began.
func (v *Vault) openSessions() (held map[pack.Name]bool, oldest uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	held, oldest = map[pack.Name]bool{}, gc.NoSession
	for s, began := range v.sessions {
		s.counts(held)
		oldest = min(oldest, began)
	}
	return held, oldest
}

func (c *collection) mark(ctx context.Context) error {
	c.marks = c.v.newMarker(c.set)
	for _, p := range c.needs.points {
		if err := c.marks.point(ctx, p.root); err != nil {
			return errkind.Wrap(errkind.Of(err), err, "garbage is not collected while the tree of point %s cannot be read", p.id)
		}
	}
	return nil
}

// weigh collects the facts about every pack.
func (c *collection) weigh(ctx context.Context, held map[pack.Name]bool) error {
	err := c.v.store.Bucket.List(ctx, objects.PacksPrefix, func(i blob.Info) error {
		_, n, ok := pack.ParseObject(i.Name)
		if !ok {
			return nil // not ours to judge
		}
		f := &gc.Pack{Object: i.Name, Size: i.Size, Whole: c.set.State(n)&inventory.Healthy != 0, Held: held[n], Condemned: c.ledger.Condemned[n]}
		if c.set.State(n)&inventory.Present == 0 {
			f.Held = true // stored since
		}
		if i.Lock.Mode != blob.NoLock {
			f.LockedUntil = i.Lock.Until
		}
		c.facts[n] = f
		return nil
	})
	if err != nil {
		return err
	}
	for n := range c.needs.listed {
		if f := c.facts[n]; f != nil {
			f.Listed = true
		}
	}
	if err := c.marks.count(ctx, c.facts, c.better); err != nil {
		return err
	}
	c.plan.Missing = c.marks.missing
	return c.set.Err()
}

func (c *collection) better(a, b *gc.Pack) bool { return gc.Better(*a, *b, c.now) }

func (c *collection) decide(ctx context.Context, oldest uint64) error {
	below := c.opts.RepackBelow
	if below == 0 {
		below = RepackBelow
	}
	facts := gc.Facts{Now: c.now, OldestSession: oldest, RepackBelow: below, Missing: c.plan.Missing > 0}
	for _, f := range c.facts {
		facts.Packs = append(facts.Packs, *f)
	}
	c.plan.Steps = gc.Decide(facts)
	c.plan.Points, c.plan.Record = len(c.needs.points), c.ledger.Last.Number
	var err error
	if c.plan.Stale, err = c.stale(ctx); err != nil {
		return err
	}
	c.plan.Digest, err = c.plan.digest(c.v.ID())
	return err
}

// stale finds hints that newer ones have replaced, and the remains and hints of
// removed points, unless a lock holds.
func (c *collection) stale(ctx context.Context) ([]blob.Info, error) {
	newest := map[SourceID]uint64{}
	for _, p := range c.needs.points {
		newest[p.source] = max(newest[p.source], p.number)
	}
	var out []blob.Info
	for _, prefix := range []string{objects.HintPrefix, objects.PointPrefix} {
		err := c.v.store.Bucket.List(ctx, prefix, func(i blob.Info) error {
			if i.Lock.Holds(c.now) || !c.isStale(i.Name, newest) {
				return nil
			}
			out = append(out, i)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b blob.Info) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func (c *collection) isStale(name string, newest map[SourceID]uint64) bool {
	if rest, ok := strings.CutPrefix(name, objects.HintPrefix); ok {
		id, _, _ := strings.Cut(rest, "-")
		source, err := ParseSourceID(id)
		if err != nil {
			return false
		}
		n, ok := objects.HintNumber(rest, source)
		_, removed := c.ledger.Removed[records.PointKey{Source: source, Number: n}]
		return ok && (removed || n < newest[source])
	}
	return c.ledger.Has(name)
}

func (p *GCPlan) digest(vault ID) (Digest, error) {
	var steps []string
	for _, s := range p.Steps {
		if s.Action != gc.Keep {
			steps = append(steps, string(s.Action)+" "+s.Object+" "+string(s.Reason))
		}
	}
	for _, i := range p.Stale {
		steps = append(steps, "stale "+i.Name)
	}
	data, err := canon.Marshal(struct {
		_     struct{} `cbor:",toarray"`
		Vault ID
		Steps []string
	}{Vault: vault, Steps: steps})
	return sha256.Sum256(data), err
}
