package vault_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func TestSession_FlushThenCommit(t *testing.T) {
	f := newFixture(t)
	s := f.session(t.Context())
	d, err := f.draft(t.Context(), s, fewFiles(1))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s.Stats().Packs.Load() != 2 || s.Stats().Stored.Load() == 0 {
		t.Errorf("%d packs, %d bytes", s.Stats().Packs.Load(), s.Stats().Stored.Load())
	}
	if _, _, err := s.StoreContent(t.Context(), strings.NewReader("late"), 4, vault.CutAuto); err == nil {
		t.Error("stored after flush")
	}
	p, err := s.Commit(t.Context(), grant(access.BackupRun), d)
	if err != nil {
		t.Fatal(err)
	}
	s.Abort()
	f.whole(f.open(), p.Object, fewFiles(1))
	f.clean(f.open())
}

// TestSession_TwoAtOnceNeverOverwrite opens two sessions of one source and
// commits both, in every order and at the same moment.
func TestSession_TwoAtOnceNeverOverwrite(t *testing.T) {
	for round := range 6 {
		f := newFixture(t)
		sessions := []*vault.Session{f.session(t.Context()), f.session(t.Context())}
		drafts := make([]vault.Draft, 2)
		for i, s := range sessions {
			var err error
			if drafts[i], err = f.draft(t.Context(), s, fewFiles(i+1)); err != nil {
				t.Fatal(err)
			}
		}
		points, errs := make([]vault.Point, 2), make([]error, 2)
		var g sync.WaitGroup
		for i, s := range sessions {
			commit := func() { points[i], errs[i] = s.Commit(t.Context(), grant(access.BackupRun), drafts[i]) }
			if round%2 == 0 {
				commit() // one after the other
			} else {
				g.Go(commit)
			}
		}
		g.Wait()
		committed := 0
		v := f.open()
		for i := range sessions {
			switch {
			case errs[i] == nil:
				committed++
				f.whole(v, points[i].Object, fewFiles(i+1))
			case !errkind.Is(errs[i], errkind.Busy):
				t.Errorf("round %d: %v", round, errs[i])
			}
		}
		refs, err := v.ListPoints(t.Context())
		if err != nil || len(refs) != committed || committed == 0 || round%2 == 0 && committed != 2 {
			t.Errorf("round %d: %d points listed, %d committed, %v", round, len(refs), committed, err)
		}
		for _, name := range f.names("points/") {
			if n := len(f.driver.Versions(name)); n != 1 {
				t.Errorf("%s was written %d times", name, n)
			}
		}
		f.clean(v)
	}
}

func TestCommit_LongListsOfLongPathsFit(t *testing.T) {
	f := newFixture(t)
	s := f.session(t.Context())
	d, err := f.draft(t.Context(), s, fewFiles(1))
	if err != nil {
		t.Fatal(err)
	}
	d.Body.ProblemCount, d.Body.FuzzyCount = 10_000, 10_000
	for i := range 10_000 {
		path := noise(uint64(i), 4000)
		d.Body.Problems = append(d.Body.Problems, vault.PointProblem{Path: path, Op: "open", Message: "permission denied"})
		d.Body.Fuzzy = append(d.Body.Fuzzy, path)
	}
	p, err := s.Commit(t.Context(), grant(access.BackupRun), d)
	if err != nil {
		t.Fatal(err)
	}
	p, err = f.open().ReadPoint(t.Context(), p.Object)
	if err != nil || p.Body.ProblemCount != 10_000 || len(p.Body.Problems) < 400 || len(p.Body.Fuzzy) < 400 {
		t.Errorf("%d problems, %d fuzzy, %v", len(p.Body.Problems), len(p.Body.Fuzzy), err)
	}
}

