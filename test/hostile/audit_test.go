package hostile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAuditLog_RolledBack puts an older state of the whole log in its place: each
// record and signature in it is right, but it is not the one that was published.
func TestAuditLog_RolledBack(t *testing.T) {
	t.Parallel()
	r := place(t)
	r.must("quickstart", r.src)
	var sources []struct{ Name string }
	r.query(&sources, "source", "list")
	log, old := filepath.Join(r.data, "audit"), filepath.Join(r.dir, "old")
	if err := os.CopyFS(old, os.DirFS(log)); err != nil {
		t.Fatal(err)
	}
	r.must("backup", "run", sources[0].Name)
	replace := func() {
		t.Helper()
		remove(t, log)
		if err := os.CopyFS(log, os.DirFS(old)); err != nil {
			t.Fatal(err)
		}
	}
	replace()
	checkpoint := string(read(t, filepath.Join(log, "checkpoint")))
	published := string(read(t, filepath.Join(r.data, "vaults", "trial", "log", "checkpoint")))
	wantSaid := func(x result, words string) {
		t.Helper()
		if !strings.Contains(strings.Join(strings.Fields(x.out+x.err), " "), words) {
			t.Errorf("it is not said that %s:\n%s", words, x)
		}
	}
	wantSaid(r.want(1, "audit", "verify"), "the log here was rolled back or replaced")
	wantSaid(r.want(1, "doctor"), "nothing is written into it")
	wantSaid(r.want(1, "quickstart", "--remove", "--yes"), "nothing is destroyed or weakened")
	wantSaid(r.want(0, "backup", "run", sources[0].Name), "the log here was rolled back or replaced")
	if got := string(read(t, filepath.Join(log, "checkpoint"))); got != checkpoint {
		t.Errorf("the log that was rolled back was signed anew:\n%s", got)
	}
	if got := string(read(t, filepath.Join(r.data, "vaults", "trial", "log", "checkpoint"))); got != published {
		t.Errorf("the vault's copy was changed:\n%s", got)
	}

	// Without any log at all, none is begun.
	remove(t, log)
	wantSaid(r.want(1, "audit", "verify"), "the log here is gone")
	r.must("backup", "run", sources[0].Name)
	if _, err := os.Stat(filepath.Join(log, "checkpoint")); !os.IsNotExist(err) {
		t.Errorf("a new log was begun: %v", err)
	}

	// The way out that is named: what waited comes into the log after all.
	r.run("vault", "recover", "file://"+filepath.Join(r.data, "vaults", "trial"), "--key-file", globs(t, filepath.Join(r.data, "recovery-kits", "*"))[0])
	r.must("audit", "verify")
	var runs []struct{ Phase string }
	r.query(&runs, "audit", "list", "--action", "backup/run")
	if len(runs) != 8 {
		t.Errorf("%d records of 4 backups", len(runs))
	}
	r.must("doctor")
}

// TestAuditLog_ReplacedByAnother has a new log under a new key where the old
// one was, as somebody with the server's account could make it.
func TestAuditLog_ReplacedByAnother(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	other := place(t)
	write(t, filepath.Join(other.data, "server.id"), read(t, filepath.Join(r.data, "server.id")))
	if err := os.Chmod(other.data, 0o700); err != nil {
		t.Fatal(err)
	}
	other.must("vault", "create", "books", "file://"+other.store)
	for range 8 {
		other.must("audit", "list") // so that the size alone tells nothing
	}
	remove(t, filepath.Join(r.data, "audit"))
	if err := os.CopyFS(filepath.Join(r.data, "audit"), os.DirFS(filepath.Join(other.data, "audit"))); err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(r.data, "keys", "audit.key"), read(t, filepath.Join(other.data, "keys", "audit.key")))
	if x := r.want(1, "audit", "verify"); !strings.Contains(x.err, "the log here was replaced") {
		t.Errorf("%s", x)
	}
	r.want(1, "doctor")
	r.must("backup", "run", "docs")
}
