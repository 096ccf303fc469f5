package cli

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/api"
)

// commands are one run of every command that answers in all formats.
func commands() map[string][]string {
	return map[string][]string{
		"quickstart":             {"quickstart", "/srv/ledgers"},
		"quickstart_preview":     {"quickstart", "--remove"},
		"quickstart_remove":      {"quickstart", "--remove", "--yes"},
		"vault_create":           {"vault", "create", "books", "file:///srv/vault", "--min-retention", "7d"},
		"vault_list":             {"vault", "list"},
		"vault_show":             {"vault", "show", "books"},
		"vault_verify":           {"vault", "verify", "books"},
		"vault_gc":               {"vault", "gc", "books"},
		"vault_gc_apply":         {"vault", "gc", "books", "--apply", "--yes"},
		"vault_recover":          {"vault", "recover", "file:///srv/vault", "--key-file", "/k"},
		"source_create":          {"source", "create", "ledgers", "/srv/ledgers", "--vault", "books"},
		"source_list":            {"source", "list"},
		"source_show":            {"source", "show", "ledgers"},
		"backup_run":             {"backup", "run", "ledgers"},
		"point_list":             {"point", "list"},
		"point_show":             {"point", "show", "latest"},
		"point_explain":          {"point", "explain", "latest"},
		"point_ls":               {"point", "ls", "latest"},
		"point_diff":             {"point", "diff", "01JZX3", "latest"},
		"restore_run":            {"restore", "run", "latest", "--to", "/tmp/out"},
		"hold_place":             {"hold", "place", "books", "--matter", "Smith v. Acme", "--reason", "notice of 3 May", "--source", "ledgers", "--from", "2025-07-17"},
		"hold_list":              {"hold", "list", "books"},
		"hold_apply":             {"hold", "apply", "books"},
		"hold_release":           {"hold", "release", "books", "01jzhold000000000000000000", "--reason", "case closed"},
		"event_record":           {"event", "record", "books", "audit_concluded", "--on", "2026-07-17", "--evidence", "opinion of 15 March", "--source", "ledgers"},
		"event_record_close":     {"event", "record", "books", "close", "--period", "FY26-P12", "--on", "2026-07-17", "--evidence", "minute 4"},
		"event_list":             {"event", "list", "books"},
		"point_delete":           {"point", "delete", "latest", "--reason", "wrong folder", "--yes"},
		"point_undelete":         {"point", "undelete", "01JZX3"},
		"lifecycle_plan":         {"lifecycle", "plan", "books"},
		"lifecycle_apply":        {"lifecycle", "apply", "books", "--yes"},
		"lifecycle_sign":         {"lifecycle", "sign", "books", "--as", "owner", "--reason", "minute 12", "--yes"},
		"lifecycle_certificates": {"lifecycle", "certificates", "books"},
		"vault_locks":            {"vault", "locks", "books"},
		"vault_lock":             {"vault", "lock", "books"},
		"vault_unlock_request":   {"vault", "unlock-request", "books"},
		"vault_set":              {"vault", "set", "books", "--soft-delete-days", "0"},
		"vault_protect":          {"vault", "protect", "books", "--yes"},
		"vault_delete":           {"vault", "delete", "books", "--reason", "merged", "--yes"},
		"vault_undelete":         {"vault", "undelete", "books"},
		"source_stop":            {"source", "stop", "ledgers", "--retain", "for-ever", "--reason", "sold"},
		"source_resume":          {"source", "resume", "ledgers"},
		"source_delete":          {"source", "delete", "ledgers", "--reason", "sold", "--yes"},
		"source_undelete":        {"source", "undelete", "ledgers"},
		"vault_proof":            {"vault", "proof", "latest"},
		"vault_canary":           {"vault", "canary", "books"},
		"policy_list":            {"policy", "list"},
		"policy_show":            {"policy", "show", "sox"},
		"policy_check":           {"policy", "check", "testdata/own.yaml"},
		"policy_set":             {"policy", "set", "testdata/own.yaml"},
		"policy_set_yes":         {"policy", "set", "testdata/own.yaml", "--yes"},
		"source_policy":          {"source", "policy", "ledgers", "books"},
		"class_show":             {"class", "show", "aml_kyc"},
		"policy_runs":            {"policy", "runs", "sox", "--from", "2026-03-27", "--count", "4"},
		"class_list":             {"class", "list"},
		"lifecycle_freeze":       {"lifecycle", "freeze", "ledgers", "--reason", "INC-12"},
		"lifecycle_unfreeze":     {"lifecycle", "unfreeze", "ledgers", "01jzfreeze0000000000000000", "--reason", "INC-12"},
		"erasure_record":         {"erasure", "record", "books", "--source", "ledgers", "--path", "staff/4711", "--reason", "DSR-12"},
		"erasure_list":           {"erasure", "list", "books"},
		"erasure_show":           {"erasure", "show", "books", "01jzerasure00000000000000"},
		"erasure_withdraw":       {"erasure", "withdraw", "books", "01jzerasure00000000000000", "--reason", "DSR-12b"},
		"erasure_forget":         {"erasure", "forget", "books", "01jzsubject00000000000000", "--yes"},
		"clock_status":           {"clock", "status"},
		"clock_attest":           {"clock", "attest", "--reason", "D-47"},
		"audit_list":             {"audit", "list"},
		"audit_verify":           {"audit", "verify"},
		"doctor":                 {"doctor"},
		"version":                {"version"},
	}
}

