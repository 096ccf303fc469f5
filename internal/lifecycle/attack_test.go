package lifecycle_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// expired is a rig with three points, of which the second's time has passed.
func expired(t *testing.T) (*rig, catalog.Point) {
	t.Helper()
	r := newRig(t, options{})
	r.backup()
	r.days(1)
	p := r.backup()
	r.days(1)
	r.backup()
	r.days(40)
	return r, p
}

func (r *rig) there(p catalog.Point) bool {
	r.t.Helper()
	_, err := r.vault().ReadPoint(r.t.Context(), objectOf(r.t, p))
	return err == nil
}

func (r *rig) hold() lifecycle.Hold {
	r.t.Helper()
	h, err := r.life.PlaceHold(r.t.Context(), grant(access.HoldPlace), "books", hold.Hold{Matter: "M", Reason: "R"})
	r.must(err)
	return h
}

// forge replaces the catalog's points.
func (r *rig) forge(change func([]catalog.Point) []catalog.Point) {
	r.t.Helper()
	rows := r.points()
	r.must(r.catalog.ReplacePoints(r.t.Context(), grant(access.VaultRecover), rows[0].VaultID, change(rows)))
}

func TestAttack_AHoldPlacedWhileAnExpiryIsApplied(t *testing.T) {
	r, p := expired(t)
	digest := r.plan().Digest
	r.meanwhile = func() { r.hold() }
	_, err := r.life.ApplyExpiry(t.Context(), grant(access.PointExpire), "books", digest)
	wantKind(t, err, errkind.Busy, "look at a new plan")
	if !r.there(p) {
		t.Error("a held point went")
	}
}

func TestAttack_TwoExpiriesAtOnceMakeOneCertificate(t *testing.T) {
	r, _ := expired(t)
	digest := r.plan().Digest
	r.meanwhile = func() {
		_, err := r.life.ApplyExpiry(t.Context(), grant(access.PointExpire), "books", digest)
		r.must(err)
	}
	_, err := r.life.ApplyExpiry(t.Context(), grant(access.PointExpire), "books", digest)
	wantKind(t, err, errkind.Busy, "")
	if list, err := r.life.Certificates(t.Context(), "books"); err != nil || len(list) != 1 {
		t.Errorf("%d certificates, %v", len(list), err)
	}
}

func TestAttack_ACallBackWhileTheLockingIsFinished(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	_, err := r.life.Lock(t.Context(), grant(access.VaultLock), "books")
	r.must(err)
	r.days(4)
	r.meanwhile = func() {
		_, err := r.life.CallBack(t.Context(), grant(access.VaultCallBack), "books")
		r.must(err)
	}
	_, err = r.life.Lock(t.Context(), grant(access.VaultLock), "books")
	wantKind(t, err, errkind.Busy, "meanwhile")
	if l, err := r.life.PreviewLock(t.Context(), "books"); err != nil || l.State != vault.StateUnlocked || l.Converted != 0 {
		t.Errorf("%+v, %v", l, err)
	}
}

// cut removes the newest governance record from the store.
func (r *rig) cut() {
	r.t.Helper()
	last := ""
	r.must(r.vault().Bucket().List(r.t.Context(), "governance/0", func(i blob.Info) error { last = i.Name; return nil }))
	if !r.driver.Drop(last) {
		r.t.Fatal("nothing was cut off")
	}
}

// TestAttack_TheLastRecordsAreCutOff removes the record of a hold from the
// store: after a point was made that names it, with nobody else who knows of it,
// and before.
func TestAttack_TheLastRecordsAreCutOff(t *testing.T) {
	for _, later := range []bool{true, false} {
		r, p := expired(t)
		r.hold()
		if later {
			r.backup()
			clear(r.heads.known)
		}
		r.cut()
		_, err := r.life.PlanExpiry(t.Context(), "books")
		wantKind(t, err, errkind.Damaged, "missing or was replaced")
		if !r.there(p) {
			t.Error("the point went")
		}
	}
}

