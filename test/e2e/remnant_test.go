package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRemnant_IsListedExplainedAndRestored deletes a record and reads it back
// from its remnant, also where nothing is left but the store and a key.
func TestRemnant_IsListedExplainedAndRestored(t *testing.T) {
	t.Parallel()
	s, src := newSite(t), smallTree(t)
	store := s.realVault("books", "ledgers", src, "--class", "general_ledger=/2025/**")
	s.ok("backup", "run", "ledgers")
	record := filepath.Join(src, "2025", "gl.csv")
	want, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(record); err != nil {
		t.Fatal(err)
	}
	said := strings.Join(strings.Fields(s.ok("backup", "run", "ledgers")), " ")
	s.ok("vault", "verify", "books")

	check := func(s site) {
		t.Helper()
		points := s.list("point", "list", "--source", "ledgers")
		if len(points) != 3 || strings.Join(points[1].strings(t, "tags"), " ") != "remnant" || points[1].number(t, "files") != 1 {
			t.Fatalf("points %v", points)
		}
		id := points[1].text("id")
		if latest := s.object("point", "show", "latest:ledgers").text("id"); latest != points[0].text("id") {
			t.Errorf("the latest point is %s", latest)
		}
		if !strings.Contains(said, id) || !strings.Contains(said, "general_ledger") {
			t.Errorf("the backup does not speak of its remnant %s: %s", id, said)
		}
		text := strings.Join(strings.Fields(s.ok("point", "explain", id)), " ")
		for _, want := range []string{"keeps records of class general_ledger that are gone from the source", "counts 7 years from audit_concluded"} {
			if !strings.Contains(text, want) {
				t.Errorf("point explain does not say %q:\n%s", want, text)
			}
		}
		to := filepath.Join(t.TempDir(), "back")
		s.ok("restore", "run", id, "--to", to, "--verify")
		if got, err := os.ReadFile(filepath.Join(to, "2025", "gl.csv")); err != nil || string(got) != string(want) {
			t.Errorf("restored %d bytes of %d, %v", len(got), len(want), err)
		}
	}
	check(s)
	fresh := newSite(t)
	fresh.ok("vault", "recover", "file://"+store, "--key-file", s.only("recovery-kits/*.txt"))
	check(fresh)
}
