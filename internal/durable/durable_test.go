package durable

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// mustRead returns a file's bytes, nil when it is not there.
func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return b
}

// temps lists the temporary files left in dir.
func temps(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if IsTemp(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestWriteFile_ReplacesAndLeavesNothingBeside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, want := range [][]byte{[]byte("old"), []byte("new and longer"), {}} {
		if err := WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := mustRead(t, path); !bytes.Equal(got, want) {
			t.Fatalf("file holds %q, want %q", got, want)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o, want 600", info.Mode().Perm())
	}
	if left := temps(t, dir); len(left) > 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

func TestWriteFile_LongestName(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("n", 255))
	if err := WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := mustRead(t, path); string(got) != "x" {
		t.Fatalf("file holds %q", got)
	}
}

func TestWriteFileExclusive_KeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := WriteFileExclusive(path, []byte("first"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := WriteFileExclusive(path, []byte("second"), 0o644)
	if !errkind.Is(err, errkind.Exists) {
		t.Fatalf("second write: %v, want kind exists", err)
	}
	if got := mustRead(t, path); string(got) != "first" {
		t.Errorf("file holds %q, want the first bytes", got)
	}
	if left := temps(t, dir); len(left) > 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

func TestWriteFileExclusive_OneWinner(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			switch err := WriteFileExclusive(path, bytes.Repeat([]byte{byte(i)}, 1<<12), 0o644); {
			case err == nil:
				won.Add(1)
			case errkind.Is(err, errkind.Exists):
				lost.Add(1)
			default:
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 15 {
		t.Fatalf("%d writers won and %d lost, want 1 and 15", won.Load(), lost.Load())
	}
	got := mustRead(t, path)
	if len(got) != 1<<12 || bytes.Count(got, got[:1]) != len(got) {
		t.Errorf("file is not one writer's whole content")
	}
}

func TestWriteFile_ErrorKinds(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		path string
		want errkind.Kind
	}{
		"missing directory":     {filepath.Join(dir, "none", "f"), errkind.NotFound},
		"file as directory":     {filepath.Join(file, "f"), errkind.Invalid},
		"directory in the way":  {dir, errkind.Exists},
		"name of 256 bytes":     {filepath.Join(dir, strings.Repeat("n", 256)), errkind.Invalid},
		"directory unreachable": {"/proc/self/fdinfo/f", errkind.NotFound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := WriteFile(tt.path, []byte("x"), 0o644)
			if !errkind.Is(err, tt.want) {
				t.Fatalf("error %v has kind %v, want %v", err, errkind.Of(err), tt.want)
			}
			if !strings.Contains(err.Error(), tt.path) {
				t.Errorf("error %q does not name the file", err)
			}
		})
	}
}

func TestMkdirAll(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b", "c")
	for range 2 {
		if err := MkdirAll(deep, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(deep); err != nil || !info.IsDir() {
		t.Fatalf("stat: %v, %v", info, err)
	}
	file := filepath.Join(root, "file")
	if err := WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(file, 0o750); !errkind.Is(err, errkind.Exists) {
		t.Errorf("over a file: %v, want kind exists", err)
	}
	if err := MkdirAll(filepath.Join(file, "d"), 0o750); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("below a file: %v, want kind invalid", err)
	}
}

func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("second removal: %v, want kind not_found", err)
	}
}

func TestSyncDir_Missing(t *testing.T) {
	if err := SyncDir(filepath.Join(t.TempDir(), "none")); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("%v, want kind not_found", err)
	}
}

func TestClassify(t *testing.T) {
	tests := map[string]struct {
		err  error
		want errkind.Kind
	}{
		"no space":        {&fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}, errkind.NoSpace},
		"quota":           {syscall.EDQUOT, errkind.NoSpace},
		"read-only":       {&os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EROFS}, errkind.ReadOnly},
		"permission":      {syscall.EACCES, errkind.ReadOnly},
		"medium":          {syscall.EIO, errkind.Unavailable},
		"portable":        {fs.ErrNotExist, errkind.NotFound},
		"unknown number":  {syscall.ECHILD, errkind.Internal},
		"has a kind":      {errkind.Wrap(errkind.Refused, syscall.ENOSPC, "lock"), errkind.Refused},
		"joined":          {errors.Join(errors.New("x"), syscall.ENOSPC), errkind.NoSpace},
		"not of a system": {errors.New("x"), errkind.Internal},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := Classify(tt.err)
			if errkind.Of(got) != tt.want {
				t.Errorf("kind %v, want %v", errkind.Of(got), tt.want)
			}
			if got.Error() != tt.err.Error() || !errors.Is(got, tt.err) {
				t.Errorf("text or chain changed: %q", got)
			}
		})
	}
	if Classify(nil) != nil {
		t.Error("nil became an error")
	}
}
