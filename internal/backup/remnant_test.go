package backup_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/backup"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// records gives a source its classes: of paths below gl and pay close and yearly
// points carry the period, of those below min every point does, and those below
// card have none.
func (r *rig) records() {
	class := func(id string, min calendar.Period) policy.Class {
		return policy.Class{ID: id, Title: id, Minimum: min, ClockStart: policy.Received, Basis: policy.Practice}
	}
	r.adjust = func(b *backup.Request) {
		b.Classes = map[string]policy.Class{"ledger": class("ledger", calendar.Years(7)), "payroll": class("payroll", calendar.Years(6)),
			"minutes": class("minutes", calendar.Years(5)), "card": class("card", calendar.Period{})}
		b.Policy.Classes = []policy.ClassRule{{Class: "ledger", Path: "gl"}, {Class: "card", Path: "card"}}
		b.Source.Classes = []vault.ClassPath{{Class: "payroll", Path: "pay/**"}, {Class: "payroll", Path: "old/*/pay*"}, {Class: "minutes", Path: "min", CarriedBy: "every_point"}}
	}
}

// holds makes files the only ones of the source. Files of equal content and
// path stay the same ones.
func (r *rig) holds(files map[string]string) {
	for p := range r.src.files {
		if _, ok := files[p]; !ok {
			delete(r.src.files, p)
		}
	}
	for p, data := range files {
		if x := r.src.files[p]; x == nil || x.data != data {
			r.src.files[p] = &fakeFile{data: data, ctime: r.now, inode: uint64(1000 + len(r.src.files))}
		}
	}
}

// remnants gives the contents of the remnants in the vault, the oldest first.
func (r *rig) remnants() []map[string]string {
	r.t.Helper()
	var out []map[string]string
	for _, p := range r.remnantPoints() {
		out = append(out, r.contents(p))
	}
	return out
}