func TestCommands_EveryFormat(t *testing.T) {
	for name, args := range commands() {
		t.Run(name, func(t *testing.T) {
			term := newTerminal(t, fake())
			human, inJSON, inYAML := term.run(args...), term.run(with(args, "--output", "json")...), term.run(with(args, "-o", "yaml")...)
			for _, r := range []result{human, inJSON, inYAML} {
				if r.code != exitDone {
					t.Errorf("exit %d: %s", r.code, r.err)
				}
				checkPrintable(t, r)
			}
			sameData(t, inJSON.out, inYAML.out)
			golden(t, name, transcript(args, human)+transcript(with(args, "--output", "json"), inJSON)+transcript(with(args, "-o", "yaml"), inYAML))
		})
	}
}

func with(args []string, more ...string) []string {
	return append(append([]string{}, args...), more...)
}

// checkPrintable fails on bytes that would steer a terminal.
func checkPrintable(t *testing.T, r result) {
	t.Helper()
	for _, line := range strings.Split(r.out+r.err, "\n") {
		if strings.HasPrefix(line, "  target:") || strings.HasPrefix(line, "    target:") {
			continue // YAML has no escape for marks that it calls printable
		}
		if !plain(line) {
			t.Errorf("not printable: %q", line)
		}
	}
}

func sameData(t *testing.T, inJSON, inYAML string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(inJSON), &a); err != nil {
		t.Fatalf("%v in %s", err, inJSON)
	}
	if err := yaml.Unmarshal([]byte(inYAML), &b); err != nil {
		t.Fatalf("%v in %s", err, inYAML)
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("JSON and YAML differ: %s", diff)
	}
}

// replaced is the fake with one long call that answers otherwise.
func replaced(pattern string, fn http.HandlerFunc) http.Handler {
	normal, own := fake(), http.NewServeMux()
	own.HandleFunc(pattern, fn)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, found := own.Handler(r); found != "" {
			own.ServeHTTP(w, r)
			return
		}
		normal.ServeHTTP(w, r)
	})
}

func working(path string, v any) http.Handler {
	return replaced("POST /api/v1/"+path, func(w http.ResponseWriter, _ *http.Request) { sendWork(w, v) })
}

func answering(pattern string, v any) http.Handler {
	return replaced(pattern, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) })
}

