//go:build linux

package files_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/source/sourcetest"
	"github.com/counterfoil/counterfoil/internal/vault"
)

var when = vault.Stamp{Sec: 1_700_000_000, Nsec: 5}

func fileEntry(content string) vault.Entry {
	return vault.Entry{
		Kind: vault.Regular, Mode: 0o640, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
		MTime: when, Size: int64(len(content)),
	}
}

func dirEntry() vault.Entry {
	return vault.Entry{Kind: vault.Dir, Mode: 0o755, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), MTime: when}
}

// put restores one file and tells what was decided.
func put(t *testing.T, target *files.Target, path, content string) files.Action {
	t.Helper()
	e := fileEntry(content)
	action, err := target.Prepare(path, e)
	if err == nil && action == files.Write {
		err = errors.Join(target.WriteAt(path, []byte(content), 0), target.Finish(path, e))
	}
	if err != nil {
		t.Fatal(err)
	}
	return action
}

func TestTarget_HostilePathsAreRefused(t *testing.T) {
	dir := t.TempDir()
	target := newTarget(t, dir+"/in", files.TargetOptions{Overwrite: files.OverwriteAlways})
	link := vault.Entry{Kind: vault.Symlink, Target: []byte("x")}
	for _, path := range []string{
		"..", "../out", "a/../../out", "/etc/x", ".", "a/./b", "a//b", "a/", "nul\x00", strings.Repeat("n", 256),
	} {
		_, prepared := target.Prepare(path, fileEntry("x"))
		for call, err := range map[string]error{
			"prepare": prepared, "mkdir": target.MkDir(path, dirEntry()), "special": target.MakeSpecial(path, link),
			"write": target.WriteAt(path, []byte("x"), 0), "finish": target.Finish(path, fileEntry("x")),
			"abandon": target.Abandon(path), "link": target.Link("a", path), "link from": target.Link(path, "a"),
		} {
			if !errkind.Is(err, errkind.Invalid) {
				t.Errorf("%s %q: %v, want kind invalid", call, path, err)
			}
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("something was made outside: %v %v", left, err)
	}
}

func TestTarget_PlantedLinksAreNotFollowed(t *testing.T) {
	for _, how := range []files.Overwrite{files.OverwriteNever, files.OverwriteIfNewer, files.OverwriteAlways} {
		dir := t.TempDir()
		mustWrite(t, dir+"/out/victim", "untouched")
		mustWrite(t, dir+"/in/x", "")
		err := errors.Join(os.Symlink(dir+"/out", dir+"/in/dir"), os.Symlink(dir+"/out/victim", dir+"/in/file"),
			os.Symlink("../out", dir+"/in/parent"))
		if err != nil {
			t.Fatal(err)
		}
		target := newTarget(t, dir+"/in", files.TargetOptions{Overwrite: how})
		// A directory that is not announced with MkDir, so the link is on the way.
		if _, err := target.Prepare("parent/victim", fileEntry("evil")); !errkind.Is(err, errkind.Exists) {
			t.Errorf("prepare through a link: %v", err)
		}
		err = target.MkDir("dir", dirEntry())
		if replaced := err == nil; replaced != (how == files.OverwriteAlways) || !replaced && !errkind.Is(err, errkind.Exists) {
			t.Errorf("overwrite %d: mkdir over a link: %v", how, err)
		}
		if action := put(t, target, "file", "evil"); (action == files.Write) != (how == files.OverwriteAlways) {
			t.Errorf("overwrite %d: file over a link: action %d", how, action)
		}
		if err := errors.Join(target.FinishDirs(), target.Sync()); err != nil {
			t.Fatal(err)
		}
		if left, _ := os.ReadDir(dir + "/out"); len(left) != 1 || mustRead(t, dir+"/out/victim") != "untouched" {
			t.Errorf("overwrite %d: the restore went out: %v", how, left)
		}
	}
}

func TestTarget_OverwritePolicies(t *testing.T) {
	older, newer := when.Time().Add(-time.Second), when.Time().Add(time.Second)
	for _, c := range []struct {
		name    string
		how     files.Overwrite
		content string
		mtime   time.Time
		want    files.Action
		problem bool
	}{
		{"never, same", files.OverwriteNever, "old", when.Time(), files.SkipSame, false},
		{"never, other size", files.OverwriteNever, "older", when.Time(), files.SkipExisting, true},
		{"never, other time", files.OverwriteNever, "old", older, files.SkipExisting, true},
		{"if newer, same", files.OverwriteIfNewer, "old", when.Time(), files.SkipSame, false},
		{"if newer, older there", files.OverwriteIfNewer, "old", older, files.Write, false},
		{"if newer, newer there", files.OverwriteIfNewer, "old", newer, files.SkipExisting, false},
		{"always, same", files.OverwriteAlways, "old", when.Time(), files.Write, false},
		{"always, newer there", files.OverwriteAlways, "old", newer, files.Write, false},
	} {
		dir := t.TempDir()
		mustWrite(t, dir+"/f", c.content)
		if err := os.Chtimes(dir+"/f", c.mtime, c.mtime); err != nil {
			t.Fatal(err)
		}
		target := newTarget(t, dir, files.TargetOptions{Overwrite: c.how})
		if got := put(t, target, "f", "new"); got != c.want {
			t.Errorf("%s: action %d, want %d", c.name, got, c.want)
		}
		problems := target.Problems()
		if (len(problems) == 1) != c.problem || c.problem && !errkind.Is(problems[0].Err, errkind.Exists) {
			t.Errorf("%s: problems %v", c.name, problems)
		}
		want := c.content
		if c.want == files.Write {
			want = "new"
		}
		if got := mustRead(t, dir+"/f"); got != want {
			t.Errorf("%s: content %q, want %q", c.name, got, want)
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Errorf("%s: left %v", c.name, left)
		}
	}
}

func TestTarget_UnfinishedFilesNeverHaveTheirName(t *testing.T) {
	dir := t.TempDir()
	opts := files.TargetOptions{Token: "point"}
	target := newTarget(t, dir, opts)
	e := fileEntry("content")
	for range 2 { // the second time over what the first run left
		if action, err := target.Prepare("f", e); err != nil || action != files.Write {
			t.Fatal(action, err)
		}
		if err := target.WriteAt("f", []byte("con"), 0); err != nil {
			t.Fatal(err)
		}
		if err := target.Finish("f", e); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("finish of a partial file: %v", err)
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 1 || !strings.HasPrefix(left[0].Name(), ".cf-") || !strings.HasSuffix(left[0].Name(), ".part") {
			t.Errorf("left %v, %v", left, err)
		}
		if info, _ := left[0].Info(); info.Mode() != 0o600 {
			t.Errorf("unfinished file has mode %v", info.Mode())
		}
		target = newTarget(t, dir, opts)
	}
	if err := target.Abandon("f"); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("abandoned file left %v", left)
	}
	if err := target.Abandon("f"); err != nil {
		t.Errorf("abandon again: %v", err)
	}
}

