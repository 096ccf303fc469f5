package lifecycle_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/jobs"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// backupDuring takes a scheduled point by a runner that calls fn when it has read
// the clock as often as said. It gives false where the run ended before.
func (r *rig) backupDuring(at int, fn func()) (jobs.BackedUp, bool, error) {
	r.t.Helper()
	n := 0
	runner := jobs.New(jobs.Config{DataDir: r.t.TempDir(), Catalog: r.catalog, Custody: r.custody, Receipt: func() time.Time {
		if n++; n == at {
			fn()
		}
		return r.now
	}, Keep: func(context.Context, time.Time) error { return nil },
		HostNow: r.Receipt, Publish: func(context.Context, *vault.Vault) error { return nil }, Host: "host", Version: "test"})
	r.write("ledger.csv", strings.Repeat("written while something else was recorded\n", 100))
	out, err := runner.Backup(r.t.Context(), grant(access.BackupRun), jobs.Backup{Source: "ledgers", Trigger: retention.Scheduled})
	return out, n >= at, err
}

// reading is how often the clock was read when a source that has points begins to
// be read: for the row of the run, after the last point, and for the new one.
const reading = 3

// always records something at each moment of a backup that reads the clock, and
// has the point checked.
func always(t *testing.T, start func(*testing.T) *rig, record func(*rig), check func(*rig, jobs.BackedUp)) {
	t.Helper()
	for at := 1; ; at++ {
		more := true
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			r := start(t)
			out, done, err := r.backupDuring(at, func() { record(r) })
			r.must(err)
			if more = done; more {
				check(r, out)
			}
		})
		if !more {
			if at < reading+2 {
				t.Fatalf("the clock was read %d times", at)
			}
			return
		}
	}
}

func TestRunning_ImmutabilitySwitchedOnLocksThePoint(t *testing.T) {
	always(t, func(t *testing.T) *rig {
		r := newRig(t, options{})
		r.must(r.change(access.VaultWeaken, lifecycle.NewSettings{Immutability: new(string(vault.StateOff))}))
		return r
	}, func(r *rig) {
		r.must(r.change(access.VaultUpdate, lifecycle.NewSettings{Immutability: new(string(vault.StateUnlocked))}))
	}, func(r *rig, out jobs.BackedUp) {
		if l := r.locks(); l.Short() || len(l.Raise) > 0 || l.Objects == 0 {
			r.t.Errorf("margin %v at %s, to raise %+v", l.Margin, l.MarginObject, l.Raise)
		}
	})
}

func TestRunning_AHoldPlacedLocksThePoint(t *testing.T) {
	always(t, func(t *testing.T) *rig { return newRig(t, options{}) },
		func(r *rig) { r.hold() },
		func(r *rig, out jobs.BackedUp) {
			if !out.Row.Unlimited {
				p, err := r.catalog.Point(r.t.Context(), out.Row.ID)
				r.must(err)
				if !p.Unlimited {
					r.t.Errorf("the point is kept until %v", p.RetainUntil)
				}
			}
			if l := r.locks(); l.Short() {
				r.t.Errorf("margin %v at %s", l.Margin, l.MarginObject)
			}
		})
}

func TestRunning_APolicyChangedCountsForThePoint(t *testing.T) {
	for _, at := range []int{reading, reading + 1} { // the latter is when it is received
		r := underOwn(t, 2)
		out, _, err := r.backupDuring(at, func() { r.set(own(t, daily(90))) })
		r.must(err)
		if got := out.Point.Body.Retention.PolicyVersion; got != 2 || out.Point.Body.Source.PolicyVersion != 2 {
			t.Errorf("made under version %d", got)
		}
		if until := out.Row.RetainUntil; until == nil || until.Before(r.now.AddDate(0, 0, 90)) {
			t.Errorf("kept until %v", until)
		}
	}
}

