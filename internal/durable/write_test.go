package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

var errInjected = errors.New("injected")

// fault fails one step, after doing it when applied.
type fault struct {
	step    string
	applied bool
}

// faulty is the operating system with one faulty step.
func faulty(ft fault) steps {
	s := osSteps()
	run := func(name string, do func() error) error {
		if ft.step != name {
			return do()
		}
		if ft.applied {
			_ = do()
		}
		return errInjected
	}
	real := s
	s.create = func(path string, perm fs.FileMode) (handle, error) {
		var h handle
		err := run("create", func() (err error) {
			h, err = real.create(path, perm)
			return err
		})
		return &faultyHandle{handle: h, run: run}, err
	}
	s.rename = func(from, to string) error { return run("rename", func() error { return real.rename(from, to) }) }
	s.link = func(from, to string) error { return run("link", func() error { return real.link(from, to) }) }
	s.remove = func(path string) error { return run("remove", func() error { return real.remove(path) }) }
	s.syncDir = func(dir string) error { return run("syncdir", func() error { return real.syncDir(dir) }) }
	return s
}

type faultyHandle struct {
	handle
	run func(string, func() error) error
}

func (h *faultyHandle) Write(p []byte) (n int, err error) {
	err = h.run("write", func() error {
		n, err = h.handle.Write(p)
		return err
	})
	return n, err
}
func (h *faultyHandle) Sync() error  { return h.run("sync", h.handle.Sync) }
func (h *faultyHandle) Close() error { return h.run("close", h.handle.Close) }

func TestWrite_EachStepFailedAppliedAndUnapplied(t *testing.T) {
	all := []string{"create", "write", "sync", "close", "rename", "link", "remove", "syncdir"}
	for _, step := range all {
		for _, applied := range []bool{false, true} {
			name := step + "/unapplied"
			if applied {
				name = step + "/applied"
			}
			t.Run("replace/"+name, func(t *testing.T) { checkReplace(t, fault{step, applied}) })
			t.Run("exclusive/"+name, func(t *testing.T) { checkExclusive(t, fault{step, applied}) })
		}
	}
}

// checkReplace: the target holds the old bytes or all the new ones; it holds
// the new ones when no error was given; the next write succeeds.
func checkReplace(t *testing.T, ft fault) {
	path := filepath.Join(t.TempDir(), "file")
	if err := WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := faulty(ft).write(path, []byte("new!"), 0o644, replace)
	unused := ft.step == "link" || ft.step == "remove"
	if (err == nil) != unused {
		t.Errorf("error %v", err)
	}
	got := string(mustRead(t, path))
	switch {
	case got != "old" && got != "new!":
		t.Errorf("file holds %q: a part", got)
	case err == nil && got != "new!":
		t.Errorf("file holds %q after success", got)
	}
	if err := WriteFile(path, []byte("next"), 0o644); err != nil {
		t.Errorf("next write: %v", err)
	}
}

// checkExclusive: the target is not there or whole; a failed call may have
// made it, never half; trying again succeeds or finds it there.
func checkExclusive(t *testing.T, ft fault) {
	path := filepath.Join(t.TempDir(), "file")
	err := faulty(ft).write(path, []byte("new!"), 0o644, exclusive)
	unused := ft.step == "rename" || ft.step == "remove"
	if (err == nil) != unused {
		t.Errorf("error %v", err)
	}
	_, statErr := os.Stat(path)
	there := statErr == nil
	if got := string(mustRead(t, path)); there && got != "new!" {
		t.Errorf("file holds %q: a part", got)
	}
	again := WriteFileExclusive(path, []byte("new!"), 0o644)
	if there && !errkind.Is(again, errkind.Exists) || !there && again != nil {
		t.Errorf("next write: %v, file there before: %t", again, there)
	}
}