func TestTarget_AbandonKeepsWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, dir+"/f", "before")
	target := newTarget(t, dir, files.TargetOptions{Overwrite: files.OverwriteAlways})
	if _, err := target.Prepare("f", fileEntry("after")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(target.WriteAt("f", []byte("aft"), 0), target.Abandon("f")); err != nil {
		t.Fatal(err)
	}
	if got := mustRead(t, dir+"/f"); got != "before" {
		t.Errorf("content %q", got)
	}
}

func TestTarget_ADirectoryInTheWayIsKept(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, dir+"/f/precious", "x")
	target := newTarget(t, dir, files.TargetOptions{Overwrite: files.OverwriteAlways})
	if action := put(t, target, "f", "file"); action != files.SkipExisting {
		t.Errorf("action %d", action)
	}
	wantProblems(t, target.Problems(), "exists f")
	if mustRead(t, dir+"/f/precious") != "x" {
		t.Error("the directory was changed")
	}
}

func TestTarget_MoreFilesAtOnceThanAreKeptOpen(t *testing.T) {
	dir := t.TempDir()
	target := newTarget(t, dir, files.TargetOptions{})
	const n = 400
	path := func(i int) string { return "d" + string(rune('a'+i%20)) + "/" + strings.Repeat("f", i/20+1) }
	for i := range 20 {
		if err := target.MkDir("d"+string(rune('a'+i)), dirEntry()); err != nil {
			t.Fatal(err)
		}
	}
	content := func(i int) string { return strings.Repeat("x", i+1) }
	for i := range n {
		if _, err := target.Prepare(path(i), fileEntry(content(i))); err != nil {
			t.Fatal(err)
		}
	}
	if open, err := os.ReadDir("/proc/self/fd"); err != nil || len(open) > 200 {
		t.Errorf("%d descriptors are open, %v", len(open), err)
	}
	for i := range n {
		err := errors.Join(target.WriteAt(path(i), []byte(content(i)), 0), target.Finish(path(i), fileEntry(content(i))))
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if got := mustRead(t, dir+"/"+path(i)); got != content(i) {
			t.Fatalf("%s holds %d bytes, want %d", path(i), len(got), i+1)
		}
	}
}

