//go:build linux

package files_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/source/sourcetest"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: devices, other owners, trusted attributes")
	}
}

func newReader(t testing.TB, cfg files.Config) *files.Reader {
	t.Helper()
	r, err := files.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newTarget(t testing.TB, dir string, opts files.TargetOptions) *files.Target {
	t.Helper()
	target, err := files.NewTarget(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	return target
}

// restore drives a target as a restore does, with the contents read straight
// from the recorded source; it fails the test on any error.
func restore(t testing.TB, rec *sourcetest.Recording, target *files.Target) {
	t.Helper()
	if err := tryRestore(rec, target); err != nil {
		t.Fatal(err)
	}
}

func tryRestore(rec *sourcetest.Recording, target *files.Target) error {
	first := map[string]string{} // link group to its first path
	for _, it := range rec.Items {
		var err error
		group := string(it.Entry.LinkGroup)
		switch {
		case it.Entry.Kind == vault.Dir:
			err = target.MkDir(it.Path, it.Entry)
		case group != "" && first[group] != "":
			err = target.Link(first[group], it.Path)
		case it.Entry.Kind == vault.Regular:
			err = restoreFile(it, target)
		default:
			err = target.MakeSpecial(it.Path, it.Entry)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", it.Path, err)
		}
		if group != "" && first[group] == "" {
			first[group] = it.Path
		}
	}
	return errors.Join(target.FinishDirs(), target.Sync())
}

// restoreFile copies a file's data by its extents, last piece first and two at
// a time, with the metadata that the open file gives.
func restoreFile(it sourcetest.Item, target *files.Target) error {
	f, err := it.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	e, _, _, err := f.Refresh()
	if err != nil {
		return err
	}
	if action, err := target.Prepare(it.Path, e); err != nil || action != files.Write {
		return err
	}
	extents, whole := f.Extents()
	if whole {
		extents = []vault.Extent{{Length: f.Size()}}
	}
	var pieces []vault.Extent
	const piece = 300_000
	for _, x := range extents {
		for off := x.Offset; off < x.Offset+x.Length; off += piece {
			pieces = append(pieces, vault.Extent{Offset: off, Length: min(piece, x.Offset+x.Length-off)})
		}
	}
	var group sync.WaitGroup
	errs := make([]error, len(pieces))
	for i := len(pieces) - 1; i >= 0; i-- {
		buf := make([]byte, pieces[i].Length)
		if n, err := f.ReadAt(buf, pieces[i].Offset); err != nil {
			return fmt.Errorf("read %d of %d: %w", n, len(buf), err)
		}
		group.Go(func() { errs[i] = target.WriteAt(it.Path, buf, pieces[i].Offset) })
		if i%2 == 0 {
			group.Wait()
		}
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return target.Finish(it.Path, e)
}

func wantProblems(t testing.TB, got []source.Problem, want ...string) {
	t.Helper()
	var have []string
	for _, p := range got {
		have = append(have, p.Op+" "+p.Path)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		for _, p := range got {
			t.Logf("%s %q: %v", p.Op, p.Path, p.Err)
		}
		t.Fatalf("problems (-want +got):\n%s", diff)
	}
}

func TestRoundTrip_EverythingComesBack(t *testing.T) {
	needRoot(t)
	base := t.TempDir()
	src, dst := base+"/src", base+"/dst"
	sourcetest.MakeTree(t, src, sourcetest.TreeOptions{Root: true, Flags: true})
	t.Cleanup(func() { sourcetest.ClearFlags(t, dst) })

	rec := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{src}}))
	wantProblems(t, rec.Problems)
	target := newTarget(t, dst, files.TargetOptions{Token: "test"})
	restore(t, rec, target)
	wantProblems(t, target.Problems())
	if diff := sourcetest.Compare(t, src, dst); diff != "" {
		t.Errorf("rsync finds differences:\n%s", diff)
	}
	compareWalks(t, rec, sourcetest.Record(t, newReader(t, files.Config{Paths: []string{dst}})))
	if left, _ := filepath.Glob(dst + "/*/.cf-*"); len(left) > 0 {
		t.Errorf("unfinished files left: %q", left)
	}
}

