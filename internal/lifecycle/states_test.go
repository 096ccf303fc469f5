package lifecycle_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/jobs"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func (r *rig) change(a access.Action, n lifecycle.NewSettings) error {
	_, err := r.life.ChangeSettings(r.t.Context(), grant(a), "books", n)
	return err
}

func (r *rig) row() catalog.Vault {
	r.t.Helper()
	row, err := r.catalog.Vault(r.t.Context(), "books")
	r.must(err)
	return row
}

func (r *rig) source() catalog.Source {
	r.t.Helper()
	row, err := r.catalog.Source(r.t.Context(), "ledgers")
	r.must(err)
	return row
}

// refused tries a backup that must not run.
func (r *rig) refused(says string) {
	r.t.Helper()
	_, err := r.jobs.Backup(r.t.Context(), grant(access.BackupRun), jobs.Backup{Source: "ledgers"})
	wantKind(r.t, err, errkind.Refused, says)
}

// recovered rebuilds the catalog from the vault and compares it with what it was.
func (r *rig) recovered() {
	r.t.Helper()
	row, source, points := r.row(), r.source(), r.points()
	url, err := blob.ParseURL(row.URL)
	r.must(err)
	_, err = r.custody.Recover(r.t.Context(), grant(access.VaultRecover), url, r.custody.KeyFile(row.ID))
	r.must(err)
	var before, after custody.VaultDetail
	r.must(json.Unmarshal(row.Detail, &before))
	again := r.row()
	r.must(json.Unmarshal(again.Detail, &after))
	before.RecoveryKit = "" // is known only where the vault was made
	if diff := cmp.Diff(before, after); diff != "" {
		r.t.Errorf("vault, -before +recovered:\n%s", diff)
	}
	row.Detail, again.Detail = nil, nil
	if diff := cmp.Diff(row, again); diff != "" {
		r.t.Errorf("vault, -before +recovered:\n%s", diff)
	}
	if diff := cmp.Diff(source, r.source()); diff != "" {
		r.t.Errorf("source, -before +recovered:\n%s", diff)
	}
	states := func(points []catalog.Point) (out []string) {
		for _, p := range points {
			out = append(out, p.ID+" "+string(p.State))
		}
		return out
	}
	if diff := cmp.Diff(states(points), states(r.points())); diff != "" {
		r.t.Errorf("points, -before +recovered:\n%s", diff)
	}
}

func TestSettings_WhatMayChangeInWhichState(t *testing.T) {
	off, unlocked, nonsense := vault.StateOff, vault.StateUnlocked, "sideways"
	days := func(n int) *int { return &n }
	p := func(p calendar.Period) *calendar.Period { return &p }
	for _, c := range []struct {
		name, kind string
		change     lifecycle.NewSettings
		action     access.Action
		kinds      errkind.Kind
		says       string
	}{
		{"off", vault.Unlocked, lifecycle.NewSettings{Immutability: &off}, access.VaultWeaken, 0, "switched off"},
		{"trial to real", vault.Trial, lifecycle.NewSettings{Immutability: &unlocked}, access.VaultUpdate, 0, "storage locks them"},
		{"trial to off", vault.Trial, lifecycle.NewSettings{Immutability: &off}, "", errkind.Refused, "trial is not immutable"},
		{"no such state", vault.Unlocked, lifecycle.NewSettings{Immutability: &nonsense}, "", errkind.Invalid, "off or unlocked"},
		{"nothing", vault.Unlocked, lifecycle.NewSettings{Immutability: &unlocked}, "", errkind.Exists, "nothing to change"},
		{"longer soft delete", vault.Unlocked, lifecycle.NewSettings{SoftDeleteDays: days(90)}, access.VaultUpdate, 0, "90 days instead of 14"},
		{"no soft delete", vault.Unlocked, lifecycle.NewSettings{SoftDeleteDays: days(0)}, access.VaultWeaken, 0, "cannot be brought back"},
		{"a week of it", vault.Unlocked, lifecycle.NewSettings{SoftDeleteDays: days(7)}, "", errkind.Invalid, "14 to 180"},
		{"always on", vault.Unlocked, lifecycle.NewSettings{SoftDeleteOn: true}, access.VaultHarden, 0, "nobody can switch it off"},
		{"always on of none", vault.Unlocked, lifecycle.NewSettings{SoftDeleteOn: true, SoftDeleteDays: days(0)}, "", errkind.Invalid, "while it is off"},
		{"shorter minimum", vault.Unlocked, lifecycle.NewSettings{Minimum: p(calendar.Days(1))}, access.VaultWeaken, 0, "those there are keep"},
		{"longer minimum than the policy's", vault.Unlocked, lifecycle.NewSettings{Minimum: p(calendar.Days(60))}, "", errkind.Refused, "would not fit"},
		{"30 years", vault.Unlocked, lifecycle.NewSettings{Maximum: p(calendar.Years(30))}, access.VaultHarden, 0, "30 years"},
		{"99 years", vault.Unlocked, lifecycle.NewSettings{Maximum: p(calendar.Years(99))}, "", errkind.Invalid, "50 years at most"},
		{"no maximum", vault.Unlocked, lifecycle.NewSettings{Maximum: p(calendar.Forever())}, "", errkind.Invalid, "50 years at most"},
		{"maximum below the policy", vault.Unlocked, lifecycle.NewSettings{Maximum: p(calendar.Years(2))}, "", errkind.Refused, "would not fit"},
		{"both ways", vault.Unlocked, lifecycle.NewSettings{Maximum: p(calendar.Years(20)), SoftDeleteDays: days(0)}, "", errkind.Invalid, "one at a time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, options{kind: c.kind})
			plan, err := r.life.PlanSettings(t.Context(), "books", c.change)
			if c.kinds != 0 {
				wantKind(t, err, c.kinds, c.says)
				wantKind(t, r.change(access.VaultWeaken, c.change), c.kinds, c.says)
				return
			}
			r.must(err)
			if plan.Action != c.action || !strings.Contains(strings.Join(plan.Changes, "; "), c.says) {
				t.Errorf("%+v", plan)
			}
			for _, a := range []access.Action{access.VaultUpdate, access.VaultWeaken, access.VaultHarden} {
				if a != c.action {
					if err := r.change(a, c.change); err == nil {
						t.Errorf("%s was enough", a)
					}
				}
			}
			r.must(r.change(c.action, c.change))
			r.recovered()
		})
	}
}