func TestCommit_LocksNeverWeakenAndAlwaysSuffice(t *testing.T) {
	year := func(n int) time.Time { return start.AddDate(n, 0, 0) }
	until := start.AddDate(7, 0, 0) // what the fixture asks for
	tests := map[string]struct {
		mode  blob.Mode
		there blob.Lock
		want  blob.Mode
	}{
		"longer in the same mode":  {blob.Governance, blob.Lock{Mode: blob.Governance, Until: year(20)}, blob.Governance},
		"shorter in a stronger":    {blob.Governance, blob.Lock{Mode: blob.Compliance, Until: year(1)}, blob.Compliance},
		"longer in a weaker":       {blob.Compliance, blob.Lock{Mode: blob.Governance, Until: year(20)}, blob.Compliance},
		"ended in a stronger":      {blob.Governance, blob.Lock{Mode: blob.Compliance, Until: start.Add(time.Minute)}, blob.Governance},
		"shorter in the same mode": {blob.Compliance, blob.Lock{Mode: blob.Compliance, Until: year(1)}, blob.Compliance},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if _, err := f.backup(f.open(), fewFiles(1)); err != nil {
				t.Fatal(err)
			}
			packs := f.names("packs/")
			f.now = start
			for _, n := range packs {
				if err := f.driver.SetLock(t.Context(), n, tt.there); err != nil {
					t.Fatal(err)
				}
			}
			f.now = start.Add(time.Hour)
			f.lock = tt.mode
			if _, err := f.backup(f.open(), fewFiles(1)); err != nil {
				t.Fatal(err)
			}
			for _, n := range packs {
				info, err := f.bucket.Stat(t.Context(), n)
				if err != nil {
					t.Fatal(err)
				}
				if info.Lock.Mode != tt.want || info.Lock.Until.Before(until) || info.Lock.Until.Before(tt.there.Until) {
					t.Errorf("%+v", info.Lock)
				}
			}
		})
	}
}

func TestCommit_LockingNeedsADate(t *testing.T) {
	f := newFixtureOf(t, blob.Governance)
	for _, none := range []vault.Stamp{{}, vault.StampOf(time.Time{})} {
		s := f.session(t.Context())
		d, err := f.draft(t.Context(), s, fewFiles(1))
		if err != nil {
			t.Fatal(err)
		}
		d.LockUntil = none
		if _, err := s.Commit(t.Context(), grant(access.BackupRun), d); !errkind.Is(err, errkind.Invalid) || len(f.names("points/")) != 0 {
			t.Errorf("%v", err)
		}
	}
}

func TestCreate_WithoutKeysIsRefused(t *testing.T) {
	b := blob.New(memblob.New(nil), blob.Options{})
	_, err := vault.Create(t.Context(), grant(access.VaultCreate), b, nil, vault.CreateOptions{ID: vault.NewID(), Kind: vault.Trial})
	if n, _, countErr := b.Count(t.Context(), ""); !errkind.Is(err, errkind.Invalid) || n != 0 || countErr != nil {
		t.Errorf("%v, %d objects, %v", err, n, countErr)
	}
}

// TestVerify_AnInterruptedCommitIsNoDamage stops a run between its intent and its
// locks: the next backup finishes both.
func TestVerify_AnInterruptedCommitIsNoDamage(t *testing.T) {
	f := newFixtureOf(t, blob.Governance)
	failed := errkind.New(errkind.Unavailable, "the store is away")
	f.driver.SetFault(func(op memblob.Op, _ string) memblob.Fault {
		if op != memblob.OpLock {
			return memblob.Fault{}
		}
		return memblob.Fault{When: memblob.NotApplied, Err: failed}
	})
	if _, err := f.backup(f.open(), fewFiles(1)); !errkind.Is(err, errkind.Unavailable) {
		t.Fatalf("%v", err)
	}
	f.driver.SetFault(nil)
	report, err := f.open().Verify(t.Context(), vault.Full, nil)
	if err != nil || !report.OK() || len(report.Notes) != 1 || !strings.Contains(report.Notes[0], "interrupted") {
		t.Errorf("%v, %+v, %q", err, report.Problems, report.Notes)
	}
	if _, err := f.backup(f.open(), fewFiles(2)); err != nil {
		t.Fatal(err)
	}
	f.clean(f.open())
}
