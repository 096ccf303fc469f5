//go:build linux

package files_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/source/sourcetest"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func TestWalk_SeveralPathsHangBelowAVirtualRoot(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, dir+"/b/file", "b")
	mustWrite(t, dir+"/b/left", "b")
	mustWrite(t, dir+"/a/x/inside", "x")
	mustWrite(t, dir+"/a/y/not asked", "y")
	if err := os.Symlink("a/x", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	rec := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{
		dir + "/b/file", dir + "/a/x/", dir + "/link", dir + "/a/x/inside", dir + "/gone/deep",
	}}))
	p := strings.TrimPrefix(dir, "/")
	var calls []string
	for _, call := range rec.Calls {
		if i := strings.Index(call, p); i >= 0 {
			calls = append(calls, call[:i]+call[i+len(p):])
		}
	}
	want := []string{
		"enter ", "enter /a", "enter /a/x", "entry /a/x/inside", "leave /a/x", "leave /a", "enter /b", "entry /b/file",
		"leave /b", "problem stat /gone/deep", "enter /link", "entry /link/inside", "leave /link", "leave ",
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if rec.Calls[0] != "enter " || rec.Calls[len(rec.Calls)-1] != "leave " {
		t.Errorf("the walk has no virtual root: %q", rec.Calls)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir+"/a", &st); err != nil {
		t.Fatal(err)
	}
	e := rec.Find(t, p+"/a").Entry
	if e.Mode != st.Mode&0o7777 || e.MTime.Sec != st.Mtim.Sec || string(e.Name) != "a" || e.Kind != vault.Dir {
		t.Errorf("parent directory has %+v", e)
	}
	if !errkind.Is(rec.Problems[0].Err, errkind.NotFound) {
		t.Errorf("problem %v, want kind not found", rec.Problems[0].Err)
	}
}

func TestWalk_OnePath(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, dir+"/d/f", "content")
	for link, target := range map[string]string{"to dir": "d", "to file": "d/f", "dangling": "nothing"} {
		if err := os.Symlink(target, dir+"/"+link); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string][]string{
		"d":        {"enter ", "entry f", "leave "},
		"d/f":      {"enter ", "entry f", "leave "},
		"to dir":   {"enter ", "entry f", "leave "},
		"to file":  {"enter ", "entry to file", "leave "},
		"dangling": {"problem stat "},
		"missing":  {"problem stat "},
		"d/f/x":    {"problem stat "},
	} {
		rec := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{dir + "/" + path}}))
		if diff := cmp.Diff(want, rec.Calls); diff != "" {
			t.Errorf("%q (-want +got):\n%s", path, diff)
		}
		for _, it := range rec.Items {
			if it.Open != nil && readAll(t, it) != "content" {
				t.Errorf("%q: wrong content of %q", path, it.Path)
			}
		}
	}
}

