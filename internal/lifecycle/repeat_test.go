package lifecycle_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/jobs"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// What is recorded in the vault and did not reach the catalog, as when the process
// was killed between the two: the vault's word counts, and a repeat carries on.

func TestRepeat_OfSettingsTheCatalogDidNotGet(t *testing.T) {
	r := newRig(t, options{kind: vault.Trial})
	r.backup()
	before := r.row()
	protect := lifecycle.NewSettings{Immutability: new(string)}
	*protect.Immutability = vault.StateUnlocked
	r.must(r.change(access.VaultUpdate, protect))
	r.must(r.catalog.UpdateVault(t.Context(), grant(access.VaultUpdate), before))
	r.must(r.custody.Close())
	wantKind(t, r.custody.RemoveTrial(t.Context(), grant(access.VaultRemove)), errkind.Refused, "no trial any more")
	if _, err := r.jobs.Backup(t.Context(), grant(access.BackupRun), jobs.Backup{Source: "ledgers"}); err != nil {
		t.Errorf("backup: %v", err)
	}
	if _, err := r.life.PlaceHold(t.Context(), grant(access.HoldPlace), "books", hold.Hold{Matter: "m", Reason: "r"}); err != nil {
		t.Errorf("hold: %v", err)
	}
	wantKind(t, r.change(access.VaultUpdate, protect), errkind.Exists, "as asked already")
	if row := r.row(); row.Kind != catalog.VaultUnlocked || row.MinRetention != "P7D" {
		t.Errorf("%+v", row)
	}
	if l := r.locks(); l.Objects == 0 || l.Locked != l.Objects {
		t.Errorf("%d of %d locked", l.Locked, l.Objects)
	}
}

func TestRepeat_OfASourceTheCatalogDidNotGet(t *testing.T) {
	r := newRig(t, options{})
	ctx := t.Context()
	r.switchOff()
	p := r.backup()
	state := func() vault.SourceState {
		_, d, err := custody.SourceRecord(r.source())
		r.must(err)
		return d.State
	}
	before := r.source()
	_, err := r.life.StopSource(ctx, grant(access.SourceStop), "ledgers", lifecycle.ByPolicy, "x")
	r.must(err)
	r.must(r.catalog.UpdateSource(ctx, grant(access.SourceStop), before))
	r.refused("source resume")
	_, err = r.life.StopSource(ctx, grant(access.SourceStop), "ledgers", lifecycle.ByPolicy, "x")
	wantKind(t, err, errkind.Exists, "stopped that way")
	if state() != vault.SourceStopped {
		t.Errorf("the catalog has it as %q", state())
	}
	before = r.source()
	_, err = r.life.DeleteSource(ctx, grant(access.SourceDelete), "ledgers", "x")
	r.must(err)
	r.must(r.catalog.UpdateSource(ctx, grant(access.SourceDelete), before))
	r.must(r.catalog.SetPointState(ctx, grant(access.PointDelete), p.ID, catalog.PointProtected, r.now))
	_, err = r.life.DeleteSource(ctx, grant(access.SourceDelete), "ledgers", "x")
	wantKind(t, err, errkind.Refused, "is deleted")
	if row, err := r.catalog.Point(ctx, p.ID); err != nil || row.State != catalog.PointSoftDeleted || state() != vault.SourceDeleted {
		t.Errorf("the catalog has it as %q and its point as %q, %v", state(), row.State, err)
	}
}

