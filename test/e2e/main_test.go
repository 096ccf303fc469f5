//go:build unix

// Package e2e runs the programs as people run them: built once, each command a
// process of its own over a data directory and real files. What needs root or
// a tool that is missing skips and says so; what takes long runs with
// COUNTERFOIL_LONG=1.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/source/sourcetest"
	"github.com/counterfoil/counterfoil/test/built"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The programs under test, built by TestMain.
var counterfoil, verifier string

func TestMain(m *testing.M) {
	flag.Parse()
	folder, err := buildPrograms()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(folder) // a leftover in the temporary folder harms nobody
	os.Exit(code)
}

func buildPrograms() (string, error) {
	folder, err := os.MkdirTemp("", "counterfoil-e2e-")
	if err != nil {
		return "", err
	}
	if err := built.Programs(folder, "./cmd/counterfoil", "./cmd/counterfoil-verify"); err != nil {
		return "", errors.Join(err, os.RemoveAll(folder))
	}
	counterfoil, verifier = filepath.Join(folder, "counterfoil"), filepath.Join(folder, "counterfoil-verify")
	return folder, nil
}

// long skips what takes minutes unless it is asked for.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("COUNTERFOIL_LONG") != "1" {
		t.Skip("it takes minutes: set COUNTERFOIL_LONG=1")
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("it needs root: owners, devices and all attributes come back only then")
	}
}

// outcome is what a process left behind.
type outcome struct {
	stdout, stderr string
	code           int
	maxRSS         int64 // bytes
	cpu            time.Duration
}

// environment gives children nothing of the tester's own but what Go needs. A
// command that forgets --data meets a folder that is removed with the test.
func environment(t testing.TB) []string {
	t.Helper()
	home := t.TempDir()
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + os.TempDir(), "TZ=UTC", "LC_ALL=C", "COUNTERFOIL_DATA=" + home + "/forgotten"}
}

// start runs a program to its end.
func start(t testing.TB, program string, args ...string) outcome {
	t.Helper()
	if err := built.Used(); err != nil {
		t.Fatal(err)
	}
	// A command that hangs must fail here and not at the end of all tests.
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
	defer stop()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = environment(t), t.TempDir(), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s %q: %v", program, args, err)
	}
	out := outcome{stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode()}
	out.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		out.maxRSS = int64(usage.Maxrss) * 1024
	}
	for _, sign := range []string{"goroutine ", "panic:", "SIGSEGV"} {
		if strings.Contains(out.stderr, sign) {
			t.Fatalf("%q crashed:\n%s", args, out.stderr)
		}
	}
	return out
}

// site is one installation: a data directory.
type site struct {
	t    testing.TB
	data string
}

// newSite gives an installation of which nothing exists yet.
func newSite(t testing.TB) site {
	t.Helper()
	return site{t: t, data: filepath.Join(t.TempDir(), "data")}
}

// exit runs a command that must end with this code.
func (s site) exit(code int, args ...string) outcome {
	s.t.Helper()
	out := start(s.t, counterfoil, append([]string{"--data", s.data}, args...)...)
	if out.code != code {
		s.t.Fatalf("counterfoil %q: exit code %d, want %d\n%s%s", args, out.code, code, out.stdout, out.stderr)
	}
	return out
}

// ok runs a command that must succeed and gives its output.
func (s site) ok(args ...string) string {
	s.t.Helper()
	return s.exit(0, args...).stdout
}

// refused runs a command that must fail with this code and a sentence on the
// error output that has all the words, and nothing on the output.
func (s site) refused(code int, words []string, args ...string) {
	s.t.Helper()
	out := s.exit(code, args...)
	if out.stdout != "" {
		s.t.Errorf("counterfoil %q failed, yet printed %q", args, out.stdout)
	}
	if !strings.HasPrefix(out.stderr, "counterfoil: ") {
		s.t.Errorf("counterfoil %q says no sentence: %q", args, out.stderr)
	}
	for _, word := range words {
		if !strings.Contains(strings.Join(strings.Fields(out.stderr), " "), word) {
			s.t.Errorf("counterfoil %q does not say %q:\n%s", args, word, out.stderr)
		}
	}
}

// object runs a command that must succeed and reads the JSON object it prints.
func (s site) object(args ...string) object {
	s.t.Helper()
	return decode[object](s.t, s.ok(append(args, "-o", "json")...))
}

// list runs a command that must succeed and reads the JSON array it prints.
func (s site) list(args ...string) []object {
	s.t.Helper()
	return decode[[]object](s.t, s.ok(append(args, "-o", "json")...))
}

// path is a place in the data directory.
func (s site) path(name ...string) string {
	return filepath.Join(append([]string{s.data}, name...)...)
}

func decode[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("not the JSON expected: %v\n%s", err, text)
	}
	return v
}

// object is a JSON object as a program that knows nothing of ours reads it.
type object map[string]any

func (o object) text(key string) string { return fmt.Sprint(o[key]) }

func (o object) number(t testing.TB, key string) int64 {
	t.Helper()
	n, ok := o[key].(json.Number)
	if !ok {
		t.Fatalf("%s is %v, not a number", key, o[key])
	}
	v, err := n.Int64()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (o object) child(t testing.TB, key string) object {
	t.Helper()
	v, ok := o[key].(map[string]any)
	if !ok {
		t.Fatalf("%s is %v, not an object", key, o[key])
	}
	return v
}

func (o object) moment(t testing.TB, key string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, o.text(key))
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return v
}

func (o object) strings(t testing.TB, key string) []string {
	t.Helper()
	list, ok := o[key].([]any)
	if !ok {
		t.Fatalf("%s is %v, not a list", key, o[key])
	}
	out := make([]string, 0, len(list))
	for _, v := range list {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
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
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// smallTree is a folder with a few ledgers.
func smallTree(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ledgers")
	writeFile(t, dir+"/2025/gl.csv", strings.Repeat("2025-01-01,1200,100.00\n", 2000))
	writeFile(t, dir+"/2026/gl.csv", strings.Repeat("2026-01-01,1200,200.00\n", 3000))
	writeFile(t, dir+"/readme.txt", "the ledgers\n")
	return dir
}

// storeFolder gives a folder for the store of a vault with locks: run by root,
// it has files that cannot be removed until their flag is cleared.
func storeFolder(t testing.TB) string {
	t.Helper()
	store := filepath.Join(t.TempDir(), "store")
	t.Cleanup(func() { sourcetest.ClearFlags(t, store) })
	return store
}

// realVault makes a vault with locks and a source in it.
func (s site) realVault(vault, source, path string, flags ...string) (store string) {
	s.t.Helper()
	store = storeFolder(s.t)
	s.ok("vault", "create", vault, "file://"+store)
	s.ok(append([]string{"source", "create", source, path, "--vault", vault}, flags...)...)
	return store
}

// entriesOf gives the names in a folder, none if it is not there.
func entriesOf(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
