package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/tlog"
)

const testOrigin = "counterfoil.example/audit"

var errFault = errors.New("injected fault")

// memOutbox is an outbox in memory, shared by the logs of a test as a table is
// shared by processes. Its next Add or Mark can fail, with or without effect.
type memOutbox struct {
	mu       sync.Mutex
	rows     []Pending
	index    map[int64]int64 // seq to index in the log
	failAdd  bool
	failMark bool
	applied  bool
}

var _ Outbox = (*memOutbox)(nil)

func (o *memOutbox) AddEvent(_ context.Context, id string, _ time.Time, body []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	fail := o.failAdd
	o.failAdd = false
	if !fail || o.applied {
		o.rows = append(o.rows, Pending{int64(len(o.rows)) + 1, id, slices.Clone(body)})
	}
	if fail {
		return errFault
	}
	return nil
}

func (o *memOutbox) PendingEvents(_ context.Context, limit int) ([]Pending, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []Pending
	for _, r := range o.rows {
		if _, done := o.index[r.Seq]; !done && len(out) < limit {
			out = append(out, r)
		}
	}
	return out, nil
}

func (o *memOutbox) MarkIntegrated(_ context.Context, seqs []int64, first int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	fail := o.failMark
	o.failMark = false
	if !fail || o.applied {
		for i, s := range seqs {
			o.index[s] = first + int64(i)
		}
	}
	if fail {
		return errFault
	}
	return nil
}

// faultStore fails one write of the store under it.
type faultStore struct {
	tlog.Store
	failAt  int
	applied bool
}

func (f *faultStore) Write(ctx context.Context, name string, data []byte) error {
	f.failAt--
	if f.failAt != 0 {
		return f.Store.Write(ctx, name, data)
	}
	if f.applied {
		if err := f.Store.Write(ctx, name, data); err != nil {
			return err
		}
	}
	return errFault
}

func newConfig(t testing.TB) (Config, *memOutbox) {
	t.Helper()
	secret, _, err := tlog.NewKey(testOrigin, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := tlog.ParseSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	box := &memOutbox{index: map[int64]int64{}}
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.FixedZone("", 3600))
	c := Config{Dir: t.TempDir(), Origin: testOrigin, Key: key, Outbox: box, Now: func() time.Time { return at }}
	if err := Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c, box
}

func openLog(t testing.TB, c Config) *Log {
	t.Helper()
	l, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func event(i int) Event {
	return Event{
		Actor:  Actor{Subject: "anna", Kind: Person, Session: "s1", Host: "ledger-1"},
		Action: "point/delete", Target: fmt.Sprintf("point-%d", i), Phase: Only, Result: Done,
	}
}

func mustList(t testing.TB, l *Log, f Filter) []Entry {
	t.Helper()
	entries, err := l.List(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// checkExactlyOnce requires that the log verifies, holds each row of the
// outbox once, and that the outbox knows where.
func checkExactlyOnce(t *testing.T, l *Log, box *memOutbox) {
	t.Helper()
	if _, err := l.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	byID := map[string]int64{}
	for _, e := range mustList(t, l, Filter{}) {
		if _, twice := byID[e.Event.ID]; twice || e.Problem != "" {
			t.Errorf("record %d: id %s twice=%v %s", e.Index, e.Event.ID, twice, e.Problem)
		}
		byID[e.Event.ID] = e.Index
	}
	if len(byID) != len(box.rows) {
		t.Errorf("%d records of %d events", len(byID), len(box.rows))
	}
	for _, r := range box.rows {
		at, ok := byID[r.ID]
		if marked, done := box.index[r.Seq]; !ok || !done || marked != at {
			t.Errorf("event %d: in the log %v at %d, marked %v at %d", r.Seq, ok, at, done, marked)
		}
	}
}

func TestRecord_CrashMatrix(t *testing.T) {
	for failAt := 1; failAt <= 4; failAt++ { // bundle, tile, checkpoint; 4: the mark
		for _, applied := range []bool{false, true} {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d/applied=%v/restart=%v", failAt, applied, restart), func(t *testing.T) {
					crashOnce(t, failAt, applied, restart)
				})
			}
		}
	}
}

