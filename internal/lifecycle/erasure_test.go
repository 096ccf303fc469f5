package lifecycle_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/erasure"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/restore"
)

// erase records that a path was erased in all sources.
func (r *rig) erase(paths ...string) lifecycle.Erasure {
	r.t.Helper()
	e, err := r.life.RecordErasure(r.t.Context(), grant(access.ErasureRecord), "books", erasure.Erasure{Reason: "DSR-1", Paths: paths}, "")
	r.must(err)
	return e
}

// beyond gives the points that hold what was erased.
func (r *rig) beyond(id string) (points []string) {
	r.t.Helper()
	_, held, err := r.life.Erasure(r.t.Context(), "books", id)
	r.must(err)
	for _, b := range held {
		if b.Problem != "" || b.Files != 1 {
			r.t.Errorf("%+v", b)
		}
		points = append(points, b.Point)
	}
	return points
}

// back restores a point and gives the names of what came back.
func (r *rig) back(p catalog.Point, action access.Action) (names []string, report restore.Report, err error) {
	r.t.Helper()
	dir := filepath.Join(r.t.TempDir(), "out")
	_, report, err = r.jobs.Restore(r.t.Context(), grant(action), p.ID, restore.Options{To: dir}, nil)
	if err != nil {
		return nil, report, err
	}
	entries, err := os.ReadDir(dir)
	r.must(err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, report, nil
}

func TestErasure_DisposedPointsDropOut(t *testing.T) {
	r := newRig(t, options{})
	r.write("ann.txt", "a letter")
	first := r.backup()
	r.days(1)
	second := r.backup() // kept 30 days
	r.days(1)
	r.must(os.Remove(filepath.Join(r.folder, "ann.txt")))
	e := r.erase("ann.txt")
	r.days(1)
	third := r.backup()
	if e.Points != 2 {
		t.Errorf("it concerns %d points", e.Points)
	}
	if diff := cmp.Diff([]string{first.ID, second.ID}, r.beyond(e.ID)); diff != "" {
		t.Error(diff)
	}
	before := r.plan()
	r.days(30)
	if got := r.plan(); len(before.Expire) != 0 || len(got.Expire) != 1 || got.Expire[0].Point != second.ID {
		t.Errorf("an erasure neither hastens nor delays what goes: %+v, then %+v", before.Expire, got.Expire)
	}
	r.expire()
	if diff := cmp.Diff([]string{first.ID}, r.beyond(e.ID)); diff != "" {
		t.Error(diff)
	}
	list, err := r.life.Erasures(t.Context(), "books")
	r.must(err)
	if len(list) != 1 || list[0].Points != 1 {
		t.Errorf("%+v", list)
	}
	if names, report, err := r.back(third, access.RestoreRun); err != nil || len(names) != 1 || report.LeftOut.Entries != 0 {
		t.Errorf("a point made after it: %v, %+v, %v", names, report, err)
	}
}

// TestErasure_ReachesTheRemnantThatIsMadeAfterIt: a record of a class is erased in
// the source, and its remnant keeps it beyond use for the period of the class.
func TestErasure_ReachesTheRemnantThatIsMadeAfterIt(t *testing.T) {
	r := ledgers(t)
	r.write("gl/ann.csv", "her pay")
	r.write("gl/bob.csv", "his pay")
	had := r.backup()
	r.days(1)
	r.must(os.Remove(filepath.Join(r.folder, "gl", "ann.csv")))
	r.must(os.Remove(filepath.Join(r.folder, "gl", "bob.csv")))
	e := r.erase("gl/ann.csv")
	r.days(1)
	r.backup()
	remnants := r.remnants()
	if len(remnants) != 1 || !remnants[0].StartedAt.Equal(had.StartedAt) || !remnants[0].ReceivedAt.Equal(r.now) {
		t.Fatalf("%+v", remnants)
	}
	if diff := cmp.Diff([]string{had.ID, remnants[0].ID}, r.beyond(e.ID)); diff != "" {
		t.Error(diff)
	}
	came := func(action access.Action) []string {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "out")
		_, report, err := r.jobs.Restore(t.Context(), grant(action), remnants[0].ID, restore.Options{To: dir}, nil)
		r.must(errors.Join(err, report.Err()))
		names, err := filepath.Glob(filepath.Join(dir, "gl", "*"))
		r.must(err)
		for i := range names {
			names[i] = filepath.Base(names[i])
		}
		return names
	}
	if diff := cmp.Diff([]string{"bob.csv"}, came(access.RestoreRun)); diff != "" {
		t.Errorf("restored: %s", diff)
	}
	if diff := cmp.Diff([]string{"ann.csv", "bob.csv"}, came(access.RestoreErased)); diff != "" {
		t.Errorf("for a legal need: %s", diff)
	}
	_, err := r.life.WithdrawErasure(t.Context(), grant(access.ErasureWithdraw), "books", e.ID, "DSR-1b")
	r.must(err)
	if diff := cmp.Diff([]string{"ann.csv", "bob.csv"}, came(access.RestoreRun)); diff != "" {
		t.Errorf("after its withdrawal: %s", diff)
	}
	// What comes to that path later is a new record.
	r.erase("gl/ann.csv")
	r.days(1)
	r.write("gl/ann.csv", "her pay again")
	r.backup()
	r.days(1)
	r.must(os.Remove(filepath.Join(r.folder, "gl", "ann.csv")))
	r.backup()
	if remnants := r.remnants(); len(remnants) != 2 || r.restored(remnants[1].ID, "gl/ann.csv") != "her pay again" {
		t.Errorf("%+v", remnants)
	}
}