func readAll(t *testing.T, it sourcetest.Item) string {
	t.Helper()
	f, err := it.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWalk_Excludes(t *testing.T) {
	dir := t.TempDir()
	for path, content := range map[string]string{
		"keep": "x", "a.tmp": "x", "sub/b.tmp": "x", "sub/c": "x", "large": strings.Repeat("x", 101), "limit": strings.Repeat("x", 100),
		"cache/CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n", "cache/x": "x", "cache/sub/y": "y",
		"fake/CACHEDIR.TAG": "Signature: no", "fake/x": "x",
		"data/vault/pack": "x", "skipped/deep/file": "x",
	} {
		mustWrite(t, dir+"/"+path, content)
	}
	rec := sourcetest.Record(t, newReader(t, files.Config{
		Paths: []string{dir}, Excludes: []string{"*.tmp", "/skipped/"}, ExcludeLarger: 100, ExcludeCaches: true,
		Protect: []string{dir + "/data"},
	}))
	want := map[string]string{
		"a.tmp": "*.tmp", "sub/b.tmp": "*.tmp", "large": "larger than 100 bytes", "cache/x": "cache directory",
		"cache/sub": "cache directory", "data": "protected", "skipped": "/skipped/",
	}
	if diff := cmp.Diff(want, rec.Excludes); diff != "" {
		t.Errorf("excluded (-want +got):\n%s", diff)
	}
	kept := []string{"", "cache", "cache/CACHEDIR.TAG", "fake", "fake/CACHEDIR.TAG", "fake/x", "keep", "limit", "sub", "sub/c"}
	if diff := cmp.Diff(kept, rec.Paths()); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

func TestWalk_ProtectedUnderAnotherName(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, dir+"/data/secret", "x")
	if err := os.Symlink(dir+"/data", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	rec := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{dir + "/link"}, Protect: []string{dir + "/data"}}))
	if diff := cmp.Diff([]string{"problem protected "}, rec.Calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestWalk_OneFileSystemKeepsMountPointsEmpty(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	mustWrite(t, dir+"/mnt/hidden", "x")
	if err := unix.Mount("none", dir+"/mnt", "tmpfs", 0, ""); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	defer unix.Unmount(dir+"/mnt", 0)
	mustWrite(t, dir+"/mnt/inside", "x")
	mustWrite(t, dir+"/z", "x")
	rec := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{dir}, OneFileSystem: true}))
	want := []string{"enter ", "enter mnt", "excluded mnt (other file system)", "leave mnt", "entry z", "leave "}
	if diff := cmp.Diff(want, rec.Calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestWalk_WhatVanishesIsReported(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"a/1", "a/2", "b", "c/x"} {
		mustWrite(t, dir+"/"+p, "x")
	}
	rec := &sourcetest.Recording{}
	rec.OnEntry = func(path string) {
		if path == "a/1" {
			for _, p := range []string{"a/2", "b", "c"} {
				if err := os.RemoveAll(dir + "/" + p); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if err := newReader(t, files.Config{Paths: []string{dir}}).Walk(context.Background(), rec); err != nil {
		t.Fatal(err)
	}
	wantProblems(t, rec.Problems, "vanished a/2", "vanished b", "vanished c")
}

func TestWalk_StopsWhenAsked(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, dir+"/a", "x")
	mustWrite(t, dir+"/b", "x")
	ctx, cancel := context.WithCancel(context.Background())
	rec := &sourcetest.Recording{OnEntry: func(path string) {
		if path == "a" {
			cancel()
		}
	}}
	err := newReader(t, files.Config{Paths: []string{dir}}).Walk(ctx, rec)
	if !errors.Is(err, context.Canceled) || len(rec.Items) != 2 {
		t.Errorf("walk: %v after %q", err, rec.Paths())
	}
}

func TestOpen_AnotherObjectIsRefused(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, dir+"/target", "x")
	for name, replace := range map[string]func(path string) error{
		"file": func(p string) error { return os.WriteFile(p, []byte("y"), 0o644) },
		"link": func(p string) error { return os.Symlink("target", p) },
		"fifo": func(p string) error { return unix.Mkfifo(p, 0o600) },
		"dir":  func(p string) error { return os.Mkdir(p, 0o700) },
		"gone": func(string) error { return nil },
	} {
		mustWrite(t, dir+"/f", "x")
		it := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{dir}})).Find(t, "f")
		if err := errors.Join(os.Rename(dir+"/f", dir+"/moved"), replace(dir+"/f")); err != nil {
			t.Fatal(err)
		}
		if f, err := it.Open(); err == nil {
			f.Close()
			t.Errorf("%s: opened", name)
		}
		if err := os.RemoveAll(dir + "/f"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpen_DirectoryReplacedByLinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, dir+"/src/d/f", "x")
	it := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{dir + "/src"}})).Find(t, "d/f")
	if err := errors.Join(os.Rename(dir+"/src/d", dir+"/elsewhere"), os.Symlink(dir+"/elsewhere", dir+"/src/d")); err != nil {
		t.Fatal(err)
	}
	if _, err := it.Open(); !errors.Is(err, unix.ELOOP) {
		t.Errorf("open: %v, want a loop", err)
	}
}