func TestSettings_OfALockedVaultOnlyGrow(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	lock := func() { _, _ = r.life.Lock(t.Context(), grant(access.VaultLock), "books") }
	lock()
	week := calendar.Days(8)
	wantKind(t, r.change(access.VaultUpdate, lifecycle.NewSettings{Minimum: &week}), errkind.Refused, "unlock-request")
	r.days(4)
	lock()
	if r.row().Kind != catalog.VaultLocked {
		t.Fatal("not locked")
	}
	off, day, year := vault.StateOff, calendar.Days(1), calendar.Years(11)
	for says, n := range map[string]lifecycle.NewSettings{"ever": {Immutability: &off}, "never shortened": {Minimum: &day}, "cannot be lowered": {Maximum: &year}} {
		wantKind(t, r.change(access.VaultWeaken, n), errkind.Refused, says)
	}
	more := 90
	r.must(r.change(access.VaultUpdate, lifecycle.NewSettings{SoftDeleteDays: &more}))
	if r.row().SoftDeleteDays != 90 || r.row().Kind != catalog.VaultLocked {
		t.Errorf("%+v", r.row())
	}
}

func TestSettings_WeakeningWaitsForProvenTime(t *testing.T) {
	r := newRig(t, options{})
	r.latched = "the clocks disagree"
	off, days := vault.StateOff, 90
	wantKind(t, r.change(access.VaultWeaken, lifecycle.NewSettings{Immutability: &off}), errkind.Refused, "disagree")
	r.must(r.change(access.VaultUpdate, lifecycle.NewSettings{SoftDeleteDays: &days}))
}

func TestSettings_AlwaysOnCannotBeSwitchedOff(t *testing.T) {
	r := newRig(t, options{})
	r.must(r.change(access.VaultHarden, lifecycle.NewSettings{SoftDeleteOn: true}))
	none, fewer := 0, 14
	wantKind(t, r.change(access.VaultWeaken, lifecycle.NewSettings{SoftDeleteDays: &none}), errkind.Refused, "always on")
	wantKind(t, r.change(access.VaultWeaken, lifecycle.NewSettings{SoftDeleteDays: &fewer}), errkind.Exists, "nothing")
}

// TestProtect_ATrialBecomesReal locks what the trial holds and all that follows.
func TestProtect_ATrialBecomesReal(t *testing.T) {
	r := newRig(t, options{kind: vault.Trial})
	r.backup()
	if l := r.locks(); l.Mode != blob.NoLock {
		t.Fatalf("%+v", l)
	}
	unlocked := vault.StateUnlocked
	r.must(r.change(access.VaultUpdate, lifecycle.NewSettings{Immutability: &unlocked}))
	row := r.row()
	if row.Kind != catalog.VaultUnlocked || row.MinRetention != "P7D" || row.SoftDeleteDays != 14 || row.AssuranceLevel != 1 {
		t.Errorf("%+v", row)
	}
	l := r.locks()
	if l.Mode != blob.Governance || l.Objects == 0 || l.Locked != l.Objects || l.Short() {
		t.Errorf("%+v", l)
	}
	r.days(1)
	r.backup()
	if l := r.locks(); l.Locked != l.Objects || l.Short() {
		t.Errorf("%+v", l)
	}
	r.recovered()
}

