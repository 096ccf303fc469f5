package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/api"
)

var update = flag.Bool("update", false, "rewrite the golden files and docs/reference/cli.md")

// day is the time of everything in the fixtures.
func day() time.Time { return time.Date(2026, 7, 17, 11, 4, 5, 0, time.UTC) }

func number(n int64) *int64 { return &n }

func at(t time.Time) *time.Time { return &t }

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// terminal is a process for the command line, its server a handler.
type terminal struct {
	t       *testing.T
	handler http.Handler
	env     Env
	// connected counts, closed says that the connection was given back.
	connected, closed int
	dataDir           string
	existing          bool
}

func newTerminal(t *testing.T, h http.Handler) *terminal {
	t.Helper()
	term := &terminal{t: t, handler: h}
	term.env = Env{
		In:      strings.NewReader(""),
		Getenv:  func(key string) string { return map[string]string{"COUNTERFOIL_DATA": "/data"}[key] },
		Now:     day,
		Zone:    time.FixedZone("", 2*60*60),
		Width:   80,
		Version: "v1.0.0-test",
		Connect: term.connect,
		Stat:    func(string) error { return nil },
	}
	return term
}

type closer func() error

func (c closer) Close() error { return c() }

func (term *terminal) connect(_ context.Context, dataDir string, existing bool) (*api.Client, io.Closer, error) {
	term.connected++
	term.dataDir, term.existing = dataDir, existing
	transport := api.Handler(term.handler)
	return api.New(api.SocketBase, transport), closer(func() error {
		term.closed++
		return transport.Close()
	}), nil
}

func (term *terminal) run(args ...string) result {
	term.t.Helper()
	return term.runUntil(context.Background(), args...)
}

func (term *terminal) runUntil(ctx context.Context, args ...string) result {
	term.t.Helper()
	var out, errs bytes.Buffer
	env := term.env
	env.Out, env.Err = &out, &errs
	code := Run(ctx, args, env)
	if term.connected != term.closed {
		term.t.Errorf("%q left a connection open", args)
	}
	return result{code, out.String(), errs.String()}
}

func garbage(done bool) api.Garbage {
	g := api.Garbage{
		Vault: "books", Digest: strings.Repeat("5f", 32), Points: 12, KeptPacks: 41, KeptBytes: 1 << 30, Stale: []string{"index/hint-a-0000000001"},
		Packs: []api.PackStep{
			{Object: "packs/data/01/01aa", Action: "condemn", Reason: "no point needs it", Size: 31 << 20},
			{Object: "packs/data/02/02bb", Action: "delete", Reason: "condemned, and no session older than that is open", Size: 30 << 20},
			{Object: "packs/data/03/03cc", Action: "repack", Reason: "most of it is needed by no point", Size: 30 << 20, Needed: 2 << 20},
			{Object: "packs/tree/04/04dd", Action: "keep", Reason: "locked", Size: 5 << 20},
		},
	}
	if done {
		g.Done = &api.GarbageDone{Condemned: 1, Deleted: 1, Repacked: 1, Stale: 1, Freed: 30 << 20, Copied: 2 << 20}
	}
	return g
}

