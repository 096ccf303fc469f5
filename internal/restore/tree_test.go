//go:build linux

package restore_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/restore"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/source/sourcetest"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func isRoot() bool { return os.Geteuid() == 0 }

func random(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed, 9}).Read(b) // never fails
	return b
}

func TestRun_NastyTreeComesBack(t *testing.T) {
	base := t.TempDir()
	src, dst := base+"/src", base+"/dst"
	sourcetest.MakeTree(t, src, sourcetest.TreeOptions{Root: isRoot(), Flags: isRoot()})
	t.Cleanup(func() { sourcetest.ClearFlags(t, dst) })
	f := newFixture(t)
	p := f.backup(src)
	report := f.whole(p, restore.Options{To: dst, Verify: isRoot()})
	if report.Entries != p.Envelope.Entries || report.Skipped != 0 {
		t.Errorf("%d entries restored, %d skipped, of %d", report.Entries, report.Skipped, p.Envelope.Entries)
	}
	if diff := sourcetest.Compare(t, src, dst); diff != "" {
		t.Errorf("rsync finds differences:\n%s", diff)
	}
	compareWalks(t, src, dst)

	for _, how := range []files.Overwrite{files.OverwriteNever, files.OverwriteIfNewer, files.OverwriteAlways} {
		again := f.whole(p, restore.Options{To: dst, Overwrite: how, Verify: isRoot()})
		if kept := how != files.OverwriteAlways; kept != (again.Bytes == 0) || kept != (again.Skipped > 0) {
			t.Errorf("second run, overwrite %d: %d bytes written, %d files skipped", how, again.Bytes, again.Skipped)
		}
		if diff := sourcetest.Compare(t, src, dst); diff != "" {
			t.Errorf("second run, overwrite %d: rsync finds differences:\n%s", how, diff)
		}
	}
	noLeftovers(t, dst)
}

// compareWalks compares what rsync does not look at: sparse extents and flags.
func compareWalks(t *testing.T, src, dst string) {
	t.Helper()
	want, got := entries(t, src), entries(t, dst)
	if len(want) != len(got) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	for name, w := range want {
		if diff := files.Diff(w, got[name]); diff != nil {
			t.Errorf("%q differs in %q: %+v, want %+v", name, diff, got[name], w)
		}
	}
}