func crashOnce(t *testing.T, failAt int, applied, restart bool) {
	c, box := newConfig(t)
	for i := range 3 {
		if _, err := openLog(t, c).RecordStrict(t.Context(), event(i)); err != nil {
			t.Fatal(err)
		}
	}
	store := &faultStore{tlog.DirStore(c.Dir), failAt, applied}
	if failAt == 4 {
		store.failAt = 0
	}
	l, err := open(t.Context(), c, store)
	if err != nil {
		t.Fatal(err)
	}
	box.failMark, box.applied = failAt == 4, applied
	if _, err := l.Record(t.Context(), event(3)); err != nil {
		t.Fatalf("an event in the outbox is kept: %v", err)
	}
	lag, err := l.Lag(t.Context())
	if err != nil || !errors.Is(lag.Err, errFault) {
		t.Fatalf("lag %+v, %v", lag, err)
	}
	if wait := box.index[4] == 0; wait != (lag.Pending == 1) || wait != lag.Oldest.Equal(c.Now().Truncate(time.Millisecond)) {
		t.Errorf("lag %+v", lag)
	}
	if restart {
		l = openLog(t, c)
	}
	// A late transaction may come in before the one that was interrupted.
	box.rows = append([]Pending{{Seq: 0, ID: "late", Body: lateBody(t, l)}}, box.rows...)
	box.rows[0].ID = mustDecode(t, box.rows[0].Body).ID
	if _, err := l.RecordStrict(t.Context(), event(4)); err != nil {
		t.Fatal(err)
	}
	checkExactlyOnce(t, l, box)
	if lag, err := l.Lag(t.Context()); err != nil || lag.Pending != 0 || lag.Err != nil {
		t.Errorf("lag in the end %+v, %v", lag, err)
	}
}

