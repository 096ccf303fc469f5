package e2e

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/blob/blobtest"
)

// flaggedStore is a vault whose locked files bear the immutable flag, with one
// point.
func flaggedStore(t *testing.T) (s site, store string) {
	t.Helper()
	blobtest.NeedFlag(t, t.TempDir())
	s = newSite(t)
	store = s.realVault("books", "ledgers", smallTree(t))
	s.ok("backup", "run", "ledgers")
	return s, store
}

// lockedFiles lists the files of a store that are to bear the flag: objects with
// a lock record, and the records.
func lockedFiles(t *testing.T, store string) []string {
	t.Helper()
	var out []string
	records := filepath.Join(store, "locks")
	err := filepath.WalkDir(records, func(path string, d fs.DirEntry, err error) error {
		if object, ok := strings.CutSuffix(strings.TrimPrefix(path, records), ".lock"); ok && err == nil {
			out = append(out, path, filepath.Join(store, object))
		}
		return err
	})
	if err != nil || len(out) < 20 {
		t.Fatalf("%d files under a lock, %v", len(out), err)
	}
	return out
}

func flaggedCount(t *testing.T, files []string) int {
	t.Helper()
	n := 0
	for _, file := range files {
		if blobtest.Flagged(t, file) {
			n++
		}
	}
	return n
}

// TestFlag_RootCannotRemoveWhatIsLocked removes, by the system's own means, all
// that a point needs.
func TestFlag_RootCannotRemoveWhatIsLocked(t *testing.T) {
	t.Parallel()
	s, store := flaggedStore(t)
	for _, file := range lockedFiles(t, store) {
		if err := os.Remove(file); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("removal of %s: %v", file, err)
		}
	}
	const enforcer = "the file system's immutable flag, which root on this host can clear"
	if got := s.object("vault", "show", "books").text("enforcer"); got != enforcer {
		t.Errorf("vault show says %q", got)
	}
	if out := s.ok("doctor"); !strings.Contains(strings.Join(strings.Fields(out), " "), "locks kept by "+enforcer) {
		t.Errorf("doctor says nothing of it:\n%s", out)
	}
	s.ok("backup", "run", "ledgers") // what goes on for years: more points, raised locks
	s.ok("vault", "locks", "books", "--apply")
	s.ok("vault", "gc", "books", "--apply")
	s.ok("vault", "canary", "books")
	s.ok("vault", "verify", "books")
	s.ok("restore", "run", "latest", "--to", restored(t), "--verify")
}

// TestFlag_ACopyOfTheStoreGetsItsFlagsBack recovers a vault from a copy of its
// store, which has lost all flags.
func TestFlag_ACopyOfTheStoreGetsItsFlagsBack(t *testing.T) {
	t.Parallel()
	s, store := flaggedStore(t)
	moved := storeFolder(t)
	if err := os.CopyFS(moved, os.DirFS(store)); err != nil {
		t.Fatal(err)
	}
	files := lockedFiles(t, moved)
	if n := flaggedCount(t, files); n != 0 {
		t.Fatalf("%d files of the copy bear the flag", n)
	}
	other := newSite(t)
	other.ok("vault", "recover", "file://"+moved, "--key-file", s.only("recovery-kits/books-*.txt"))
	out := other.exit(0, "vault", "locks", "books") // none is short, and none of the copies has its flag
	for _, object := range []string{"header", "governance/0000000000000001", "index/seg-", "points/", "packs/data/"} {
		if !strings.Contains(out.stdout, "\n  "+object) {
			t.Errorf("%s is not said to lack its flag:\n%s", object, out.stdout)
		}
	}
	other.ok("vault", "locks", "books", "--apply")
	files = lockedFiles(t, moved)
	if n := flaggedCount(t, files); n != len(files) {
		t.Errorf("%d of %d files bear the flag", n, len(files))
	}
	blobtest.ClearFlags(t, filepath.Join(moved, "header")) // as root, by hand
	if out := other.ok("doctor"); !strings.Contains(out, "vault locks books --apply") {
		t.Errorf("doctor does not say what to do:\n%s", out)
	}
	other.ok("vault", "locks", "books", "--apply")
	if n := other.object("vault", "locks", "books").number(t, "to_raise"); n != 0 {
		t.Errorf("%v locks to raise again", n)
	}
	if !blobtest.Flagged(t, filepath.Join(moved, "header")) {
		t.Error("the header does not bear the flag")
	}
}

// TestFlag_ATrialBearsNone removes a trial as people do, and once by its command.
func TestFlag_ATrialBearsNone(t *testing.T) {
	t.Parallel()
	blobtest.NeedFlag(t, t.TempDir())
	s := newSite(t)
	s.ok("quickstart", smallTree(t))
	if err := os.RemoveAll(s.data); err != nil {
		t.Fatal(err)
	}
	s.ok("quickstart", smallTree(t))
	s.ok("quickstart", "--remove", "--yes")
}

// TestFlag_DeclarationIsShown has the host administered by others.
func TestFlag_DeclarationIsShown(t *testing.T) {
	t.Parallel()
	blobtest.NeedFlag(t, t.TempDir())
	s := newSite(t)
	s.ok("vault", "create", "books", "file://"+storeFolder(t)+"?administered-by=others")
	v := s.object("vault", "show", "books")
	if !strings.Contains(v.text("enforcer"), "said to be administered by others") || !strings.HasSuffix(v.text("url"), "?administered-by=others") {
		t.Errorf("%v", v)
	}
	if v.text("assurance_level") != "L1" { // as for every vault that is not locked
		t.Errorf("level %s", v.text("assurance_level"))
	}
	s.refused(2, []string{"immutable-flag"}, "vault", "create", "more", "file:///srv/x?administered-by=others&immutable-flag=off")
}
