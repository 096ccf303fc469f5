package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
)

// closing is a policy with closes by calendar months to March.
func closing() *policy.Policy {
	p := policy.SOX()
	p.Name = "closing"
	p.Keep = []policy.KeepRule{{Tag: policy.Daily, For: calendar.Days(30)}, {Tag: policy.Close, For: calendar.Years(7)}}
	p.Fiscal = &policy.Fiscal{EndMonth: 3}
	return &p
}

func (r *rig) recordClose(period string) lifecycle.Settled {
	r.t.Helper()
	e := retention.Event{Name: retention.CloseEvent, Period: period, At: r.now.Add(-time.Hour), Evidence: "minute 4"}
	s, err := r.life.RecordEvent(r.t.Context(), grant(access.EventRecord), "books", e)
	r.must(err)
	return s
}

func (r *rig) closes() []lifecycle.SourceClose {
	r.t.Helper()
	list, err := r.life.Closes(r.t.Context(), "books")
	r.must(err)
	return list
}

func hasTag(row catalog.Point, name string) bool {
	for _, t := range row.Tags {
		if t == name {
			return true
		}
	}
	return false
}

func TestClose_TheNextPointTakesWhatIsRecorded(t *testing.T) {
	r := newRig(t, options{start: time.Date(2026, 4, 2, 22, 0, 0, 0, time.UTC), written: closing()})
	if p := r.backup(); hasTag(p, "close") {
		t.Fatalf("a point before the record has tags %v", p.Tags)
	}
	r.days(1)
	e := r.recordClose("FY26-P12")
	if e.Period != "FY2026-P12" || len(e.Points) != 0 {
		t.Fatalf("recorded as %+v", e)
	}
	list := r.closes()
	if len(list) != 1 || list[0].Captured() || list[0].Overdue || list[0].Event != e.ID || list[0].Source != "ledgers" || !list[0].DueBy.Equal(r.now.AddDate(0, 0, 5)) {
		t.Fatalf("waiting: %+v", list)
	}
	r.days(6)
	if list := r.closes(); !list[0].Overdue {
		t.Fatalf("after six days: %+v", list)
	}
	p := r.backup()
	if !hasTag(p, "close") || p.RetainUntil == nil || p.RetainUntil.Before(r.now.AddDate(7, 0, 0)) {
		t.Fatalf("tags %v until %v", p.Tags, p.RetainUntil)
	}
	if list := r.closes(); len(list) != 1 || list[0].Holder != strings.ToLower(p.ID) || list[0].Overdue {
		t.Fatalf("taken: %+v", list)
	}
	r.days(1)
	if p := r.backup(); hasTag(p, "close") {
		t.Fatalf("taken twice: %v", p.Tags)
	}
	if r.recordClose("FY2026-P12"); len(r.closes()) != 2 || r.closes()[1].Tag.Period != "FY2026-P12.2" {
		t.Fatalf("closed again: %+v", r.closes())
	}
	if again := r.backup(); !hasTag(again, "close") || r.closes()[0].Holder == r.closes()[1].Holder {
		t.Fatalf("closed again: %v, %+v", again.Tags, r.closes())
	}
}

func TestClose_OneThatNobodyRecordsIsTakenProvisionally(t *testing.T) {
	r := newRig(t, options{start: time.Date(2026, 4, 1, 22, 0, 0, 0, time.UTC), written: closing()})
	var taken []string
	for range 20 {
		if p := r.backup(); hasTag(p, "close") {
			taken = append(taken, p.ReceivedAt.Format(time.DateOnly))
		}
		r.days(1)
	}
	// The tenth business day after March is 14 April.
	if strings.Join(taken, " ") != "2026-04-15" {
		t.Fatalf("taken on %v", taken)
	}
	if list := r.closes(); len(list) != 1 || list[0].Event != "" || !list[0].Tag.Provisional || !list[0].Captured() {
		t.Fatalf("%+v", list)
	}
	r.recordClose("FY26-P12")
	if p := r.backup(); !hasTag(p, "close") {
		t.Fatalf("the close itself: %v", p.Tags)
	}
	if list := r.closes(); len(list) != 1 || list[0].Tag.Provisional || list[0].Holder == "" || list[0].StandIn == "" {
		t.Fatalf("both stay: %+v", list)
	}
}

func TestClose_AStoppedSourceIsNotWaitedFor(t *testing.T) {
	r := newRig(t, options{start: time.Date(2026, 4, 2, 22, 0, 0, 0, time.UTC), written: closing()})
	r.recordClose("FY26-P11")
	r.backup()
	r.recordClose("FY26-P12")
	if n := len(r.closes()); n != 2 {
		t.Fatalf("%d closes", n)
	}
	_, err := r.life.StopSource(t.Context(), grant(access.SourceStop), "ledgers", lifecycle.ByPolicy, "sold")
	r.must(err)
	r.days(30)
	if list := r.closes(); len(list) != 1 || !list[0].Captured() {
		t.Errorf("%+v", list)
	}
}

func TestRecordEvent_RefusesACloseThatNoPointCouldStandFor(t *testing.T) {
	r := newRig(t, options{})
	good := retention.Event{Name: retention.CloseEvent, Period: "FY26-P12", At: r.now, Evidence: "minute 4"}
	for name, change := range map[string]func(*retention.Event){
		"no period":   func(e *retention.Event) { e.Period = "" },
		"bad period":  func(e *retention.Event) { e.Period = "March" },
		"no evidence": func(e *retention.Event) { e.Evidence = "" },
		"no day":      func(e *retention.Event) { e.At = time.Time{} },
		"to come":     func(e *retention.Event) { e.At = r.now.AddDate(0, 0, 3) },
		"points":      func(e *retention.Event) { e.Covers.Points = []string{"p"} },
		"classes":     func(e *retention.Event) { e.Covers.Classes = []string{"payroll"} },
		"an end":      func(e *retention.Event) { e.Covers.To = r.now },
		"a beginning": func(e *retention.Event) { e.Covers.From = r.now },
	} {
		e := good
		change(&e)
		if _, err := r.life.RecordEvent(t.Context(), grant(access.EventRecord), "books", e); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	source, err := r.catalog.Source(t.Context(), "ledgers")
	r.must(err)
	good.Covers.Sources = []string{strings.ToLower(source.ID)}
	if _, err := r.life.RecordEvent(t.Context(), grant(access.EventRecord), "books", good); err != nil {
		t.Error(err)
	}
	if list := r.closes(); len(list) != 1 {
		t.Errorf("%+v", list)
	}
	if p := r.backup(); !hasTag(p, "close") {
		t.Errorf("the close of one source is not taken by its point: %v", p.Tags)
	}
}