// fake answers like a server with one of everything.
func fake() *http.ServeMux {
	mux := http.NewServeMux()
	root := "/api/v1/"
	answer := func(pattern string, v any) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+root+path, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) })
	}
	work := func(path string, v any) {
		mux.HandleFunc("POST "+root+path, func(w http.ResponseWriter, _ *http.Request) { sendWork(w, v) })
	}
	answer("GET version", api.Version{Version: "v1.0.0-test", Format: 1, Go: "go1.26.8", FIPS: true})
	answer("GET vaults", []api.Vault{vault()})
	answer("GET vaults/{name}", vault())
	answer("POST vaults", vault())
	work("vaults/{name}/verify", verification())
	mux.HandleFunc("POST "+root+"vaults/{name}/gc", func(w http.ResponseWriter, r *http.Request) {
		var in api.Collect
		_ = json.NewDecoder(r.Body).Decode(&in)
		sendWork(w, garbage(in.Digest != ""))
	})
	work("recover", api.Recovered{Vault: vault(), Sources: 1, Points: 2, Policies: 1, Packs: 40, Events: 12, Warnings: []string{"the index was rebuilt"}})
	answer("GET sources", []api.Source{source()})
	answer("GET sources/{name}", source())
	answer("POST sources", source())
	work("backups", point())
	answer("GET points", []api.Point{point(), brokenPoint()})
	answer("GET points/{id}", detailedPoint())
	answer("GET points/{id}/explain", api.Explanation{Point: point(), Decision: "keep", Lines: []string{
		"yearly: kept 10 years, until 2036-07-17, by policy sox version 1", "vault minimum: 7 days, until 2026-07-24",
	}})
	mux.HandleFunc("GET "+root+"points/{id}/entries", func(w http.ResponseWriter, r *http.Request) { sendLines(w, entries()) })
	mux.HandleFunc("GET "+root+"points/{id}/content", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "a,b\r\n\x00\xff") })
	mux.HandleFunc("GET "+root+"diff", func(w http.ResponseWriter, r *http.Request) { sendLines(w, differences()) })
	work("restores", api.Restored{
		Point: point().ID, To: "/tmp/out", Files: 12345, Entries: 12400, Bytes: 1 << 30, Skipped: 2, Verified: true, Seconds: 3.25,
		LeftOut:  &api.LeftOut{Entries: 5, Files: 3, Bytes: 12 << 10, Erasures: []string{erased().ID}},
		Warnings: []string{"what was erased may not be all: governance record 3 is \x1b[2J"},
	})
	answer("GET policies", []api.Policy{policyOne()})
	answer("GET policies/{name}", policyOne())
	answer("GET classes/{id}", api.Class{ID: "aml_kyc", Title: "Customer due diligence", Minimum: "5 years", Maximum: "5 years", ClockStart: "relationship_end", Basis: "law", Citation: "MLR 2017 reg. 40",
		Personal: true, Set: "uk-us", SetNote: "Have counsel confirm.", Accessible: "2 years"})
	answer("POST policies/check", api.PolicyCheck{Policy: "books", Mistakes: []string{}})
	mux.HandleFunc("POST "+root+"policies", func(w http.ResponseWriter, r *http.Request) {
		var in api.NewPolicy
		_ = json.NewDecoder(r.Body).Decode(&in)
		_ = json.NewEncoder(w).Encode(policyChange(in.Yes))
	})
	mux.HandleFunc("POST "+root+"sources/{name}/policy", func(w http.ResponseWriter, r *http.Request) {
		var in api.SetSourcePolicy
		_ = json.NewDecoder(r.Body).Decode(&in)
		c := policyChange(in.Yes)
		c.Action, c.Critical, c.Sources[0].Policy, c.Sources[0].Version = "source/update", false, "sox", 1
		_ = json.NewEncoder(w).Encode(c)
	})
	answer("GET policies/{name}/runs", api.PolicyRuns{Policy: "sox", Version: 1, Zone: "Europe/London", Schedule: nightly, Runs: londonNights()})
	answer("GET classes", []api.Class{{ID: "general_ledger", Title: "General ledger", Minimum: "7 years", ClockStart: "audit_concluded", Basis: "law", Citation: "17 CFR 210.2-06"}})
	answer("POST sources/{name}/freeze", api.Freeze{ID: "01jzfreeze0000000000000000", Source: "ledgers", Vault: "books", Points: 2, Frozen: true})
	answer("POST sources/{name}/freezes/{id}/release", api.Freeze{ID: "01jzfreeze0000000000000000", Source: "ledgers", Vault: "books", Points: 2})
	answer("POST vaults/{name}/settings", api.SettingsChange{Vault: "books", Effect: "weakens", Changes: []string{"soft delete is switched off: what is deleted from now on cannot be brought back"}})
	answer("POST vaults/{name}/delete", api.VaultDeletion{Vault: "books", Points: 2, PurgeAfter: at(day().AddDate(0, 0, 14))})
	answer("POST vaults/{name}/undelete", api.VaultDeletion{Vault: "books", Points: 2})
	answer("POST sources/{name}/stop", api.SourceChange{Source: "ledgers", Vault: "books", State: "stopped-for-ever", Points: 2})
	answer("POST sources/{name}/resume", api.SourceChange{Source: "ledgers", Vault: "books", State: "protected", Points: 2})
	answer("POST sources/{name}/delete", api.SourceChange{Source: "ledgers", Vault: "books", State: "deleted", Points: 2, PurgeAfter: at(day().AddDate(0, 0, 14))})
	answer("POST sources/{name}/undelete", api.SourceChange{Source: "ledgers", Vault: "books", State: "stopped", Points: 2})
	answer("GET vaults/{name}/erasures", []api.Erasure{erased().Erasure, withdrawn()})
	answer("POST vaults/{name}/erasures", erased())
	answer("GET vaults/{name}/erasures/{id}", erased())
	answer("POST vaults/{name}/erasures/{id}/withdraw", withdrawn())
	answer("POST vaults/{name}/subjects/{id}/forget", api.Forgotten{Vault: "books", Subject: erased().Subject, Name: true})
	answer("GET clock", trusted())
	answer("POST clock/attest", trusted())
	answer("GET vaults/{name}/holds", []api.Hold{hold()})
	answer("POST vaults/{name}/holds", hold())
	answer("POST vaults/{name}/holds/apply", api.HoldsApplied{Vault: "books", Objects: 410})
	answer("POST vaults/{name}/holds/{id}/release", released())
	answer("GET vaults/{name}/events", []api.RetentionEvent{event(), closeEvent()})
	mux.HandleFunc("POST "+root+"vaults/{name}/events", func(w http.ResponseWriter, r *http.Request) {
		var in api.NewEvent
		_ = json.NewDecoder(r.Body).Decode(&in)
		e := event()
		if in.Name == "close" {
			e = closeEvent()
		}
		_ = json.NewEncoder(w).Encode(e)
	})
	answer("POST points/{id}/delete", api.Deletion{Point: point().ID, Source: "ledgers", Vault: "books", PurgeAfter: at(day().AddDate(0, 0, 14))})
	answer("POST points/{id}/undelete", api.Deletion{Point: point().ID, Source: "ledgers", Vault: "books"})
	mux.HandleFunc("POST "+root+"vaults/{name}/expiry", func(w http.ResponseWriter, r *http.Request) {
		var in api.Apply
		_ = json.NewDecoder(r.Body).Decode(&in)
		_ = json.NewEncoder(w).Encode(expiry(in.Digest != ""))
	})
	answer("POST vaults/{name}/batches", api.Batch{ID: "01jzbatch00000000000000000", Vault: "books", As: "owner", Digest: strings.Repeat("9f2c", 16), At: at(day()), By: "ana", Reason: "minute 12", Points: expiry(false).Waiting})
	answer("GET vaults/{name}/certificates", []api.Certificate{certificate()})
	answer("POST vaults/{name}/locks", locks())
	answer("POST vaults/{name}/lock", api.Locking{Vault: "books", State: "unlocked", Points: 2, Objects: 410, Bytes: 3 << 30, GBYears: 32.2, Last: at(day().AddDate(12, 0, 0))})
	answer("POST vaults/{name}/lock/call-back", api.Locking{Vault: "books", State: "unlocked", Points: 2, Objects: 410, Bytes: 3 << 30, Asked: true})
	answer("POST points/{id}/proof", proof())
	answer("POST vaults/{name}/canary", api.Canary{Vault: "books", At: day(), Object: "canary/01jz", Mode: "governance", Verdict: "pass", Attempts: []api.CanaryAttempt{
		{Name: "delete", Verdict: "pass", Answer: "delete canary/01jz: locked in governance mode until 2026-07-18T11:04:05Z"},
	}})
	answer("GET audit", []api.AuditEntry{
		{Index: 0, ID: "01JZAUDIT0000000000000000A", Name: "vault/create", Time: day(), Actor: "ana", Action: "vault/create", Target: "books", Phase: "only", Result: "done"},
		{Index: 1, ID: "01JZAUDIT0000000000000000B", Name: "point/delete", Time: day().Add(time.Minute), Actor: "eve\x1b[2J", Action: "point/delete", Target: point().ID,
			Phase: "before", Result: "refused", ErrorKind: "refused", Reason: "kept until 2036", Detail: map[string]string{"source": "ledgers"}},
	})
	answer("POST audit/verify", api.AuditVerification{
		OK: true, Size: 12, Root: "q83vEjRWeJA=", Origin: "counterfoil/01JZ", Key: "counterfoil/01JZ+1a2b+AQID", Lag: 1, Copies: []string{"file:///srv/vault: 12"},
	})
	answer("GET doctor", []api.Finding{
		{ID: "clock", Name: "clock", Status: "ok", Message: "one source, no jump"},
		{ID: "store.books", Name: "store of books", Status: "warn", Message: "the store is on the disk of the source, so that one broken disk would take both", Fix: "move it: see docs/how-to/move.md"},
	})
	work("quickstart", quickstart())
	mux.HandleFunc("POST "+root+"quickstart/remove", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(api.Removal{Removed: r.URL.Query().Get("yes") == "true", Paths: []string{"/data", "/data-trial\nvault"}, Kept: []string{"/data-sample-ledgers"}})
	})
	return mux
}