func entries(t *testing.T, dir string) map[string]vault.Entry {
	t.Helper()
	r, err := files.New(files.Config{Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]vault.Entry{}
	for _, it := range sourcetest.Record(t, r).Items {
		e := it.Entry
		if it.Open != nil {
			file, err := it.Open()
			if err != nil {
				t.Fatal(err)
			}
			if e, _, _, err = file.Refresh(); err != nil {
				t.Fatal(err)
			}
			file.Close()
		}
		out[it.Path] = e
	}
	return out
}

func TestRun_PathsLongerThanTheKernelTakes(t *testing.T) {
	base := t.TempDir()
	sourcetest.MakeTree(t, base+"/src", sourcetest.TreeOptions{Deep: true, Large: 1 << 20})
	f := newFixture(t)
	p := f.backup(base + "/src")
	f.whole(p, restore.Options{To: base + "/dst", Verify: isRoot()})
	compareWalks(t, base+"/src", base+"/dst")
}

func TestRun_FixedBlocksAndRepeatedChunks(t *testing.T) {
	base := t.TempDir()
	page := random(1, 16<<10)
	write(t, base+"/src/repeated", bytes.Repeat(page, 700))
	write(t, base+"/src/mixed", append(bytes.Repeat(page, 90), random(2, 2<<20+123)...))
	write(t, base+"/src/copy", append(bytes.Repeat(page, 90), random(2, 2<<20+123)...))
	f := newFixture(t)
	f.cut = 16 << 10
	p := f.backup(base + "/src")
	f.whole(p, restore.Options{To: base + "/dst", Verify: true})
	if diff := cmp.Diff(content(t, base+"/src"), content(t, base+"/dst")); diff != "" {
		t.Error("contents differ")
	}
}

func TestRun_WithoutAGrantNothingHappens(t *testing.T) {
	base := t.TempDir()
	write(t, base+"/src/f", []byte("x"))
	f := newFixture(t)
	p := f.backup(base + "/src")
	for _, g := range []access.Grant{{}, grant(access.BackupRun)} {
		_, err := restore.Run(t.Context(), g, f.reader(), p, restore.Options{To: base + "/dst"}, nil)
		if !errkind.Is(err, errkind.NotAllowed) {
			t.Errorf("restore: %v", err)
		}
	}
	if _, err := os.Lstat(base + "/dst"); err == nil {
		t.Error("the target was made")
	}
}

func TestRun_ProgressEndsAtTheTotal(t *testing.T) {
	base := t.TempDir()
	sourcetest.MakeTree(t, base+"/src", sourcetest.TreeOptions{Large: 1 << 20})
	f := newFixture(t)
	p := f.backup(base + "/src")
	var last restore.Progress
	see := func(at restore.Progress) {
		if at.Done < last.Done || at.Files < last.Files || at.Done > at.Total {
			t.Errorf("progress went from %+v to %+v", last, at)
		}
		last = at
	}
	now := start
	opts := restore.Options{To: base + "/dst", Now: func() time.Time { now = now.Add(time.Second); return now }}
	report, err := restore.Run(t.Context(), grant(access.RestoreRun), f.reader(), p, opts, see)
	if err != nil {
		t.Fatal(err)
	}
	if last.Total != p.Envelope.Size || last.Done != last.Total || last.Files != report.Files {
		t.Errorf("progress ended with %+v, report %+v", last, report)
	}
	if report.Elapsed != time.Second {
		t.Errorf("elapsed %v", report.Elapsed)
	}
}

func TestRun_SelectedPaths(t *testing.T) {
	base := t.TempDir()
	src := base + "/src"
	for _, name := range []string{"a/one", "a/two", "a/deep/er/three", "b/four", "five", "a-b"} {
		write(t, src+"/"+name, []byte(name))
	}
	if err := os.Link(src+"/a/one", src+"/b/linked"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(src+"/a", 0o750); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	single, several := f.backup(src), f.backup(src+"/a", src+"/b")
	inRoot := strings.TrimPrefix(src, "/")
	for _, c := range []struct {
		name  string
		point vault.Point
		paths []string
		want  []string
	}{
		{"one file", single, []string{"a/deep/er/three"}, []string{"a/deep/er/three"}},
		{"folder and file", single, []string{"a", "five/"}, []string{"a/one", "a/two", "a/deep/er/three", "five"}},
		{"path inside another", single, []string{"a/deep", "a", "a/one"}, []string{"a/one", "a/two", "a/deep/er/three"}},
		{"link whose first name is not asked for", single, []string{"./b/linked"}, []string{"b/linked"}},
		{"absolute", single, []string{src + "/a-b", src + "/b"}, []string{"a-b", "b/four", "b/linked"}},
		{"absolute root", single, []string{src}, []string{"a/one", "a/two", "a/deep/er/three", "b/four", "b/linked", "five", "a-b"}},
		{"absolute of several", several, []string{src + "/a/one"}, []string{inRoot + "/a/one"}},
		{"relative of several", several, []string{inRoot + "/b"}, []string{inRoot + "/b/four", inRoot + "/b/linked"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := t.TempDir() + "/dst"
			owner := files.OwnerByName
			if os.Geteuid() != 0 {
				owner = files.OwnerNone // the folders above the sources are root's
			}
			report := f.whole(c.point, restore.Options{To: dst, Paths: paths(c.paths...), Verify: true, Owner: owner})
			want := map[string]string{}
			for _, name := range c.want {
				want[name] = strings.TrimPrefix(name, inRoot+"/")
				if strings.HasSuffix(name, "b/linked") {
					want[name] = "a/one"
				}
			}
			if diff := cmp.Diff(want, content(t, dst)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if report.Files != int64(len(c.want)) {
				t.Errorf("%d files, want %d", report.Files, len(c.want))
			}
			if info, err := os.Stat(dst + "/a"); err == nil && info.Mode().Perm() != 0o750 {
				t.Errorf("the parent folder has mode %v", info.Mode())
			}
		})
	}
}

func TestRun_PathNotInThePointWritesNothing(t *testing.T) {
	base := t.TempDir()
	write(t, base+"/src/a/f", []byte("x"))
	f := newFixture(t)
	p := f.backup(base + "/src")
	for wanted, kind := range map[string]errkind.Kind{
		"missing": errkind.NotFound, "a/f/below": errkind.NotFound, "a/g": errkind.NotFound, base + "/other": errkind.NotFound,
		"/": errkind.NotFound, "..": errkind.Invalid, "a/../../x": errkind.Invalid,
	} {
		report, err := f.try(t.Context(), p, restore.Options{To: base + "/dst", Paths: paths("a", wanted)})
		if !errkind.Is(err, kind) || report.Entries != 0 {
			t.Errorf("%q: %v, want %v", wanted, err, kind)
		}
	}
	if _, err := os.Lstat(base + "/dst"); err == nil {
		t.Error("the target was made")
	}
}

func TestRun_PartsLeaveAnExistingTargetsMetadata(t *testing.T) {
	base := t.TempDir()
	write(t, base+"/src/f", []byte("x"))
	if err := os.Chmod(base+"/src", 0o700); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	p := f.backup(base + "/src")
	if err := os.Mkdir(base+"/there", 0o755); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]os.FileMode{"there": 0o755, "made": 0o700} {
		f.whole(p, restore.Options{To: base + "/" + dir, Paths: paths("f")})
		if info, err := os.Stat(base + "/" + dir); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v: %v", dir, info.Mode(), want, err)
		}
	}
}

func TestRun_HardLinksAcrossSelectionsAndPolicies(t *testing.T) {
	base := t.TempDir()
	src := base + "/src"
	write(t, src+"/a/first", random(3, 1<<20))
	write(t, src+"/symlinks/x", nil)
	if err := os.Symlink("a/first", src+"/symlinks/s1"); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"a/first": "b", "symlinks/s1": "symlinks/s2"} {
		if err := os.Link(src+"/"+from, src+"/"+to); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		if err := os.Link(src+"/a/first", fmt.Sprintf("%s/c%02d", src, i)); err != nil {
			t.Fatal(err)
		}
	}
	f := newFixture(t)
	p := f.backup(src)

	dst := base + "/subset"
	report := f.whole(p, restore.Options{To: dst, Paths: paths("b", "c07", "c31"), Verify: true})
	if !sameFile(t, dst+"/b", dst+"/c07", dst+"/c31") || report.Files != 3 || report.Bytes != 1<<20 {
		t.Errorf("links of a subset are not one file: %+v", report)
	}

	// Something else is in the place of the first names: the others must not
	// become links to it.
	dst = base + "/taken"
	write(t, dst+"/a/first", []byte("mine"))
	write(t, dst+"/symlinks/s1", []byte("mine"))
	report = f.run(p, restore.Options{To: dst, Verify: true})
	if report.ProblemCount != 2 || report.Damaged != 0 || !report.Verified || report.Skipped != 1 {
		t.Errorf("report %+v", report)
	}
	if got := content(t, dst); got["a/first"] != "mine" || got["symlinks/s1"] != "mine" || got["b"] != string(random(3, 1<<20)) {
		t.Error("something that was there was replaced, or became something else's link")
	}
	if !sameFile(t, dst+"/b", dst+"/c00", dst+"/c49") {
		t.Error("the remaining links are not one file")
	}
	if target, err := os.Readlink(dst + "/symlinks/s2"); err != nil || target != "a/first" {
		t.Errorf("symbolic link %q, %v", target, err)
	}
}

