package lifecycle_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/jobs"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/restore"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// ledgers are a source with records of a class of seven years from an event in
// one of its folders. It begins after New Year's day, so that no point is yearly.
func ledgers(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, options{start: time.Date(2026, 3, 10, 22, 0, 0, 0, time.UTC), classes: []policy.ClassRule{{Class: "general_ledger", Path: "gl"}}})
	r.must(os.MkdirAll(filepath.Join(r.folder, "gl", "2026"), 0o700))
	return r
}

func (r *rig) remnants() []catalog.Point {
	r.t.Helper()
	return slices.DeleteFunc(r.points(), func(p catalog.Point) bool { return !slices.Contains(p.Tags, catalog.RemnantTag) })
}

// restored gives the text of a file as a point brings it back.
func (r *rig) restored(id, path string) string {
	r.t.Helper()
	to := filepath.Join(r.t.TempDir(), "back")
	_, report, err := r.jobs.Restore(r.t.Context(), grant(access.RestoreRun), id, restore.Options{To: to, Verify: true}, nil)
	r.must(errors.Join(err, report.Err()))
	if !report.Verified {
		r.t.Error("the restored files were not verified")
	}
	data, err := os.ReadFile(filepath.Join(to, path))
	r.must(err)
	return string(data)
}

// TestRemnant_OutlivesTheRotation deletes a record from a folder, lets the points
// that had it expire, and brings it back from its remnant, which then goes when
// the period of its class has passed and somebody signs.
func TestRemnant_OutlivesTheRotation(t *testing.T) {
	r := ledgers(t)
	r.backup()
	r.days(1)
	text := strings.Repeat("journal entry 4711\n", 1000)
	r.write("gl/2026/march.csv", text)
	had := r.backup()
	if n := len(r.remnants()); n != 0 {
		t.Fatalf("%d remnants while nothing is gone", n)
	}
	r.days(1)
	r.must(os.Remove(filepath.Join(r.folder, "gl", "2026", "march.csv")))
	gone := r.now
	out, err := r.jobs.Backup(t.Context(), grant(access.BackupRun), jobs.Backup{Source: "ledgers", Trigger: retention.Scheduled})
	r.must(err)
	remnants := r.remnants()
	if len(remnants) != 1 {
		t.Fatalf("%d remnants", len(remnants))
	}
	remnant := remnants[0]
	if diff := cmp.Diff([]string{"remnant"}, remnant.Tags); diff != "" || remnant.Files != 1 || remnant.Dirs != 3 || !remnant.Complete {
		t.Errorf("%+v", remnant)
	}
	if !slices.ContainsFunc(out.Warnings, func(w string) bool { return strings.Contains(w, remnant.ID) }) {
		t.Errorf("warnings %q", out.Warnings)
	}
	state, err := r.jobs.PointState(t.Context(), remnant)
	r.must(err)
	if diff := cmp.Diff([]string{"Is a remnant: it keeps records of class general_ledger that are gone from the source, as the point before them had them."}, custody.Gone(state)); diff != "" || len(state.Pending) != 1 {
		t.Errorf("%s, pending %+v", diff, state.Pending)
	}
	for _, ref := range []string{"latest", "latest:ledgers"} {
		if p, err := r.catalog.Point(t.Context(), ref); err != nil || p.ID != out.Row.ID {
			t.Errorf("%s is %s, %v", ref, p.ID, err)
		}
	}

	for range 5 { // until the daily points have gone
		r.days(10)
		r.backup()
		r.raise()
		r.expire()
	}
	if p, err := r.catalog.Point(t.Context(), had.ID); err != nil || p.State != catalog.PointPurged {
		t.Errorf("the daily point is %s, %v", p.State, err)
	}
	if got := r.restored(remnant.ID, "gl/2026/march.csv"); got != text {
		t.Errorf("restored %d bytes of %d", len(got), len(text))
	}
	if rep, err := r.vault().Verify(t.Context(), vault.Full, nil); err != nil || !rep.OK() {
		t.Errorf("%v, %+v", err, rep.Problems)
	}
	if l := r.locks(); l.Short() || len(l.Missing) > 0 {
		t.Errorf("locks: margin %v at %s, %d missing", l.Margin, l.MarginObject, len(l.Missing))
	}

	concluded := r.now
	settled, err := r.life.RecordEvent(t.Context(), grant(access.EventRecord), "books", retention.Event{Name: "audit_concluded", Period: "FY2026", At: concluded,
		Evidence: "opinion", Covers: retention.Selector{Classes: []string{"general_ledger"}, To: gone.AddDate(0, 0, 1)}})
	r.must(err)
	if len(settled.Points) != 1 || settled.Points[0].Point != remnant.ID || !settled.Points[0].Until.Time.Equal(concluded.AddDate(7, 0, 0)) {
		t.Errorf("settled %+v", settled.Points)
	}
	r.raise()
	r.now = concluded.AddDate(8, 0, 0) // and storage has let go
	if waits := r.plan().Waiting; !slices.ContainsFunc(waits, func(c lifecycle.Candidate) bool { return c.Point == remnant.ID }) {
		t.Errorf("waiting: %+v", waits)
	}
	r.signAll()
	r.expire()
	if n := len(r.remnants()); n != 0 {
		t.Errorf("%d remnants after their time", n)
	}
}

