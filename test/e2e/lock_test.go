package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVault_LockIsAskedForAndCalledBack says so in its answers too.
func TestVault_LockIsAskedForAndCalledBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.realVault("books", "ledgers", smallTree(t))
	s.ok("backup", "run", "ledgers")
	if out := s.ok("vault", "lock", "books", "--yes"); !strings.Contains(out, "locking") {
		t.Error(out)
	}
	if out := s.ok("vault", "show", "books"); !strings.Contains(out, "asked to be locked") {
		t.Error(out)
	}
	s.refused(4, []string{"cooling-off"}, "vault", "lock", "books", "--yes")
	if out := s.ok("vault", "unlock-request", "books"); !strings.Contains(out, "unlocked") {
		t.Error(out)
	}
	s.ok("backup", "run", "ledgers")
}

// TestRecords_TheLastOneIsMissed takes the record of a hold away, which leaves a
// vault that is whole by itself.
func TestRecords_TheLastOneIsMissed(t *testing.T) {
	t.Parallel()
	s, store := newSite(t), filepath.Join(t.TempDir(), "store")
	s.ok("vault", "create", "books", "file://"+store+"?immutable-flag=off")
	s.ok("source", "create", "ledgers", smallTree(t), "--vault", "books")
	s.ok("backup", "run", "ledgers")
	s.ok("hold", "place", "books", "--matter", "CASE-17", "--reason", "D-47")
	records := entriesOf(t, filepath.Join(store, "governance"))
	last := ""
	for _, name := range records {
		if strings.HasPrefix(name, "0") && name > last {
			last = name
		}
	}
	if err := os.Remove(filepath.Join(store, "governance", last)); err != nil {
		t.Fatal(err)
	}
	gone := []string{"is missing or was replaced"}
	s.refused(1, gone, "point", "delete", "latest", "--reason", "trick", "--yes")
	s.refused(1, gone, "lifecycle", "plan", "books")
	s.refused(1, gone, "hold", "list", "books")
	if out := s.exit(1, "vault", "verify", "books"); !strings.Contains(strings.Join(strings.Fields(out.stdout), " "), gone[0]) {
		t.Error(out.stdout)
	}
	if out := s.exit(1, "doctor"); !strings.Contains(strings.Join(strings.Fields(out.stdout), " "), gone[0]) {
		t.Error(out.stdout)
	}
	s.ok("backup", "run", "ledgers")
}