func sendWork(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	send := json.NewEncoder(w)
	_ = send.Encode(api.Event{Type: api.EventProgress, Progress: &api.Progress{Step: "reading", Done: 1 << 20, Total: 1 << 21, Unit: "bytes", Files: 3}})
	_ = send.Encode(api.Event{Type: api.EventNote, Message: "a note with \x1b[31mcolour"})
	_ = send.Encode(api.Event{Type: api.EventResult, Result: text})
}

func sendLines[T any](w http.ResponseWriter, list []T) {
	send := json.NewEncoder(w)
	for _, v := range list {
		_ = send.Encode(v)
	}
}

func vault() api.Vault {
	return api.Vault{
		ID: "01JZVAULT00000000000000000", Name: "books", URL: "file:///srv/vault", Kind: "unlocked", CreatedAt: day(), MinRetention: "P7D", MaxRetention: "P12Y",
		SoftDeleteDays: 14, AssuranceLevel: "L1", Enforcer: "this process", SigningKey: "ed25519:9f2c", Points: 2, Size: number(3 << 30), Objects: number(410), AuditKey: "counterfoil/01JZ+1a2b+AQID",
		KeyFile: "/data/keys/books.key", RecoveryKit: "/data/books-recovery-kit.txt", Warnings: []string{"the store is on the same disk as the data directory"},
	}
}