// stopped takes a point with a record, and makes a run that finds it gone stop
// between the remnant and its point. It gives the point.
func (r *rig) stopped() catalog.Point {
	r.t.Helper()
	r.write("gl/a.csv", "A")
	last := r.backup()
	r.days(1)
	r.must(os.Remove(filepath.Join(r.folder, "gl", "a.csv")))
	points := 0
	r.driver.SetFault(func(op memblob.Op, name string) memblob.Fault {
		if op == memblob.OpPut && points > 0 {
			return memblob.Fault{When: memblob.NotApplied, Err: errInjected}
		}
		if op == memblob.OpPut && strings.HasPrefix(name, "points/") && !strings.HasSuffix(name, ".intent") {
			points++
		}
		return memblob.Fault{}
	})
	defer r.driver.SetFault(nil)
	if _, err := r.jobs.Backup(r.t.Context(), grant(access.BackupRun), jobs.Backup{Source: "ledgers"}); !errors.Is(err, errInjected) {
		r.t.Fatal(err)
	}
	return last
}

func TestRemnant_OfARunThatStoppedIsMadeOnce(t *testing.T) {
	r := ledgers(t)
	r.stopped()
	r.days(1)
	r.backup()
	remnants := r.remnants()
	if len(remnants) != 1 || r.restored(remnants[0].ID, "gl/a.csv") != "A" {
		t.Errorf("%d remnants", len(remnants))
	}
}

// TestRemnant_IsNotTheLastStateOfItsSource: a remnant newer than the last whole
// point goes when its time has come, and that point stays.
func TestRemnant_IsNotTheLastStateOfItsSource(t *testing.T) {
	r := ledgers(t)
	last := r.stopped()
	source, err := r.catalog.Source(t.Context(), "ledgers")
	r.must(err)
	row, v, err := r.custody.Vault(t.Context(), "books")
	r.must(err)
	_, err = r.custody.CatchUp(t.Context(), grant(access.BackupRun), row, v, source)
	r.must(err)
	remnants := r.remnants()
	if len(remnants) != 1 || remnants[0].Number <= last.Number {
		t.Fatalf("%+v", remnants)
	}
	for _, ref := range []string{"latest", "latest:ledgers"} {
		if p, err := r.catalog.Point(t.Context(), ref); err != nil || p.ID != last.ID {
			t.Errorf("%s is %s, %v", ref, p.ID, err)
		}
	}
	_, err = r.life.RecordEvent(t.Context(), grant(access.EventRecord), "books", retention.Event{Name: "audit_concluded", At: r.now, Evidence: "opinion",
		Covers: retention.Selector{Classes: []string{"general_ledger"}, To: r.now.AddDate(0, 0, 1)}})
	r.must(err)
	r.now = r.now.AddDate(20, 0, 0)
	plan := r.plan()
	if len(plan.Expire) != 0 || len(plan.Waiting) != 1 || plan.Waiting[0].Point != remnants[0].ID || plan.Kept[retention.GroundNewest] != 1 {
		t.Errorf("expire %+v, waiting %+v, kept %v", plan.Expire, plan.Waiting, plan.Kept)
	}
	r.signAll()
	if out := r.expire(); len(out.Certificates) != 1 {
		t.Errorf("%+v", out)
	}
}

