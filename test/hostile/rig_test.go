package hostile

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/counterfoil/counterfoil/internal/blob/blobtest"
	"github.com/counterfoil/counterfoil/test/built"
)

var update = flag.Bool("update", false, "write the golden files anew")

// binary is the program under test, built once by TestMain.
var binary string

func TestMain(m *testing.M) {
	if err := blobtest.ForgoFlag(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "hostile-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if err := os.Chmod(dir, 0o755); err != nil { // another account runs the program too
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		binary = filepath.Join(dir, "counterfoil")
		if err := built.Programs(dir, "./cmd/counterfoil"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// long says whether the long forms of the tests were asked for.
func long() bool { return os.Getenv("COUNTERFOIL_LONG") == "1" }

// rig is one installation: a data directory, a vault "books" and a source "docs".
type rig struct {
	t                     *testing.T
	dir, data, store, src string
}

// scratch makes a folder that is removed at the end of the test: in memory where
// the system has a file system for it, since this program waits for the disk at
// every step and nothing here is about the power going off.
func scratch(t *testing.T) string {
	t.Helper()
	const memory = "/dev/shm"
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < 2<<30 {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "hostile-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { remove(t, dir) })
	return dir
}

// place makes the folders of a rig, with a small tree to protect but without
// a vault.
func place(t *testing.T) *rig {
	t.Helper()
	dir := scratch(t)
	r := &rig{t: t, dir: dir, data: filepath.Join(dir, "data"), store: filepath.Join(dir, "store"), src: filepath.Join(dir, "src")}
	smallTree(t, r.src)
	return r
}

// newRig makes an installation that has no point yet.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := place(t)
	r.must("vault", "create", "books", "file://"+r.store)
	r.must("source", "create", "docs", r.src, "--vault", "books")
	return r
}

// newRigWithPoint makes an installation with one point.
func newRigWithPoint(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.must("backup", "run", "docs")
	return r
}

// result is how a run of the program ended.
type result struct {
	args []string
	code int
	out  string
	err  string
}

func (x result) String() string {
	return fmt.Sprintf("counterfoil %s\nexit %d\n%s%s", strings.Join(x.args, " "), x.code, x.out, x.err)
}

// command prepares a run of the program on the rig's data directory.
func (r *rig) command(args ...string) *exec.Cmd {
	if err := built.Used(); err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = r.dir
	cmd.Env = []string{"COUNTERFOIL_DATA=" + r.data, "TZ=UTC", "HOME=" + r.dir, "PATH=" + os.Getenv("PATH")}
	return cmd
}

// run runs the program to its end.
func (r *rig) run(args ...string) result {
	r.t.Helper()
	return finish(r.t, r.command(args...), args)
}

func finish(t *testing.T, cmd *exec.Cmd, args []string) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("start the program: %v", err)
	}
	return result{args: args, code: cmd.ProcessState.ExitCode(), out: out.String(), err: errs.String()}
}

// must runs the program, which has to succeed.
func (r *rig) must(args ...string) result {
	r.t.Helper()
	return r.want(0, args...)
}

// want runs the program, which has to end with the code given.
func (r *rig) want(code int, args ...string) result {
	r.t.Helper()
	x := r.run(args...)
	if x.code != code {
		r.t.Fatalf("want exit %d\n%s", code, x)
	}
	return x
}

// query runs the program with JSON output, whatever its exit code, into v.
func (r *rig) query(v any, args ...string) result {
	r.t.Helper()
	x := r.run(append(args, "--json")...)
	if err := json.Unmarshal([]byte(x.out), v); err != nil {
		r.t.Fatalf("the output is not JSON: %v\n%s", err, x)
	}
	return x
}

// points gives the ids of all points, newest first.
func (r *rig) points() []string {
	r.t.Helper()
	var list []struct{ ID string }
	r.query(&list, "point", "list")
	ids := make([]string, 0, len(list))
	for _, p := range list {
		ids = append(ids, p.ID)
	}
	return ids
}

// wantWhole fails unless the full verification finds nothing.
func (r *rig) wantWhole() {
	r.t.Helper()
	r.must("vault", "verify", "books")
}

// wantRestored restores a point into a fresh folder and compares it with a
// listing taken before.
func (r *rig) wantRestored(point string, want listing) {
	r.t.Helper()
	to := filepath.Join(scratch(r.t), "restored")
	r.must("restore", "run", point, "--to", to)
	wantSame(r.t, "restored "+point, want, list(r.t, to))
}

// write makes a file with its folders.
func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// mount mounts a small file system in memory until the test ends.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	needRoot(t)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("cannot mount here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

func remount(t *testing.T, dir string, flags uintptr, options string) {
	t.Helper()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, options); err != nil {
		t.Fatalf("remount %s: %v", dir, err)
	}
}
