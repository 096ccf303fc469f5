package lifecycle_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/jobs"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// years is how long the simulation runs; the long one is for nights.
func years(t *testing.T) int {
	t.Helper()
	if os.Getenv("COUNTERFOIL_LONG") != "" {
		return 10
	}
	return 1
}

// audits is a second source, backed up each month, of which every point is kept
// for the period of a class from the conclusion of its year's audit.
type audits struct {
	r        *rig
	class    policy.Class
	received []time.Time
}

func newAudits(t *testing.T, r *rig) *audits {
	t.Helper()
	a := &audits{r: r, class: sevenYearsFromEvent(t)}
	folder := t.TempDir()
	r.must(os.WriteFile(filepath.Join(folder, "workpapers"), []byte("w"), 0o600))
	_, err := r.custody.CreateSource(t.Context(), grant(access.SourceCreate), custody.NewSource{Name: "audits", Vault: "books", Paths: [][]byte{[]byte(folder)},
		Classes: []policy.ClassRule{{Class: a.class.ID, CarriedBy: policy.EveryPoint}}})
	r.must(err)
	return a
}

// day backs up on the third of a month, and records on the twelfth of March that
// the audit of the year before is concluded.
func (a *audits) day() {
	a.r.t.Helper()
	now := a.r.now
	switch {
	case now.Day() == 3:
		_, err := a.r.jobs.Backup(a.r.t.Context(), grant(access.BackupRun), jobs.Backup{Source: "audits", Trigger: retention.Scheduled})
		a.r.must(err)
		a.received = append(a.received, now)
	case now.Month() == time.March && now.Day() == 12:
		year := now.Year() - 1
		_, err := a.r.life.RecordEvent(a.r.t.Context(), grant(access.EventRecord), "books", retention.Event{Name: a.class.ClockStart, At: now, Evidence: "opinion",
			Covers: retention.Selector{Classes: []string{a.class.ID}, From: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC)}})
		a.r.must(err)
	}
}

// left gives the points that must be there still: those whose audit was concluded
// less than seven years ago, and those that stand for a year of the last ten.
func (a *audits) left(now time.Time) []string {
	var out []string
	for _, at := range a.received {
		concluded := time.Date(at.Year()+1, 3, 12, at.Hour(), 0, 0, 0, time.UTC)
		yearly := at.Month() == time.January && !at.AddDate(10, 0, 0).Before(now)
		if concluded.AddDate(7, 0, 0).Before(now) && !yearly {
			continue
		}
		out = append(out, at.Format(time.DateOnly))
	}
	return out
}