// TestRemnant_TakesNoTagFromOthers: in a week of which no whole point is left,
// a shrunken one stands in, and not the remnant of what it lacks.
func TestRemnant_TakesNoTagFromOthers(t *testing.T) {
	r := ledgers(t)
	for i := range 40 {
		r.write(fmt.Sprintf("gl/%02d.csv", i), "some entries")
	}
	r.backup()
	r.days(7)
	for i := range 40 {
		r.must(os.Remove(filepath.Join(r.folder, fmt.Sprintf("gl/%02d.csv", i))))
	}
	small := r.backup()
	r.days(14)
	r.expire()
	remnants := r.remnants()
	if len(remnants) != 1 || remnants[0].Entries < 40 {
		t.Fatalf("%+v", remnants)
	}
	if diff := cmp.Diff([]string{"remnant"}, remnants[0].Tags); diff != "" {
		t.Errorf("the remnant has tags: %s", diff)
	}
	if p, err := r.catalog.Point(t.Context(), small.ID); err != nil || !slices.Contains(p.Tags, "weekly") {
		t.Errorf("the point has tags %q, %v", p.Tags, err)
	}
}

// TestRemnant_OfADeletedPointThatComesBack lets a record vanish while the point
// that had it, alone or with all others, is deleted and can still be brought back.
func TestRemnant_OfADeletedPointThatComesBack(t *testing.T) {
	for name, first := range map[string]int{"alone": 1, "with all others": 0} {
		t.Run(name, func(t *testing.T) {
			r := ledgers(t)
			r.must(r.change(access.VaultWeaken, lifecycle.NewSettings{Immutability: new(string(vault.StateOff))}))
			r.backup()
			r.days(1)
			r.write("gl/a.csv", "record")
			had := r.backup()
			r.days(1)
			for _, p := range r.points()[first:] {
				_, err := r.life.DeletePoint(t.Context(), grant(access.PointDelete), p.ID, "by mistake")
				r.must(err)
			}
			r.must(os.Remove(filepath.Join(r.folder, "gl", "a.csv")))
			r.backup()
			_, err := r.life.UndeletePoint(t.Context(), grant(access.PointUndelete), had.ID)
			r.must(err)
			for range 5 {
				r.days(10)
				r.backup()
				r.expire()
			}
			p, err := r.catalog.Point(t.Context(), had.ID)
			r.must(err)
			if first == 1 && p.State != catalog.PointPurged {
				t.Errorf("the point that had it is %s, %s", p.State, p.Reasons)
			}
			if remnants := r.remnants(); len(remnants) != 1 || r.restored(remnants[0].ID, "gl/a.csv") != "record" {
				t.Errorf("%+v", remnants)
			}
		})
	}
}

// TestRemnant_IsHeldForTheDatesOfItsRecords: a remnant made in April alone has a
// record of March.
func TestRemnant_IsHeldForTheDatesOfItsRecords(t *testing.T) {
	r := ledgers(t)
	r.write("gl/a.csv", "March")
	march := r.backup()
	r.days(40)
	r.must(os.Remove(filepath.Join(r.folder, "gl", "a.csv")))
	april := r.backup()
	h, err := r.life.PlaceHold(t.Context(), grant(access.HoldPlace), "books", hold.Hold{Matter: "CASE-17", Reason: "D-47",
		Scope: hold.Scope{Paths: []string{"gl"}, To: march.ReceivedAt.AddDate(0, 0, 10)}})
	r.must(err)
	remnants := r.remnants()
	if len(remnants) != 1 || !slices.Contains(h.Points, remnants[0].ID) || !slices.Contains(h.Points, march.ID) || slices.Contains(h.Points, april.ID) {
		t.Errorf("the hold covers %v, of March %s, April %s and remnants %+v", h.Points, march.ID, april.ID, remnants)
	}
	s, err := r.jobs.PointState(t.Context(), remnants[0])
	r.must(err)
	if len(s.Holds) != 1 || !s.RetainUntil.Unlimited {
		t.Errorf("the remnant is kept until %s", s.RetainUntil)
	}
}