func sameFile(t *testing.T, names ...string) bool {
	t.Helper()
	first, err := os.Lstat(names[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names[1:] {
		info, err := os.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if !os.SameFile(first, info) {
			return false
		}
	}
	return true
}

func TestRun_OverwritePolicies(t *testing.T) {
	base := t.TempDir()
	src := base + "/src"
	when := time.Unix(1_700_000_000, 5)
	for _, name := range []string{"missing", "same", "older", "newer", "folder"} {
		write(t, src+"/"+name, []byte("from the point"))
		if err := os.Chtimes(src+"/"+name, when, when); err != nil {
			t.Fatal(err)
		}
	}
	write(t, src+"/was a file/f", []byte("from the point"))
	f := newFixture(t)
	p := f.backup(src)
	mine := func(dir, name string, mtime time.Time) {
		write(t, dir+"/"+name, []byte("mine, different"))
		if err := os.Chtimes(dir+"/"+name, mtime, mtime); err != nil {
			t.Fatal(err)
		}
	}
	for how, want := range map[files.Overwrite]string{
		files.OverwriteNever: "missing", files.OverwriteIfNewer: "missing older", files.OverwriteAlways: "missing newer older was a file/f",
	} {
		dst := fmt.Sprintf("%s/dst%d", base, how)
		mine(dst, "older", when.Add(-time.Hour))
		mine(dst, "newer", when.Add(time.Hour))
		mine(dst, "folder/precious", when)
		mine(dst, "was a file", when.Add(1e6*time.Hour))
		report := f.run(p, restore.Options{To: dst, Overwrite: how, Verify: true})
		got := content(t, dst)
		var replaced []string
		for _, name := range []string{"missing", "newer", "older", "was a file/f"} {
			if got[name] == "from the point" {
				replaced = append(replaced, name)
			}
		}
		if strings.Join(replaced, " ") != want || got["folder/precious"] != "mine, different" || got["same"] != "from the point" {
			t.Errorf("overwrite %d: restored %q, want %q", how, replaced, want)
		}
		if report.Damaged != 0 || !report.Verified || !errkind.Is(report.Err(), errkind.Incomplete) {
			t.Errorf("overwrite %d: %+v", how, report)
		}
	}
}

func TestRun_ThousandsOfSmallFiles(t *testing.T) {
	dst := t.TempDir() + "/dst"
	want := map[string]string{}
	f := newFixture(t)
	p := f.commit(nil, func(s *vault.Session) (vault.Digest, int64, int64) {
		root := s.NewDirectory()
		for d := range 30 {
			dir := s.NewDirectory()
			for i := range 100 {
				data := strings.Repeat(fmt.Sprintf("ledger %d ", (d*100+i)%2000), i)
				want[fmt.Sprintf("d%02d/f%02d", d, i)] = data
				must(t, dir.Add(t.Context(), storeFile(t, s, fmt.Sprintf("f%02d", i), strings.NewReader(data), int64(len(data)), vault.CutAuto)))
			}
			digest, err := dir.Finish(t.Context())
			must(t, err)
			must(t, root.Add(t.Context(), vault.Entry{Name: fmt.Appendf(nil, "d%02d", d), Kind: vault.Dir, Mode: 0o755, Tree: &digest}))
		}
		return finishRoot(t, s, root), 0, 3031
	})
	report := f.whole(p, restore.Options{To: dst, Verify: true, Owner: files.OwnerNone})
	if report.Files != 3000 || report.Entries != 3031 {
		t.Errorf("%d files, %d entries", report.Files, report.Entries)
	}
	if diff := cmp.Diff(want, content(t, dst)); diff != "" {
		t.Error("contents differ")
	}
}