func trusted() api.Clock {
	return api.Clock{System: day(), Receipt: day(), Proven: at(day().Add(-time.Hour)), Groups: 1, Sources: []api.ClockSource{{Name: "store of books", Group: "store", At: at(day())}, {Name: "nts", Group: "nts", Error: "no answer in 5s"}},
		Latched: "jump", LatchedSince: at(day()), Refusal: "the latch is closed: counterfoil clock attest opens it", Attested: "2026-06-17T11:04:05Z by ana: looked at the wall"}
}

const nightly = "daily at 01:30, Europe/London; missed runs are caught up by one"

// londonNights are runs around the night in which clocks are set forward.
func londonNights() []api.PolicyRun {
	at := func(d, h, m int) time.Time { return time.Date(2026, 3, d, h, m, 0, 0, time.UTC) }
	return []api.PolicyRun{
		{At: at(27, 1, 30), Local: "Fri 2026-03-27 01:30 +00:00"}, {At: at(28, 1, 30), Local: "Sat 2026-03-28 01:30 +00:00"},
		{At: at(29, 1, 0), Local: "Sun 2026-03-29 02:00 +01:00"}, {At: at(30, 0, 30), Local: "Mon 2026-03-30 01:30 +01:00"},
	}
}

func policyOne() api.Policy {
	return api.Policy{Name: "sox", Version: 1, Schedule: nightly, Document: json.RawMessage(`{"name":"sox"}`), Keep: []api.PolicyKeep{{Tag: "daily", For: "30 days"}, {Tag: "yearly", For: "10 years", Due: "01-01"}},
		Classes: []string{"general_ledger at /gl/**, carried by every point"}, Fiscal: "to the end of March", Sources: []string{"ledgers"}}
}

