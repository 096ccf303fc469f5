package lifecycle_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func wantKind(t *testing.T, err error, want errkind.Kind, says string) {
	t.Helper()
	if !errkind.Is(err, want) || !strings.Contains(err.Error(), says) {
		t.Errorf("%v (%v); want %v and %q", err, errkind.Of(err), want, says)
	}
}

func TestExpiry_GoesOnlyWhenItsTimeHasPassed(t *testing.T) {
	r := newRig(t, options{})
	first := r.backup() // takes day, week and month: kept longest
	r.days(1)
	second := r.backup()
	r.days(1)
	third := r.backup()
	if e := r.plan(); len(e.Expire) != 0 || e.Kept[retention.GroundRetained] != 3 {
		t.Errorf("%+v", e)
	}
	r.days(30)
	e := r.plan()
	if len(e.Expire) != 1 || e.Expire[0].Point != second.ID {
		t.Fatalf("%+v", e.Expire)
	}
	out := r.expire()
	if len(out.Certificates) != 1 || len(out.Left) != 0 {
		t.Fatalf("%+v", out)
	}
	c := out.Certificates[0]
	if !strings.EqualFold(c.Point.String(), second.ID) || c.SourceName != "ledgers" || c.Policy != "sox" || c.By != "ann" || c.Until.Time().After(r.now) || c.Packs == 0 {
		t.Errorf("%+v", c)
	}
	if _, err := r.vault().ReadPoint(t.Context(), objectOf(t, second)); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("the point is still there: %v", err)
	}
	var left []string
	for _, p := range r.points() {
		left = append(left, p.ID)
	}
	if len(left) != 2 || left[0] != first.ID || left[1] != third.ID {
		t.Errorf("left %v", left)
	}
	list, err := r.life.Certificates(t.Context(), "books")
	if err != nil || len(list) != 1 || list[0].ID != c.ID {
		t.Errorf("%+v, %v", list, err)
	}
	if e := r.plan(); len(e.Expire) != 0 {
		t.Errorf("again: %+v", e.Expire)
	}
	r.days(5)
	r.backup() // the chain goes on
	if rep, err := r.vault().Verify(t.Context(), vault.Full, nil); err != nil || !rep.OK() {
		t.Errorf("%v, %+v", err, rep.Problems)
	}
}

func objectOf(t *testing.T, row catalog.Point) string {
	t.Helper()
	_, object, ok := strings.Cut(string(row.Detail), `"object":"`)
	object, _, _ = strings.Cut(object, `"`)
	if !ok || object == "" {
		t.Fatalf("no object in %s", row.Detail)
	}
	return object
}

func TestExpiry_RefusesAnotherPlanAnotherGrantAndUnprovenTime(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	r.days(1)
	r.backup()
	r.days(1)
	r.backup()
	r.days(40)
	plan := r.plan()
	if len(plan.Expire) == 0 {
		t.Fatal("nothing to expire")
	}
	_, err := r.life.ApplyExpiry(t.Context(), grant(access.BackupRun), "books", plan.Digest)
	wantKind(t, err, errkind.NotAllowed, "does not cover")
	_, err = r.life.ApplyExpiry(t.Context(), grant(access.PointExpire), "books", [32]byte{1})
	wantKind(t, err, errkind.Busy, "look at a new plan")
	r.latched = "the clock's latch is closed"
	if stopped := r.plan(); stopped.Stopped == "" || len(stopped.Expire) != 0 {
		t.Errorf("%+v", stopped)
	}
	_, err = r.life.ApplyExpiry(t.Context(), grant(access.PointExpire), "books", plan.Digest)
	wantKind(t, err, errkind.Refused, "latch")
	r.backup() // goes on, fully locked
	if l := r.locks(); l.Short() {
		t.Errorf("margin %v at %s", l.Margin, l.MarginObject)
	}
	if len(r.points()) != 4 {
		t.Error("a point went")
	}
}

