//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// known is all that an installation says of its sources and points.
func known(s site) map[string]string {
	s.t.Helper()
	out := map[string]string{
		"sources": s.ok("source", "list", "-o", "json"),
		"points":  s.ok("point", "list", "-o", "json"),
		"table":   s.ok("point", "list"),
	}
	for _, p := range s.list("point", "list") {
		id := p.text("id")
		out["explain "+id] = s.ok("point", "explain", id)
		out["explain json "+id] = s.ok("point", "explain", id, "-o", "json")
		out["show "+id] = s.ok("point", "show", id)
		out["show json "+id] = s.ok("point", "show", id, "-o", "json")
	}
	for _, source := range s.list("source", "list") {
		out["source "+source.text("name")] = s.ok("source", "show", source.text("name"), "-o", "json")
	}
	return out
}

// protected is a vault with two sources and three points.
func protected(t *testing.T) (s site, store, src string) {
	t.Helper()
	s, src = newSite(t), smallTree(t)
	store = s.realVault("books", "ledgers", src, "--class", "general_ledger=/2025/**", "--exclude", "*.tmp", "--owner", "Pat")
	papers := filepath.Join(t.TempDir(), "papers \xff")
	writeFile(t, papers+"/a", "a paper")
	s.ok("source", "create", "papers", papers, "--vault", "books")
	s.ok("backup", "run", "ledgers")
	writeFile(t, src+"/2026/more.csv", "more\n")
	s.ok("backup", "run", "ledgers")
	s.ok("backup", "run", "papers")
	return s, store, src
}

func (s site) only(pattern string) string {
	s.t.Helper()
	found, err := filepath.Glob(s.path(pattern))
	if err != nil || len(found) != 1 {
		s.t.Fatalf("%s: %q, %v", pattern, found, err)
	}
	return found[0]
}

// audited gives the ids of the records of the audit log, oldest first.
func audited(s site) []string {
	s.t.Helper()
	var ids []string
	for _, e := range s.list("audit", "list") {
		ids = append(ids, e.text("id"))
	}
	return ids
}

// continued checks that the audit log is whole and goes on from what it was.
func continued(s site, before []string) {
	s.t.Helper()
	if v := s.object("audit", "verify"); v["ok"] != true {
		s.t.Errorf("the audit log afterwards: %v", v)
	}
	after := audited(s)
	if len(after) <= len(before) {
		s.t.Fatalf("the audit log has %d records, had %d", len(after), len(before))
	}
	if diff := cmp.Diff(before, after[:len(before)]); diff != "" {
		s.t.Errorf("the audit log does not begin as it was (-before +after):\n%s", diff)
	}
}

// incremental makes the next point of ledgers, which must store next to
// nothing although the source is large.
func incremental(s site, src string) {
	s.t.Helper()
	writeFile(s.t, src+"/new.txt", "new\n")
	p := s.object("backup", "run", "ledgers")
	if got := p.number(s.t, "stored"); got == 0 || got > 4096 {
		s.t.Errorf("the next point stored %d bytes for one small file", got)
	}
	if got := p.number(s.t, "number"); got != 3 {
		s.t.Errorf("the next point has the number %d, want 3", got)
	}
	s.ok("vault", "verify", "books")
}