func lateBody(t *testing.T, l *Log) []byte {
	t.Helper()
	_, body, err := l.Prepare(event(99))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func mustDecode(t *testing.T, body []byte) Event {
	t.Helper()
	e, err := Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestRecord_MarkThatKeepsFailingAddsNothingTwice(t *testing.T) {
	c, box := newConfig(t)
	l := openLog(t, c)
	for i := range 5 {
		box.failMark = true
		if _, err := l.RecordStrict(t.Context(), event(i)); !errors.Is(err, errFault) {
			t.Fatalf("event %d: %v", i, err)
		}
		if l.Size() > 1 {
			t.Fatalf("%d records appended while one is not marked", l.Size())
		}
	}
	if err := l.Integrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkExactlyOnce(t, l, box)
}

func TestRecord_ProcessesShareADirectory(t *testing.T) {
	c, box := newConfig(t)
	var wg sync.WaitGroup
	for p := range 4 {
		l := openLog(t, c)
		wg.Go(func() {
			for i := range 6 {
				if _, err := l.RecordStrict(t.Context(), event(100*p+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	checkExactlyOnce(t, openLog(t, c), box)
}

func TestRecord_BacklogOfManyBatchesIsIntegrated(t *testing.T) {
	c, box := newConfig(t)
	l := openLog(t, c)
	for i := range 700 {
		e, body, err := l.Prepare(event(i))
		if err != nil {
			t.Fatal(err)
		}
		if err := box.AddEvent(t.Context(), e.ID, e.Time, body); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.RecordStrict(t.Context(), event(700)); err != nil {
		t.Fatal(err)
	}
	checkExactlyOnce(t, l, box)
	if got := mustList(t, l, Filter{Limit: 2}); len(got) != 2 || got[0].Index != 699 || got[1].Event.Target != "point-700" {
		t.Errorf("the newest two: %+v", got)
	}
}

func TestRecord_WhatIsNotKeptIsAnError(t *testing.T) {
	c, box := newConfig(t)
	l := openLog(t, c)
	box.failAdd = true
	if _, err := l.Record(t.Context(), event(0)); !errors.Is(err, errFault) {
		t.Errorf("got %v", err)
	}
	if _, err := l.RecordStrict(t.Context(), Event{Action: "x"}); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("got %v", err)
	}
	if len(box.rows) != 0 || l.Size() != 0 {
		t.Errorf("%d rows, %d records", len(box.rows), l.Size())
	}
}

func TestRecord_PairIsLinked(t *testing.T) {
	c, _ := newConfig(t)
	l := openLog(t, c)
	e := event(1)
	e.Phase, e.Result = Before, Allowed
	before, err := l.RecordStrict(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	e.Phase, e.Result, e.Before, e.ErrorKind = After, Failed, before.ID, errkind.Refused.String()
	if _, err := l.RecordStrict(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	got := mustList(t, l, Filter{})
	if len(got) != 2 || got[1].Event.Before != got[0].Event.ID || got[0].Event.ID == "" {
		t.Errorf("%+v", got)
	}
}

func TestOutbox_ForeignBodiesDoNotStopTheLog(t *testing.T) {
	c, box := newConfig(t)
	l := openLog(t, c)
	box.rows = []Pending{
		{1, "01JQ0000000000000000000000", make([]byte, tlog.MaxRecord+1)},
		{2, "x", []byte("not json")},
		{3, "y", nil},
	}
	box.failMark = true
	if err := l.Integrate(t.Context()); !errors.Is(err, errFault) {
		t.Fatal(err)
	}
	if err := openLog(t, c).Integrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := mustList(t, l, Filter{Actor: "nobody"})
	if len(got) != 2 || got[0].Index != 1 || string(got[0].Raw) != "not json" || got[1].Problem == "" {
		t.Errorf("what cannot be read is shown whatever the filter: %+v", got)
	}
	all := mustList(t, l, Filter{})
	if len(all) != 3 || all[0].Event.Action != "audit/oversize" || all[0].Event.Detail["body_bytes"] != "32769" {
		t.Errorf("%+v", all)
	}
}

func TestList_Filters(t *testing.T) {
	c, _ := newConfig(t)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c.Now = func() time.Time { at = at.Add(time.Hour); return at }
	l := openLog(t, c)
	for i, a := range []access.Action{"vault/create", "vault/delete", "vaults/x", "point/delete"} {
		e := event(i)
		e.Action = a
		if i == 3 {
			e.Actor.Subject, e.Result, e.Reason = "bert", Refused, "Quarter End"
		}
		if _, err := l.RecordStrict(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		f    Filter
		want []int64
	}{
		"all":      {Filter{}, []int64{0, 1, 2, 3}},
		"action":   {Filter{Action: "vault/create"}, []int64{0}},
		"subject":  {Filter{Action: "vault/*"}, []int64{0, 1}},
		"actor":    {Filter{Actor: "bert"}, []int64{3}},
		"result":   {Filter{Result: Refused}, []int64{3}},
		"target":   {Filter{Target: "point-2"}, []int64{2}},
		"text":     {Filter{Text: "quarter end"}, []int64{3}},
		"since":    {Filter{Since: start.Add(3 * time.Hour)}, []int64{2, 3}},
		"until":    {Filter{Until: start.Add(3 * time.Hour)}, []int64{0, 1}},
		"limit":    {Filter{Limit: 2}, []int64{2, 3}},
		"none":     {Filter{Actor: "x"}, nil},
		"combined": {Filter{Action: "vault/*", Limit: 1}, []int64{1}},
	} {
		var got []int64
		for _, e := range mustList(t, l, c.f) {
			got = append(got, e.Index)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestList_DamageIsShownNotSkipped(t *testing.T) {
	c, box := newConfig(t)
	l := openLog(t, c)
	for i := range 300 {
		e, body, err := l.Prepare(event(i))
		if err != nil {
			t.Fatal(err)
		}
		if err := box.AddEvent(t.Context(), e.ID, e.Time, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Integrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := tlog.DirStore(c.Dir)
	bundle, err := d.Read(t.Context(), "tile/entries/000")
	if err != nil {
		t.Fatal(err)
	}
	bundle[100] ^= 1
	if err := d.Write(t.Context(), "tile/entries/000", bundle); err != nil {
		t.Fatal(err)
	}
	got := mustList(t, l, Filter{})
	if len(got) != 45 || got[0].Problem == "" || got[0].Index != 0 || got[1].Index != 256 {
		t.Errorf("%d entries, first %+v", len(got), got[0])
	}
	if _, err := l.Verify(t.Context()); !errkind.Is(err, errkind.Damaged) {
		t.Errorf("verify: %v", err)
	}
}

func TestPublish_GivesAVerifiableCopy(t *testing.T) {
	c, _ := newConfig(t)
	l := openLog(t, c)
	dst := tlog.DirStore(t.TempDir())
	for i := range 3 {
		if _, err := l.RecordStrict(t.Context(), event(i)); err != nil {
			t.Fatal(err)
		}
		if n, err := l.Publish(t.Context(), dst); err != nil || n != l.Size() {
			t.Fatalf("published %d, %v", n, err)
		}
	}
	r, err := tlog.Verify(t.Context(), dst, c.Key.Verifier, tlog.VerifyOptions{Origin: testOrigin})
	if err != nil || r.Checkpoint.Size != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestOpen_NeedsCreate(t *testing.T) {
	c, _ := newConfig(t)
	if err := Create(t.Context(), c); !errkind.Is(err, errkind.Exists) {
		t.Errorf("create again: %v", err)
	}
	c.Dir = t.TempDir()
	if _, err := Open(t.Context(), c); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("open nothing: %v", err)
	}
}
