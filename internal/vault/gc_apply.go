package vault

import (
	"context"
	"slices"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/gc"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/inventory"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// GCResult is what a garbage collection did.
type GCResult struct {
	// Condemned, Deleted, Repacked and Released count packs.
	Condemned, Deleted, Repacked, Released int
	// Freed is the size of what was deleted, Copied of the packs written, in bytes.
	Freed, Copied int64
	// Stale counts the hints and remains of points that were deleted.
	Stale int
}

const (
	// gcBatch is how many objects are deleted between two looks at who owns the
	// vault, gcNames how many packs one record names.
	gcBatch = 100
	gcNames = 10_000
)

// ApplyGC does what a plan with that digest says, after planning again: when
// the vault has changed since, it fails with errkind.Busy and does nothing.
// Wherever it stops, every point is whole, and the next plan goes on from there.
//
// Order: condemnations are taken back, what is needed of packs to be emptied is
// copied and recorded, packs are condemned by a record, and those that an earlier run
// condemned are deleted.
func (v *Vault) ApplyGC(ctx context.Context, g access.Grant, o GCOptions, digest Digest) (GCResult, error) {
	var out GCResult
	if err := g.Require(access.PackDelete); err != nil {
		return out, err
	}
	// Two at once could condemn what the other has just copied to.
	if !v.collecting.TryLock() {
		return out, errkind.New(errkind.Busy, "garbage of this vault is being collected already: wait for it to end")
	}
	defer v.collecting.Unlock()
	c, err := v.collect(ctx, o)
	if err != nil {
		return out, err
	}
	if c.plan.Digest != digest {
		return out, errkind.New(errkind.Busy, "the vault changed since the plan was made: look at a new plan")
	}
	defer v.packs.Forget()
	for _, step := range []func(context.Context, access.Grant, *GCResult) error{c.release, c.repack, c.condemn, c.delete, c.tidy} {
		if err := step(ctx, g, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// names gives the packs that the plan treats so.
func (c *collection) names(a gc.Action) []pack.Name {
	var out []pack.Name
	for _, s := range c.plan.Steps {
		if s.Action == a {
			_, n, _ := pack.ParseObject(s.Object)
			out = append(out, n)
		}
	}
	return out
}

// record states facts about packs, in records of bounded size.
func (c *collection) record(ctx context.Context, g access.Grant, kind, reason string, names []pack.Name) error {
	for part := range slices.Chunk(names, gcNames) {
		f, err := NewFact(kind, PacksRecord{Names: pack.JoinNames(part), Reason: reason})
		if err != nil {
			return err
		}
		if _, err := c.v.records.Append(ctx, g, f); err != nil {
			return err
		}
	}
	return nil
}

func (c *collection) release(ctx context.Context, g access.Grant, out *GCResult) error {
	names := c.names(gc.Release)
	if err := c.record(ctx, g, FactReleased, string(gc.NeededAgain), names); err != nil {
		return err
	}
	out.Released = len(names)
	return nil
}

// condemn announces the deletion of packs. Commits wait meanwhile, and what a
// session has come to count on since the plan is left out.
func (c *collection) condemn(ctx context.Context, g access.Grant, out *GCResult) error {
	c.v.committing.Lock()
	defer c.v.committing.Unlock()
	if err := c.undisturbed(ctx); err != nil {
		return err
	}
	held, _ := c.v.openSessions()
	names := slices.DeleteFunc(c.names(gc.Condemn), func(n pack.Name) bool { return held[n] })
	if err := c.record(ctx, g, FactCondemned, string(gc.Unneeded), names); err != nil {
		return err
	}
	out.Condemned = len(names)
	return nil
}

// undisturbed makes sure that the points are still those of the plan. The
// caller keeps commits out.
func (c *collection) undisturbed(ctx context.Context) error {
	refs, err := c.v.points.List(ctx)
	if err != nil {
		return err
	}
	planned := map[string]bool{}
	for _, p := range c.needs.points {
		planned[p.object] = true
	}
	for _, r := range refs {
		if !planned[r.Object] && !c.ledger.Has(r.Object) {
			return errkind.New(errkind.Busy, "point %q was made since the plan was made: plan again", r.Object)
		}
		delete(planned, r.Object)
	}
	if len(planned) > 0 {
		return errkind.New(errkind.Busy, "a point was removed since the plan was made: plan again")
	}
	return nil
}

func (c *collection) delete(ctx context.Context, g access.Grant, out *GCResult) error {
	for batch := range slices.Chunk(c.names(gc.Delete), gcBatch) {
		if err := c.v.CheckOwner(ctx); err != nil {
			return err
		}
		done := make([]pack.Name, 0, len(batch))
		failed := c.deleteBatch(ctx, g, batch, func(n pack.Name) {
			done = append(done, n)
			out.Freed += c.facts[n].Size
		})
		if err := c.record(ctx, g, FactCollected, "", done); err != nil {
			return err
		}
		out.Deleted += len(done)
		if failed != nil {
			return failed
		}
	}
	return nil
}

func (c *collection) deleteBatch(ctx context.Context, g access.Grant, batch []pack.Name, done func(pack.Name)) error {
	for _, n := range batch {
		err := c.remove(ctx, g, c.facts[n].Object)
		if err != nil {
			return err
		}
		done(n)
	}
	return nil
}

// remove deletes an object unless a lock holds; one that is gone is no fault.
func (c *collection) remove(ctx context.Context, g access.Grant, object string) error {
	info, err := c.v.store.Bucket.Stat(ctx, object)
	if errkind.Is(err, errkind.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Lock.Holds(c.v.store.Now()) {
		return errkind.New(errkind.Refused, "object %q was locked since the plan was made: plan again", object)
	}
	if err := c.v.store.Bucket.Delete(ctx, g, object); err != nil && !errkind.Is(err, errkind.NotFound) {
		return err
	}
	return nil
}

// tidy deletes what is derived or left over.
func (c *collection) tidy(ctx context.Context, g access.Grant, out *GCResult) error {
	if err := c.v.CheckOwner(ctx); err != nil {
		return err
	}
	for _, i := range c.plan.Stale {
		if err := c.remove(ctx, g, i.Name); err != nil {
			return err
		}
		out.Stale++
		out.Freed += i.Size
	}
	_, merged, err := c.v.MergeIndex(ctx, g)
	out.Stale += merged
	return err
}

// repack copies what packs keep into new ones, and records where it is. The
// emptied packs are condemned by the next run: their placements make them unlisted.
func (c *collection) repack(ctx context.Context, g access.Grant, out *GCResult) error {
	names := c.names(gc.Repack)
	if len(names) == 0 {
		return nil
	}
	emptied := map[pack.Name]bool{}
	for _, n := range names {
		emptied[n] = true
	}
	fresh, err := c.v.copyChunks(ctx, c.opts.Lock, c.set, func(take func(seal.ChunkKind, Digest) error) error {
		return c.kept(ctx, emptied, take)
	})
	if err != nil {
		return err
	}
	for _, info := range fresh {
		out.Copied += info.Size
	}
	if err := c.lockCopies(ctx, g, emptied, fresh); err != nil {
		return err
	}
	facts, err := c.placements(ctx, emptied)
	if err != nil {
		return err
	}
	out.Repacked = len(facts)
	return c.recordPlacements(ctx, g, emptied, facts)
}

// recordPlacements states where what was copied is. A point made, or a session
// that came to count on one of the packs since the plan, may need more of it than was copied.
func (c *collection) recordPlacements(ctx context.Context, g access.Grant, emptied map[pack.Name]bool, facts []Fact) error {
	c.v.committing.Lock()
	defer c.v.committing.Unlock()
	if err := c.undisturbed(ctx); err != nil {
		return err
	}
	held, _ := c.v.openSessions()
	for n := range emptied {
		if held[n] {
			return errkind.New(errkind.Busy, "a backup began to count on pack %s since the plan was made: plan again", n)
		}
	}
	for part := range slices.Chunk(facts, 100) {
		if _, err := c.v.records.Append(ctx, g, part...); err != nil {
			return err
		}
	}
	return nil
}

// kept calls take for every chunk whose keeper is one of the packs.
func (c *collection) kept(ctx context.Context, from map[pack.Name]bool, take func(seal.ChunkKind, Digest) error) error {
	for n := range from {
		p := c.set.Pack(n)
		if p == nil || c.facts[n].Keeps == 0 {
			continue
		}
		frames, err := c.v.packs.ReadDirectory(ctx, p.Kind, c.facts[n].Object, p.Size)
		if err != nil {
			return err
		}
		for i := range frames {
			for j := range frames[i].Lengths {
				d := frames[i].Digest(j)
				id := index.ID(c.v.store.ChunkID(p.Kind, d))
				if c.marks.has(id) && c.marks.keeper(id, c.facts, c.better) == c.facts[n] {
					if err := take(p.Kind, d); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// lockCopies locks the new packs as long as any point that needs the old ones
// is kept.
func (c *collection) lockCopies(ctx context.Context, g access.Grant, emptied map[pack.Name]bool, fresh []pack.Info) error {
	if c.opts.Lock == blob.NoLock || len(fresh) == 0 {
		return nil
	}
	lock := blob.Lock{Mode: c.opts.Lock}
	for n := range emptied {
		if until := c.needs.listed[n]; until.After(lock.Until) {
			lock.Until = until
		}
	}
	if !lock.Holds(c.now) {
		return nil
	}
	for _, info := range fresh {
		if err := c.v.raiseLock(ctx, g, pack.Object(info.Kind, info.Name), lock); err != nil {
			return err
		}
	}
	return nil
}

// placements tells for each emptied pack where what points need of it is, by
// the index as it is now.
func (c *collection) placements(ctx context.Context, emptied map[pack.Name]bool) ([]Fact, error) {
	set, err := c.v.packs.Read(ctx)
	if err != nil {
		return nil, err
	}
	by := map[pack.Name]map[pack.Name]bool{}
	for n := range emptied {
		by[n] = map[pack.Name]bool{}
	}
	err = c.marks.each(ctx, func(id index.ID, p index.Place, marked, present bool) error {
		if !marked || !present || !emptied[p.Pack.Name] {
			return nil
		}
		for _, place := range set.Places(id) {
			if n := place.Pack.Name; !emptied[n] && set.State(n).Usable() {
				by[p.Pack.Name][n] = true
				return nil
			}
		}
		return errkind.New(errkind.Internal, "a chunk of pack %s is in no other pack after it was copied: nothing was recorded", p.Pack.Name)
	})
	if err != nil {
		return nil, err
	}
	var facts []Fact
	for n, in := range by {
		names := make([]pack.Name, 0, len(in))
		for to := range in {
			names = append(names, to)
		}
		f, err := NewFact(FactPlacement, PlacementRecord{Pack: n[:], By: pack.JoinNames(names)})
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	return facts, nil
}

// copyChunks reads chunks and stores them again in new packs, durable and
// indexed when it returns.
func (v *Vault) copyChunks(ctx context.Context, lock blob.Mode, from *inventory.Set, each func(take func(seal.ChunkKind, Digest) error) error) ([]pack.Info, error) {
	s, err := v.openSession(ctx, SessionOptions{Lock: lock})
	if err != nil {
		return nil, err
	}
	defer s.Abort()
	reader := v.reader(from)
	err = each(func(kind seal.ChunkKind, d Digest) error {
		data, err := reader.Any(ctx, kind, d)
		if err != nil {
			return err
		}
		framer := s.framers[0]
		if kind == seal.TreeChunk {
			framer = s.framers[1]
		}
		return framer.put(ctx, d, data)
	})
	if err != nil {
		return nil, err
	}
	if err := s.Flush(ctx); err != nil {
		return nil, err
	}
	if err := s.putSegments(ctx); err != nil {
		return nil, err
	}
	var out []pack.Info
	for n, kind := range s.needed {
		out = append(out, pack.Info{Kind: kind, Name: n})
	}
	for i := range out {
		info, err := v.store.Bucket.Stat(ctx, pack.Object(out[i].Kind, out[i].Name))
		if err != nil {
			return nil, err
		}
		out[i].Size = info.Size
	}
	return out, nil
}