func policyChange(applied bool) api.PolicyChange {
	rules := []api.RuleChange{{Rule: "daily", Direction: "longer", Before: "30 days", After: "60 days", Sentence: "daily: 60 days instead of 30 days"},
		{Rule: "monthly", Direction: "shorter", Before: "36 months", After: "12 months", Sentence: "monthly: 12 months instead of 36 months"}}
	return api.PolicyChange{Policy: "books", Version: 3, Before: 2, Action: "policy/shorten", Critical: true, Applied: applied, Rules: rules, Sources: []api.PolicySource{{
		Source: "ledgers", Vault: "books", Policy: "books", Version: 2, Rules: rules, Size: 2 << 30, Stored: 1 << 20, GBMonths: 2.1, Endless: 1, Spared: 1, SparedSize: 1 << 30,
		ShowsFrom: at(day().AddDate(1, 0, 0)), Longer: []api.LongerPoint{
			{Point: point().ID, ReceivedAt: day().AddDate(0, 0, -3), Size: 1 << 30, Stored: 1 << 20, Before: "2026-08-13T11:04:05Z", After: "2026-09-12T11:04:05Z",
				Why: []string{"Takes the daily tag of 2026-07-14: kept 60 days, until 12 September 2026 11:04:05 +00:00."}},
			{Point: brokenPoint().ID, ReceivedAt: day(), Size: 1 << 30, Before: "2026-08-16T11:04:05Z", After: "unlimited", Held: true, Why: []string{"Takes the weekly tag of 2026-W28: kept without limit."}},
		}}}}
}

func hold() api.Hold {
	return api.Hold{ID: "01jzhold000000000000000000", Vault: "books", Matter: "Smith v. Acme", Reason: "notice of 3 May", PlacedBy: "ana", PlacedAt: day(),
		Scope: api.Scope{Sources: []string{"ledgers"}, From: at(day().AddDate(-1, 0, 0))}, Points: []string{point().ID, brokenPoint().ID}, Bytes: 2 << 30, OtherwiseGone: 1}
}

func released() api.Hold {
	h := hold()
	h.ReleasedBy, h.ReleasedAt = "ben", at(day().AddDate(0, 1, 0))
	return h
}

func closeEvent() api.RetentionEvent {
	return api.RetentionEvent{ID: "01jzevent00000000000000001", Vault: "books", Name: "close", Period: "FY2026-P12", At: day(), RecordedBy: "ana", Evidence: "minute 4", Closes: []api.Close{
		{Source: "ledgers", Period: "FY2026-P12", State: api.CloseCaptured, Point: "01JZX3A0000000000000000001", DueBy: day().AddDate(0, 0, 5)},
		{Source: "payroll", Period: "FY2026-P12.2", State: api.CloseOverdue, Point: "01JZX3A0000000000000000002", DueBy: day().AddDate(0, 0, 5)},
		{Source: "till", Period: "FY2026-P12", State: api.CloseDue, DueBy: day().AddDate(0, 0, 5)},
	}}
}