func TestFile_ChangeWhileReadingIsSeen(t *testing.T) {
	path := t.TempDir() + "/f"
	mustWrite(t, path, "0123456789")
	rec := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{path}}))
	f, err := rec.Find(t, "f").Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, step := range []struct {
		what    string
		do      func() error
		changed bool
		size    int64
	}{
		{"nothing", func() error { return nil }, false, 10},
		{"grow", func() error { return os.WriteFile(path, []byte("0123456789more"), 0o644) }, true, 14},
		{"nothing", func() error { return nil }, false, 14},
		{"same size and mtime", func() error {
			return keepTime(path, func() error { return os.WriteFile(path, []byte("xxxxxxxxxxxxxx"), 0o644) })
		}, true, 14},
		{"mode", func() error { return os.Chmod(path, 0o600) }, true, 14},
		{"shrink", func() error { return os.Truncate(path, 3) }, true, 3},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		e, h, changed, err := f.Refresh()
		if err != nil || changed != step.changed || e.Size != step.size || f.Size() != step.size || h.Inode == 0 {
			t.Errorf("%s: changed %v, size %d, %v", step.what, changed, e.Size, err)
		}
	}
	buf := make([]byte, 10)
	if n, err := f.ReadAt(buf, 0); n != 3 || !errors.Is(err, io.EOF) {
		t.Errorf("read of a file that shrank: %d, %v", n, err)
	}
}

// keepTime does something to a file and sets its modification time back.
func keepTime(path string, do func() error) error {
	var st unix.Stat_t
	err := errors.Join(unix.Stat(path, &st), do())
	return errors.Join(err, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{st.Atim, st.Mtim}, 0))
}

func TestFile_ExtentsAreTheData(t *testing.T) {
	path := t.TempDir() + "/f"
	mustWrite(t, path, "")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const step = 1 << 20
	for i := range 3 {
		if _, err := f.WriteAt([]byte("x"), int64(2*i+1)*step); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(6 * step); err != nil {
		t.Fatal(err)
	}
	it := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{path}})).Find(t, "f")
	e := refreshed(t, it)
	if !e.Sparse || len(e.Extents) != 3 {
		t.Fatalf("extents %v, sparse %v", e.Extents, e.Sparse)
	}
	for i, x := range e.Extents {
		if x.Offset != int64(2*i+1)*step || x.Length < 1 || x.Length > step/2 {
			t.Errorf("extent %d is %v", i, x)
		}
	}
}

// asNobody names the test to run in a child without privileges.
const asNobody = "COUNTERFOIL_TEST_AS_NOBODY"

// runAsNobody runs a test again as a user without rights in dir, and fails if
// that does.
func runAsNobody(t *testing.T, dir string) {
	t.Helper()
	needRoot(t)
	for p := dir; len(p) > len("/tmp"); p = p[:strings.LastIndexByte(p, '/')] {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	exe := dir + "/test"
	if out, err := exec.Command("cp", os.Args[0], exe).CombinedOutput(); err != nil {
		t.Fatalf("copy test: %v: %s", err, out)
	}
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), asNobody+"="+dir, "TMPDIR=/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

func TestWalk_UnreadableIsReported(t *testing.T) {
	if dir := os.Getenv(asNobody); dir != "" {
		unreadableAsNobody(t, dir+"/src")
		return
	}
	needRoot(t)
	dir := t.TempDir()
	for _, p := range []string{"closed/inside", "listed/inside", "secret", "open"} {
		mustWrite(t, dir+"/src/"+p, "x")
	}
	for p, mode := range map[string]os.FileMode{"closed": 0, "listed": 0o744, "secret": 0o600} {
		if err := os.Chmod(dir+"/src/"+p, mode); err != nil {
			t.Fatal(err)
		}
	}
	runAsNobody(t, dir)
}

func unreadableAsNobody(t *testing.T, dir string) {
	rec := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{dir}}))
	want := []string{
		"enter ", "enter closed", "problem list closed", "leave closed", "enter listed", "problem stat listed/inside",
		"leave listed", "entry open", "entry secret", "leave ",
	}
	if diff := cmp.Diff(want, rec.Calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if e := rec.Find(t, "closed").Entry; e.Kind != vault.Dir || e.Mode != 0 || e.UID != 0 {
		t.Errorf("closed directory has %+v", e)
	}
	var f source.File
	f, err := rec.Find(t, "secret").Open()
	if !errors.Is(err, unix.EACCES) {
		t.Errorf("open secret: %v, %v", f, err)
	}
}
