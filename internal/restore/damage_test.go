//go:build linux

package restore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/diskblob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/restore"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// damageTree makes files of many sizes, some of them hard links and sparse.
func damageTree(t *testing.T, src string) {
	t.Helper()
	write(t, src+"/large/list", random(1, 1<<20)) // long enough for list nodes with blocks of 16 KiB
	write(t, src+"/large/linked", random(2, 600_000))
	for i := range 80 {
		write(t, fmt.Sprintf("%s/small %02d/f%03d", src, i%20, i), random(byte(i), 100+i*200))
	}
	write(t, src+"/empty", nil)
	for _, name := range []string{"/small 03/link", "/another link"} {
		if err := os.Link(src+"/large/linked", src+name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(src+"/large/linked", 3<<20); err != nil { // a hole at the end
		t.Fatal(err)
	}
}

// readable tells which files of a point can be read chunk by chunk.
func readable(t *testing.T, r *vault.Reader, root vault.Entry) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	var dir func(path string, e vault.Entry)
	dir = func(path string, e vault.Entry) {
		skip := func(vault.Digest, error) error { return nil }
		err := r.ReadDir(t.Context(), *e.Tree, skip, func(c vault.Entry) error {
			name := strings.TrimPrefix(path+"/"+string(c.Name), "/")
			if c.Kind == vault.Dir {
				dir(name, c)
				return nil
			}
			err := r.Chunks(t.Context(), c.Content, func(d vault.Digest, _ int64) error {
				_, err := r.Chunk(t.Context(), d)
				return err
			})
			out[name] = err == nil
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	dir("", root)
	return out
}

func TestRun_FlippedBytesCostExactlyTheFilesTheyAreIn(t *testing.T) {
	base := t.TempDir()
	src := base + "/src"
	damageTree(t, src)
	f := newFixture(t)
	f.cut = 16 << 10
	p := f.backup(src)
	original := content(t, src)
	lost := 0
	for _, kind := range []string{"data", "tree"} {
		for n, i := range f.packs(kind) {
			for k := range 3 {
				at := 100 + (i.Size-200)*int64(k)/3
				lost += f.checkDamage(p, original, i.Name, at, fmt.Sprintf("%s/dst %s %d %d", base, kind, n, k))
			}
		}
	}
	if lost == 0 {
		t.Error("no flip cost anything: the test shows nothing")
	}
}

// checkDamage restores with one byte flipped and gives how many files that
// cost.
func (f *fixture) checkDamage(p vault.Point, original map[string]string, object string, at int64, dst string) int {
	t := f.t.(*testing.T)
	t.Helper()
	bad := f.damaged(object, at)
	root, err := bad.reader().Root(t.Context(), p.Envelope.Root)
	report, runErr := bad.try(t.Context(), p, restore.Options{To: dst, Verify: true})
	if err != nil {
		if !errkind.Is(runErr, errkind.Damaged) {
			t.Errorf("%s at %d: root damaged, restore says %v", object, at, runErr)
		}
		return len(original)
	}
	if runErr != nil {
		t.Errorf("%s at %d: %v", object, at, runErr)
		return 0
	}
	can := readable(t, bad.reader(), root)
	got := content(t, dst)
	lost := 0
	for name, want := range original {
		have, there := got[name]
		if there && have != want {
			t.Errorf("%s at %d: %q came back wrong", object, at, name)
		}
		if there != can[name] {
			t.Errorf("%s at %d: %q came back: %v, readable: %v", object, at, name, there, can[name])
		}
		if !there {
			lost++
		}
		if listed, ok := can[name]; ok && !listed && !names(report, name) {
			t.Errorf("%s at %d: %q is lost and not named", object, at, name)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("%s at %d: %d files more than there were", object, at, len(got))
	}
	if (lost > 0) != (report.Damaged > 0) || (lost > 0) != errkind.Is(report.Err(), errkind.Damaged) || !report.Verified {
		t.Errorf("%s at %d: %d files lost, report %d damaged, verified %v", object, at, lost, report.Damaged, report.Verified)
	}
	return lost
}

func names(r restore.Report, path string) bool {
	for _, p := range r.Problems {
		if p.Path == path && errkind.Is(p.Err, errkind.Damaged) {
			return true
		}
	}
	return false
}

func TestRun_DamagedDirectoryCostsOnlyWhatIsInIt(t *testing.T) {
	base := t.TempDir()
	write(t, base+"/src/before", []byte("x"))
	write(t, base+"/src/dir/inside", []byte("y"))
	write(t, base+"/src/other/z", []byte("z"))
	f := newFixture(t)
	whole := f.backup(base + "/src")
	// A point whose "dir" has a node that is in no pack.
	p := f.commit(nil, func(s *vault.Session) (vault.Digest, int64, int64) {
		r := f.reader()
		root, err := r.Root(t.Context(), whole.Envelope.Root)
		must(t, err)
		dir := s.NewDirectory()
		err = r.ReadDir(t.Context(), *root.Tree, nil, func(e vault.Entry) error {
			if string(e.Name) == "dir" {
				e.Tree = &vault.Digest{1}
			}
			return dir.Add(t.Context(), e)
		})
		must(t, err)
		return finishRoot(t, s, dir), 3, 6
	})
	for name, c := range map[string]struct {
		paths    [][]byte
		files    int
		problems []string
	}{
		"everything":       {nil, 2, []string{"dir"}},
		"path in it":       {paths("dir/inside", "before"), 1, []string{"dir", "dir/inside"}},
		"path outside":     {paths("other"), 1, nil},
		"the folder alone": {paths("dir"), 0, []string{"dir"}},
	} {
		dst := base + "/" + name
		report := f.run(p, restore.Options{To: dst, Paths: c.paths, Verify: true})
		if got := len(content(t, dst)); got != c.files || report.Damaged != int64(len(c.problems)) {
			t.Errorf("%s: %d files, report %+v", name, got, report)
		}
		for _, path := range c.problems {
			if !names(report, path) {
				t.Errorf("%s: %q is not named in %v", name, path, report.Problems)
			}
		}
	}
}

func TestRun_AStoreOutOfReachEndsTheRun(t *testing.T) {
	base := t.TempDir()
	damageTree(t, base+"/src")
	write(t, base+"/src/several reads", random(6, 9<<20))
	f := newFixture(t)
	f.bucket = blob.New(f.mem, blob.Options{Attempts: 1})
	p := f.backup(base + "/src")
	original := content(t, base+"/src")
	for _, after := range []int64{0, 1, 3} {
		r := f.reader()
		var reads atomic.Int64
		f.mem.SetFault(func(op memblob.Op, name string) memblob.Fault {
			if op == memblob.OpRead && strings.HasPrefix(name, "packs/data/") && reads.Add(1) > after {
				return memblob.Fault{When: memblob.NotApplied} // of kind Unavailable
			}
			return memblob.Fault{}
		})
		dst := fmt.Sprintf("%s/dst%d", base, after)
		report, err := restore.Run(t.Context(), grant(access.RestoreRun), r, p, restore.Options{To: dst}, nil)
		f.mem.SetFault(nil)
		if !errkind.Is(err, errkind.Unavailable) || report.Damaged != 0 {
			t.Errorf("after %d reads: %v, %d damaged", after, err, report.Damaged)
		}
		onlyWhole(t, dst, original)
		f.whole(p, restore.Options{To: dst, Verify: true}) // and goes on from there
		onlyWhole(t, dst, original)
	}
}

// onlyWhole wants that every file there is as it was, and nothing unfinished.
func onlyWhole(t *testing.T, dst string, original map[string]string) {
	t.Helper()
	for name, data := range content(t, dst) {
		if data != original[name] {
			t.Errorf("%q is there and not whole", name)
		}
	}
}

func TestRun_CancelledLeavesNothingPartial(t *testing.T) {
	base := t.TempDir()
	damageTree(t, base+"/src")
	f := newFixture(t)
	f.cut = 16 << 10
	p := f.backup(base + "/src")
	original := content(t, base+"/src")
	before := openFiles(t)
	for _, at := range []int64{0, 1, 100_000, 1 << 20} {
		ctx, cancel := context.WithCancel(t.Context())
		dst := fmt.Sprintf("%s/dst%d", base, at)
		_, err := restore.Run(ctx, grant(access.RestoreRun), f.reader(), p, restore.Options{To: dst}, func(now restore.Progress) {
			if now.Done >= at {
				cancel()
			}
		})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at %d: %v", at, err)
		}
		onlyWhole(t, dst, original)
		f.whole(p, restore.Options{To: dst, Verify: true})
		if len(content(t, dst)) != len(original) {
			t.Errorf("cancelled at %d: the second run did not bring everything", at)
		}
	}
	if after := openFiles(t); after > before+2 {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestRun_FullTargetIsSaid(t *testing.T) {
	if !isRoot() {
		t.Skip("needs root to mount a small file system")
	}
	base := t.TempDir()
	damageTree(t, base+"/src")
	f := newFixture(t)
	p := f.backup(base + "/src")
	dst := base + "/small"
	if err := os.Mkdir(dst, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dst, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	defer unix.Unmount(dst, unix.MNT_DETACH)
	_, err := f.try(t.Context(), p, restore.Options{To: dst})
	if !errkind.Is(err, errkind.NoSpace) {
		t.Fatalf("%v, want no space", err)
	}
	t.Log(err)
	onlyWhole(t, dst, content(t, base+"/src"))
	noLeftovers(t, dst)
}

func TestRun_ProblemsAreBoundedButCounted(t *testing.T) {
	const n = 10_500
	base := t.TempDir()
	f := newFixture(t)
	p := f.commit(nil, func(s *vault.Session) (vault.Digest, int64, int64) {
		e := storeFile(t, s, "", strings.NewReader("bytes"), 5, vault.CutAuto)
		e.Content.List[0].Digest = vault.Digest{7}
		e.LinkGroup = []byte("0123456789abcdef")
		dir := s.NewDirectory()
		for i := range n {
			e.Name = fmt.Appendf(nil, "f%06d", i)
			must(t, dir.Add(t.Context(), e))
		}
		return finishRoot(t, s, dir), 5 * n, n + 1
	})
	report := f.run(p, restore.Options{To: base + "/dst", Owner: files.OwnerNone})
	if report.Damaged != n || report.ProblemCount != n || len(report.Problems) != 10_000 || report.Files != 0 {
		t.Errorf("%d damaged, %d problems, %d listed, %d files", report.Damaged, report.ProblemCount, len(report.Problems), report.Files)
	}
	if left := content(t, base+"/dst"); len(left) != 0 {
		t.Errorf("%d files are there", len(left))
	}
}

func TestRun_VerifyFindsWhatChangedAfterwards(t *testing.T) {
	base := t.TempDir()
	src, dst := base+"/src", base+"/dst"
	when := time.Unix(1_700_000_000, 5)
	write(t, src+"/dense", random(4, 3<<20))
	write(t, src+"/sparse", nil)
	write(t, src+"/fine", []byte("fine"))
	if err := os.Truncate(src+"/sparse", 10<<20); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dense", "sparse", "fine"} {
		if err := os.Chtimes(src+"/"+name, when, when); err != nil {
			t.Fatal(err)
		}
	}
	f := newFixture(t)
	p := f.backup(src)
	f.whole(p, restore.Options{To: dst, Verify: true})
	// One byte each, behind the back of size and time, which the second run
	// goes by: only reading again shows it.
	for name, at := range map[string]int64{"dense": 2_000_000, "sparse": 5_000_000} {
		file, err := os.OpenFile(dst+"/"+name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt([]byte{1}, at); err != nil {
			t.Fatal(err)
		}
		file.Close()
		if err := os.Chtimes(dst+"/"+name, when, when); err != nil {
			t.Fatal(err)
		}
	}
	report := f.run(p, restore.Options{To: dst, Verify: true})
	if report.Damaged != 2 || !names(report, "dense") || !names(report, "sparse") || report.Verified {
		t.Errorf("report %+v", report)
	}
	f.whole(p, restore.Options{To: dst, Verify: true, Overwrite: files.OverwriteAlways})
}

func TestRun_SparseFileOfFiveGibibytes(t *testing.T) {
	const size = 5 << 30
	base := t.TempDir()
	src := base + "/src"
	write(t, src+"/huge", nil)
	file, err := os.OpenFile(src+"/huge", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(size); err != nil {
		t.Skipf("the file system has no files that large: %v", err)
	}
	data := map[int64][]byte{4096: random(5, 100_000), 3<<30 + 1: []byte("middle"), size - 3: []byte("end")}
	for at, data := range data {
		if _, err := file.WriteAt(data, at); err != nil {
			t.Fatal(err)
		}
	}
	f := newFixture(t)
	p := f.backup(src)
	f.whole(p, restore.Options{To: base + "/dst", Verify: true})
	compareWalks(t, src, base+"/dst")
	var st unix.Stat_t
	if err := unix.Stat(base+"/dst/huge", &st); err != nil || st.Size != size || st.Blocks > 1000 {
		t.Errorf("%d bytes in %d blocks, %v", st.Size, st.Blocks, err)
	}

	e, err := f.reader().Find(t.Context(), p.Envelope.Root, []string{"huge"})
	if err != nil {
		t.Fatal(err)
	}
	w := &judge{data: data, zeros: make([]byte, 1<<20)}
	if err := restore.Stream(t.Context(), f.reader(), e, w); err != nil || w.n != size {
		t.Errorf("streamed %d bytes, %v", w.n, err)
	}
}

// judge takes a file that is zeros but for some data, and only that.
type judge struct {
	data  map[int64][]byte
	zeros []byte
	n     int64
}

func (j *judge) Write(p []byte) (int, error) {
	want := j.zeros[:len(p)]
	for at, data := range j.data {
		from, to := max(at, j.n), min(at+int64(len(data)), j.n+int64(len(p)))
		if from < to {
			if &want[0] == &j.zeros[0] {
				want = make([]byte, len(p))
			}
			copy(want[from-j.n:], data[from-at:to-at])
		}
	}
	if !bytes.Equal(p, want) {
		return 0, fmt.Errorf("wrong bytes near %d", j.n)
	}
	j.n += int64(len(p))
	return len(p), nil
}

func TestStream_GivesEveryFileAndStopsAtDamage(t *testing.T) {
	base := t.TempDir()
	src := base + "/src"
	damageTree(t, src)
	write(t, src+"/long", random(11, 12<<20))
	f := newFixture(t)
	f.cut = 16 << 10
	p := f.backup(src)
	stream := func(f *fixture, name string, w io.Writer) error {
		e, err := f.reader().Find(t.Context(), p.Envelope.Root, strings.Split(name, "/"))
		if err != nil {
			t.Fatal(err)
		}
		return restore.Stream(t.Context(), f.reader(), e, w)
	}
	for _, name := range []string{"long", "large/list", "large/linked", "empty", "small 07/f047"} {
		sum := sha256.New()
		if err := stream(f, name, sum); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(src + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if [32]byte(sum.Sum(nil)) != sha256.Sum256(want) {
			t.Errorf("%q came wrong", name)
		}
	}
	want := random(11, 12<<20)
	stopped := 0
	for _, i := range f.packs("data") {
		for k := range int64(2) {
			var got bytes.Buffer
			err := stream(f.damaged(i.Name, i.Size/3*(k+1)), "long", &got)
			if !bytes.HasPrefix(want, got.Bytes()) || (err == nil) != (got.Len() == len(want)) {
				t.Errorf("%s: %d bytes, %v", i.Name, got.Len(), err)
			}
			if err != nil && !errkind.Is(err, errkind.Damaged) {
				t.Error(err)
			}
			if err != nil && got.Len() > 0 {
				stopped++
			}
		}
	}
	if stopped == 0 {
		t.Error("no damage stopped the stream midway")
	}
	if err := stream(f, "long", failing{}); !errors.Is(err, unix.EPIPE) {
		t.Errorf("a writer that fails: %v", err)
	}
	if err := stream(f, "large", io.Discard); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("a folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	e, err := f.reader().Find(ctx, p.Envelope.Root, []string{"long"})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := restore.Stream(ctx, f.reader(), e, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, unix.EPIPE }

func TestRun_MemoryStaysBounded(t *testing.T) {
	if raced {
		t.Skip("the race detector's own memory would be measured")
	}
	const size = 300 << 20
	base := t.TempDir()
	disk, err := diskblob.Create(base+"/vault", diskblob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixtureOn(t, blob.New(disk, blob.Options{}))
	p := f.commit(nil, func(s *vault.Session) (vault.Digest, int64, int64) {
		dir := s.NewDirectory()
		must(t, dir.Add(t.Context(), storeFile(t, s, "large", io.LimitReader(rand.NewChaCha8([32]byte{}), size), size, 64<<10)))
		return finishRoot(t, s, dir), size, 2
	})
	runtime.GC()
	runtime.GC() // pools let go at the second
	peak, calls := uint64(0), 0
	watch := func(restore.Progress) {
		if calls++; calls%5 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
	opts := restore.Options{To: base + "/dst", Verify: true, Owner: files.OwnerNone}
	if _, err := restore.Run(t.Context(), grant(access.RestoreRun), f.reader(), p, opts, watch); err != nil {
		t.Fatal(err)
	}
	t.Logf("peak %d MiB over %d calls", peak>>20, calls)
	if calls < 100 || peak > 100<<20 {
		t.Errorf("the heap grew to %d MiB", peak>>20)
	}
}
