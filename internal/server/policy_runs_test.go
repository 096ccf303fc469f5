package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/policy"
)

// policyServer serves a catalog with policies made from the default one.
func policyServer(t *testing.T, now time.Time, changes map[string]func(*policy.Policy)) http.Handler {
	t.Helper()
	index, err := catalog.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := index.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, change := range changes {
		p := policy.SOX()
		p.Name = name
		change(&p)
		body, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		grant := access.Issue(access.VaultCreate, "", "tester", "", now)
		if err := index.CreatePolicy(t.Context(), grant, catalog.Policy{Name: name, Version: 1, Body: body, CreatedAt: now}); err != nil {
			t.Fatal(err)
		}
	}
	receipt := func() time.Time { return now }
	return New(Config{Catalog: index, Custody: custody.New(custody.Config{Catalog: index, Now: receipt}), Receipt: receipt}).Handler()
}

func getText(t *testing.T, h http.Handler, path string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/"+path, nil))
	return w.Code, w.Body.String()
}

func london(p *policy.Policy) {
	p.Zone = "Europe/London"
	p.Schedule = policy.Schedule{Kind: policy.EveryDay, At: "00:00", CatchUp: true}
}

func TestPolicyRuns_AreWrittenInThePolicysZone(t *testing.T) {
	h := policyServer(t, time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC), map[string]func(*policy.Policy){
		"london": london,
		"manual": func(p *policy.Policy) { p.Schedule = policy.Schedule{Kind: policy.Manual} },
	})
	for path, want := range map[string]string{
		"policies/london/runs?count=3": `{"policy":"london","version":1,"zone":"Europe/London","schedule":"daily at 00:00, Europe/London; missed runs are caught up by one",` +
			`"runs":[{"at":"2026-03-29T00:00:00Z","local":"Sun 2026-03-29 00:00 +00:00"},{"at":"2026-03-29T23:00:00Z","local":"Mon 2026-03-30 00:00 +01:00"},` +
			`{"at":"2026-03-30T23:00:00Z","local":"Tue 2026-03-31 00:00 +01:00"}]}`,
		"policies/london/runs?count=1&from=2026-10-25": `{"policy":"london","version":1,"zone":"Europe/London","schedule":"daily at 00:00, Europe/London; missed runs are caught up by one",` +
			`"runs":[{"at":"2026-10-24T23:00:00Z","local":"Sun 2026-10-25 00:00 +01:00"}]}`,
		"policies/manual/runs": `{"policy":"manual","version":1,"zone":"UTC","schedule":"by hand only","runs":[]}`,
	} {
		status, body := getText(t, h, path)
		if d := cmp.Diff(want, strings.TrimSpace(body)); status != http.StatusOK || d != "" {
			t.Errorf("%s: status %d: %s", path, status, d)
		}
	}
}

func TestPolicyRuns_AreTenUnlessAskedFor(t *testing.T) {
	h := policyServer(t, time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC), map[string]func(*policy.Policy){"london": london})
	for query, want := range map[string]int{"": 10, "?count=1000": 1000} {
		var runs api.PolicyRuns
		_, body := getText(t, h, "policies/london/runs"+query)
		if err := json.Unmarshal([]byte(body), &runs); err != nil || len(runs.Runs) != want {
			t.Errorf("%q: %d runs, %v", query, len(runs.Runs), err)
		}
	}
}

func TestPolicyRuns_RefuseWhatTheyDoNotUnderstand(t *testing.T) {
	h := policyServer(t, time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC), map[string]func(*policy.Policy){
		"london": london, "nowhere": func(p *policy.Policy) { p.Zone = "Europe/Atlantis" },
	})
	for path, want := range map[string]string{
		"policies/london/runs?count=0":       "invalid",
		"policies/london/runs?count=1001":    "invalid",
		"policies/london/runs?count=ten":     "invalid",
		"policies/london/runs?from=29-03-26": "invalid",
		"policies/nowhere/runs":              "invalid",
		"policies/paris/runs":                "not_found",
	} {
		var p api.ProblemDetails
		if status, body := getText(t, h, path); status < 400 || json.Unmarshal([]byte(body), &p) != nil || string(p.Kind) != want {
			t.Errorf("%s: status %d, kind %q", path, status, p.Kind)
		}
	}
}

func TestPolicy_SaysItsScheduleInWords(t *testing.T) {
	h := policyServer(t, time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC), map[string]func(*policy.Policy){"london": london})
	var p api.Policy
	if _, body := getText(t, h, "policies/london"); json.Unmarshal([]byte(body), &p) != nil || p.Schedule != "daily at 00:00, Europe/London; missed runs are caught up by one" {
		t.Errorf("got %q", p.Schedule)
	}
}