// TestRecover_WithoutCatalog loses the catalog and gets everything back from
// the store and the key.
func TestRecover_WithoutCatalog(t *testing.T) {
	t.Parallel()
	s, store, src := protected(t)
	before, log := known(s), audited(s)
	files, err := filepath.Glob(s.path("catalog.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	s.refused(1, []string{"vault recover", s.data}, "point", "list")
	r := s.object("vault", "recover", "file://"+store, "--key-file", s.only("keys/????????????????????????????????.key"))
	if r.number(t, "points") != 3 || r.number(t, "sources") != 2 || len(r.strings(t, "missing")) != 0 {
		t.Errorf("recovered: %v", r)
	}
	if diff := cmp.Diff(before, known(s)); diff != "" {
		t.Errorf("what is known (-before +after):\n%s", diff)
	}
	continued(s, log)
	incremental(s, src)
	s.ok("restore", "run", "latest:papers", "--to", restored(t))
}

// TestRecover_ElsewhereByKit takes a vault over on a machine that has nothing
// but the recovery kit.
func TestRecover_ElsewhereByKit(t *testing.T) {
	t.Parallel()
	old, store, src := protected(t)
	before, log := known(old), audited(old)
	log = log[:len(log)-1] // that the log was just read has not reached the vault
	kit := filepath.Join(t.TempDir(), "kit.txt")
	text, err := os.ReadFile(old.only("recovery-kits/books-*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, kit, string(text))

	s := newSite(t)
	r := s.object("vault", "recover", "file://"+store, "--key-file", kit)
	if r.number(t, "points") != 3 || r.number(t, "sources") != 2 || len(r.strings(t, "missing")) != 0 {
		t.Errorf("recovered: %v", r)
	}
	if diff := cmp.Diff(before, known(s)); diff != "" {
		t.Errorf("what is known (-there +here):\n%s", diff)
	}
	continued(s, log)

	owned := []string{"belongs to the server", "vault recover"}
	points := countBelow(t, store+"/points")
	old.refused(6, owned, "backup", "run", "ledgers")
	old.refused(6, owned, "source", "create", "third", src, "--vault", "books")
	if got := countBelow(t, store+"/points"); got != points {
		t.Error("the server that lost the vault wrote a point into it")
	}
	old.ok("restore", "run", "latest:ledgers", "--to", restored(t)) // reading harms nobody
	old.ok("vault", "verify", "books")

	incremental(s, src)
	continued(s, log)
	again := newSite(t) // the kit still opens the vault; and the new owner can lose it too
	again.ok("vault", "recover", "file://"+store, "--key-file", kit)
	s.refused(6, owned, "backup", "run", "ledgers")
}

// TestRecover_WrongKeys has keys that do not open the vault, and no keys.
func TestRecover_WrongKeys(t *testing.T) {
	t.Parallel()
	s, store, _ := protected(t)
	other := newSite(t)
	other.realVault("other", "ledgers", smallTree(t))
	url := "file://" + store
	garbage := filepath.Join(t.TempDir(), "garbage")
	writeFile(t, garbage, "this is no key\n")
	key, err := os.ReadFile(s.only("keys/????????????????????????????????.key"))
	if err != nil {
		t.Fatal(err)
	}
	mistyped := filepath.Join(t.TempDir(), "mistyped")
	writeFile(t, mistyped, flipLast(string(key)))
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.MkdirAll(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	before := tell(t, store)
	for _, c := range []struct {
		name, url, key string
		code           int
		says           []string
	}{
		{"the key of another vault", url, other.only("keys/????????????????????????????????.key"), 1, []string{"key"}},
		{"the kit of another vault", url, other.only("recovery-kits/*.txt"), 1, []string{"vault"}},
		{"the key of the audit log", url, s.path("keys/audit.key"), 2, []string{"key"}},
		{"garbage for a key", url, garbage, 2, []string{garbage}},
		{"a key with a typing error", url, mistyped, 2, []string{"key"}},
		{"no key file", url, "/no/such/key", 1, []string{"/no/such/key"}},
		{"no store", "file:///no/such/store", s.only("recovery-kits/*.txt"), 1, []string{"/no/such/store"}},
		{"no vault in the store", "file://" + empty, s.only("recovery-kits/*.txt"), 1, []string{"no vault in this store"}},
		{"no URL", "s4://x", s.only("recovery-kits/*.txt"), 2, []string{"s4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fresh := newSite(t)
			fresh.refused(c.code, c.says, "vault", "recover", c.url, "--key-file", c.key)
			if left := entriesOf(t, fresh.path("keys")); len(left) > 1 {
				t.Errorf("a refused recovery left the keys %q", left)
			}
		})
	}
	if diff := cmp.Diff(before, tell(t, store)); diff != "" {
		t.Errorf("a refused recovery changed the store (-before +after):\n%s", diff)
	}
	s.ok("backup", "run", "ledgers") // and the owner is still the owner
}

// flipLast changes one character near the end of a text, to another letter.
func flipLast(text string) string {
	b := []byte(text)
	at := len(strings.TrimSpace(text)) - 6
	if b[at]|0x20 == 'a' { // keys are read without regard to case
		b[at] = 'b'
	} else {
		b[at] = 'a'
	}
	return string(b)
}