func TestRepeat_OfADeletedVaultTheCatalogDidNotGet(t *testing.T) {
	r := newRig(t, options{})
	ctx := t.Context()
	before := r.row()
	_, err := r.life.DeleteVault(ctx, grant(access.VaultDelete), "books", "x")
	r.must(err)
	r.must(r.catalog.UpdateVault(ctx, grant(access.VaultDelete), before))
	_, err = r.custody.CreateSource(ctx, grant(access.SourceCreate), custody.NewSource{Name: "more", Vault: "books", Paths: [][]byte{[]byte(r.folder)}})
	wantKind(t, err, errkind.Refused, "vault undelete")
	_, err = r.life.DeleteVault(ctx, grant(access.VaultDelete), "books", "x")
	wantKind(t, err, errkind.Exists, "deleted already")
	if d, err := custody.DetailOfVault(r.row()); err != nil || d.PurgeAfter.IsZero() {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestRepeat_OfALockingTheCatalogDidNotGet(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	lock := func() error {
		_, err := r.life.Lock(t.Context(), grant(access.VaultLock), "books")
		return err
	}
	r.must(lock())
	r.days(4)
	before := r.row()
	r.must(lock())
	before.Kind = catalog.VaultUnlocked
	r.must(r.catalog.ReplaceVault(t.Context(), grant(access.VaultRecover), before))
	r.must(r.custody.Close())
	r.backup() // as into a locked vault
	if l := r.locks(); l.Mode != "compliance" || l.Locked != l.Objects {
		t.Errorf("%+v", l)
	}
	r.must(lock())
	if row := r.row(); row.Kind != catalog.VaultLocked || row.AssuranceLevel != r.vault().Bucket().Caps().Assurance {
		t.Errorf("%+v", row)
	}
}

func TestRepeat_OfAReleaseThatTheStoreDidNotGet(t *testing.T) {
	r := newRig(t, options{})
	ctx := t.Context()
	p := r.backup()
	h, err := r.life.PlaceHold(ctx, grant(access.HoldPlace), "books", hold.Hold{Matter: "m", Reason: "r"})
	r.must(err)
	r.driver.SetFault(func(op memblob.Op, _ string) memblob.Fault {
		if op != memblob.OpHold {
			return memblob.Fault{}
		}
		return memblob.Fault{When: memblob.NotApplied, Err: errInjected}
	})
	if _, err = r.life.ReleaseHold(ctx, grant(access.HoldRelease), "books", h.ID, "over"); err == nil {
		t.Fatal("the store was to refuse")
	}
	r.driver.SetFault(nil)
	_, err = r.life.ReleaseHold(ctx, grant(access.HoldRelease), "books", h.ID, "over")
	wantKind(t, err, errkind.Exists, "released already")
	if on, err := r.driver.LegalHold(ctx, objectOf(t, p)); err != nil || on {
		t.Errorf("still held by the store: %v, %v", on, err)
	}
}

// TestHold_OfADisposalThatStopped is placed after a disposal was recorded and
// before the point went.
func TestHold_OfADisposalThatStopped(t *testing.T) {
	r, p := expired(t)
	ctx := t.Context()
	r.driver.SetFault(func(op memblob.Op, _ string) memblob.Fault {
		if op != memblob.OpDelete {
			return memblob.Fault{}
		}
		return memblob.Fault{When: memblob.NotApplied, Err: errInjected}
	})
	if _, err := r.life.ApplyExpiry(ctx, grant(access.PointExpire), "books", r.plan().Digest); err == nil {
		t.Fatal("the store was to refuse")
	}
	r.driver.SetFault(nil)
	_, err := r.life.PlaceHold(ctx, grant(access.HoldPlace), "books", hold.Hold{Matter: "m", Reason: "r"})
	r.must(err)
	if _, err := r.life.PlanExpiry(ctx, "books"); err == nil && !r.there(p) {
		t.Error("it went")
	}
	info, err := r.vault().Bucket().Stat(ctx, objectOf(t, p))
	if err != nil || !info.Lock.Holds(r.now) {
		t.Errorf("storage locks nothing of it: %+v, %v", info.Lock, err)
	}
}

func TestDelete_WaitsForProvenTime(t *testing.T) {
	r := newRig(t, options{})
	ctx := t.Context()
	r.backup()
	p := r.backup()
	r.now = r.now.AddDate(11, 0, 0)
	r.latched = "the clocks disagree"
	_, err := r.life.DeletePoint(ctx, grant(access.PointDelete), p.ID, "x")
	wantKind(t, err, errkind.Refused, "disagree")
	_, err = r.life.DeleteSource(ctx, grant(access.SourceDelete), "ledgers", "x")
	wantKind(t, err, errkind.Refused, "disagree")
	_, err = r.life.DeleteVault(ctx, grant(access.VaultDelete), "books", "x")
	wantKind(t, err, errkind.Refused, "disagree")
}

func TestSource_KeptForEverAndThenDeletedIsNotFrozen(t *testing.T) {
	r := newRig(t, options{})
	ctx := t.Context()
	r.switchOff()
	p := r.backup()
	_, err := r.life.StopSource(ctx, grant(access.SourceStop), "ledgers", lifecycle.ForEver, "x")
	r.must(err)
	_, err = r.life.DeleteSource(ctx, grant(access.SourceDelete), "ledgers", "x")
	r.must(err)
	_, err = r.life.UndeleteSource(ctx, grant(access.SourceUndelete), "ledgers")
	r.must(err)
	_, err = r.life.ResumeSource(ctx, grant(access.SourceResume), "ledgers")
	r.must(err)
	if s, err := r.jobs.PointState(ctx, p); err != nil || len(s.Freezes) != 0 {
		t.Errorf("frozen by %v, %v", s.Freezes, err)
	}
}

// TestSource_IsPurgedWhenTheVaultHasNothingOfIt has a catalog that lost a point.
func TestSource_IsPurgedWhenTheVaultHasNothingOfIt(t *testing.T) {
	r := newRig(t, options{})
	ctx := t.Context()
	r.switchOff()
	p := r.backup()
	_, err := r.life.DeleteSource(ctx, grant(access.SourceDelete), "ledgers", "x")
	r.must(err)
	r.days(15)
	r.must(r.catalog.SetPointState(ctx, grant(access.PointExpire), p.ID, catalog.PointPurged, r.now))
	r.expire()
	_, err = r.life.UndeleteSource(ctx, grant(access.SourceUndelete), "ledgers")
	r.must(err)
}

// TestBatch_ASignatureIsForTheRetentionItWasGivenFor lets the event happen anew
// after both have signed.
func TestBatch_ASignatureIsForTheRetentionItWasGivenFor(t *testing.T) {
	class := sevenYearsFromEvent(t)
	r := newRig(t, options{classes: []policy.ClassRule{{Class: class.ID, Path: "gl", CarriedBy: policy.EveryPoint}}})
	r.must(os.MkdirAll(filepath.Join(r.folder, "gl"), 0o700))
	r.write("gl/a.csv", "1")
	p := r.backup()
	r.days(1)
	r.must(os.RemoveAll(filepath.Join(r.folder, "gl")))
	r.backup()
	first := r.now
	happens := func(at time.Time) {
		_, err := r.life.RecordEvent(t.Context(), grant(access.EventRecord), "books", retention.Event{Name: class.ClockStart, At: at, Evidence: "opinion",
			Covers: retention.Selector{Classes: []string{class.ID}, To: first.AddDate(0, 0, 1)}})
		r.must(err)
	}
	happens(first)
	r.now = first.AddDate(11, 0, 0)
	r.backup()
	r.signAll()
	goes := func() bool {
		for _, c := range r.plan().Expire {
			if c.Point == p.ID {
				return true
			}
		}
		return false
	}
	if !goes() {
		t.Fatal("signed, and it does not go")
	}
	happens(r.now)
	r.now = r.now.AddDate(8, 0, 0)
	r.backup()
	if goes() {
		t.Error("it goes by signatures for a retention that is not its own any more")
	}
	r.signAll()
	if !goes() {
		t.Error("signed anew, and it does not go")
	}
}

// TestRecover_KeepsThePoliciesOfOtherVaults takes up a vault of another
// installation, in which a policy of the same name and version is another one.
func TestRecover_KeepsThePoliciesOfOtherVaults(t *testing.T) {
	mine, theirs := underOwn(t, 1), newRig(t, options{})
	theirs.set(own(t, daily(8)))
	theirs.move("ledgers", "own")
	mine.driver = theirs.driver
	row := theirs.row()
	url, err := blob.ParseURL("mem://others")
	mine.must(err)
	_, err = mine.custody.Recover(t.Context(), grant(access.VaultRecover), url, theirs.custody.KeyFile(row.ID))
	if err == nil {
		t.Error("it was taken up")
	}
	p, err := mine.custody.Policy(t.Context(), "own", 1)
	mine.must(err)
	if p.Keep[0].For == calendar.Days(8) {
		t.Errorf("policy %s keeps %s by the recovery of another vault", p.Name, p.Keep[0].For.Words())
	}
}