// TestAttack_WithTheLastRecordGone tries what lets go, what would take its
// number, and what must go on.
func TestAttack_WithTheLastRecordGone(t *testing.T) {
	r, p := expired(t)
	row := r.row()
	r.hold()
	r.cut()
	ctx := t.Context()
	_, err := r.life.DeletePoint(ctx, grant(access.PointDelete), p.ID, "trick")
	wantKind(t, err, errkind.Damaged, "missing or was replaced")
	_, err = r.life.RunCanary(ctx, grant(access.CanaryRun), "books")
	wantKind(t, err, errkind.Damaged, "missing or was replaced")
	r.must(r.custody.Close()) // what this process remembers is gone too
	if _, err := r.jobs.PlanGC(ctx, "books"); !errkind.Is(err, errkind.Damaged) {
		t.Errorf("garbage: %v", err)
	}
	if rep, err := r.vault().Verify(ctx, vault.Quick, nil); err != nil || rep.OK() {
		t.Errorf("verification finds nothing: %v", err)
	}
	r.days(400)
	if n := r.raise(); n == 0 || r.locks().Short() {
		t.Errorf("%d locks raised: what may be held is to be locked on", n)
	}
	r.backup()
	url, err := blob.ParseURL(row.URL)
	r.must(err)
	found, err := r.custody.Recover(ctx, grant(access.VaultRecover), url, r.custody.KeyFile(row.ID))
	r.must(err)
	if len(found.Missing) == 0 || !strings.Contains(found.Missing[0], "is missing") {
		t.Errorf("%q", found.Missing)
	}
	r.hold() // records go on from what is there
	if e := r.plan(); len(e.Expire) != 0 {
		t.Errorf("%+v", e.Expire)
	}
}

// TestAttack_StoppedAfterTheRecordAndThenSomethingElse lets a disposal stop
// before anything is removed, and records something else before it goes on.
func TestAttack_StoppedAfterTheRecordAndThenSomethingElse(t *testing.T) {
	for k := 1; k <= 3; k++ {
		r, p := expired(t)
		plan, n := r.plan(), 0
		r.inject(func() bool { n++; return n > k })
		_, err := r.life.ApplyExpiry(t.Context(), grant(access.PointExpire), "books", plan.Digest)
		r.driver.SetFault(nil)
		if err == nil {
			t.Fatalf("not stopped at %d", k)
		}
		_, err = r.life.UndeletePoint(t.Context(), grant(access.PointUndelete), p.ID)
		if err == nil {
			t.Error("a disposed point was brought back")
		}
		h := r.hold()
		_, err = r.life.ReleaseHold(t.Context(), grant(access.HoldRelease), "books", h.ID, "R")
		r.must(err)
		r.days(4000) // past the lock that the hold may have raised
		r.expire()
		list, err := r.life.Certificates(t.Context(), "books")
		if err != nil || r.there(p) {
			t.Errorf("stopped at %d: %d certificates, the point is there: %v", k, len(list), r.there(p))
		}
	}
}

func TestAttack_TheLastPointOfASourceIsDeleted(t *testing.T) {
	r, _ := expired(t)
	points := r.points()
	newest := points[len(points)-1]
	_, err := r.life.DeletePoint(t.Context(), grant(access.PointDelete), newest.ID, "x")
	r.must(err)
	r.days(4000)
	r.expire()
	whole := 0
	for _, p := range r.points() {
		if p.Complete && r.there(p) {
			whole++
		}
	}
	if whole == 0 {
		t.Error("no point of the source is left")
	}
}

// TestAttack_ACatalogThatSaysDisposed takes a live point for one that was
// disposed of.
func TestAttack_ACatalogThatSaysDisposed(t *testing.T) {
	r, gone := expired(t)
	r.expire()
	r.backup()
	live := r.points()[1]
	r.forge(func(rows []catalog.Point) []catalog.Point {
		for i := range rows {
			if rows[i].ID == live.ID {
				rows[i].Detail = []byte(strings.ReplaceAll(string(rows[i].Detail), `"id":"`+strings.ToLower(live.ID), `"id":"`+strings.ToLower(gone.ID)))
			}
		}
		return rows
	})
	_, err := r.life.PlanExpiry(t.Context(), "books")
	wantKind(t, err, errkind.Damaged, "")
	if !r.there(live) {
		t.Error("a live point went")
	}
}

// TestAttack_ACatalogThatForgetsPoints has locks renewed all the same.
func TestAttack_ACatalogThatForgetsPoints(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	p := r.backup()
	r.unlock(objectOf(t, p))
	r.forge(func(rows []catalog.Point) []catalog.Point { return rows[:1] })
	if l := r.locks(); !l.Short() {
		t.Error("a point that the catalog forgot is not looked after")
	}
	r.raise()
	if l := r.locks(); l.Short() {
		t.Errorf("%+v", l)
	}
}

func TestAttack_ACatalogThatSaysTrial(t *testing.T) {
	r := newRig(t, options{})
	p := r.backup()
	row, err := r.catalog.Vault(t.Context(), "books")
	r.must(err)
	row.Kind = catalog.VaultTrial
	r.must(r.catalog.ReplaceVault(t.Context(), grant(access.VaultRecover), row))
	_, err = r.life.DeletePoint(t.Context(), grant(access.PointDelete), p.ID, "x")
	wantKind(t, err, errkind.Refused, "is immutable")
	if l := r.locks(); l.Mode != blob.Governance || l.Objects == 0 {
		t.Errorf("%+v", l)
	}
}