// TestOff_APointGoesBeforeItsTimeByDeletionAlone is what immutability prevents.
func TestOff_APointGoesBeforeItsTimeByDeletionAlone(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	off := vault.StateOff
	r.must(r.change(access.VaultWeaken, lifecycle.NewSettings{Immutability: &off}))
	r.days(1)
	second := r.backup()
	r.days(1)
	r.backup()
	if rep, err := r.vault().Verify(t.Context(), vault.Full, nil); err != nil || !rep.OK() {
		t.Errorf("without locks: %v, %+v", err, rep.Problems)
	}
	_, err := r.life.DeletePoint(t.Context(), grant(access.PointDelete), second.ID, "a mistake")
	r.must(err)
	r.days(14)
	if e := r.plan(); len(e.Expire) != 0 {
		t.Errorf("within its window: %+v", e.Expire)
	}
	r.days(1)
	e := r.plan()
	if len(e.Expire) != 1 || e.Expire[0].Point != second.ID || e.Expire[0].Findings[0].Ground != retention.GroundDeleted {
		t.Fatalf("%+v", e)
	}
	if out := r.expire(); len(out.Certificates) != 1 || !strings.Contains(out.Certificates[0].Grounds[0], "before the end of its retention") {
		t.Errorf("%+v", out)
	}
	if len(r.points()) != 2 {
		t.Errorf("%v", r.points())
	}
}

func TestSource_StoppedResumedAndKeptForEver(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	r.days(1)
	daily := r.backup()
	r.days(1)
	r.backup()
	ctx := t.Context()
	_, err := r.life.StopSource(ctx, grant(access.SourceStop), "ledgers", "by magic", "")
	wantKind(t, err, errkind.Invalid, "retains its points")
	_, err = r.life.StopSource(ctx, grant(access.SourceStop), "ledgers", lifecycle.ByPolicy, "sold")
	r.must(err)
	r.refused("source resume")
	r.days(60)
	if e := r.plan(); len(e.Expire) != 1 || e.Expire[0].Point != daily.ID {
		t.Errorf("by policy: %+v", e)
	}
	_, err = r.life.StopSource(ctx, grant(access.SourceStop), "ledgers", lifecycle.ForEver, "sold")
	r.must(err)
	if e := r.plan(); len(e.Expire) != 0 {
		t.Errorf("for ever: %+v", e.Expire)
	}
	_, err = r.life.StopSource(ctx, grant(access.SourceStop), "ledgers", lifecycle.ByPolicy, "")
	wantKind(t, err, errkind.Refused, "source resume")
	_, err = r.life.UnfreezeSource(ctx, grant(access.PointUnfreeze), "ledgers", "stopped-for-ever", "trick")
	wantKind(t, err, errkind.Refused, "source resume")
	r.recovered()
	r.refused("source resume")
	r.latched = "the clocks disagree"
	_, err = r.life.ResumeSource(ctx, grant(access.SourceResume), "ledgers")
	wantKind(t, err, errkind.Refused, "disagree")
	r.latched = ""
	_, err = r.life.ResumeSource(ctx, grant(access.SourceResume), "ledgers")
	r.must(err)
	r.backup()
	if e := r.plan(); len(e.Expire) != 2 {
		t.Errorf("resumed: %d go", len(e.Expire))
	}
}

