//go:build linux

package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAudit_HasEveryOperation does everything there is to do and finds each of
// it in the log, what failed too.
func TestAudit_HasEveryOperation(t *testing.T) {
	t.Parallel()
	s, store, src := protected(t)
	s.exit(2, "source", "create", "nothing", "/no/such/folder", "--vault", "books")
	s.exit(1, "backup", "run", "no-such-source")
	s.exit(2, "restore", "run", "latest:ledgers", "--to", s.data)
	s.ok("vault", "verify", "books")
	s.ok("vault", "verify", "books", "--quick")
	s.ok("restore", "run", "latest:ledgers", "--to", restored(t))
	s.ok("point", "ls", "latest:ledgers")
	s.ok("point", "cat", "latest:ledgers", "readme.txt")
	points := s.list("point", "list", "--source", "ledgers")
	s.ok("point", "diff", points[1].text("id"), points[0].text("id"))
	s.ok("audit", "verify")
	fresh := newSite(t)
	fresh.ok("vault", "recover", "file://"+store, "--key-file", s.only("recovery-kits/*.txt"))
	s.exit(6, "backup", "run", "ledgers")
	s.ok("quickstart", src)

	got := map[string]bool{}
	for _, log := range []site{s, fresh} {
		for _, e := range log.list("audit", "list") {
			got[e.text("action")+" "+e.text("phase")+" "+e.text("result")] = true
			for _, key := range []string{"id", "time", "actor", "target"} {
				if e.text(key) == "" {
					t.Errorf("a record without %s: %v", key, e)
				}
			}
		}
	}
	for _, want := range []string{
		"vault/create before allowed", "vault/create after done",
		"source/create before allowed", "source/create after done", "source/create after failed",
		"backup/run before allowed", "backup/run after done", "backup/run after failed",
		"vault/verify before allowed", "vault/verify after done",
		"restore/run before allowed", "restore/run after done", "restore/run after failed",
		"point/read only allowed", "audit/read only allowed",
		"vault/recover before allowed", "vault/recover after done",
	} {
		if !got[want] {
			t.Errorf("the audit log has no %q", want)
		}
	}
	refused := s.list("audit", "list", "--action", "backup/run", "--result", "failed")
	if len(refused) != 1 || refused[0].text("error_kind") != "not_allowed" {
		t.Errorf("the backup that was refused: %v", refused)
	}
}

// TestAudit_OutsiderVerifies checks the log and the vault's copy of it with the
// program made for that, then changes one byte of each.
func TestAudit_OutsiderVerifies(t *testing.T) {
	t.Parallel()
	s, store, _ := protected(t)
	vkey := s.object("audit", "verify").text("key")
	keyFile := filepath.Join(t.TempDir(), "log.pub")
	writeFile(t, keyFile, vkey+"\n")
	for _, dir := range []string{s.path("audit"), store + "/log"} {
		for _, c := range []struct {
			code int
			args []string
		}{
			{3, nil}, {0, []string{"--vkey", vkey}}, {0, []string{"--key", keyFile}},
			{0, []string{"--checkpoint", dir + "/checkpoint"}}, // of no worth as an anchor, but one
		} {
			if out := start(t, verifier, append([]string{"log", dir}, c.args...)...); out.code != c.code {
				t.Errorf("counterfoil-verify log %s %q: exit code %d, want %d\n%s%s", dir, c.args, out.code, c.code, out.stdout, out.stderr)
			}
		}
		for _, file := range logFiles(t, dir) {
			flipByte(t, file, func() {
				if out := start(t, verifier, "log", dir, "--vkey", vkey); out.code != 1 || !strings.Contains(out.stderr, "NOT VERIFIED") {
					t.Errorf("a byte of %s changed: exit code %d\n%s%s", file, out.code, out.stdout, out.stderr)
				}
			})
		}
	}
	entries := newest(t, s.path("audit/tile/entries"))
	flipByte(t, entries, func() { s.exit(1, "audit", "verify") })
	s.ok("audit", "verify")
	entries = newest(t, store+"/log/tile/entries")
	flipByte(t, entries, func() { s.exit(1, "vault", "verify", "books") })
	s.ok("vault", "verify", "books")
}

