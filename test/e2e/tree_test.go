//go:build linux

package e2e

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/source/sourcetest"
)

// nastyTree makes a tree of everything that root can make in a file system,
// with a sparse file of that size, and gives its path.
func nastyTree(t *testing.T, sparse int64) string {
	t.Helper()
	src := filepath.Join(t.TempDir(), "tree")
	sourcetest.MakeTree(t, src, sourcetest.TreeOptions{Root: true, Flags: true, Large: sparse})
	return src
}

// restored gives a folder for a restore that can be removed at the end.
func restored(t *testing.T) string {
	t.Helper()
	dst := filepath.Join(t.TempDir(), "restored")
	t.Cleanup(func() { sourcetest.ClearFlags(t, dst) })
	return dst
}

// TestQuickstart_NastyTree is the main job over a tree of everything: protect,
// protect again after changes, and bring it back the same.
func TestQuickstart_NastyTree(t *testing.T) {
	t.Parallel()
	needRoot(t)
	protectAndRestore(t, 64<<20)
}

// TestQuickstart_LargeSparseFile does the same with 5 GiB, which whoever
// compares the trees reads twice.
func TestQuickstart_LargeSparseFile(t *testing.T) {
	t.Parallel()
	long(t)
	needRoot(t)
	protectAndRestore(t, 5<<30)
}