func TestSource_DeletedWholeOrNotAtAll(t *testing.T) {
	r := newRig(t, options{})
	ctx := t.Context()
	alone := r.backup()
	_, err := r.life.DeleteSource(ctx, grant(access.SourceDelete), "ledgers", "sold")
	wantKind(t, err, errkind.Refused, "source stop")
	r.days(11 * 366) // past every rule of the policy
	h, err := r.life.PlaceHold(ctx, grant(access.HoldPlace), "books", hold.Hold{Matter: "C-1", Reason: "D-1"})
	r.must(err)
	_, err = r.life.DeleteSource(ctx, grant(access.SourceDelete), "ledgers", "sold")
	wantKind(t, err, errkind.Refused, "C-1")
	_, err = r.life.ReleaseHold(ctx, grant(access.HoldRelease), "books", h.ID, "over")
	r.must(err)
	_, err = r.life.DeletePoint(ctx, grant(access.PointDelete), alone.ID, "on its own")
	r.must(err)
	r.days(1)
	second := r.backup()
	off := vault.StateOff
	r.must(r.change(access.VaultWeaken, lifecycle.NewSettings{Immutability: &off}))
	d, err := r.life.DeleteSource(ctx, grant(access.SourceDelete), "ledgers", "sold")
	r.must(err)
	if d.State != vault.SourceDeleted || !d.PurgeAfter.Equal(r.now.AddDate(0, 0, 14)) {
		t.Errorf("%+v", d)
	}
	r.refused("source undelete")
	r.recovered()
	_, err = r.life.UndeleteSource(ctx, grant(access.SourceUndelete), "ledgers")
	r.must(err)
	for _, p := range r.points() {
		if want := map[string]catalog.PointState{alone.ID: catalog.PointSoftDeleted, second.ID: catalog.PointProtected}[p.ID]; p.State != want {
			t.Errorf("point %s is %s, want %s", p.ID, p.State, want)
		}
	}
	r.refused("source resume") // undeleted is stopped
	_, err = r.life.DeleteSource(ctx, grant(access.SourceDelete), "ledgers", "sold after all")
	r.must(err)
	r.days(20)
	left := r.expire()
	if len(left.Left) != 0 {
		t.Logf("%+v", left)
	}
	r.days(400) // locks taken while the vault was immutable end
	r.expire()
	r.days(13 * 366)
	r.expire()
	if len(r.points()) != 0 {
		t.Fatalf("%+v", r.plan())
	}
	r.recovered()
	_, err = r.life.UndeleteSource(ctx, grant(access.SourceUndelete), "ledgers")
	wantKind(t, err, errkind.Invalid, "purged")
	r.refused("deleted")
}

func TestVault_DeletedWholeOrNotAtAll(t *testing.T) {
	r := newRig(t, options{kind: vault.Trial})
	ctx := t.Context()
	r.backup()
	h, err := r.life.PlaceHold(ctx, grant(access.HoldPlace), "books", hold.Hold{Matter: "C-1", Reason: "D-1"})
	r.must(err)
	_, err = r.life.DeleteVault(ctx, grant(access.VaultDelete), "books", "sold")
	wantKind(t, err, errkind.Refused, "C-1")
	_, err = r.life.ReleaseHold(ctx, grant(access.HoldRelease), "books", h.ID, "over")
	r.must(err)
	days := 20
	r.must(r.change(access.VaultUpdate, lifecycle.NewSettings{SoftDeleteDays: &days}))
	d, err := r.life.DeleteVault(ctx, grant(access.VaultDelete), "books", "sold")
	r.must(err)
	if d.Points != 1 || !d.PurgeAfter.Equal(r.now.AddDate(0, 0, 20)) {
		t.Errorf("%+v", d)
	}
	r.refused("vault undelete")
	_, err = r.custody.CreateSource(ctx, grant(access.SourceCreate), custody.NewSource{Name: "more", Vault: "books", Paths: [][]byte{[]byte(r.folder)}})
	wantKind(t, err, errkind.Refused, "vault undelete")
	fewer := 14
	wantKind(t, r.change(access.VaultWeaken, lifecycle.NewSettings{SoftDeleteDays: &fewer}), errkind.Refused, "vault undelete")
	r.recovered()
	_, err = r.life.UndeleteVault(ctx, grant(access.VaultUndelete), "books")
	r.must(err)
	r.backup()
	if _, err = r.life.DeleteVault(ctx, grant(access.VaultDelete), "books", "sold"); err != nil {
		t.Fatal(err)
	}
	r.days(21)
	r.expire()
	if len(r.points()) != 0 {
		t.Errorf("%+v", r.plan())
	}
}

// TestDelete_WithoutSoftDelete goes at once, also before its time where that can
// be.
func TestDelete_WithoutSoftDelete(t *testing.T) {
	ctx := t.Context()
	for what, del := range map[string]func(*rig, catalog.Point) error{
		"point": func(r *rig, p catalog.Point) error {
			_, err := r.life.DeletePoint(ctx, grant(access.PointDelete), p.ID, "why")
			return err
		},
		"source": func(r *rig, _ catalog.Point) error {
			_, err := r.life.DeleteSource(ctx, grant(access.SourceDelete), "ledgers", "why")
			return err
		},
		"vault": func(r *rig, _ catalog.Point) error {
			_, err := r.life.DeleteVault(ctx, grant(access.VaultDelete), "books", "why")
			return err
		},
	} {
		r := newRig(t, options{kind: vault.Trial}) // has none
		p := r.backup()
		r.must(del(r, p))
		r.now = r.now.Add(time.Second)
		if out := r.expire(); len(out.Certificates) != 1 || len(r.points()) != 0 {
			t.Errorf("%s: %+v", what, out)
		}
	}
}