func erased() api.ErasureDetail {
	return api.ErasureDetail{
		Erasure: api.Erasure{ID: "01jzerasure00000000000000", Vault: "books", Subject: "01jzsubject00000000000000", Reason: "DSR-12", RecordedBy: "ana", RecordedAt: day(),
			Sources: []string{"ledgers"}, Paths: []string{"staff/4711", "mail/\uFFFD*\x1b"}, PathsRaw: [][]byte{[]byte("staff/4711"), []byte("mail/\xff*\x1b")}, Until: day(), Points: 3},
		SubjectName: "Ann Example\x1b[2J",
		BeyondUse: []api.BeyondUse{
			{Point: point().ID, Source: "ledgers", ReceivedAt: day(), Entries: 5, Files: 3, Bytes: 12 << 10, Linked: 1, RetainUntil: at(day().AddDate(10, 0, 0)), LockedUntil: at(day().AddDate(10, 1, 0))},
			{Point: brokenPoint().ID, Source: "ledgers", ReceivedAt: day(), Unlimited: true, Holds: []string{hold().ID}, Problem: "tree 9f2c is damaged"},
		},
		Warnings: []string{"nothing in the points\x1b that it concerns matches"},
	}
}

func withdrawn() api.Erasure {
	e := erased().Erasure
	e.Withdrawn, e.WithdrawnBy, e.WithdrawnFor = at(day().AddDate(0, 0, 1)), "ben", "DSR-12b"
	return e
}

func event() api.RetentionEvent {
	return api.RetentionEvent{ID: "01jzevent00000000000000000", Vault: "books", Name: "audit_concluded", Period: "FY2026", At: day(), RecordedBy: "ana", Evidence: "opinion of 15 March",
		Settled: []api.SettledPoint{{Point: point().ID, Source: "ledgers", Until: "2033-07-17T11:04:05Z"}}}
}

func expiry(applied bool) api.Expiry {
	e := api.Expiry{Vault: "books", Digest: strings.Repeat("5f", 32), Proven: at(day()), Record: 7, Applied: applied, Kept: map[string]int{"retained": 12, "held": 2},
		Expire:  []api.PastPoint{{Point: point().ID, Source: "ledgers", ReceivedAt: day().AddDate(0, -2, 0), Size: 1 << 30, Why: []string{"Past its retention, which ended on 2026-07-01."}}},
		Waiting: []api.PastPoint{{Point: brokenPoint().ID, Source: "ledgers", ReceivedAt: day().AddDate(-8, 0, 0), Size: 1 << 20, Why: []string{"Its time has passed; it waits for a signed disposal batch."}, LockedUntil: at(day().AddDate(0, 0, 3))}},
	}
	if applied {
		e.Certificates = []api.Certificate{certificate()}
	}
	return e
}

func certificate() api.Certificate {
	return api.Certificate{ID: "01jzcert000000000000000000", Point: "01jzx3a0000000000000000001", Source: "ledgers", Number: 2, Manifest: strings.Repeat("ab", 32), ReceivedAt: day().AddDate(0, -2, 0),
		Size: 1 << 30, Entries: 12400, Policy: "sox", PolicyVersion: 1, RetainedUntil: day().AddDate(0, 0, -16), Grounds: []string{"Past its retention, which ended on 2026-07-01."},
		ProvenAt: day(), DisposedAt: day(), By: "ana", AuditEvent: "01JZAUDIT0000000000000000A", Packs: 40, SharedPacks: 38}
}

func locks() api.Locks {
	return api.Locks{Vault: "books", Mode: "governance", Objects: 410, Locked: 409, ToRaise: 1, Margin: "719h0m0s", MarginObject: "packs/data/01/01aa", Missing: []string{},
		Raises: []api.Raise{{Object: "header", From: at(day().AddDate(11, 0, 0)), To: day().AddDate(12, 0, 0), Mode: "governance"}}}
}

