package vault_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
	"github.com/counterfoil/counterfoil/internal/vault/gc"
)

// collecting gives the options of a collection over a vault whose catalog
// knows every point that is there.
func (f *fixture) collecting(v *vault.Vault, gone ...vault.Point) vault.GCOptions {
	f.t.Helper()
	o := vault.GCOptions{Lock: f.lock}
	refs, err := v.ListPoints(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, r := range refs {
		if slices.ContainsFunc(gone, func(p vault.Point) bool { return p.Object == r.Object }) {
			continue
		}
		p, err := v.ReadPoint(f.t.Context(), r.Object)
		if err != nil {
			f.t.Fatal(err)
		}
		o.Known = append(o.Known, vault.KnownPoint{Object: p.Object, Digest: p.Digest})
	}
	return o
}

func (f *fixture) plan(v *vault.Vault) *vault.GCPlan {
	f.t.Helper()
	p, err := v.PlanGC(f.t.Context(), f.collecting(v))
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// collect plans and applies once.
func (f *fixture) collect(v *vault.Vault, gone ...vault.Point) (vault.GCResult, error) {
	f.t.Helper()
	o := f.collecting(v, gone...)
	p, err := v.PlanGC(f.t.Context(), o)
	if err != nil {
		return vault.GCResult{}, err
	}
	return v.ApplyGC(f.t.Context(), grant(access.PackDelete), o, p.Digest)
}

// emptied collects until nothing is left to do, and gives what was freed.
func (f *fixture) emptied(v *vault.Vault) (freed int64) {
	f.t.Helper()
	for range 6 {
		if f.plan(v).Nothing() {
			return freed
		}
		r, err := f.collect(v)
		if err != nil {
			f.t.Fatal(err)
		}
		freed += r.Freed
	}
	f.t.Error("the garbage never ends")
	return freed
}

func (f *fixture) remove(v *vault.Vault, p vault.Point) {
	f.t.Helper()
	if err := v.RemovePoint(f.t.Context(), grant(access.PointDelete), p.Object); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) must(v *vault.Vault, files []file) vault.Point {
	f.t.Helper()
	p, err := f.backup(v, files)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func TestGC_GarbageGoesAndEverythingElseStays(t *testing.T) {
	f := newFixture(t)
	v := f.open()
	first := f.must(v, []file{{"a", noise(1, 900<<10)}, {"b", noise(2, 100<<10)}})
	second := f.must(v, []file{{"a", noise(3, 900<<10)}, {"b", noise(2, 100<<10)}})
	if p := f.plan(v); len(p.Stale) != 1 || p.Points != 2 {
		t.Errorf("with two points %d stale, %d points", len(p.Stale), p.Points)
	}
	f.remove(v, first)
	freed := f.emptied(v)
	if freed < 1000<<10 {
		t.Errorf("freed %d bytes", freed)
	}
	for _, v := range []*vault.Vault{v, f.open()} {
		f.whole(v, second.Object, []file{{"a", noise(3, 900<<10)}, {"b", noise(2, 100<<10)}})
		f.clean(v)
	}
	size := int64(0)
	for _, n := range f.names("packs/data/") {
		size += int64(len(f.data(n)))
	}
	if size > 1200<<10 {
		t.Errorf("%d bytes of data packs are left for one megabyte", size)
	}
	third := f.must(v, []file{{"c", noise(9, 1000)}})
	if third.Envelope.Number != 3 {
		t.Errorf("the next point has number %d", third.Envelope.Number)
	}
	f.clean(f.open())
}

func TestGC_MostlyDeadPackIsRepacked(t *testing.T) {
	f := newFixture(t)
	v := f.open()
	old := f.must(v, []file{{"a", noise(1, 900<<10)}, {"keep", noise(2, 100<<10)}})
	kept := f.must(v, []file{{"keep", noise(2, 100<<10)}})
	before := f.names("packs/data/")
	f.remove(v, old)
	plan := f.plan(v)
	if n, size := plan.Bytes(gc.Repack); n != 1 || size < 1000<<10 {
		t.Errorf("%d packs of %d bytes to repack: %+v", n, size, plan.Steps)
	}
	f.emptied(v)
	if after := f.names("packs/data/"); len(after) != 1 || after[0] == before[0] {
		t.Errorf("data packs %q, were %q", after, before)
	}
	v = f.open()
	f.whole(v, kept.Object, []file{{"keep", noise(2, 100<<10)}})
	f.clean(v)
	if _, err := v.RebuildIndex(t.Context(), grant(access.IndexRebuild)); err != nil {
		t.Fatal(err)
	}
	f.whole(f.open(), kept.Object, []file{{"keep", noise(2, 100<<10)}})
}

func TestGC_HealedPackIsRetired(t *testing.T) {
	f, points, packs := two(t)
	f.driver.Corrupt(packs[0], 5000)
	damaged := f.report(f.open()).DamagedPacks()
	f.exclude = func(object string) bool { return slices.Contains(damaged, object) }
	v := f.open()
	if p := f.plan(v); !strings.Contains(fmt.Sprint(p.Steps), string(gc.InUse)) || p.Missing != 0 {
		t.Errorf("%+v", p)
	}
	f.emptied(v)
	if !slices.Contains(f.names(packs[0]), packs[0]) {
		t.Fatal("a damaged pack was deleted while a point needs it")
	}
	f.must(f.open(), onlyNoise(0)) // heals
	f.emptied(f.open())
	f.exclude = nil
	v = f.open()
	if slices.Contains(f.names("packs/"), packs[0]) {
		t.Error("the damaged pack is still there")
	}
	for i, p := range points {
		f.whole(v, p.Object, onlyNoise(i))
	}
	f.clean(v)
}

// TestGC_LastWholeCopyInADamagedPackStays has a chunk in two damaged packs, of
// which the one that no point lists holds it whole.
func TestGC_LastWholeCopyInADamagedPackStays(t *testing.T) {
	f := newFixture(t)
	first := f.must(f.open(), onlyNoise(1))
	listed := f.names("packs/data/")[0]
	f.driver.Corrupt(listed, 5000)
	damaged := []string{listed}
	f.exclude = func(object string) bool { return slices.Contains(damaged, object) }
	v := f.open()
	second := f.must(v, append(onlyNoise(1), file{"z", noise(2, 3<<20)})) // stores it anew
	f.remove(v, second)
	for _, n := range f.names("packs/data/") {
		if n != listed {
			damaged = append(damaged, n)
		}
	}
	f.emptied(f.open())
	f.exclude = nil
	f.whole(f.open(), first.Object, onlyNoise(1))
}

// TestGC_DamagedPackStaysWhileChunksAreMissing loses a pack that the index
// still knows: what was in it may be in a damaged one that nothing else wants.
func TestGC_DamagedPackStaysWhileChunksAreMissing(t *testing.T) {
	f := newFixture(t)
	v := f.open()
	f.must(v, onlyNoise(1))
	lost := f.names("packs/data/")[0]
	old := f.must(v, onlyNoise(2))
	f.remove(v, old)
	f.driver.Drop(lost)
	f.exclude = func(object string) bool { return strings.HasPrefix(object, "packs/data/") }
	p := f.plan(f.open())
	if p.Missing == 0 {
		t.Error("a pack that is gone leaves nothing missing")
	}
	for _, s := range p.Steps {
		if strings.HasPrefix(s.Object, "packs/data/") && (s.Action != gc.Keep || s.Reason != gc.MayHold) {
			t.Errorf("%+v", s)
		}
	}
}

func TestGC_OneAtATime(t *testing.T) {
	f := newFixture(t)
	v := f.open()
	old := f.must(v, onlyNoise(1))
	f.must(v, onlyNoise(2))
	f.remove(v, old)
	o, plan := f.collecting(v), f.plan(v)
	asked := false
	watched := *f
	watched.bucket = blob.New(listed{f.driver, func(prefix string) {
		if prefix != "points/" || asked {
			return
		}
		asked = true
		if _, err := v.ApplyGC(t.Context(), grant(access.PackDelete), o, plan.Digest); !errkind.Is(err, errkind.Busy) {
			t.Errorf("the second one gave %v", err)
		}
	}}, blob.Options{})
	v = watched.open()
	if _, err := v.ApplyGC(t.Context(), grant(access.PackDelete), o, plan.Digest); err != nil || !asked {
		t.Errorf("%v, %v", err, asked)
	}
}

func TestGC_HintOfARemovedPointGoes(t *testing.T) {
	f := newFixture(t)
	v := f.open()
	f.must(v, onlyNoise(1))
	last := f.must(v, onlyNoise(2))
	f.emptied(v)
	before := f.names("index/hint-")
	f.remove(v, last)
	f.emptied(v)
	if after := f.names("index/hint-"); len(before) != 1 || len(after) != 0 {
		t.Errorf("hints %q, before %q", after, before)
	}
	f.must(f.open(), onlyNoise(3))
	f.clean(f.open())
}

func TestGC_WhatIsLockedStays(t *testing.T) {
	f := newFixtureOf(t, blob.Governance)
	v := f.open()
	s, err := v.OpenSession(t.Context(), grant(access.BackupRun), vault.SessionOptions{Lock: f.lock})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.draft(t.Context(), s, onlyNoise(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Abort() // leaves packs under a provisional lock
	kept := f.must(v, onlyNoise(2))
	count := len(f.names("packs/"))
	f.emptied(v)
	if n := len(f.names("packs/")); n != count {
		t.Errorf("%d packs of %d are left under locks", n, count)
	}
	if err := v.RemovePoint(t.Context(), grant(access.PointDelete), kept.Object); !errkind.Is(err, errkind.Refused) {
		t.Errorf("a locked point was removed: %v", err)
	}
	f.now = f.now.Add(73 * time.Hour)
	f.emptied(v)
	if n := len(f.names("packs/")); n != count-2 {
		t.Errorf("%d packs of %d are left when the provisional lock is over", n, count)
	}
	f.whole(f.open(), kept.Object, onlyNoise(2))
	f.clean(f.open())
}

func TestGC_AnyDoubtStopsIt(t *testing.T) {
	tests := map[string]func(f *fixture, o *vault.GCOptions, points []vault.Point){
		"a point the catalog does not know": func(_ *fixture, o *vault.GCOptions, _ []vault.Point) { o.Known = o.Known[1:] },
		"a point the store lacks": func(f *fixture, _ *vault.GCOptions, points []vault.Point) {
			f.driver.Drop(points[0].Object)
			f.driver.Drop(points[0].Object + ".intent")
		},
		"another digest": func(_ *fixture, o *vault.GCOptions, _ []vault.Point) { o.Known[0].Digest[0]++ },
		"an unreadable point": func(f *fixture, _ *vault.GCOptions, points []vault.Point) {
			f.driver.Corrupt(points[0].Object, 300)
			f.driver.Corrupt(points[0].Object+".intent", 300)
		},
		"an unreadable tree": func(f *fixture, _ *vault.GCOptions, _ []vault.Point) {
			for _, n := range f.names("packs/tree/") {
				f.driver.Drop(n)
			}
		},
		"an unreadable record": func(f *fixture, _ *vault.GCOptions, _ []vault.Point) {
			f.driver.Corrupt(f.names("governance/0")[0], 200)
		},
		"a record that is missing": func(f *fixture, _ *vault.GCOptions, _ []vault.Point) {
			f.driver.Drop(f.names("governance/0")[0])
		},
		"a missing record that a point saw": func(f *fixture, _ *vault.GCOptions, _ []vault.Point) {
			f.driver.Drop(f.names("governance/0")[1])
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			f, points, _ := two(t)
			v := f.open()
			f.must(v, onlyNoise(7))
			for i := range 2 {
				fact, err := vault.NewFact(vault.FactVault, vault.SettingsRecord{Name: fmt.Sprint(i)})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := v.RecordFacts(t.Context(), grant(access.VaultCreate), fact); err != nil {
					t.Fatal(err)
				}
			}
			f.must(v, onlyNoise(8)) // sees the records
			o := f.collecting(v)
			plan, err := v.PlanGC(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			spoil(f, &o, points)
			v = f.open()
			before := f.names("packs/")
			if _, err := v.PlanGC(t.Context(), o); err == nil {
				t.Error("it was planned")
			}
			if _, err := v.ApplyGC(t.Context(), grant(access.PackDelete), o, plan.Digest); err == nil {
				t.Error("it was applied")
			}
			if after := f.names("packs/"); !slices.Equal(before, after) {
				t.Errorf("packs went")
			}
		})
	}
}

func TestGC_NoGrantAndStrangersDeleteNothing(t *testing.T) {
	f := newFixture(t)
	v := f.open()
	old := f.must(v, onlyNoise(1))
	f.must(v, onlyNoise(2))
	f.remove(v, old)
	o := f.collecting(v)
	for range 1 { // condemn
		if _, err := f.collect(v); err != nil {
			t.Fatal(err)
		}
	}
	plan := f.plan(v)
	if n, _ := plan.Bytes(gc.Delete); n == 0 {
		t.Fatalf("nothing to delete: %+v", plan.Steps)
	}
	before := f.names("packs/")
	if _, err := v.ApplyGC(t.Context(), grant(access.BackupRun), o, plan.Digest); !errkind.Is(err, errkind.NotAllowed) {
		t.Errorf("with another grant: %v", err)
	}
	if _, err := v.ApplyGC(t.Context(), grant(access.PackDelete), o, vault.Digest{1}); !errkind.Is(err, errkind.Busy) {
		t.Errorf("with another plan: %v", err)
	}
	other := *f
	other.server = vault.NewID()
	if err := other.open().TakeOwnership(t.Context(), grant(access.VaultRecover)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.ApplyGC(t.Context(), grant(access.PackDelete), o, plan.Digest); !errkind.Is(err, errkind.NotAllowed) {
		t.Errorf("after another server took over: %v", err)
	}
	if after := f.names("packs/"); !slices.Equal(before, after) {
		t.Error("packs went")
	}
}

// TestGC_OwnerChangesBetweenPlanAndBatch takes the vault away at the moment
// in which the deleting would begin.
func TestGC_OwnerChangesBetweenPlanAndBatch(t *testing.T) {
	f := newFixture(t)
	v := f.open()
	old := f.must(v, onlyNoise(1))
	f.must(v, onlyNoise(2))
	f.remove(v, old)
	if _, err := f.collect(v); err != nil {
		t.Fatal(err)
	}
	o := f.collecting(v)
	plan := f.plan(v)
	other := *f
	other.server = vault.NewID()
	looks := 0
	watched := *f
	watched.bucket = blob.New(listed{f.driver, func(prefix string) {
		if prefix != "governance/owner/" {
			return
		}
		if looks++; looks == 2 { // the first look is the plan's
			if err := other.open().TakeOwnership(t.Context(), grant(access.VaultRecover)); err != nil {
				t.Error(err)
			}
		}
	}}, blob.Options{})
	before := f.names("packs/")
	if _, err := watched.open().ApplyGC(t.Context(), grant(access.PackDelete), o, plan.Digest); !errkind.Is(err, errkind.NotAllowed) {
		t.Errorf("%v", err)
	}
	if after := f.names("packs/"); !slices.Equal(before, after) {
		t.Error("a server that lost the vault deleted packs")
	}
}

// listed tells of every listing before it is made.
type listed struct {
	blob.Driver
	before func(prefix string)
}

func (l listed) List(ctx context.Context, prefix string, fn func(blob.Info) error) error {
	l.before(prefix)
	return l.Driver.List(ctx, prefix, fn)
}

func TestGC_SessionOpenAcrossIt(t *testing.T) {
	f := newFixture(t)
	v := f.open()
	old := f.must(v, onlyNoise(1))
	kept := f.must(v, onlyNoise(2))
	f.remove(v, old)
	// This session knows the chunks of the removed point and stores new ones.
	s, err := v.OpenSession(t.Context(), grant(access.BackupRun), vault.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mine := []file{{"new", noise(77, 300<<10)}, {"old", onlyNoise(1)[0].data}}
	draft, err := f.draft(t.Context(), s, mine)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := f.collect(v); err != nil {
			t.Fatal(err)
		}
	}
	p, err := s.Commit(t.Context(), grant(access.BackupRun), draft)
	if err != nil {
		t.Fatal(err)
	}
	f.emptied(v)
	f.whole(v, p.Object, mine)
	f.whole(v, kept.Object, onlyNoise(2))
	f.clean(f.open())
}

// TestGC_SessionThatCountsOnCondemnedPacksMakesNoPoint lets a session come to
// count on a pack after it was condemned.
func TestGC_SessionThatCountsOnCondemnedPacksMakesNoPoint(t *testing.T) {
	f := newFixture(t)
	v := f.open()
	old := f.must(v, onlyNoise(1))
	f.must(v, onlyNoise(2))
	f.remove(v, old)
	s, err := v.OpenSession(t.Context(), grant(access.BackupRun), vault.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := f.collect(v); err != nil || r.Condemned == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	draft, err := f.draft(t.Context(), s, onlyNoise(1))
	if err != nil {
		t.Fatal(err)
	}
	before := f.names("packs/")
	if r, err := f.collect(v); err != nil || r.Deleted != 0 {
		t.Errorf("deleted under an open session: %+v, %v", r, err)
	}
	if _, err := s.Commit(t.Context(), grant(access.BackupRun), draft); !errkind.Is(err, errkind.Busy) {
		t.Errorf("the commit gave %v", err)
	}
	if len(f.names("packs/")) < len(before) {
		t.Error("packs went")
	}
	again := f.must(v, onlyNoise(1)) // stores anew what is condemned
	f.emptied(v)
	f.whole(f.open(), again.Object, onlyNoise(1))
	f.clean(f.open())
}

// TestGC_CrashAnywhere lets every change of two collections go wrong in every
// way; then everything that is kept is whole, and the garbage goes in the end.
func TestGC_CrashAnywhere(t *testing.T) {
	base := newFixture(t)
	v := base.open()
	old := base.must(v, fewFiles(1))
	kept := base.must(v, fewFiles(2))
	base.remove(v, old)
	run := func(f *fixture) error {
		v := f.open()
		for range 4 {
			if _, err := f.collect(v); err != nil {
				return err
			}
		}
		return nil
	}
	total := 0
	counting := base.on(t, base.driver.Clone())
	counting.driver.SetFault(func(op memblob.Op, _ string) memblob.Fault {
		if changes(op) {
			total++
		}
		return memblob.Fault{}
	})
	if err := run(counting); err != nil || total < 4 {
		t.Fatalf("%d changes, %v", total, err)
	}
	boom := errors.New("injected")
	for _, c := range crashes() {
		for k := 1; k <= total; k++ {
			t.Run(fmt.Sprintf("%s %d of %d", c.name, k, total), func(t *testing.T) {
				f := base.on(t, base.driver.Clone())
				n := 0
				f.driver.SetFault(func(op memblob.Op, _ string) memblob.Fault {
					if !changes(op) {
						return memblob.Fault{}
					}
					n++
					return memblob.Fault{When: c.fault(n, k), Err: boom}
				})
				if err := run(f); err != nil && !errors.Is(err, boom) {
					t.Errorf("another error: %v", err)
				}
				f.driver.SetFault(nil)
				f.whole(f.open(), kept.Object, fewFiles(2))
				next := f.must(f.open(), fewFiles(3))
				v := f.open()
				f.emptied(v)
				f.whole(v, kept.Object, fewFiles(2))
				f.whole(v, next.Object, fewFiles(3))
				f.clean(f.open())
			})
		}
	}
}

func TestRemovePoint_CrashAnywhere(t *testing.T) {
	base := newFixture(t)
	v := base.open()
	old := base.must(v, fewFiles(1))
	kept := base.must(v, fewFiles(2))
	for _, c := range crashes() {
		for k := 1; k <= 3; k++ {
			t.Run(fmt.Sprintf("%s %d", c.name, k), func(t *testing.T) {
				f := base.on(t, base.driver.Clone())
				v := f.open()
				n := 0
				f.driver.SetFault(func(op memblob.Op, _ string) memblob.Fault {
					if !changes(op) {
						return memblob.Fault{}
					}
					n++
					return memblob.Fault{When: c.fault(n, k)}
				})
				first := v.RemovePoint(t.Context(), grant(access.PointDelete), old.Object)
				f.driver.SetFault(nil)
				v = f.open()
				next := f.must(v, fewFiles(3)) // must not bring it back
				if next.Envelope.Number != 3 {
					t.Errorf("the next point has number %d", next.Envelope.Number)
				}
				if err := v.RemovePoint(t.Context(), grant(access.PointDelete), old.Object); err != nil && !errkind.Is(err, errkind.NotFound) {
					t.Fatalf("again, after %v: %v", first, err)
				}
				f.emptied(v)
				for _, name := range f.names("points/") {
					if strings.HasPrefix(name, old.Object) {
						t.Errorf("%s is left", name)
					}
				}
				f.whole(f.open(), kept.Object, fewFiles(2))
				f.clean(f.open())
			})
		}
	}
}

// TestCommit_CopiesTheLittleItNeedsOfAPackWithAShortLock lets a second point
// need a tenth of the first one's pack, and a third point half of it.
func TestCommit_CopiesTheLittleItNeedsOfAPackWithAShortLock(t *testing.T) {
	f := newFixtureOf(t, blob.Governance)
	v := f.open()
	all := []file{{"a", noise(1, 900<<10)}, {"b", noise(2, 100<<10)}}
	first := f.must(v, all)
	pack := f.names("packs/data/")[0]
	locked, err := f.bucket.Stat(t.Context(), pack)
	if err != nil {
		t.Fatal(err)
	}
	second := f.must(v, all[1:])
	if after, err := f.bucket.Stat(t.Context(), pack); err != nil || after.Lock != locked.Lock {
		t.Errorf("the pack is locked %+v, was %+v, %v", after.Lock, locked.Lock, err)
	}
	objects, err := v.PackObjects(t.Context(), second.Envelope)
	if err != nil || slices.Contains(objects, pack) {
		t.Errorf("the point counts on %q, %v", objects, err)
	}
	f.checkLocks(second)
	third := f.must(v, all)
	if after, err := f.bucket.Stat(t.Context(), pack); err != nil || !after.Lock.Until.After(locked.Lock.Until) {
		t.Errorf("the pack is locked %+v, %v", after.Lock, err)
	}
	f.checkLocks(third)
	for _, x := range []struct {
		p     vault.Point
		files []file
	}{{first, all}, {second, all[1:]}, {third, all}} {
		f.whole(f.open(), x.p.Object, x.files)
	}
	f.clean(f.open())
}