// TestExpiry_ALyingCatalogLetsNothingGo shortens terms in the catalog alone.
func TestExpiry_ALyingCatalogLetsNothingGo(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	r.days(1)
	p := r.backup()
	r.days(8) // past the vault minimum
	r.backup()
	d := p
	d.Detail = []byte(strings.ReplaceAll(string(p.Detail), p.RetainUntil.Format("2006-01-02"), "2025-06-01"))
	early := r.now.AddDate(-1, 0, 0)
	d.RetainUntil = &early
	if err := r.catalog.ReplacePoints(t.Context(), grant(access.VaultRecover), p.VaultID, []catalog.Point{r.points()[0], d, r.points()[2]}); err != nil {
		t.Fatal(err)
	}
	_, err := r.life.PlanExpiry(t.Context(), "books")
	wantKind(t, err, errkind.Damaged, "the vault would not")
	if _, err := r.vault().ReadPoint(t.Context(), objectOf(t, p)); err != nil {
		t.Errorf("%v", err)
	}
}

// TestExpiry_InterruptedAnywhere stops each change of an expiry in turn; the
// next run finishes it, and every point that went has its certificate.
func TestExpiry_InterruptedAnywhere(t *testing.T) {
	for k := 1; k <= 8; k++ {
		r := newRig(t, options{})
		for range 4 {
			r.backup()
			r.days(1)
		}
		r.days(40)
		n := 0
		r.inject(func() bool { n++; return n == k })
		plan := r.plan()
		_, err := r.life.ApplyExpiry(t.Context(), grant(access.PointExpire), "books", plan.Digest)
		r.driver.SetFault(nil)
		if n < k && err == nil {
			break // no more changes
		}
		r.expire()
		list, err := r.life.Certificates(t.Context(), "books")
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != len(plan.Expire) || len(r.points())+len(list) != 4 {
			t.Errorf("stopped at %d: %d certificates, %d points", k, len(list), len(r.points()))
		}
		if rep, err := r.vault().Verify(t.Context(), vault.Full, nil); err != nil || !rep.OK() {
			t.Errorf("stopped at %d: %v, %+v", k, err, rep)
		}
	}
}

