package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/api"
)

// steps are the events of a long backup, one a second.
func steps() []api.Event {
	var list []api.Event
	for i := range int64(13) {
		list = append(list, api.Event{Type: api.EventProgress, Progress: &api.Progress{Step: "reading", Done: i << 20, Total: 20 << 20, Unit: "bytes", Files: i}})
	}
	list = append(list, api.Event{Type: api.EventNote, Message: "a file\nhas changed"})
	for i := range int64(7) {
		list = append(list, api.Event{Type: api.EventProgress, Progress: &api.Progress{Step: "committing", Done: i, Unit: "packs"}})
	}
	return list
}

// slow answers a backup with steps, the clock going on a second with each.
func slow(t *testing.T) *terminal {
	t.Helper()
	now := day()
	term := newTerminal(t, replaced("POST /api/v1/backups", func(w http.ResponseWriter, _ *http.Request) {
		send := json.NewEncoder(w)
		for _, e := range steps() {
			_ = send.Encode(e)
		}
		text, err := json.Marshal(point())
		if err != nil {
			t.Error(err)
		}
		_ = send.Encode(api.Event{Type: api.EventResult, Result: text})
	}))
	term.env.Now = func() time.Time {
		now = now.Add(time.Second)
		return now
	}
	return term
}

func TestProgress_Plain(t *testing.T) {
	golden(t, "progress_plain", slow(t).run("backup", "run", "ledgers").err)
}

func TestProgress_JSONIsTheEvents(t *testing.T) {
	r := slow(t).run("backup", "run", "ledgers", "--progress", "json", "--json")
	var want bytes.Buffer
	send := json.NewEncoder(&want)
	for _, e := range steps() {
		_ = send.Encode(e)
	}
	if r.err != want.String() || !json.Valid([]byte(r.out)) || r.code != exitDone {
		t.Errorf("%+v", r)
	}
}

func TestProgress_NothingWhereNobodyLooks(t *testing.T) {
	for _, args := range [][]string{{"--quiet"}, {"--progress", "none"}, {"--json"}, {"--quiet", "--progress", "bar"}} {
		if r := slow(t).run(append([]string{"backup", "run", "ledgers"}, args...)...); r.err != "" || r.code != exitDone {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

func TestProgress_BarOnATerminalLeavesOnlyNotes(t *testing.T) {
	term := slow(t)
	term.env.Terminal = true
	r := term.run("backup", "run", "ledgers")
	if r.code != exitDone || !strings.Contains(r.err, `a file\nhas changed`) || !strings.HasPrefix(r.out, "Point ") {
		t.Errorf("%+v", r)
	}
}

func TestProgress_BarShowsStepAmountAndRate(t *testing.T) {
	var b safeBuffer
	shown := make(chan struct{})
	b.until = func(text string) bool {
		return strings.Contains(text, "reading") && strings.Contains(text, "1.0 MiB / 20.0 MiB")
	}
	b.met = shown
	p := newBarProgress(&b, 100)
	p.event(api.Event{Type: api.EventProgress, Progress: &api.Progress{Step: "reading", Done: 1 << 20, Total: 20 << 20, Unit: "bytes"}})
	select {
	case <-shown:
	case <-time.After(10 * time.Second):
		t.Errorf("not shown: %q", b.String())
	}
	p.event(api.Event{Type: api.EventProgress, Progress: &api.Progress{Step: "counting", Done: 7, Unit: "entries"}})
	p.event(api.Event{Type: api.EventProgress, Progress: &api.Progress{Step: "counting", Done: 7, Total: 7, Unit: "entries"}})
	p.event(api.Event{Type: api.EventProgress, Progress: &api.Progress{Step: "counting", Done: 9, Total: 7, Unit: "entries"}})
	p.stop()
}

func TestProgress_BarEndsWhenStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	term := newTerminal(t, replaced("POST /api/v1/backups", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(steps()[3])
		cancel()
		<-r.Context().Done()
	}))
	term.env.Terminal = true
	r := term.runUntil(ctx, "backup", "run", "ledgers")
	if r.code != exitFailed || !strings.HasSuffix(r.err, "counterfoil: stopped: "+keptBackup+"\n") {
		t.Errorf("%+v", r)
	}
}