func protectAndRestore(t *testing.T, sparse int64) {
	t.Helper()
	s, src := newSite(t), nastyTree(t, sparse)
	first := s.object("quickstart", src)
	checkProven(t, first)
	if first["first"] != true {
		t.Error("the first run does not say that it is the first")
	}
	if got := first.child(t, "point").number(t, "size"); got < sparse {
		t.Errorf("the point has %d bytes; the sparse file alone has %d", got, sparse)
	}
	if got := first.child(t, "point").number(t, "stored"); got > 20<<20 {
		t.Errorf("%d bytes were stored; holes are not data", got)
	}
	if left := entriesOf(t, s.path("scratch")); len(left) > 0 {
		t.Errorf("the restore test left %q behind", left)
	}

	changed := src + "/contents/100k"
	before, err := os.ReadFile(changed)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, changed, "now another content")
	writeFile(t, src+"/contents/new file", "a new file")
	for _, err := range []error{os.Remove(src + "/names/tab\t"), os.Chmod(src+"/contents/4096", 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	second := s.object("quickstart", src)
	checkProven(t, second)
	if second["first"] != false {
		t.Error("the second run says that it is the first")
	}
	if got := second.child(t, "point").number(t, "stored"); got == 0 || got > 100<<10 {
		t.Errorf("the second run stored %d bytes for a few small changes", got)
	}
	checkChanges(t, s, first.child(t, "point").text("id"), second.child(t, "point").text("id"))

	dst := restored(t)
	s.ok("restore", "run", "latest", "--to", dst, "--verify")
	if diff := sourcetest.Compare(t, src, dst); diff != "" {
		t.Errorf("what was restored is not what was protected:\n%s", diff)
	}
	old := restored(t)
	s.ok("restore", "run", first.child(t, "point").text("id"), "--to", old, "--path", "contents/100k", "--path", "names/tab\t")
	if got, err := os.ReadFile(old + "/contents/100k"); err != nil || !bytes.Equal(got, before) {
		t.Errorf("the first point does not have the content of its day: %d bytes, %v", len(got), err)
	}
	if _, err := os.Stat(old + "/names/tab\t"); err != nil {
		t.Error(err)
	}
}

// checkProven checks that a quickstart said of everything that it went well.
func checkProven(t *testing.T, result object) {
	t.Helper()
	point := result.child(t, "point")
	if point["complete"] != true || point.number(t, "problems") != 0 || point.number(t, "fuzzy") != 0 {
		t.Errorf("the point is not complete: %v", point)
	}
	if result.child(t, "verification")["ok"] != true || result.child(t, "restore_test")["ok"] != true {
		t.Errorf("not proven: %v\n%v", result["verification"], result["restore_test"])
	}
}

// checkChanges checks that point diff tells the changes of the story above and
// nothing else.
func checkChanges(t *testing.T, s site, first, second string) {
	t.Helper()
	want := map[string]string{
		"contents/100k": "modified", "contents/4096": "metadata", "contents/new file": "added", "names/tab\t": "removed",
	}
	got := map[string]string{}
	for _, d := range s.list("point", "diff", first, second) {
		got[d.text("path")] = d.text("change")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("point diff (-want +got):\n%s", diff)
	}
}

// TestRestore_OddNames brings back single files whose names no terminal shows
// as they are.
func TestRestore_OddNames(t *testing.T) {
	t.Parallel()
	s, src := newSite(t), filepath.Join(t.TempDir(), "tree")
	names := []string{"not utf-8 \xff\xfe", "new\nline", "-rf", "back\\slash", " ", strings.Repeat("n", 255), "dir\xff/in\nside", "*"}
	for _, name := range names {
		writeFile(t, src+"/"+name, "content of "+name)
	}
	s.ok("quickstart", src)
	listed := map[string]bool{}
	for _, e := range s.list("point", "ls", "latest", "-R") {
		path := e.text("path")
		if raw, ok := e["path_raw"]; ok {
			b, err := base64.StdEncoding.DecodeString(raw.(string))
			if err != nil {
				t.Fatal(err)
			}
			path = string(b)
		}
		listed[path] = true
	}
	for _, name := range names {
		if !listed[name] {
			t.Errorf("point ls does not have %q", name)
		}
		dst := restored(t)
		s.ok("restore", "run", "latest", "--to", dst, "--path="+name)
		got, err := os.ReadFile(dst + "/" + name)
		if err != nil || string(got) != "content of "+name {
			t.Errorf("%q: %q, %v", name, got, err)
		}
		if want := 1 + strings.Count(name, "/"); countBelow(t, dst) != want {
			t.Errorf("%q: the restore made more than the file and its folders", name)
		}
		if out := s.ok("point", "cat", "latest", "--", name); out != "content of "+name {
			t.Errorf("point cat %q: %q", name, out)
		}
		dst = restored(t)
		s.ok("restore", "run", "latest", "--to", dst, "--path="+src+"/"+name) // as it was on the source
		if countBelow(t, dst) == 0 {
			t.Errorf("%q by its whole path: nothing was restored", name)
		}
	}
	s.refused(1, []string{"no such thing"}, "restore", "run", "latest", "--to", restored(t), "--path", "no such thing")
}

// TestRestore_ToOddName restores into a folder whose name is not UTF-8.
func TestRestore_ToOddName(t *testing.T) {
	t.Parallel()
	s, src := newSite(t), smallTree(t)
	s.ok("quickstart", src)
	dst := filepath.Join(t.TempDir(), "to \xff\n")
	s.ok("restore", "run", "latest", "--to", dst)
	if _, err := os.Stat(dst + "/2025/gl.csv"); err != nil {
		t.Error(err)
	}
}

func countBelow(t *testing.T, dir string) int {
	t.Helper()
	n := -1
	err := filepath.WalkDir(dir, func(string, os.DirEntry, error) error { n++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestQuickstart_DataDirIsNotProtected has the data directory in the folder
// that is protected, and the other way round.
func TestQuickstart_DataDirIsNotProtected(t *testing.T) {
	t.Parallel()
	src := smallTree(t)
	s := site{t: t, data: src + "/.counterfoil"}
	for range 2 {
		checkProven(t, s.object("quickstart", src))
		for _, e := range s.list("point", "ls", "latest", "-R") {
			if strings.HasPrefix(e.text("path"), ".counterfoil/") {
				t.Fatalf("the data directory is in the point: %s", e.text("path"))
			}
		}
	}
	inside := s.path("vaults")
	s.refused(2, []string{inside, "data directory"}, "quickstart", inside)
	s.refused(2, []string{s.data, "data directory"}, "quickstart", s.data)
	s.refused(2, []string{inside, "belongs to counterfoil"}, "source", "create", "self", inside, "--vault", "trial")

	fresh := newSite(t)
	writeFile(t, fresh.path("papers/a.txt"), "a")
	fresh.refused(2, []string{"data directory"}, "quickstart", fresh.path("papers"))
	if names := entriesOf(t, fresh.path("vaults")); len(names) > 0 {
		t.Errorf("a refused quickstart made the vaults %q", names)
	}
	fresh.refused(2, []string{"/no such folder"}, "quickstart", "/no such folder")
}

// TestQuickstart_Remove takes the trial away again, by the command and by rm.
func TestQuickstart_Remove(t *testing.T) {
	t.Parallel()
	s, src := newSite(t), smallTree(t)
	s.refused(1, []string{s.data}, "quickstart", "--remove")
	s.ok("quickstart", src)
	before := tell(t, s.data)
	preview := s.object("quickstart", "--remove")
	if preview["removed"] != false || !slices.Contains(preview.strings(t, "paths"), s.data) {
		t.Errorf("preview: %v", preview)
	}
	if diff := cmp.Diff(before, tell(t, s.data)); diff != "" {
		t.Errorf("the preview changed something (-before +after):\n%s", diff)
	}
	if done := s.object("quickstart", "--remove", "--yes"); done["removed"] != true {
		t.Errorf("removal: %v", done)
	}
	if _, err := os.Lstat(s.data); !os.IsNotExist(err) {
		t.Errorf("of the data directory %q are left", entriesOf(t, s.data))
	}
	if _, err := os.Stat(src + "/2025/gl.csv"); err != nil {
		t.Errorf("the folder that was protected: %v", err)
	}

	s.ok("quickstart", src) // and again from nothing
	if out, err := exec.Command("rm", "-rf", s.data).CombinedOutput(); err != nil {
		t.Errorf("rm: %v: %s", err, out)
	}
	if _, err := os.Lstat(s.data); !os.IsNotExist(err) {
		t.Error("rm -rf left something")
	}
}

// TestQuickstart_RemoveKeepsWhatIsReal has a vault with locks beside the trial.
func TestQuickstart_RemoveKeepsWhatIsReal(t *testing.T) {
	t.Parallel()
	s, src := newSite(t), smallTree(t)
	s.ok("quickstart", src)
	s.realVault("books", "ledgers-real", src)
	point := s.object("backup", "run", "ledgers-real").text("id")
	preview := s.object("quickstart", "--remove")
	if paths := preview.strings(t, "paths"); slices.Contains(paths, s.data) {
		t.Errorf("a data directory with a real vault would be removed: %q", paths)
	}
	s.ok("quickstart", "--remove", "--yes")
	if _, err := os.Stat(s.path("vaults", "trial")); !os.IsNotExist(err) {
		t.Errorf("the trial vault is still there: %v", err)
	}
	if got := s.list("point", "list"); len(got) != 1 || got[0].text("id") != point {
		t.Errorf("points afterwards: %v", got)
	}
	s.ok("vault", "verify", "books")
	s.ok("backup", "run", "ledgers-real")
}

// TestQuickstart_Sample makes the sample where no folder is given.
func TestQuickstart_Sample(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.object("quickstart")
	checkProven(t, first)
	sample := first.text("sample")
	if rel, err := filepath.Rel(s.data, sample); err != nil || filepath.IsLocal(rel) {
		t.Errorf("the sample %s lies in the data directory", sample)
	}
	if files := first.child(t, "point").number(t, "files"); files < 10 {
		t.Errorf("the sample has %d files", files)
	}
	second := s.object("quickstart")
	if second["first"] != false || second.text("sample") != sample || second.child(t, "point").number(t, "stored") != 0 {
		t.Errorf("the second run over the sample: %v", second["point"])
	}
}

// tell lists what is below a folder with sizes and times; the locks and logs of
// a database that is open are its own affair.
func tell(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() && !strings.Contains(path, "catalog.db") {
			if !strings.HasPrefix(filepath.Base(path), "clock.json") { // every command looks at the clock
				out = append(out, path+" "+info.ModTime().Format(time.RFC3339Nano))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestQuickstart_System protects a system's /usr/share, twice.
func TestQuickstart_System(t *testing.T) {
	t.Parallel()
	long(t)
	needRoot(t)
	s := newSite(t)
	src := filepath.Join(t.TempDir(), "share")
	if out, err := exec.Command("cp", "-a", "/usr/share", src).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	checkProven(t, s.object("quickstart", src))
	writeFile(t, src+"/doc/changed by a test", "changed")
	second := s.object("quickstart", src)
	checkProven(t, second)
	if got := second.child(t, "point").number(t, "stored"); got > 1<<20 {
		t.Errorf("the second run stored %d bytes for one small file", got)
	}
	dst := restored(t)
	s.ok("restore", "run", "latest", "--to", dst)
	if diff := sourcetest.Compare(t, src, dst); diff != "" {
		t.Errorf("what was restored is not what was protected:\n%s", diff)
	}
}