func TestCommands_DoneButNotWhole(t *testing.T) {
	withDamage := quickstart()
	withDamage.Verification = damagedVerification()
	withDifference := quickstart()
	withDifference.Restore = api.RestoreTest{Files: 10, Bytes: 100, Sampled: true, Seconds: 200, Findings: []string{"gl/a.csv: content differs"}}
	withProblems := quickstart()
	withProblems.Point, withProblems.First, withProblems.Sample = brokenPoint(), false, "/data/sample"
	owners := []api.InputProblem{{Path: "a\uFFFD", PathRaw: []byte("a\xff"), Op: "chown", Message: "operation not permitted"}}
	restore := []string{"restore", "run", "latest", "--to", "/tmp/out"}
	tests := map[string]struct {
		handler http.Handler
		args    []string
		code    int
	}{
		"backup_incomplete":     {working("backups", brokenPoint()), []string{"backup", "run", "ledgers"}, exitIncomplete},
		"verify_damaged":        {working("vaults/{name}/verify", damagedVerification()), []string{"vault", "verify", "books", "--quick"}, exitFailed},
		"restore_damaged":       {working("restores", api.Restored{Damaged: 2, Problems: owners}), restore, exitFailed},
		"restore_incomplete":    {working("restores", api.Restored{Problems: owners}), restore, exitIncomplete},
		"recover_missing":       {working("recover", api.Recovered{Vault: vault(), Missing: []string{"point 7 of ledgers"}}), commands()["vault_recover"], exitIncomplete},
		"quickstart_damaged":    {working("quickstart", withDamage), []string{"quickstart"}, exitFailed},
		"quickstart_differs":    {working("quickstart", withDifference), []string{"quickstart"}, exitFailed},
		"quickstart_incomplete": {working("quickstart", withProblems), []string{"quickstart"}, exitIncomplete},
		"policy_mistakes": {answering("POST /api/v1/policies/check", api.PolicyCheck{Policy: "books", Mistakes: []string{"keep[0].for is not a period", "zone must be given"}}),
			[]string{"policy", "check", "testdata/own.yaml"}, exitUsage},
		"audit_changed": {answering("POST /api/v1/audit/verify", api.AuditVerification{Finding: "record 3 is not what was signed"}),
			[]string{"audit", "verify"}, exitFailed},
		"doctor_failed": {answering("GET /api/v1/doctor", []api.Finding{{ID: "a", Name: "disk", Status: "fail", Message: "it is full", Fix: "free some space"},
			{ID: "b", Name: "clock", Status: "untested", Message: "needs root"}}), []string{"doctor"}, exitFailed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			term := newTerminal(t, tt.handler)
			human, inJSON := term.run(tt.args...), term.run(with(tt.args, "--json")...)
			if human.code != tt.code || inJSON.code != tt.code {
				t.Errorf("exit %d and %d, want %d", human.code, inJSON.code, tt.code)
			}
			checkPrintable(t, human)
			// The result is whole on the output, the verdict on the error output.
			if !json.Valid([]byte(inJSON.out)) || inJSON.out == "" {
				t.Errorf("not JSON: %s", inJSON.out)
			}
			lines := strings.Split(strings.TrimSpace(inJSON.err), "\n")
			if !json.Valid([]byte(lines[len(lines)-1])) {
				t.Errorf("not JSON: %s", inJSON.err)
			}
			golden(t, name, transcript(tt.args, human)+transcript(with(tt.args, "--json"), result{inJSON.code, "", inJSON.err}))
		})
	}
}

func TestCommands_NothingThere(t *testing.T) {
	none := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "entries") && !strings.Contains(r.URL.Path, "diff") {
			_, _ = w.Write([]byte("null"))
		}
	})
	term := newTerminal(t, none)
	var all strings.Builder
	for _, args := range [][]string{{"vault", "list"}, {"source", "list"}, {"point", "list"}, {"point", "ls", "p", "-R"}, {"point", "diff", "p", "q"}, {"audit", "list"}} {
		all.WriteString(transcript(args, term.run(args...)))
		for _, format := range []string{"json", "yaml"} {
			if r := term.run(with(args, "-o", format)...); r.out != "[]\n" || r.err != "" || r.code != exitDone {
				t.Errorf("%q in %s: %+v", args, format, r)
			}
		}
	}
	golden(t, "empty", all.String())
}

func TestPointCat_BytesAsTheyAre(t *testing.T) {
	r := newTerminal(t, fake()).run("point", "cat", "latest", "gl.csv")
	if r.code != exitDone || r.out != "a,b\r\n\x00\xff" || r.err != "" {
		t.Errorf("%+v", r)
	}
}

func TestLists_ThatEndEarlyAreNotClosed(t *testing.T) {
	h := replaced("GET /api/v1/diff", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"path":"a","change":"added"}` + "\n" + `{"problem":{"detail":"tree 9f2c is damaged","kind":"damaged"}}`))
	})
	r := newTerminal(t, h).run("point", "diff", "p", "q", "--json")
	if r.code != exitFailed || json.Valid([]byte(r.out)) || !strings.Contains(r.err, "tree 9f2c is damaged") {
		t.Errorf("%+v", r)
	}
}

func TestQuickstart_FitsOneScreen(t *testing.T) {
	r := newTerminal(t, fake()).run("quickstart", "/srv/ledgers")
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if len(lines) > 40 {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if len([]rune(line)) > 80 {
			t.Errorf("wider than 80 columns: %s", line)
		}
	}
}