// TestAttack_ADamagedRecordOrPointStopsNoLock flips a byte and lets a year pass.
func TestAttack_ADamagedRecordOrPointStopsNoLock(t *testing.T) {
	for _, prefix := range []string{"governance/0", "points/"} {
		r := newRig(t, options{})
		r.backup()
		r.backup()
		var names []string
		r.must(r.vault().Bucket().List(t.Context(), prefix, func(i blob.Info) error { names = append(names, i.Name); return nil }))
		damaged := strings.TrimSuffix(names[len(names)-1], ".intent")
		r.driver.Corrupt(damaged, 200)
		r.driver.Corrupt(damaged+".intent", 200)
		r.days(400) // the vault's own locks have run down
		if n := r.raise(); n == 0 {
			t.Errorf("with %s damaged, no lock is renewed", damaged)
		}
		if _, err := r.life.PlanExpiry(t.Context(), "books"); prefix == "governance/0" && !errkind.Is(err, errkind.Damaged) {
			t.Errorf("expiry with a damaged record: %v", err)
		}
	}
}

func TestAttack_AnEventForAllTimes(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	e := retention.Event{Name: "audit_concluded", At: r.now, Evidence: "E", Covers: retention.Selector{From: r.now.AddDate(-1, 0, 0)}}
	_, err := r.life.RecordEvent(t.Context(), grant(access.EventRecord), "books", e)
	wantKind(t, err, errkind.Invalid, "every point to come")
}

func TestAttack_AHoldIsNotReleasedWhileTheClockIsLatched(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	h := r.hold()
	r.latched = "the latch is closed"
	_, err := r.life.ReleaseHold(t.Context(), grant(access.HoldRelease), "books", h.ID, "R")
	wantKind(t, err, errkind.Refused, "latch")
}

func TestAttack_ALockThatCannotBeConvertedKeepsTheLevelDown(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	_, err := r.life.Lock(t.Context(), grant(access.VaultLock), "books")
	r.must(err)
	r.days(4)
	n := 0
	r.inject(func() bool { n++; return n == 6 })
	if _, err := r.life.Lock(t.Context(), grant(access.VaultLock), "books"); err == nil {
		t.Fatal("nothing was injected")
	}
	r.driver.SetFault(nil)
	l, err := r.life.Lock(t.Context(), grant(access.VaultLock), "books")
	if err != nil || l.Converted != l.Objects || l.State != vault.StateLocked {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestAttack_ACatalogThatSaysTheEmptiedSourceIsWhole(t *testing.T) {
	r, whole, _ := emptied(t)
	r.forge(func(rows []catalog.Point) []catalog.Point {
		rows[1].Entries, rows[1].Size = rows[0].Entries, rows[0].Size
		return rows
	})
	_, err := r.life.PlanExpiry(t.Context(), "books")
	wantKind(t, err, errkind.Damaged, "would let point "+whole.ID+" go")
}

// TestLocks_ARecordWrittenMeanwhileIsNoMissingOne places a hold on nothing while the
// locks are looked at.
func TestLocks_ARecordWrittenMeanwhileIsNoMissingOne(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	before := r.locks()
	r.heads.asked = func() {
		_, err := r.life.PlaceHold(t.Context(), grant(access.HoldPlace), "books", hold.Hold{Matter: "M", Reason: "R", Scope: hold.Scope{Sources: []string{"01jzother00000000000000000"}}})
		r.must(err)
	}
	if n := r.raise(); n != 0 {
		t.Errorf("%d of %d locks were raised", n, before.Objects)
	}
	if e := r.plan(); e.Stopped != "" {
		t.Errorf("%+v", e)
	}
}

// TestLocks_AnUnreadableLogLocksNothingForLonger: whether a record is missing is not
// known, and those that are there are whole.
func TestLocks_AnUnreadableLogLocksNothingForLonger(t *testing.T) {
	r, p := expired(t)
	r.raise()
	r.heads.fails = errors.New("no such file")
	if n := r.raise(); n != 0 {
		t.Errorf("%d locks were raised", n)
	}
	r.backup()
	_, err := r.life.PlanExpiry(t.Context(), "books")
	wantKind(t, err, errkind.Damaged, "is not known")
	if !r.there(p) {
		t.Error("the point went")
	}
	if rep, err := r.vault().Verify(t.Context(), vault.Quick, nil); err != nil || !rep.OK() || len(rep.Notes) == 0 {
		t.Errorf("%v, %+v, notes %q", err, rep.Problems, rep.Notes)
	}
}

// TestRecords_ThoseOfBeforeAreKnownFromTheFirstReading is a vault that an earlier
// version wrote.
func TestRecords_ThoseOfBeforeAreKnownFromTheFirstReading(t *testing.T) {
	r, _ := expired(t)
	r.hold()
	clear(r.heads.known)
	r.plan()
	r.cut()
	_, err := r.life.PlanExpiry(t.Context(), "books")
	wantKind(t, err, errkind.Damaged, "missing or was replaced")
}