func (r *rig) remnantPoints() []vault.Point {
	r.t.Helper()
	refs, err := r.v.ListPoints(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	var out []vault.Point
	for _, ref := range refs {
		p, err := r.v.ReadPoint(r.t.Context(), ref.Object)
		if err != nil {
			r.t.Fatal(err)
		}
		if p.Body.Retention.Trigger == retention.Remnant {
			out = append(out, p)
		}
	}
	return out
}

func TestRemnant_KeepsWhatIsGone(t *testing.T) {
	text := func(name string) string { return strings.Repeat("text of "+name+" ", 20) }
	for _, c := range []struct {
		name          string
		before, after map[string]string
		want          map[string]string // nil: no remnant
		classes       []string
	}{
		{name: "nothing changed", before: map[string]string{"gl/a": "A", "x": "X"}, after: map[string]string{"gl/a": "A", "x": "X"}},
		{name: "a file came", before: map[string]string{"gl/a": "A"}, after: map[string]string{"gl/a": "A", "gl/b": "B"}},
		{name: "vanished", before: map[string]string{"gl/2026/a": text("a"), "gl/b": "B"}, after: map[string]string{"gl/b": "B"},
			want: map[string]string{"gl/2026/a": text("a")}, classes: []string{"ledger"}},
		{name: "all vanished", before: map[string]string{"gl/2026/01/a": "A", "gl/2026/01/b": "B", "gl/2026/c": "C", "gl/z/d": "D", "pay/e": "E", "x": "X"}, after: map[string]string{"y": "Y"},
			want:    map[string]string{"gl/2026/01/a": "A", "gl/2026/01/b": "B", "gl/2026/c": "C", "gl/z/d": "D", "pay/e": "E"},
			classes: []string{"ledger", "payroll"}},
		{name: "renamed within its class", before: map[string]string{"gl/a": text("a")}, after: map[string]string{"gl/sub/b": text("a")}},
		{name: "renamed to another pattern of its class", before: map[string]string{"pay/a": text("a")}, after: map[string]string{"old/2025/pay-a": text("a")}},
		{name: "moved out of every class", before: map[string]string{"gl/a": text("a"), "gl/b": "B"}, after: map[string]string{"gl/b": "B", "trash/a": text("a")},
			want: map[string]string{"gl/a": text("a")}, classes: []string{"ledger"}},
		{name: "moved to another class", before: map[string]string{"gl/a": text("a")}, after: map[string]string{"pay/a": text("a")},
			want: map[string]string{"gl/a": text("a")}, classes: []string{"ledger"}},
		{name: "equal to a record that was there already", before: map[string]string{"gl/a": text("a"), "gl/copy": text("a")}, after: map[string]string{"gl/copy": text("a")},
			want: map[string]string{"gl/a": text("a")}, classes: []string{"ledger"}},
		{name: "two equal ones and one came", before: map[string]string{"gl/a": text("a"), "gl/b": text("a")}, after: map[string]string{"gl/c": text("a")},
			want: map[string]string{"gl/b": text("a")}, classes: []string{"ledger"}},
		{name: "modified", before: map[string]string{"gl/a": text("a")}, after: map[string]string{"gl/a": "another"}},
		{name: "emptied", before: map[string]string{"gl/a": text("a")}, after: map[string]string{"gl/a": ""}},
		{name: "became a folder", before: map[string]string{"gl/a": text("a")}, after: map[string]string{"gl/a/b": "B"},
			want: map[string]string{"gl/a": text("a")}, classes: []string{"ledger"}},
		{name: "moved into a folder of its name", before: map[string]string{"gl/a": text("a")}, after: map[string]string{"gl/a/a": text("a")}},
		{name: "a folder became a file", before: map[string]string{"gl/a/b": "B"}, after: map[string]string{"gl/a": "A"},
			want: map[string]string{"gl/a/b": "B"}, classes: []string{"ledger"}},
		{name: "empty ones are not taken for each other", before: map[string]string{"gl/a": ""}, after: map[string]string{"gl/b": ""},
			want: map[string]string{"gl/a": ""}, classes: []string{"ledger"}},
		{name: "of no class", before: map[string]string{"x/a": "A", "gl/b": "B"}, after: map[string]string{"gl/b": "B"}},
		{name: "of a class that every point carries", before: map[string]string{"min/a": "A", "gl/b": "B"}, after: map[string]string{"gl/b": "B"}},
		{name: "of a class without a minimum", before: map[string]string{"card/a": "A", "gl/b": "B"}, after: map[string]string{"gl/b": "B"}},
		{name: "beside a path that only looks like it", before: map[string]string{"old/pay": "A", "old/2025/pay/a": "B"}, after: map[string]string{"x": "X"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.records()
			r.holds(c.before)
			first := r.must()
			r.holds(c.after)
			res := r.must()
			var want []map[string]string
			if c.want != nil {
				want = append(want, c.want)
			}
			if diff := cmp.Diff(want, r.remnants()); diff != "" {
				t.Fatalf("remnants: -want +got\n%s", diff)
			}
			if len(res.Remnants) != len(want) || len(first.Remnants) != 0 {
				t.Errorf("told of %d remnants", len(res.Remnants))
			}
			if diff := cmp.Diff(c.after, r.contents(res.Point)); diff != "" {
				t.Errorf("the point: %s", diff)
			}
			if c.want != nil {
				checkRemnant(t, res.Remnants[0], c.want, c.classes)
			}
			if again := r.must(); len(again.Remnants) != 0 {
				t.Errorf("the next run made %d more", len(again.Remnants))
			}
		})
	}
}

// checkRemnant compares what a remnant says of itself with what it holds.
func checkRemnant(t *testing.T, m backup.Made, files map[string]string, classes []string) {
	t.Helper()
	size, folders := int64(0), map[string]bool{"": true}
	for p, data := range files {
		size += int64(len(data))
		for i := range p {
			if p[i] == '/' {
				folders[p[:i]] = true
			}
		}
	}
	e, b := m.Point.Envelope, m.Point.Body
	if e.Size != size || e.Entries != int64(len(files)+len(folders)) || b.Statistics["files"] != int64(len(files)) || b.Statistics["dirs"] != int64(len(folders)) {
		t.Errorf("size %d, entries %d, statistics %v", e.Size, e.Entries, b.Statistics)
	}
	if diff := cmp.Diff(classes, b.Retention.Classes); diff != "" || !e.Complete || len(b.Retention.Tags) != 0 {
		t.Errorf("complete %v, tags %v, classes %s", e.Complete, b.Retention.Tags, diff)
	}
	years := map[string]int{"ledger": 7, "payroll": 6}[classes[0]]
	if until := e.Received.Time().AddDate(years, 0, 0); !e.RetainUntil.Time().Equal(until) {
		t.Errorf("kept until %v, want %v", e.RetainUntil.Time(), until)
	}
	if !strings.Contains(m.Sentence(), classes[0]) || !strings.Contains(m.Sentence(), strings.ToUpper(e.ID.String())) {
		t.Errorf("sentence %q", m.Sentence())
	}
}

func TestRemnant_UnreadIsNotGone(t *testing.T) {
	r := newRig(t)
	r.records()
	files := map[string]string{"gl/a": "A", "gl/sub/b": "B", "gl/sub/c": "C", "gl/z": "Z", "x": "X"}
	r.holds(files)
	r.must()
	r.src.closed = map[string]bool{"gl/sub": true}
	r.src.files["gl/a"].openErr, r.src.files["gl/a"].ctime = errors.New("permission denied"), r.now
	if res := r.must(); len(res.Remnants) != 0 || res.Point.Envelope.Complete {
		t.Fatalf("%d remnants", len(res.Remnants))
	}
	// While it is unread, c goes. It is missed once the folder is read again, by
	// the last point that had it.
	r.must()
	delete(files, "gl/sub/c")
	delete(files, "gl/z")
	r.holds(files)
	r.must()
	want := []map[string]string{{"gl/z": "Z"}}
	if diff := cmp.Diff(want, r.remnants()); diff != "" {
		t.Fatalf("while it is unread: %s", diff)
	}
	r.src.closed = nil
	r.src.files["gl/a"].openErr = nil
	r.must()
	want = append(want, map[string]string{"gl/sub/c": "C"})
	if diff := cmp.Diff(want, r.remnants()); diff != "" {
		t.Error(diff)
	}
	delete(files, "gl/a")
	r.holds(files)
	r.must()
	want = append(want, map[string]string{"gl/a": "A"})
	if diff := cmp.Diff(want, r.remnants()); diff != "" {
		t.Error(diff)
	}
}

// TestRemnant_UnreadMoreAndLess goes back over a point that could not even read
// the folder above the one in question.
func TestRemnant_UnreadMoreAndLess(t *testing.T) {
	r := newRig(t)
	r.records()
	r.holds(map[string]string{"gl/sub/a": "A", "gl/sub/b": "B", "x": "X"})
	r.must()
	for _, closed := range []string{"", "gl", "gl/sub"} {
		r.src.closed = map[string]bool{closed: true}
		r.must()
	}
	r.src.closed = nil
	r.holds(map[string]string{"gl/sub/b": "B", "x": "X"})
	if r.must(); len(r.remnants()) != 1 {
		t.Fatalf("%d remnants", len(r.remnants()))
	}
	if diff := cmp.Diff(map[string]string{"gl/sub/a": "A"}, r.remnants()[0]); diff != "" {
		t.Error(diff)
	}
}

func TestRemnant_WhatVanishesWhileItIsReadIsGone(t *testing.T) {
	r := newRig(t)
	r.records()
	r.holds(map[string]string{"gl/a": "A", "gl/b": "B"})
	r.must()
	r.holds(map[string]string{"gl/b": "B"})
	r.src.vanished = []string{"gl/a"}
	if res := r.must(); res.Point.Envelope.Complete {
		t.Error("complete")
	}
	if diff := cmp.Diff([]map[string]string{{"gl/a": "A"}}, r.remnants()); diff != "" {
		t.Error(diff)
	}
}

func TestRemnant_ReappearedAndGoneAgain(t *testing.T) {
	r := newRig(t)
	r.records()
	with, without := map[string]string{"gl/a": "A", "x": "X"}, map[string]string{"x": "X"}
	for _, files := range []map[string]string{with, without, without, with, without} {
		r.holds(files)
		r.must()
	}
	if diff := cmp.Diff([]map[string]string{{"gl/a": "A"}, {"gl/a": "A"}}, r.remnants()); diff != "" {
		t.Error(diff)
	}
}

func TestRemnant_IsNoStateOfItsSource(t *testing.T) {
	r := newRig(t)
	r.records()
	files := map[string]string{"gl/a": "A"}
	for i := range 20 {
		files[fmt.Sprintf("x/%02d", i)] = strings.Repeat("x", 100+i)
	}
	r.holds(files)
	r.must()
	delete(files, "gl/a")
	r.holds(files)
	second := r.must()
	remnant := second.Remnants[0].Point
	if remnant.Envelope.Number != 2 || second.Point.Envelope.Number != 3 || string(second.Point.Envelope.Previous) != string(remnant.Digest[:]) {
		t.Errorf("numbers %d and %d", remnant.Envelope.Number, second.Point.Envelope.Number)
	}
	if second.Point.Envelope.Received.Time().Before(remnant.Envelope.Received.Time()) {
		t.Error("the point is dated before its remnant")
	}
	// A run that made the remnant and stopped: the next one has the remnant last.
	if !r.driver.Drop(second.Point.Object) || !r.driver.Drop(second.Point.Object+".intent") {
		t.Fatal("the point was not there")
	}
	r.reopen()
	third := r.must()
	if len(r.src.opened) != 0 {
		t.Errorf("%d files were read again", len(r.src.opened))
	}
	if len(third.Remnants) != 0 || len(r.remnants()) != 1 {
		t.Errorf("%d remnants made, %d in all", len(third.Remnants), len(r.remnants()))
	}
}

// TestRemnant_OfADeletedPoint: while a deletion can be undone, the point counts as
// any other; once it was disposed of, nothing of it comes back.
func TestRemnant_OfADeletedPoint(t *testing.T) {
	for name, c := range map[string]struct {
		past retention.PastPoint
		want map[string]string
	}{
		"deleted":     {retention.PastPoint{Deleted: true}, map[string]string{"gl/b": "B", "gl/c": "C"}},
		"disposed of": {retention.PastPoint{Deleted: true, Disposed: true}, map[string]string{"gl/b": "B"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.records()
			r.holds(map[string]string{"gl/b": "B"})
			r.must()
			r.holds(map[string]string{"gl/b": "B", "gl/c": "C"})
			c.past.ID = r.must().Point.Envelope.ID.String()
			adjust := r.adjust
			r.adjust = func(b *backup.Request) {
				adjust(b)
				b.History = []retention.PastPoint{c.past}
			}
			r.holds(map[string]string{"x": "X"})
			r.must()
			if diff := cmp.Diff([]map[string]string{c.want}, r.remnants()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRemnant_BeganWithThePointWhoseRecordsItKeeps follows records that vanish
// one after the other from points that could not read all.
func TestRemnant_BeganWithThePointWhoseRecordsItKeeps(t *testing.T) {
	r := newRig(t)
	r.records()
	r.holds(map[string]string{"gl/sub/a": "A", "gl/b": "B", "x": "X"})
	first := r.must()
	r.src.closed = map[string]bool{"gl/sub": true}
	second := r.must()
	r.src.closed = nil
	r.holds(map[string]string{"x": "X"})
	third := r.must()
	began := map[string]vault.Stamp{"B": second.Point.Envelope.Started, "A": first.Point.Envelope.Started}
	if len(third.Remnants) != 2 {
		t.Fatalf("%d remnants", len(third.Remnants))
	}
	for _, m := range third.Remnants {
		for path, text := range r.contents(m.Point) {
			if e := m.Point.Envelope; e.Started != began[text] || e.Received != third.Point.Envelope.Received {
				t.Errorf("the remnant of %s began %v, received %v", path, e.Started.Time(), e.Received.Time())
			}
		}
	}
}

func TestRemnant_DamagedRecordsAreTold(t *testing.T) {
	r := newRig(t)
	r.records()
	r.holds(map[string]string{"gl/bad": strings.Repeat("bad", 300), "x": "X"})
	r.must()
	err := r.v.Bucket().List(t.Context(), "packs/data/", func(i blob.Info) error { r.bad[i.Name] = true; return nil })
	if err != nil {
		t.Fatal(err)
	}
	r.reopen()
	r.holds(map[string]string{"gl/bad": strings.Repeat("bad", 300), "gl/good": strings.Repeat("good", 300), "x": "X"})
	delete(r.src.files, "gl/bad")
	res := r.must()
	if len(res.Remnants) != 0 || len(res.Point.Body.Warnings) != 1 || !strings.Contains(res.Point.Body.Warnings[0], `"gl/bad"`) {
		t.Errorf("%d remnants, warnings %q", len(res.Remnants), res.Point.Body.Warnings)
	}
}

func TestRemnant_DamageThatNobodyKnewOfIsFoundByVerification(t *testing.T) {
	r := newRig(t)
	r.records()
	records := r.adjust
	r.adjust = func(b *backup.Request) {
		records(b)
		b.Lock, b.Trial = blob.Governance, false
		b.Policy.Keep = []policy.KeepRule{{Tag: policy.Daily, For: calendar.Days(30)}} // short locks: little of a pack is copied
	}
	files := map[string]string{"gl/a": strings.Repeat("record", 100), "x": strings.Repeat("something else", 1000)}
	r.holds(files)
	r.must()
	err := r.v.Bucket().List(t.Context(), "packs/data/", func(i blob.Info) error { r.driver.Corrupt(i.Name, 100); return nil })
	if err != nil {
		t.Fatal(err)
	}
	r.reopen()
	delete(files, "gl/a")
	r.holds(files)
	if _, err := r.run(); !errkind.Is(err, errkind.Damaged) || !strings.Contains(err.Error(), "vault verify") {
		t.Fatal(err)
	}
	report, err := r.v.Verify(t.Context(), vault.Full, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		r.bad[p.Object] = true
	}
	r.reopen()
	res := r.must()
	if len(res.Point.Body.Warnings) != 1 || !strings.Contains(res.Point.Body.Warnings[0], `"gl/a"`) {
		t.Errorf("warnings %q", res.Point.Body.Warnings)
	}
}

func TestRemnant_DamagedTreesAreLookedUpInEarlierPoints(t *testing.T) {
	r := newRig(t)
	r.records()
	r.holds(map[string]string{"gl/a": "A", "x": "X"})
	r.must()
	before := map[string]bool{}
	each := func(fn func(string)) {
		t.Helper()
		if err := r.v.Bucket().List(t.Context(), "packs/tree/", func(i blob.Info) error { fn(i.Name); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	each(func(name string) { before[name] = true })
	r.holds(map[string]string{"gl/a": "A", "gl/b": "B", "x": "X"})
	r.must()
	each(func(name string) {
		if !before[name] {
			r.driver.Corrupt(name, 200)
		}
	})
	r.reopen()
	r.holds(map[string]string{"x": "X"})
	res := r.must()
	if diff := cmp.Diff([]map[string]string{{"gl/a": "A"}}, r.remnants()); diff != "" {
		t.Error(diff)
	}
	if len(res.Point.Body.Warnings) != 1 || !strings.Contains(res.Point.Body.Warnings[0], "cannot be read") {
		t.Errorf("warnings %q", res.Point.Body.Warnings)
	}
}

// TestRemnant_CrashAnywhere lets every change of a run that makes a remnant go
// wrong in every way, and asks that after the next run there is one remnant and
// everything is whole.
func TestRemnant_CrashAnywhere(t *testing.T) {
	for _, lock := range []blob.Mode{blob.NoLock, blob.Governance} {
		base := newRig(t)
		base.records()
		records := base.adjust
		base.adjust = func(b *backup.Request) {
			records(b)
			b.Lock, b.Trial = lock, lock == blob.NoLock
			b.Policy.Keep = []policy.KeepRule{{Tag: policy.Daily, For: calendar.Days(30)}}
		}
		base.holds(map[string]string{"gl/a": strings.Repeat("A", 500), "gl/b": "B", "x": "X"})
		first := base.must()
		start, driver := base.now, base.driver
		base.holds(map[string]string{"gl/b": "B", "y": strings.Repeat("Y", 400)})
		// again is the state before the run that goes wrong.
		again := func(t *testing.T) *rig {
			r := *base
			r.t, r.now = t, start
			r.driver = driver.Clone()
			r.reopen()
			return &r
		}
		total := again(t).faulty(func(int) memblob.When { return memblob.Never })
		if total < 8 {
			t.Fatalf("%d changes", total)
		}
		for name, fault := range map[string]func(n, k int) bool{
			"fails": func(n, k int) bool { return n == k }, "dies": func(n, k int) bool { return n >= k },
		} {
			for _, when := range []memblob.When{memblob.NotApplied, memblob.Applied} {
				for k := 1; k <= total; k++ {
					t.Run(fmt.Sprintf("lock %s, %s %d, change %d of %d", lock, name, when, k, total), func(t *testing.T) {
						r := again(t)
						r.faulty(func(n int) memblob.When {
							switch {
							case n == k:
								return when
							case fault(n, k):
								return memblob.NotApplied
							}
							return memblob.Never
						})
						r.reopen()
						res := r.must()
						if diff := cmp.Diff([]map[string]string{{"gl/a": strings.Repeat("A", 500)}}, r.remnants()); diff != "" {
							t.Errorf("remnants: %s", diff)
						}
						if diff := cmp.Diff(r.want(), r.contents(res.Point)); diff != "" {
							t.Error(diff)
						}
						if diff := cmp.Diff(strings.Repeat("A", 500), r.contents(first.Point)["gl/a"]); diff != "" {
							t.Error(diff)
						}
						r.clean()
					})
				}
			}
		}
	}
}

// faulty runs once with faults and tells how many changes there were.
func (r *rig) faulty(fault func(n int) memblob.When) int {
	n := 0
	r.driver.SetFault(func(op memblob.Op, _ string) memblob.Fault {
		if op != memblob.OpPut && op != memblob.OpLock && op != memblob.OpDelete {
			return memblob.Fault{}
		}
		n++
		return memblob.Fault{When: fault(n), Err: errors.New("injected")}
	})
	defer r.driver.SetFault(nil)
	_, _ = r.run() // what counts is what is left
	return n
}

// clean checks that verification finds nothing wrong, and locks where they must
// be.
func (r *rig) clean() {
	r.t.Helper()
	report, err := r.v.Verify(r.t.Context(), vault.Full, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range report.Problems {
		r.t.Errorf("verify: %+v", *p)
	}
	for _, p := range r.remnantPoints() {
		objects, err := r.v.PackObjects(r.t.Context(), p.Envelope)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, name := range append(objects, p.Object) {
			info, err := r.v.Bucket().Stat(r.t.Context(), name)
			if err != nil || !p.Envelope.Trial && info.Lock.Until.Before(p.Envelope.RetainUntil.Time()) {
				r.t.Errorf("%s: locked %+v, %v", name, info.Lock, err)
			}
		}
	}
}

// wide is a source of 100 000 files in 500 folders, without one of them.
type wide struct{ without string }

func (w wide) Walk(_ context.Context, v source.Visitor) error {
	dir := func(path, name string) error {
		return v.EnterDir(path, vault.Entry{Name: []byte(name), Kind: vault.Dir, Mode: 0o755}, source.Hint{})
	}
	err := errors.Join(dir("", ""), dir("gl", "gl"))
	for d := range 500 {
		folder := fmt.Sprintf("gl/%03d", d)
		err = errors.Join(err, dir(folder, folder[3:]))
		for i := range 200 {
			name := fmt.Sprintf("%03d", i)
			x := &fakeFile{data: folder + name, ctime: noon, inode: uint64(200*d + i)}
			e, h := x.entry(name)
			if path := folder + "/" + name; path != w.without {
				err = errors.Join(err, v.Entry(path, e, h, func() (source.File, error) { return &handle{x: x, name: name}, nil }))
			}
		}
		err = errors.Join(err, v.LeaveDir(folder))
	}
	return errors.Join(err, v.LeaveDir("gl"), v.LeaveDir(""))
}

// TestRemnant_EqualFoldersAreNotWalked compares two points of 100 000 files that
// differ in one.
func TestRemnant_EqualFoldersAreNotWalked(t *testing.T) {
	r := newRig(t)
	r.records()
	r.use(wide{}, nil)
	r.must()
	r.use(wide{without: "gl/007/150"}, nil)
	second := r.must()
	if diff := cmp.Diff([]map[string]string{{"gl/007/150": "gl/007150"}}, r.remnants()); diff != "" {
		t.Error(diff)
	}
	reader, err := r.v.NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	refs, err := r.v.ListPoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, err := r.v.ReadPoint(t.Context(), refs[0].Object)
	if err != nil {
		t.Fatal(err)
	}
	var entered, changed []string
	began := time.Now()
	scope := vault.Scope{Enter: func(c vault.Change) bool { entered = append(entered, c.Path); return true }}
	err = reader.DiffWithin(t.Context(), first.Envelope.Root, second.Point.Envelope.Root, scope, func(c vault.Change) error {
		changed = append(changed, c.Path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("compared in %v", time.Since(began))
	if diff := cmp.Diff([]string{"", "gl", "gl/007"}, entered); diff != "" {
		t.Errorf("entered: %s", diff)
	}
	if diff := cmp.Diff([]string{"gl/007/150"}, changed); diff != "" {
		t.Errorf("changed: %s", diff)
	}
}