func proof() api.Proof {
	return api.Proof{Vault: "books", Point: point().ID, At: day(), Until: at(day().AddDate(10, 0, 0)), Mode: "governance", Enforcer: "this process", Level: "L1", Root: strings.Repeat("c3", 32), Record: 8,
		Objects: []api.ProofObject{{Object: "header", Size: 300, SHA256: strings.Repeat("01", 32), Mode: "governance", Until: at(day().AddDate(12, 0, 0))},
			{Object: "points/x/0000000002", Size: 900, SHA256: strings.Repeat("02", 32), Mode: "governance", Until: at(day().AddDate(10, 0, 0))}}}
}

func source() api.Source {
	return api.Source{
		ID: "01JZSOURCE0000000000000000", Name: "ledgers", Kind: "files", State: "protected", Vault: "books", Policy: "sox", PolicyVersion: 1,
		Paths: []string{"/srv/ledgers", "/srv/old\uFFFD"}, PathsRaw: [][]byte{[]byte("/srv/ledgers"), []byte("/srv/old\xff")},
		Excludes: []string{"*.tmp"}, ExcludeLarger: 1 << 30, ExcludeCaches: true, OneFileSystem: true,
		Classes: []api.ClassPath{{Class: "ledger", Path: "/gl/**"}}, Owner: "controller", CreatedAt: day(), Points: 2,
		LastPoint: point().ID, LastReceived: at(day()),
	}
}

func point() api.Point {
	return api.Point{
		ID: "01JZX3A0000000000000000001", Name: "ledgers@2026-07-17T11:04:05Z", Source: "ledgers", SourceID: "01JZSOURCE0000000000000000", Vault: "books", Number: 2,
		ReceivedAt: day(), StartedAt: day().Add(-time.Minute), RetainUntil: at(day().AddDate(10, 0, 0)), Size: 1288490189, Stored: 3250586, Files: 12345, Entries: 12400,
		Complete: true, Tags: []string{"daily", "yearly"}, Level: "L1", Root: strings.Repeat("9f2c", 16),
	}
}

func brokenPoint() api.Point {
	p := point()
	p.ID, p.Number, p.Complete, p.Problems, p.Fuzzy, p.Tags = "01JZX3A0000000000000000002", 3, false, 2, 1, nil
	p.RetainUntil, p.Unlimited = nil, true
	p.ProblemList = []api.InputProblem{
		{Path: "secret\uFFFD", PathRaw: []byte("secret\xff"), Op: "open", Message: "permission denied"}, {Path: "gone", Op: "read", Message: "input/output error"},
	}
	return p
}

func detailedPoint() api.Point {
	p := brokenPoint()
	p.RetainUntil, p.Unlimited, p.Trial = at(day().AddDate(10, 0, 0)), false, true
	p.Reasons = []api.Reason{
		{Kind: "tag", Name: "yearly", Period: "P10Y", Basis: "policy sox v1", Until: p.RetainUntil, Sentence: "yearly: kept 10 years", Decides: true},
		{Kind: "minimum", Period: "P7D", Until: at(day().AddDate(0, 0, 7)), Sentence: "vault minimum: 7 days"},
	}
	p.FuzzyList = []string{"busy.log"}
	p.Excluded, p.LeftOut = number(3), []string{"/srv/ledgers/.vault"}
	p.PolicyName, p.PolicyVer, p.Previous, p.Packs, p.LockUntil = "sox", 1, strings.Repeat("ab", 32), 40, at(day().AddDate(10, 1, 0))
	p.Warnings = []string{"the only point of this day is incomplete"}
	return p
}

func verification() api.Verification {
	return api.Verification{
		Vault: "books", Mode: "full", OK: true, StartedAt: day(), EndedAt: day().Add(83 * time.Second), Objects: 410, Bytes: 3 << 30, Packs: 400,
		Frames: 51200, Chunks: 98765, Points: 2, AuditTree: 12, Notes: []string{"one pack is still open"}, Unneeded: 1,
	}
}