func TestErasure_APointBegunBeforeItIsCoveredThoughItCameLater(t *testing.T) {
	r := newRig(t, options{})
	r.write("ann.txt", "a letter")
	long := true // until the first pack is stored, a day after the backup began
	r.driver.SetFault(func(op memblob.Op, object string) memblob.Fault {
		if long && op == memblob.OpPut && strings.HasPrefix(object, "packs/") {
			long = false
			r.days(1)
		}
		return memblob.Fault{}
	})
	began := r.now
	p := r.backup()
	r.driver.SetFault(nil)
	if long || !p.StartedAt.Equal(began) || !p.ReceivedAt.After(began) {
		t.Fatalf("begun %s, received %s", p.StartedAt, p.ReceivedAt)
	}
	e, err := r.life.RecordErasure(t.Context(), grant(access.ErasureRecord), "books", erasure.Erasure{Reason: "DSR-1", Paths: []string{"ann.txt"}, Until: began}, "")
	r.must(err)
	if diff := cmp.Diff([]string{p.ID}, r.beyond(e.ID)); diff != "" {
		t.Error(diff)
	}
}

func TestErasure_DamagedRecordsLoseNeitherFilesNorErasures(t *testing.T) {
	r := newRig(t, options{})
	r.write("ann.txt", "a letter")
	r.write("bob.txt", "a letter")
	p := r.backup()
	r.erase("ann.txt")
	r.erase("bob.txt")
	records, err := r.vault().Records(t.Context())
	r.must(err)
	last := records[len(records)-1].Number
	for _, lost := range []uint64{0, 1, last, last - 1} { // none, then a break, then what the catalog has too
		if lost > 0 && !r.driver.Drop(fmt.Sprintf("governance/%016d", lost)) {
			t.Fatalf("no record %d", lost)
		}
		names, report, err := r.back(p, access.RestoreRun)
		if err != nil || !slices.Equal(names, []string{"ledger.csv"}) || report.LeftOut.Files != 2 || (report.Doubt != "") != (lost > 0) || report.Err() != nil {
			t.Errorf("without record %d: %v, %+v, %v", lost, names, report, err)
		}
	}
	if names, report, err := r.back(p, access.RestoreErased); err != nil || len(names) != 3 || report.LeftOut.Files != 0 {
		t.Errorf("with the right: %v, %+v, %v", names, report, err)
	}
}

func TestErasure_TakesItsOwnGrantsAndKnownSubjects(t *testing.T) {
	r := newRig(t, options{})
	ctx := t.Context()
	e := r.erase("ann.txt")
	_, err := r.life.RecordErasure(ctx, grant(access.HoldPlace), "books", erasure.Erasure{Reason: "r", Paths: []string{"a"}}, "")
	wantKind(t, err, errkind.NotAllowed, "")
	_, err = r.life.WithdrawErasure(ctx, grant(access.ErasureRecord), "books", e.ID, "r")
	wantKind(t, err, errkind.NotAllowed, "")
	_, err = r.life.ForgetSubject(ctx, grant(access.ErasureRecord), "books", e.Subject)
	wantKind(t, err, errkind.NotAllowed, "")
	_, err = r.life.WithdrawErasure(ctx, grant(access.ErasureWithdraw), "books", e.ID, " ")
	wantKind(t, err, errkind.Invalid, "needs a reason")

	again := erasure.Erasure{Reason: "DSR-2", Paths: []string{"b"}, Subject: e.Subject}
	_, err = r.life.RecordErasure(ctx, grant(access.ErasureRecord), "books", again, "Ann Example")
	r.must(err)
	_, err = r.life.RecordErasure(ctx, grant(access.ErasureRecord), "books", again, "Ann Other")
	wantKind(t, err, errkind.Exists, "has a name already")
	if name, err := r.life.SubjectName(ctx, "books", e.Subject); err != nil || name != "Ann Example" {
		t.Errorf("%q, %v", name, err)
	}
}
