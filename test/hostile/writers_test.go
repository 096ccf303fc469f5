package hostile

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWriters_SecondOnTheSameDataDirectory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first, release := r.stalled()
	var said sentences
	x := r.want(1, "backup", "run", "docs")
	said.add(r, "backup while another runs", x)
	if !strings.Contains(x.err, strconv.Itoa(first)) {
		t.Errorf("process %d is not named:\n%s", first, x)
	}
	said.add(r, "verify while a backup runs", r.run("vault", "verify", "books"))
	r.must("point", "list")
	if x := release(); x.code != 0 {
		t.Errorf("the first backup: %s", x)
	}
	if got := r.points(); len(got) != 1 {
		t.Errorf("points %v", got)
	}
	r.wantWhole()
	r.wantRestored("latest", list(t, r.src))
	said.golden(t, "two_writers")
}

// stalled starts a backup and stops its process in the midst. release lets it
// go on and waits for its end.
func (r *rig) stalled() (pid int, release func() result) {
	r.t.Helper()
	write(r.t, filepath.Join(r.src, "big.bin"), noise(rand.New(rand.NewPCG(5, 6)), 48<<20))
	args := []string{"backup", "run", "docs"}
	cmd := r.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := false
	r.t.Cleanup(func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	r.await(func() bool { return len(r.temporaries()) > 0 }, cmd)
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		r.t.Fatal(err)
	}
	return cmd.Process.Pid, func() result {
		ended = true
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Wait() // the exit code tells
		return result{args: args, code: cmd.ProcessState.ExitCode(), out: out.String(), err: errs.String()}
	}
}

// await waits until the running program has come to a certain state, asking
// all the time: another process tells nobody.
func (r *rig) await(reached func() bool, cmd *exec.Cmd) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !reached(); {
		if time.Now().After(deadline) || cmd.ProcessState != nil {
			r.t.Fatal("the program never came that far")
		}
	}
}

// temporaries lists the packs of the store, whole or being written.
func (r *rig) temporaries() []string {
	var out []string
	for _, dir := range []string{"packs", ".tmp", "tmp"} {
		_ = filepath.WalkDir(filepath.Join(r.store, dir), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				out = append(out, path)
			}
			return nil // what is not there yet has no packs
		})
	}
	return out
}

func TestWriters_VaultTakenOverByAnotherInstallation(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	before := list(t, r.src)
	second := *r
	second.data = filepath.Join(r.dir, "data2")
	var said sentences
	x := second.must("vault", "recover", "file://"+r.store, "--key-file", r.keyFile())
	said.addAll(&second, "recovery by another installation", x)
	write(t, filepath.Join(r.src, "more"), []byte("more"))
	x = r.run("backup", "run", "docs")
	said.add(r, "backup into a vault that was taken over", x)
	if x.code != 6 {
		t.Errorf("want exit 6\n%s", x)
	}
	said.add(r, "source into a vault that was taken over", r.want(6, "source", "create", "more", r.src, "--vault", "books"))
	said.addAll(r, "doctor of the old owner", r.want(1, "doctor"))
	r.wantRestored("latest", before) // reading is still allowed
	second.must("backup", "run", "docs")
	second.wantWhole()
	second.wantRestored("latest", list(t, r.src))
	said.golden(t, "two_owners")
}
