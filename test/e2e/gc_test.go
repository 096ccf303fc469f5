//go:build unix

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGC_DamageHealsAndGoes damages a pack, lets a backup heal it, and collects
// what is left of it.
func TestGC_DamageHealsAndGoes(t *testing.T) {
	s := newSite(t)
	tree := filepath.Join(t.TempDir(), "books")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "ledger.csv"), []byte(strings.Repeat("2026-03-31;1;2\n", 5000)), 0o644); err != nil {
		t.Fatal(err)
	}
	s.ok("quickstart", tree) // a trial, which locks nothing
	name := s.list("vault", "list")[0].text("name")
	source := s.list("source", "list")[0].text("name")
	store := strings.TrimPrefix(s.list("vault", "list")[0].text("url"), "file://")
	if plan := s.object("vault", "gc", name); plan["nothing"] != true || len(plan["packs"].([]any)) != 0 {
		t.Errorf("a vault with one point has garbage: %v", plan)
	}
	packs, err := filepath.Glob(filepath.Join(store, "packs", "data", "*", "*"))
	if err != nil || len(packs) != 1 {
		t.Fatalf("packs %q, %v", packs, err)
	}
	data, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/3] ^= 1
	if err := os.Remove(packs[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(packs[0], data, 0o444); err != nil {
		t.Fatal(err)
	}
	s.exit(1, "vault", "verify", name)
	s.ok("backup", "run", source, "--rehash")
	s.exit(1, "vault", "verify", name) // the damaged pack is still there
	for range 5 {
		if s.object("vault", "gc", name, "--apply", "--yes")["nothing"] == true {
			break
		}
	}
	if _, err := os.Stat(packs[0]); err == nil {
		t.Error("the damaged pack stays")
	}
	s.ok("vault", "verify", name)
	s.ok("restore", "run", "latest:"+source, "--to", filepath.Join(t.TempDir(), "back"))
	if got := s.ok("audit", "list"); !strings.Contains(got, "pack/delete") {
		t.Errorf("the log does not tell of it:\n%s", got)
	}
}