func TestTarget_FullDiskIsSaid(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	target := newTarget(t, dir, files.TargetOptions{})
	content := strings.Repeat("x", 1<<20)
	if _, err := target.Prepare("f", fileEntry(content)); err != nil {
		t.Fatal(err)
	}
	if err := target.WriteAt("f", []byte(content), 0); !errkind.Is(err, errkind.NoSpace) {
		t.Errorf("write: %v, want no space", err)
	}
	target.Close()
}

func TestTarget_WithoutPrivilegesTheRestComesBack(t *testing.T) {
	if dir := os.Getenv(asNobody); dir != "" {
		restoreAsNobody(t, dir)
		return
	}
	dir := t.TempDir()
	runAsNobody(t, dir)
}

func restoreAsNobody(t *testing.T, _ string) {
	dst := t.TempDir() + "/dst"
	target := newTarget(t, dst, files.TargetOptions{})
	mine := dirEntry()
	mine.Mode = 0o555
	foreign := fileEntry("x")
	foreign.UID, foreign.GID, foreign.Mode = 0, 0, 0o6755
	foreign.Xattrs = []vault.Xattr{{Name: []byte("trusted.x"), Value: []byte("1")}, {Name: []byte("user.x"), Value: []byte("2")}}
	device := vault.Entry{Kind: vault.CharDevice, Mode: 0o600, Major: 1, Minor: 3, MTime: when}
	if err := errors.Join(target.MkDir("", mine), target.MakeSpecial("device", device)); err != nil {
		t.Fatal(err)
	}
	if _, err := target.Prepare("f", foreign); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(target.WriteAt("f", []byte("x"), 0), target.Finish("f", foreign), target.FinishDirs(), target.Sync())
	if err != nil {
		t.Fatal(err)
	}
	wantProblems(t, target.Problems(), "make device", "chown f", "chmod f", "xattr f")
	f, err := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{dst}})).Find(t, "f").Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e, _, _, err := f.Refresh()
	if err != nil {
		t.Fatal(err)
	}
	if e.Mode != 0o755 || e.MTime != when || e.UID != 65534 || len(e.Xattrs) != 1 {
		t.Errorf("file came back as %+v", e)
	}
	if err := os.Chmod(dst, 0o755); err != nil {
		t.Error(err)
	}
}

func TestDiff_NamesEveryField(t *testing.T) {
	a := vault.Entry{Kind: vault.Regular}
	if !files.Same(a, a) {
		t.Errorf("an entry differs from itself in %q", files.Diff(a, a))
	}
	b := vault.Entry{
		Name: []byte("other name"), Kind: vault.Dir, Mode: 1, UID: 1, MTime: when, Size: 1, Target: []byte("t"), Major: 1,
		Xattrs: []vault.Xattr{{Name: []byte("n")}}, Flags: 1, LinkGroup: []byte("g"), Sparse: true,
	}
	got := strings.Join(files.Diff(a, b), " ")
	if want := "kind mode owner mtime size target device xattrs flags links extents"; got != want || files.Same(a, b) {
		t.Errorf("diff %q, want %q", got, want)
	}
}