func TestHold_StopsExpiryUntilReleased(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	r.days(1)
	old := r.backup()
	r.days(1)
	r.backup()
	h, err := r.life.PlaceHold(t.Context(), grant(access.HoldPlace), "books", hold.Hold{Matter: "Smith v. Acme", Reason: "notice of 3 May"})
	if err != nil || len(h.Points) != 3 {
		t.Fatalf("%+v, %v", h, err)
	}
	r.days(1)
	r.backup() // after it, and covered too
	r.days(40)
	e := r.plan()
	if len(e.Expire) != 0 || e.Kept[retention.GroundHeld] != 4 {
		t.Errorf("%+v", e)
	}
	if row, err := r.catalog.Point(t.Context(), old.ID); err != nil || !row.Unlimited {
		t.Errorf("%+v, %v", row.Term, err)
	}
	_, err = r.life.DeletePoint(t.Context(), grant(access.PointDelete), old.ID, "")
	wantKind(t, err, errkind.Refused, "Smith v. Acme")
	r.raise() // the point made since the hold
	if l := r.locks(); l.Short() || len(l.Raise) != 0 {
		t.Errorf("%+v", l)
	}
	if on, err := r.vault().Bucket().LegalHold(t.Context(), objectOf(t, old)); err != nil || !on {
		t.Errorf("the store's own hold: %v, %v", on, err)
	}
	_, err = r.life.ReleaseHold(t.Context(), grant(access.HoldRelease), "books", h.ID, "")
	wantKind(t, err, errkind.Invalid, "reason")
	_, err = r.life.ReleaseHold(t.Context(), grant(access.HoldRelease), "books", "nothere", "x")
	wantKind(t, err, errkind.NotFound, "no hold")
	if _, err := r.life.ReleaseHold(t.Context(), grant(access.HoldRelease), "books", h.ID, "settled"); err != nil {
		t.Fatal(err)
	}
	_, err = r.life.ReleaseHold(t.Context(), grant(access.HoldRelease), "books", h.ID, "again")
	wantKind(t, err, errkind.Exists, "released already")
	if on, err := r.vault().Bucket().LegalHold(t.Context(), objectOf(t, old)); err != nil || on {
		t.Errorf("the store's own hold after its release: %v, %v", on, err)
	}
	// Storage still locks what the hold had locked: it waits, and nothing is forced.
	if e := r.plan(); len(e.Expire) != 0 || len(e.Waiting) == 0 || e.Waiting[0].LockedUntil.IsZero() {
		t.Errorf("%+v", e)
	}
	list, err := r.life.Holds(t.Context(), "books")
	if err != nil || len(list) != 1 || list[0].Active() {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestHold_TwoCountEach also has a point made after both were placed, on which
// the store's own hold is set by ApplyHolds.
func TestHold_TwoCountEach(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	place := func(matter string) string {
		h, err := r.life.PlaceHold(t.Context(), grant(access.HoldPlace), "books", hold.Hold{Matter: matter, Reason: "D-1"})
		r.must(err)
		return h.ID
	}
	first, second := place("C-1"), place("C-2")
	r.days(1)
	later := r.backup()
	held := func() bool {
		on, err := r.vault().Bucket().LegalHold(t.Context(), objectOf(t, later))
		r.must(err)
		return on
	}
	if held() {
		t.Error("held before anybody asked the store")
	}
	_, err := r.life.ApplyHolds(t.Context(), grant(access.HoldRelease), "books")
	wantKind(t, err, errkind.NotAllowed, "hold/release")
	n, err := r.life.ApplyHolds(t.Context(), grant(access.HoldPlace), "books")
	r.must(err)
	if n < 6 || !held() {
		t.Errorf("%d objects, held: %v", n, held())
	}
	_, err = r.life.ReleaseHold(t.Context(), grant(access.HoldPlace), "books", first, "settled")
	wantKind(t, err, errkind.NotAllowed, "hold/place")
	_, err = r.life.ReleaseHold(t.Context(), grant(access.HoldRelease), "books", first, "settled")
	r.must(err)
	r.days(40)
	r.backup()
	if e := r.plan(); len(e.Expire) != 0 || !held() {
		t.Errorf("one of two released: %d go, held by the store: %v", len(e.Expire), held())
	}
	_, err = r.life.ReleaseHold(t.Context(), grant(access.HoldRelease), "books", second, "settled")
	r.must(err)
	if held() {
		t.Error("still held by the store")
	}
}

func TestDelete_SoftAndBack(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	r.days(1)
	p := r.backup()
	r.days(1)
	r.backup()
	_, err := r.life.DeletePoint(t.Context(), grant(access.PointDelete), p.ID, "")
	wantKind(t, err, errkind.Refused, "nobody can delete it before")
	r.days(40)
	d, err := r.life.DeletePoint(t.Context(), grant(access.PointDelete), p.ID, "no use")
	if err != nil || !d.PurgeAfter.Equal(r.now.AddDate(0, 0, 14)) {
		t.Fatalf("%+v, %v", d, err)
	}
	if e := r.plan(); len(e.Expire) != 0 {
		t.Errorf("%+v", e.Expire)
	}
	if row, err := r.catalog.Point(t.Context(), p.ID); err != nil || row.State != catalog.PointSoftDeleted {
		t.Errorf("%+v, %v", row.State, err)
	}
	if _, err := r.life.UndeletePoint(t.Context(), grant(access.PointUndelete), p.ID); err != nil {
		t.Fatal(err)
	}
	if row, err := r.catalog.Point(t.Context(), p.ID); err != nil || row.State != catalog.PointProtected {
		t.Errorf("%+v, %v", row.State, err)
	}
	_, err = r.life.UndeletePoint(t.Context(), grant(access.PointUndelete), p.ID)
	wantKind(t, err, errkind.Invalid, "not deleted")
	if _, err := r.life.DeletePoint(t.Context(), grant(access.PointDelete), p.ID, ""); err != nil {
		t.Fatal(err)
	}
	r.days(15)
	if e := r.plan(); len(e.Expire) != 1 || e.Expire[0].Point != p.ID {
		t.Errorf("%+v", e)
	}
}

func TestLocks_ShortOnesAreFoundAndRaised(t *testing.T) {
	r := newRig(t, options{})
	p := r.backup()
	l := r.locks()
	if l.Short() || len(l.Raise) != 0 || l.Locked != l.Objects || l.Over != 0 {
		t.Fatalf("%+v", l)
	}
	// A year later the vault's own locks, of twelve years, have run down to 11/12.
	r.days(370)
	r.backup()
	if n := r.raise(); n == 0 {
		t.Error("nothing was renewed in a year")
	}
	if l := r.locks(); l.Short() || len(l.Raise) != 0 {
		t.Errorf("%+v", l)
	}
	// Storage that lost its locks.
	r.unlock(objectOf(t, p))
	l = r.locks()
	if !l.Short() || len(l.Raise) == 0 || l.MarginObject == "" {
		t.Errorf("%+v", l)
	}
	r.raise()
	if l := r.locks(); l.Short() {
		t.Errorf("%+v", l)
	}
	_, _, err := r.life.RaiseLocks(t.Context(), grant(access.BackupRun), "books")
	wantKind(t, err, errkind.NotAllowed, "")
}

func TestVault_LockCoolsOffAndThenIsForEver(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	ctx, g := t.Context(), grant(access.VaultLock)
	l, err := r.life.PreviewLock(ctx, "books")
	if err != nil || l.State != vault.StateUnlocked || l.Objects == 0 || l.Converted != 0 {
		t.Fatalf("%+v, %v", l, err)
	}
	if most := float64(l.Bytes) / 1e9 * 10; l.GBYears <= 0 || l.GBYears > most {
		t.Errorf("%g GB-years of %g at most", l.GBYears, most)
	}
	if l, err = r.life.Lock(ctx, g, "books"); err != nil || l.State != vault.StateLocking || !l.Effective.Equal(r.now.Add(lifecycle.CoolingOff)) {
		t.Fatalf("%+v, %v", l, err)
	}
	_, err = r.life.Lock(ctx, g, "books")
	wantKind(t, err, errkind.Refused, "cooling-off")
	if l, err = r.life.CallBack(ctx, grant(access.VaultCallBack), "books"); err != nil || l.State != vault.StateUnlocked {
		t.Fatalf("%+v, %v", l, err)
	}
	_, err = r.life.CallBack(ctx, grant(access.VaultCallBack), "books")
	wantKind(t, err, errkind.Invalid, "nobody asked")
	if _, err = r.life.Lock(ctx, g, "books"); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(lifecycle.CoolingOff + time.Minute)
	r.latched = "not proven"
	_, err = r.life.Lock(ctx, g, "books")
	wantKind(t, err, errkind.Refused, "not proven")
	r.latched = ""
	if l, err = r.life.Lock(ctx, g, "books"); err != nil || l.State != vault.StateLocked || l.Converted != l.Objects {
		t.Fatalf("%+v, %v", l, err)
	}
	_, err = r.life.Lock(ctx, g, "books")
	wantKind(t, err, errkind.Exists, "locked already")
	_, err = r.life.CallBack(ctx, grant(access.VaultCallBack), "books")
	wantKind(t, err, errkind.Invalid, "it is locked")
	r.days(1)
	p := r.backup()
	info, err := r.vault().Bucket().Stat(ctx, objectOf(t, p))
	if err != nil || info.Lock.Mode != blob.Compliance {
		t.Errorf("%+v, %v", info.Lock, err)
	}
	if l := r.locks(); l.Short() || len(l.Raise) > 0 {
		t.Errorf("%+v", l)
	}
}

func TestProof_IsOfTheObjectsAndTheirLocks(t *testing.T) {
	r := newRig(t, options{})
	p := r.backup()
	proof, err := r.life.Prove(t.Context(), grant(access.VaultProve), p.ID)
	if err != nil || !proof.Recompute() || proof.Mode != string(blob.Governance) || proof.Record == 0 {
		t.Fatalf("%+v, %v", proof, err)
	}
	if proof.Until.Before(*p.RetainUntil) {
		t.Errorf("proved until %s, retained until %s", proof.Until, p.RetainUntil)
	}
	have := map[string]bool{}
	for _, o := range proof.Objects {
		have[o.Object] = true
	}
	if !have["header"] || !have[objectOf(t, p)] {
		t.Errorf("%v", have)
	}
	proof.Objects[0].Until = proof.Objects[0].Until.Add(time.Second)
	if proof.Recompute() {
		t.Error("a changed proof has the same root")
	}
	records, err := r.vault().Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var rec vault.ProofRecord
	if f := records[len(records)-1].Facts[0]; f.Kind != vault.FactProof || f.Decode(&rec) != nil || rec.Root.String() != proof.Root {
		t.Errorf("%+v", rec)
	}
}

func TestCanary_PassesAndTurnsRedOnAStoreThatDoesNotRefuse(t *testing.T) {
	r := newRig(t, options{})
	c, err := r.life.RunCanary(t.Context(), grant(access.CanaryRun), "books")
	if err != nil || c.Verdict != lifecycle.Pass {
		t.Fatalf("%+v, %v", c, err)
	}
	r.leaky = true
	if c, err = r.life.RunCanary(t.Context(), grant(access.CanaryRun), "books"); err != nil || c.Verdict != lifecycle.Fail {
		t.Fatalf("%+v, %v", c, err)
	}
	row, err := r.catalog.Vault(t.Context(), "books")
	if err != nil || row.AssuranceLevel != 0 {
		t.Errorf("level %d, %v", row.AssuranceLevel, err)
	}
	trial := newRig(t, options{kind: vault.Trial})
	_, err = trial.life.RunCanary(t.Context(), grant(access.CanaryRun), "books")
	wantKind(t, err, errkind.Unsupported, "trial")
}

func TestFreeze_StopsExpiryUntilItIsReleased(t *testing.T) {
	r, p := expired(t)
	f, err := r.life.FreezeSource(t.Context(), grant(access.PointFreeze), "ledgers", "looks encrypted")
	if err != nil || f.Points != 3 {
		t.Fatalf("%+v, %v", f, err)
	}
	if e := r.plan(); len(e.Expire) != 0 || e.Kept[retention.GroundFrozen] == 0 {
		t.Errorf("%+v", e)
	}
	r.backup() // goes on
	_, err = r.life.UnfreezeSource(t.Context(), grant(access.PointUnfreeze), "ledgers", "other", "x")
	wantKind(t, err, errkind.NotFound, "not frozen")
	_, err = r.life.UnfreezeSource(t.Context(), grant(access.PointUnfreeze), "ledgers", f.ID, "")
	wantKind(t, err, errkind.Invalid, "reason")
	if _, err = r.life.UnfreezeSource(t.Context(), grant(access.PointUnfreeze), "ledgers", f.ID, "false alarm"); err != nil {
		t.Fatal(err)
	}
	if e := r.plan(); len(e.Expire) != 2 || e.Expire[0].Point != p.ID {
		t.Errorf("%d expire", len(e.Expire))
	}
}

// TestExpiry_ManyPointsGoInOneRun lets more points expire than one record disposes
// of, of which each is recorded when it is removed.
func TestExpiry_ManyPointsGoInOneRun(t *testing.T) {
	r := newRig(t, options{})
	const many = 105
	for range many {
		r.backup()
		r.now = r.now.Add(time.Minute)
	}
	r.days(3000)
	r.backup()
	planned := len(r.plan().Expire)
	out := r.expire()
	if planned <= 100 || len(out.Certificates) != planned || len(out.Left) != 0 || len(r.plan().Expire) != 0 {
		t.Errorf("%d planned, %d certified, left %q, %d to go", planned, len(out.Certificates), out.Left, len(r.plan().Expire))
	}
	if refs, err := r.vault().ListPoints(t.Context()); err != nil || len(refs) != many+1-planned {
		t.Errorf("%d points in the store, %v", len(refs), err)
	}
	if rep, err := r.vault().Verify(t.Context(), vault.Quick, nil); err != nil || !rep.OK() {
		t.Errorf("%v, %+v", err, rep.Problems)
	}
}

// watched is a store that tells of each object that it deleted.
type watched struct {
	*memblob.Driver
	deleted func(name string)
}

func (w watched) Delete(ctx context.Context, name string) error {
	err := w.Driver.Delete(ctx, name)
	w.deleted(name)
	return err
}

func TestExpiry_AHoldPlacedBetweenTwoRemovalsStopsTheRest(t *testing.T) {
	deleted := func(string) {}
	r := newRig(t, options{disk: func(now func() time.Time) blob.Driver {
		return watched{memblob.New(now), func(name string) { deleted(name) }}
	}})
	for range 6 {
		r.backup()
		r.now = r.now.Add(time.Minute)
	}
	r.days(3000)
	r.backup()
	planned, before := len(r.plan().Expire), len(r.points())
	if planned < 4 {
		t.Fatalf("%d points to go", planned)
	}
	removed := 0
	deleted = func(name string) {
		if !strings.HasPrefix(name, "points/") || vault.IsIntent(name) {
			return
		}
		if removed++; removed == 2 {
			r.hold()
		}
	}
	out, err := r.life.ApplyExpiry(t.Context(), grant(access.PointExpire), "books", r.plan().Digest)
	if err != nil || len(out.Left) != planned-2 { // the hold locks them: each is refused by storage itself
		t.Errorf("%v, left %q", err, out.Left)
	}
	if n := before - len(r.points()); n != 2 || len(out.Certificates) != planned {
		t.Errorf("%d points went, %d have certificates", n, len(out.Certificates))
	}
	if e := r.plan(); len(e.Expire) != 0 {
		t.Errorf("held points are to go: %+v", e.Expire)
	}
}

// emptied is a rig with a point of a full folder and one of the emptied folder,
// both past their time.
func emptied(t *testing.T) (r *rig, whole, empty catalog.Point) {
	t.Helper()
	r = newRig(t, options{start: time.Date(2026, 3, 10, 22, 0, 0, 0, time.UTC)})
	files := func(do func(name string)) {
		for i := range 40 {
			do(fmt.Sprintf("f%d", i))
		}
	}
	files(func(name string) { r.write(name, "text") })
	whole = r.backup()
	r.days(1)
	files(func(name string) { r.must(os.Remove(filepath.Join(r.folder, name))) })
	empty = r.backup()
	r.now = r.now.AddDate(11, 0, 0)
	return r, whole, empty
}

func TestExpiry_AnEmptiedSourceKeepsItsLastWholePoint(t *testing.T) {
	r, whole, empty := emptied(t)
	plan := r.plan()
	if len(plan.Expire) != 1 || plan.Expire[0].Point != empty.ID || plan.Kept[retention.GroundNewest] != 1 {
		t.Fatalf("%+v go, %v", plan.Expire, plan.Kept)
	}
	r.expire()
	if left := r.points(); len(left) != 1 || left[0].ID != whole.ID {
		t.Errorf("left: %+v", left)
	}
}

// switchOff lets points be deleted before their time.
func (r *rig) switchOff() {
	r.t.Helper()
	off := vault.StateOff
	r.must(r.change(access.VaultWeaken, lifecycle.NewSettings{Immutability: &off}))
}

func TestExpiry_ATagGoesPastADeletedPoint(t *testing.T) {
	r := newRig(t, options{start: time.Date(2025, 12, 30, 22, 0, 0, 0, time.UTC)})
	r.switchOff()
	var points []catalog.Point
	for range 6 {
		points = append(points, r.backup())
		r.days(1)
	}
	// The point of 1 January holds the year 2026. Somebody deleted the next one.
	holder, next := points[2], points[3]
	_, err := r.life.DeletePoint(t.Context(), grant(access.PointDelete), next.ID, "duplicate")
	r.must(err)
	r.must(failed(r, holder.ID))
	for range 5 {
		r.expire()
		r.days(10)
		r.backup()
	}
	heir, err := r.catalog.Point(t.Context(), points[4].ID)
	r.must(err)
	if heir.State != catalog.PointProtected || !hasTag(heir, "yearly") {
		t.Errorf("the third point of the year: %s with %v", heir.State, heir.Tags)
	}
}
