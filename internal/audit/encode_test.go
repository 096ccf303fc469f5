package audit

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/tlog"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func fullEvent() Event {
	return Event{
		ID: "01JQ7ZK5N8XZ9V6T4R2M0H1G3B", Time: time.Date(2026, 3, 1, 11, 0, 0, 5, time.UTC),
		Actor:  Actor{Subject: "anna", Kind: Person, Session: "s-1", Host: "ledger-1"},
		Action: "point/delete", Target: "point <7> & \u00fc", PayloadSHA256: strings.Repeat("0a", 32),
		Reason: "line\nbreak \"quoted\"", Ticket: "CHG-1", Phase: After, Before: "01JQ7ZK5N8XZ9V6T4R2M0H1G3A",
		Result: Failed, ErrorKind: "refused", Detail: map[string]string{"z": "1", "a": "2"},
	}
}

func TestEncode_IsTheDocumentedForm(t *testing.T) {
	small := Event{
		ID: "01JQ7ZK5N8XZ9V6T4R2M0H1G3B", Time: time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC),
		Actor: Actor{Subject: "counterfoil", Kind: System}, Action: "drill/run", Phase: Only, Result: Done,
	}
	var lines []string
	for _, e := range []Event{fullEvent(), small} {
		b, err := Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, back); d != "" {
			t.Error(d)
		}
		lines = append(lines, string(b)+"\n")
	}
	golden := filepath.Join("testdata", "events.jsonl")
	got := strings.Join(lines, "")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

func TestDecode_AcceptsOneSpellingOnly(t *testing.T) {
	good, err := Encode(fullEvent())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]string{
		"space":         {`{"v":1,`, `{"v": 1,`},
		"unknown field": {`{"v":1,`, `{"v":1,"w":2,`},
		"field twice":   {`{"v":1,`, `{"v":1,"v":1,`},
		"case":          {`"phase"`, `"Phase"`},
		"key order":     {`"a":"2","z":"1"`, `"z":"1","a":"2"`},
		"short time":    {`.000000005Z`, `.5Z`},
		"bad kind":      {`"kind":"person"`, `"kind":"robot"`},
		"bad result":    {`"result":"failed"`, `"result":"maybe"`},
		"version 0":     {`{"v":1,`, `{"v":0,`},
		"rest":          {`"1"}}`, `"1"}}x`},
		"error kind":    {`"refused"`, `"rejected"`},
		"digest":        {`"0a0a`, `"0A0a`},
	} {
		bad := strings.Replace(string(good), c[0], c[1], 1)
		if bad == string(good) {
			t.Fatalf("%s: nothing changed", name)
		}
		if _, err := Decode([]byte(bad)); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = Decode([]byte(`{"v":2,"future":true}`))
	if !errkind.Is(err, errkind.NewerFormat) {
		t.Errorf("version 2: %v", err)
	}
}

func TestPrepare_OddTextsAreKept(t *testing.T) {
	c, _ := newConfig(t)
	l := openLog(t, c)
	e := event(1)
	e.Target = "/srv/\xff\xfe/\ufffd"
	e.Detail = map[string]string{"k\x80": "\xc3("}
	got, body, err := l.Prepare(e)
	if err != nil {
		t.Fatal(err)
	}
	if got.Target != `/srv/\xff\xfe/`+"\ufffd" || got.Detail[`k\x80`] != `\xc3(` {
		t.Errorf("%+v", got)
	}
	if got.Time != time.Date(2026, 3, 1, 11, 0, 0, 5, time.UTC) {
		t.Errorf("time %v", got.Time)
	}
	if d := cmp.Diff(got, mustDecode(t, body)); d != "" {
		t.Error(d)
	}
}

func TestPrepare_LargeEventsFit(t *testing.T) {
	c, _ := newConfig(t)
	l := openLog(t, c)
	detail := event(1)
	detail.Detail = map[string]string{"list": strings.Repeat("x", 40<<10)}
	detail.Reason = "stays"
	got, body, err := l.Prepare(detail)
	if err != nil || got.Reason != "stays" || got.Detail["detail_bytes"] != "40971" || len(got.Detail["detail_sha256"]) != 64 {
		t.Errorf("%+v, %v", got, err)
	}
	mustDecode(t, body)

	worst := event(1)
	long := strings.Repeat("\x01", 1<<16)
	worst.Actor = Actor{Subject: long, Kind: Person, Session: long, Host: long}
	worst.Target, worst.Reason, worst.Ticket, worst.Action = long, long, strings.Repeat("\u20ac", 9999), "point/delete"
	got, body, err = l.Prepare(worst)
	if err != nil || len(body) > tlog.MaxRecord {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	if !strings.Contains(got.Reason, "[65536 bytes, sha256 ") {
		t.Errorf("reason %q", got.Reason)
	}
	mustDecode(t, body)
}

func FuzzDecode(f *testing.F) {
	b, err := Encode(fullEvent())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		e, err := Decode(record)
		if err != nil {
			return
		}
		again, err := Encode(e)
		if err != nil || string(again) != string(record) {
			t.Errorf("%q read, written as %q, %v", record, again, err)
		}
	})
}