// compareWalks compares what rsync does not look at: sparse extents, flags.
func compareWalks(t *testing.T, want, got *sourcetest.Recording) {
	t.Helper()
	if diff := cmp.Diff(want.Calls, got.Calls); diff != "" {
		t.Errorf("walks differ (-source +restored):\n%s", diff)
		return
	}
	for i, w := range want.Items {
		we, ge := refreshed(t, w), refreshed(t, got.Items[i])
		if diff := files.Diff(we, ge); diff != nil {
			t.Errorf("%q differs in %q: %+v, want %+v", w.Path, diff, ge, we)
		}
	}
}

// refreshed gives an item's entry with what only an open file tells.
func refreshed(t *testing.T, it sourcetest.Item) vault.Entry {
	t.Helper()
	if it.Open == nil {
		return it.Entry
	}
	f, err := it.Open()
	if err != nil {
		t.Fatalf("open %q: %v", it.Path, err)
	}
	defer f.Close()
	e, h, changed, err := f.Refresh()
	if err != nil || changed || h != it.Hint {
		t.Fatalf("refresh %q: changed %v, hint %v, want %v: %v", it.Path, changed, h, it.Hint, err)
	}
	return e
}

func TestRoundTrip_PathsLongerThanTheKernelTakes(t *testing.T) {
	base := t.TempDir()
	src, dst := base+"/src", base+"/dst"
	sourcetest.MakeTree(t, src, sourcetest.TreeOptions{Deep: true, Large: 1 << 20})
	rec := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{src}}))
	wantProblems(t, rec.Problems)
	longest := 0
	for _, p := range rec.Paths() {
		longest = max(longest, len(p))
	}
	if longest < 6000 {
		t.Fatalf("the longest path has %d bytes only", longest)
	}
	target := newTarget(t, dst, files.TargetOptions{})
	restore(t, rec, target)
	wantProblems(t, target.Problems())
	compareWalks(t, rec, sourcetest.Record(t, newReader(t, files.Config{Paths: []string{dst}})))
}

func TestRoundTrip_SecondRunKeepsWhatIsThere(t *testing.T) {
	base := t.TempDir()
	src, dst := base+"/src", base+"/dst"
	sourcetest.MakeTree(t, src, sourcetest.TreeOptions{Root: os.Geteuid() == 0, Flags: os.Geteuid() == 0, Large: 1 << 20})
	t.Cleanup(func() { sourcetest.ClearFlags(t, dst) })
	rec := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{src}}))
	for _, how := range []files.Overwrite{
		files.OverwriteNever, files.OverwriteNever, files.OverwriteIfNewer, files.OverwriteAlways,
	} {
		target := newTarget(t, dst, files.TargetOptions{Token: "test", Overwrite: how})
		restore(t, rec, target)
		wantProblems(t, target.Problems())
		if diff := sourcetest.Compare(t, src, dst); diff != "" {
			t.Errorf("overwrite %d: rsync finds differences:\n%s", how, diff)
		}
	}
}

func TestRead_SparseFileOfFiveTebibytesCostsNoTime(t *testing.T) {
	const size = 5 << 40
	path := t.TempDir() + "/huge"
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Skipf("the file system has no files that large: %v", err)
	}
	if _, err := f.WriteAt([]byte("end"), size-3); err != nil {
		t.Fatal(err)
	}
	rec := sourcetest.Record(t, newReader(t, files.Config{Paths: []string{path}}))
	file, err := rec.Find(t, "huge").Open()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	extents, whole := file.Extents()
	if whole || len(extents) != 1 || extents[0].Offset < size-1<<20 || extents[0].Offset+extents[0].Length != size {
		t.Errorf("extents %v, whole %v; want one near the end", extents, whole)
	}
	buf := make([]byte, 10)
	if n, err := file.ReadAt(buf, size-3); n != 3 || !errors.Is(err, io.EOF) || string(buf[:n]) != "end" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}

func mustWrite(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