// TestYears takes a point each day under the default policy, disposes of what
// is due each month, and compares what is left with a plain statement of the
// rules. A hold keeps twenty days of them. A second source waits for events, and
// goes by signed batches alone.
func TestYears(t *testing.T) {
	r := newRig(t, options{})
	start, n := r.now, years(t)
	a := newAudits(t, r)
	var held string
	var keptFrom, keptTo time.Time
	disposed := 0
	for day := 0; r.now.Before(start.AddDate(n, 0, 0)); day++ {
		r.backup()
		a.day()
		if day == 200 {
			keptFrom, keptTo = r.now.AddDate(0, 0, -20), r.now
			h, err := r.life.PlaceHold(t.Context(), grant(access.HoldPlace), "books", hold.Hold{Matter: "M", Reason: "R", Scope: hold.Scope{From: keptFrom, To: keptTo, Sources: []string{strings.ToLower(r.source().ID)}}})
			r.must(err)
			held = h.ID
		}
		if r.now.Day() == 28 {
			r.signAll()
			disposed += len(r.expire().Certificates)
			r.raise()
			if l := r.locks(); l.Short() || len(l.Missing) > 0 || l.Over > 0 {
				t.Fatalf("on %s: margin %v at %s, %d missing, %d over", r.now.Format(time.DateOnly), l.Margin, l.MarginObject, len(l.Missing), l.Over)
			}
		}
		r.days(1)
	}
	last := r.now.AddDate(0, 0, -1)
	r.signAll()
	disposed += len(r.expire().Certificates)
	var got, want, gotAudits []string
	for _, p := range r.points() {
		if p.SourceID != r.source().ID {
			gotAudits = append(gotAudits, p.ReceivedAt.Format(time.DateOnly))
			continue
		}
		got = append(got, p.ReceivedAt.Format(time.DateOnly))
		if len(p.Reasons) < 3 {
			t.Errorf("point %s has no reasons", p.ID)
		}
	}
	total := 0
	for d := start; !d.After(last); d = d.AddDate(0, 0, 1) {
		total++
		inHold := held != "" && !d.Before(keptFrom) && d.Before(keptTo)
		if inHold || due(d, start, r.now) {
			want = append(want, d.Format(time.DateOnly))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(a.left(r.now), gotAudits); diff != "" {
		t.Errorf("those of events (-want +got):\n%s", diff)
	}
	if went := total - len(got) + len(a.received) - len(gotAudits); disposed != went {
		t.Errorf("%d certificates for %d points that went", disposed, went)
	}
	if rep, err := r.vault().Verify(t.Context(), vault.Full, nil); err != nil || !rep.OK() {
		t.Errorf("%v, %+v", err, rep.Problems)
	}
	t.Logf("%d days, %d and %d points left, %d disposed of", total, len(got), len(gotAudits), disposed)
}

// due states the default policy: 30 days, 12 weeks from Sundays, 36 months from
// first days, 10 years from New Year's days. The first point of all stands for
// its week and month too.
func due(d, first, now time.Time) bool {
	after := func(years, months, days int) bool { return !d.AddDate(years, months, days).Before(now) }
	switch {
	case after(0, 0, 30):
		return true
	case (d.Weekday() == time.Sunday || d.Equal(first)) && after(0, 0, 84):
		return true
	case d.Day() == 1 && after(0, 36, 0):
		return true
	default:
		return d.Day() == 1 && d.Month() == time.January && after(10, 0, 0)
	}
}

// sevenYearsFromEvent finds a record class whose seven years count from an event.
func sevenYearsFromEvent(t *testing.T) policy.Class {
	t.Helper()
	set, err := policy.Classes(policy.DefaultClassSet)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range set.Classes {
		if !c.FromReceipt() && c.Minimum.Years == 7 && !c.Minimum.Unlimited {
			return c
		}
	}
	t.Fatal("no class of seven years from an event")
	return policy.Class{}
}

// TestEvent_FourteenMonthsLater: a point of January, of an audit concluded
// fourteen months later, with seven years from then.
func TestEvent_FourteenMonthsLater(t *testing.T) {
	c := sevenYearsFromEvent(t)
	r := newRig(t, options{start: time.Date(2026, 1, 20, 22, 0, 0, 0, time.UTC), classes: []policy.ClassRule{{Class: c.ID, CarriedBy: policy.EveryPoint}}})
	received := r.now
	p := r.backup()
	row, err := r.catalog.Point(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if d := string(row.Reasons); !strings.Contains(d, "event_pending") {
		t.Fatalf("reasons %s", d)
	}
	for range 14 { // the months until then: storage stays locked years ahead
		r.now = r.now.AddDate(0, 1, 0)
		r.backup()
		r.expire()
		r.raise()
		info, err := r.vault().Bucket().Stat(t.Context(), objectOf(t, p))
		if err != nil || info.Lock.Until.Before(r.now.AddDate(6, 4, 0)) {
			t.Fatalf("%+v, %v", info.Lock, err)
		}
	}
	concluded := r.now
	e := retention.Event{Name: c.ClockStart, Period: "FY2026", At: concluded, Evidence: "opinion of the auditors", Covers: retention.Selector{From: received.AddDate(0, 0, -1), To: received.AddDate(1, 0, 0)}}
	settled, err := r.life.RecordEvent(t.Context(), grant(access.EventRecord), "books", e)
	if err != nil || len(settled.Points) != 12 {
		t.Fatalf("%+v, %v", settled, err)
	}
	until := concluded.AddDate(7, 0, 0) // eight years and two months after receipt
	if row, err = r.catalog.Point(t.Context(), p.ID); err != nil || row.RetainUntil == nil || !row.RetainUntil.Equal(until) || !until.Equal(received.AddDate(8, 2, 0)) {
		t.Fatalf("kept until %v, want %s; %v", row.RetainUntil, until, err)
	}
	r.raise()
	r.now = until.Add(-time.Hour)
	if plan := r.plan(); len(plan.Expire)+len(plan.Waiting) != 0 {
		t.Errorf("an hour before: %+v", plan)
	}
	r.now = until.AddDate(1, 0, 0) // and storage has let go
	plan := r.plan()
	if len(plan.Expire) != 0 || len(plan.Waiting) == 0 {
		t.Fatalf("without a signed batch: %+v", plan)
	}
	b, err := r.sign(vault.SignedByOwner)
	if err != nil || len(b.Points) == 0 {
		t.Fatalf("%+v, %v", b, err)
	}
	if plan := r.plan(); len(plan.Expire) != 0 {
		t.Errorf("signed by the owner alone: %+v", plan.Expire)
	}
	if _, err := r.sign(vault.SignedByOwner); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("signed twice by the owner: %v", err)
	}
	if _, err := r.life.SignBatch(t.Context(), grant(access.DisposalSign), "books", vault.SignedByOfficer, nil, b.ID, "another batch"); !errkind.Is(err, errkind.Busy) {
		t.Errorf("signed what was not looked at: %v", err)
	}
	officer, err := r.sign(vault.SignedByOfficer)
	r.must(err)
	out := r.expire()
	if len(out.Certificates) != len(b.Points) || out.Certificates[0].Batch != b.ID+" "+officer.ID {
		t.Errorf("%+v", out)
	}
}

// TestLocks_CallsOfAYear counts the lock calls of a year of daily points over a
// vault of many packs, of which a little changes each day, against extending
// every object every day. Points without an end are counted on their own.
func TestLocks_CallsOfAYear(t *testing.T) {
	for _, c := range []struct {
		name  string
		churn int // of 10 000 packs each day; three times as many are a terabyte
		until retention.Until
		most  float64 // percent
	}{
		{"0.1 % changes", 10, retention.Until{}, 2},
		{"0.5 % changes", 50, retention.Until{}, 2},
		// Every pack is young: it becomes part of a week and of a month once each.
		{"1 % changes", 100, retention.Until{}, 3},
		{"unlimited", 30, retention.Until{Unlimited: true}, 1},
		{"waiting for an event", 30, retention.Until{OpenEnded: true, Step: calendar.Years(7)}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			y := lockYear{t: t, until: c.until, packs: make([]lockedPack, 10_000)}
			y.run(365, c.churn)
			share := 100 * float64(y.calls) / float64(y.naive)
			t.Logf("%d lock calls, %.2f %% of %d", y.calls, share, y.naive)
			if share > c.most {
				t.Errorf("%.2f %% of the calls of a daily extension, %.0f %% are the most", share, c.most)
			}
		})
	}
}

// lockedPack is a pack with the end of its lock, until when the points that need it
// are kept, and the furthest bin edge or step of any of them.
type lockedPack struct{ until, needed, edge time.Time }

type lockYear struct {
	t            *testing.T
	until        retention.Until // beside what the policy says
	packs        []lockedPack
	history      []retention.PastPoint
	calls, naive int
}

func (y *lockYear) run(days, churn int) {
	start := time.Date(2026, 1, 1, 22, 0, 0, 0, time.UTC)
	newest := 0
	for day := range days {
		now := start.AddDate(0, 0, day)
		kept := y.point(now, start)
		lock := retention.LockFor(now, now, kept, retention.DefaultMax)
		for range churn { // replaced by new packs, locked as they are written
			p := &y.packs[newest%len(y.packs)]
			y.check(*p)
			*p = lockedPack{until: lock.Target}
			newest++
		}
		for i := range y.packs {
			p := &y.packs[i]
			if day == 0 && p.until.IsZero() {
				p.until = lock.Target
			}
			y.naive++
			p.needed, p.edge = later(p.needed, kept.Time), later(p.edge, lock.Target)
			if p.until.Before(lock.Least) {
				p.until = lock.Target
				y.calls++
			}
			y.check(*p)
		}
	}
}

// point decides about the point of a day.
func (y *lockYear) point(now, start time.Time) retention.Until {
	id := strconv.Itoa(len(y.history))
	a := retention.Assign(retention.AssignInput{Point: id, Source: "s", Policy: policy.SOX(), Zone: time.UTC, ReceivedAt: now, SourceCreatedAt: start, Trigger: retention.Scheduled,
		Complete: true, Entries: 10, Bytes: 10, History: y.history, Bounds: retention.Bounds{Min: retention.DefaultMin, Max: retention.DefaultMax}})
	y.history = append(y.history, retention.PastPoint{ID: id, ReceivedAt: now, Complete: true, Tags: a.Tags, Entries: 10, Bytes: 10})
	return retention.Longest(a.RetainUntil, y.until)
}

// check fails for a pack that is locked too short, or beyond the bin of all that
// need it.
func (y *lockYear) check(p lockedPack) {
	y.t.Helper()
	if p.until.Before(p.needed) {
		y.t.Fatalf("locked until %s, and a point that needs it is kept until %s", p.until, p.needed)
	}
	if !p.edge.IsZero() && p.until.After(p.edge) {
		y.t.Fatalf("locked until %s, beyond the edge of its bin at %s", p.until, p.edge)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