// logFiles are the files that the present state of a small log rests on.
func logFiles(t *testing.T, dir string) []string {
	t.Helper()
	return []string{dir + "/checkpoint", newest(t, dir+"/tile/entries"), newest(t, dir+"/tile/0")}
}

// newest gives the widest partial tile below a folder: that of the present.
func newest(t *testing.T, dir string) string {
	t.Helper()
	var last string
	var size int64
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > size {
			last, size = path, info.Size()
		}
		return err
	})
	if err != nil || last == "" {
		t.Fatalf("no tile in %s: %v", dir, err)
	}
	return last
}

// flipByte changes one byte in the middle of a file while fn runs.
func flipByte(t *testing.T, file string, fn func()) {
	t.Helper()
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := append([]byte(nil), whole...)
	bad[len(bad)/2] ^= 1
	write := func(b []byte) {
		if err := os.Chmod(file, 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	write(bad)
	defer write(whole)
	fn()
}

// serve runs a server for the installation until the test or stop ends it.
func (s site) serve() (stop func(syscall.Signal) int) {
	s.t.Helper()
	manager, ready := newManager(s.t)
	cmd := exec.Command(counterfoil, "server", "--data", s.data)
	cmd.Env, cmd.Stderr = append(environment(s.t), "NOTIFY_SOCKET="+manager), os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	if got := ready(); got != "READY=1" {
		s.t.Fatalf("the server does not come up: %q", got)
	}
	return func(sig syscall.Signal) int {
		_ = cmd.Process.Signal(sig)
		if sig == syscall.SIGTERM {
			if got := ready(); got != "STOPPING=1" {
				s.t.Errorf("the server stops and says %q", got)
			}
		}
		<-ended
		return cmd.ProcessState.ExitCode()
	}
}

// newManager stands in for a service manager: next gives what the server told it,
// in turn, or what is wrong.
func newManager(t testing.TB) (socket string, next func() string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "n") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return socket, func() string {
		buf := make([]byte, 256)
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			return err.Error()
		}
		n, err := conn.Read(buf)
		if err != nil {
			return err.Error()
		}
		return string(buf[:n])
	}
}

// TestServer_AnswersAsTheProgramAlone compares what commands print with and
// without a server.
func TestServer_AnswersAsTheProgramAlone(t *testing.T) {
	t.Parallel()
	s, _, src := protected(t)
	alone := known(s)
	stop := s.serve()
	if info, err := os.Stat(s.path("server.sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can reach the socket: %v, %v", info.Mode(), err)
	}
	if diff := cmp.Diff(alone, known(s)); diff != "" {
		t.Errorf("what is known (-alone +server):\n%s", diff)
	}
	s.refused(1, []string{"no source"}, "backup", "run", "no-such-source")
	s.refused(1, []string{"server"}, "server")
	incremental(s, src)
	dst := restored(t)
	s.ok("restore", "run", "latest:ledgers", "--to", dst)
	if got := s.ok("point", "cat", "latest:ledgers", "new.txt"); got != "new\n" {
		t.Errorf("point cat: %q", got)
	}
	if got, err := os.ReadFile(dst + "/new.txt"); err != nil || string(got) != "new\n" {
		t.Errorf("restored: %q, %v", got, err)
	}
	if code := stop(syscall.SIGTERM); code != 0 {
		t.Errorf("the server ended with %d after SIGTERM", code)
	}
	if _, err := os.Lstat(s.path("server.sock")); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
	s.ok("audit", "verify")
	if got := s.list("point", "list", "--source", "ledgers"); len(got) != 3 {
		t.Errorf("%d points after the server ended", len(got))
	}
}

// TestServer_TrialIsNotRemovedUnderIt has a server at work in what would be
// removed; then one that was killed and left its socket.
func TestServer_TrialIsNotRemovedUnderIt(t *testing.T) {
	t.Parallel()
	s, src := newSite(t), smallTree(t)
	s.ok("quickstart", src)
	stop := s.serve()
	s.refused(1, []string{"stop it"}, "quickstart", "--remove", "--yes")
	checkProven(t, s.object("quickstart", src))
	stop(syscall.SIGKILL)
	s.ok("point", "list")
	s.ok("quickstart", "--remove", "--yes")
	if left := entriesOf(t, s.data); len(left) > 0 {
		t.Errorf("of the data directory %q are left", left)
	}
}