// TestRunning_AClassAddedCountsForThePoint adds a class when the files in its path
// were counted as none.
func TestRunning_AClassAddedCountsForThePoint(t *testing.T) {
	r := underOwn(t, 1)
	r.must(os.MkdirAll(filepath.Join(r.folder, "gl", "2026"), 0o700))
	r.write("gl/a.csv", "one")
	r.write("gl/2026/b.csv", "two")
	r.write("gl/gone.csv", "three")
	r.backup()
	r.days(1)
	r.must(os.Remove(filepath.Join(r.folder, "gl", "gone.csv")))
	out, _, err := r.backupDuring(reading, func() {
		r.set(own(t, func(p *policy.Policy) { p.Classes = []policy.ClassRule{{Class: "general_ledger", Path: "gl"}} }))
	})
	r.must(err)
	want := []vault.PointClass{{Class: "general_ledger", Path: "gl", Files: 2, Bytes: 6}}
	if diff := cmp.Diff(want, out.Point.Body.Classes); diff != "" {
		t.Error(diff)
	}
	if remnants := r.remnants(); len(remnants) != 1 || r.restored(remnants[0].ID, "gl/gone.csv") != "three" {
		t.Errorf("%+v", remnants)
	}
}

func TestRunning_AStoppedSourceGetsItsPoint(t *testing.T) {
	r := newRig(t, options{})
	r.backup()
	r.days(1)
	out, _, err := r.backupDuring(reading, func() {
		_, err := r.life.StopSource(t.Context(), grant(access.SourceStop), "ledgers", lifecycle.ForEver, "sold")
		r.must(err)
	})
	r.must(err)
	state, err := r.jobs.PointState(t.Context(), out.Row)
	r.must(err)
	if !slices.Contains(state.Freezes, "stopped-for-ever") {
		t.Errorf("the point is not kept for ever: %+v", state.Freezes)
	}
	r.refused("is stopped")
}

func TestRunning_WhatIsDeletedGetsNoPoint(t *testing.T) {
	for says, remove := range map[string]func(*rig) error{
		`source "ledgers" was deleted`: func(r *rig) error {
			_, err := r.life.DeleteSource(r.t.Context(), grant(access.SourceDelete), "ledgers", "sold")
			return err
		},
		`vault "books" was deleted`: func(r *rig) error {
			_, err := r.life.DeleteVault(r.t.Context(), grant(access.VaultDelete), "books", "merged")
			return err
		},
	} {
		r := newRig(t, options{})
		r.must(r.change(access.VaultWeaken, lifecycle.NewSettings{Immutability: new(string(vault.StateOff))}))
		r.backup()
		r.days(1)
		_, _, err := r.backupDuring(reading, func() { r.must(remove(r)) })
		wantKind(t, err, errkind.Refused, says)
		points := r.points()
		refs, err := r.vault().ListPoints(t.Context())
		r.must(err)
		if len(points) != 1 || points[0].State != catalog.PointSoftDeleted || len(refs) != 1 {
			t.Errorf("%d points in the catalog, %d in the store", len(points), len(refs))
		}
	}
}

// Sources of one vault are backed up at once: the other one's point comes in between
// at each moment, and both are whole.
func TestRunning_AnotherSourceOfTheVaultIsBackedUp(t *testing.T) {
	always(t, func(t *testing.T) *rig {
		r := newRig(t, options{})
		dir := t.TempDir()
		r.must(os.WriteFile(filepath.Join(dir, "invoice.txt"), []byte(strings.Repeat("written while something else was recorded\n", 90)), 0o600))
		_, err := r.custody.CreateSource(t.Context(), grant(access.SourceCreate), custody.NewSource{Name: "invoices", Vault: "books", Paths: [][]byte{[]byte(dir)}})
		r.must(err)
		return r
	}, func(r *rig) {
		out, err := r.jobs.Backup(r.t.Context(), grant(access.BackupRun), jobs.Backup{Source: "invoices", Trigger: retention.Scheduled})
		r.must(err)
		if !out.Row.Complete {
			r.t.Error("the other source's point is not complete")
		}
	}, func(r *rig, out jobs.BackedUp) {
		if n := len(r.points()); n < 2 || !out.Row.Complete {
			r.t.Errorf("%d points, complete %v", n, out.Row.Complete)
		}
		rep, err := r.vault().Verify(r.t.Context(), vault.Full, nil)
		r.must(err)
		if !rep.OK() || rep.Points != int64(len(r.points())) {
			r.t.Errorf("%d points of %d checked, problems %+v", rep.Points, len(r.points()), rep.Problems)
		}
		if l := r.locks(); l.Short() || len(l.Missing) > 0 {
			r.t.Errorf("margin %v at %s", l.Margin, l.MarginObject)
		}
	})
}