func damagedVerification() api.Verification {
	v := verification()
	v.OK = false
	d := api.DamagedObject{Object: "packs/9f/9f2c", Reason: "byte 17 is not what was stored", Points: []string{point().ID}, FileCount: 31}
	d.Files = append(d.Files, api.AffectedFile{Object: "points/9f/2", Path: "/"})
	for i := range 24 {
		d.Files = append(d.Files, api.AffectedFile{Point: point().ID, Path: fmt.Sprintf("gl/%02d\n.csv", i)})
	}
	v.Problems = []api.DamagedObject{d, {Object: "index/1", Reason: "truncated", Spared: "it is made again from the packs"}}
	return v
}

func entries() []api.Entry {
	return []api.Entry{
		{Path: "gl", Kind: "dir", Mode: "2755", UID: 1000, GID: 1000, User: "ana", Group: "books", ModTime: day(), Erased: "01jzerasure00000000000000"},
		{Path: "gl/a\\b\n\x1b]0;x\a.csv", Kind: "file", Mode: "4644", Size: 12345, ModTime: time.Date(1969, 12, 31, 23, 0, 0, 0, time.UTC), Fuzzy: true},
		{Path: "gl/inv\uFFFD", PathRaw: []byte("gl/inv\xff"), Kind: "file", Mode: "0600", Size: 5 << 30, ModTime: day(), HardLink: "7", Xattrs: 2},
		{Path: "link", Kind: "symlink", Mode: "0777", ModTime: day(), Target: "../größe \u202Ecod.exe"},
		{Path: "odd", Kind: "symlink", Mode: "0777", ModTime: day(), Target: "a\uFFFD", TargetRaw: []byte("a\xff")},
		{Path: "tmp", Kind: "dir", Mode: "1777", ModTime: day()},
	}
}

func differences() []api.Difference {
	e := entries()
	return []api.Difference{
		{Path: "gl/inv\uFFFD", PathRaw: []byte("gl/inv\xff"), Change: "added", After: &e[2]},
		{Path: "old", Change: "removed", Before: &e[0]},
		{Path: "link", Change: "metadata", Before: &e[3], After: &e[3], Fields: []string{"owner", "mode"}},
		{Path: "x", Change: "modified", Before: &e[1], After: &e[2], Fields: []string{"content"}},
		{Path: "y", Change: "kind", Before: &e[0], After: &e[2]},
	}
}

func quickstart() api.QuickstartResult {
	v := vault()
	v.Name, v.Kind, v.AssuranceLevel = "trial", "trial", "L0"
	p := point()
	p.Vault, p.Trial = "trial", true
	check := verification()
	check.Vault = "trial"
	return api.QuickstartResult{
		DataDir: "/data", Vault: v, Source: source(), Point: p, First: true, Verification: check,
		Restore:     api.RestoreTest{OK: true, Files: 12345, Bytes: 1288490189, Seconds: 3.25},
		Explanation: []string{"yearly: kept 10 years, until 2036-07-17, because it is the first complete point on or after the day that policy sox version 1 names"},
		WouldLock:   []string{"40 packs and the point itself, until 2036-08-17", "this is a trial vault: nothing is locked, it is not evidence, and it can be removed"},
		AuditSize:   12, AuditRoot: "q83vEjRWeJA=",
		Next: []string{"counterfoil point explain latest         why it is kept", "counterfoil restore run latest --to DIR"},
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", filepath.FromSlash(name)+".txt")
	goldenFile(t, path, got)
}

func goldenFile(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
	}
}

func transcript(args []string, r result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ counterfoil %s\n", strings.Join(args, " "))
	b.WriteString(r.out)
	if r.err != "" {
		b.WriteString("-- error output\n" + r.err)
	}
	fmt.Fprintf(&b, "-- exit %d\n\n", r.code)
	return b.String()
}
