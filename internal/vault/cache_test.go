package vault_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// cached opens the vault with a cache.
func (f *fixture) cached(dir string) *vault.Vault {
	f.t.Helper()
	o := f.options()
	o.Cache = dir
	v, err := vault.Open(f.t.Context(), f.bucket, f.kek, o)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

// reads counts what is read of objects below a prefix until the test ends.
func (f *fixture) reads(prefix string) *[]string {
	var names []string
	f.driver.SetFault(func(op memblob.Op, name string) memblob.Fault {
		if op == memblob.OpRead && strings.HasPrefix(name, prefix) && !slices.Contains(names, name) {
			names = append(names, name)
		}
		return memblob.Fault{}
	})
	return &names
}

// load reads the index.
func (f *fixture) load(v *vault.Vault) {
	f.t.Helper()
	if _, err := v.NewReader(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func TestCache_OnlyWhatIsNewIsRead(t *testing.T) {
	f, points, _ := two(t)
	dir := filepath.Join(t.TempDir(), "cache")
	f.load(f.cached(dir))
	segments := f.names("index/seg-")
	names := f.reads("index/")
	v := f.cached(dir)
	f.load(v)
	if len(*names) != 0 {
		t.Errorf("%q are read again", *names)
	}
	third := f.must(v, onlyNoise(7))
	f.load(f.cached(dir))
	for _, n := range *names {
		if slices.Contains(segments, n) {
			t.Errorf("%q is read again", n)
		}
	}
	packs := f.reads("packs/")
	f.driver.Drop(segments[0]) // its packs are known all the same
	v = f.cached(dir)
	f.load(v)
	if len(*packs) != 0 {
		t.Errorf("%d packs are read to know what is in them", len(*packs))
	}
	f.driver.SetFault(nil)
	f.whole(v, third.Object, onlyNoise(7))
	for i, p := range points {
		f.whole(v, p.Object, onlyNoise(i))
	}
}

// TestCache_PacksThatAreGoneAreNotCountedOn takes packs away that the cache
// still knows.
func TestCache_PacksThatAreGoneAreNotCountedOn(t *testing.T) {
	f, _, packs := two(t)
	dir := filepath.Join(t.TempDir(), "cache")
	f.load(f.cached(dir))
	f.driver.Drop(packs[0])
	v := f.cached(dir)
	for i := range 2 {
		p := f.must(v, onlyNoise(i)) // stores what is lost again
		f.whole(f.cached(dir), p.Object, onlyNoise(i))
	}
}

func TestCache_DamageCostsNothingButTime(t *testing.T) {
	damage := map[string]func(path string, data []byte) error{
		"gone":      func(path string, _ []byte) error { return os.Remove(path) },
		"empty":     func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
		"cut short": func(path string, data []byte) error { return os.WriteFile(path, data[:len(data)/2], 0o600) },
		"zeros":     func(path string, data []byte) error { return os.WriteFile(path, make([]byte, len(data)), 0o600) },
		"header":    func(path string, data []byte) error { data[12] ^= 1; return os.WriteFile(path, data, 0o600) },
		"tail":      func(path string, data []byte) error { data[len(data)-1] ^= 1; return os.WriteFile(path, data, 0o600) },
	}
	for name, damage := range damage {
		t.Run(name, func(t *testing.T) {
			f, points, _ := two(t)
			dir := filepath.Join(t.TempDir(), "cache")
			f.load(f.cached(dir))
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%q, %v", files, err)
			}
			for _, path := range files {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := damage(path, data); err != nil {
					t.Fatal(err)
				}
			}
			v := f.cached(dir)
			for i, p := range points {
				f.whole(v, p.Object, onlyNoise(i))
			}
			if n := f.stored(v, onlyNoise(0)); n != 0 {
				t.Errorf("%d bytes are stored again", n)
			}
			f.clean(v)
		})
	}
}

// stored runs a backup and gives the bytes that were new to it.
func (f *fixture) stored(v *vault.Vault, files []file) int64 {
	f.t.Helper()
	s, err := v.OpenSession(f.t.Context(), grant(access.BackupRun), vault.SessionOptions{Lock: f.lock})
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.fill(f.t.Context(), s, files); err != nil {
		f.t.Fatal(err)
	}
	return s.Stats().New.Load()
}

// TestCache_EntriesDamagedInUse flips every block of entries: what is read is
// right or fails, nothing is found damaged in the vault, and the next use is well.
func TestCache_EntriesDamagedInUse(t *testing.T) {
	f, points, _ := two(t)
	dir := filepath.Join(t.TempDir(), "cache")
	f.load(f.cached(dir))
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[4096+100] ^= 1 // in the first block of entries, which is not checked when it is opened
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	v := f.cached(dir)
	if r, err := v.Verify(t.Context(), vault.Full, nil); err == nil && !r.OK() {
		t.Errorf("the vault is said to be damaged: %+v", *r.Problems[0])
	}
	for i, p := range points {
		f.whole(v, p.Object, onlyNoise(i))
	}
	f.clean(v)
}

func TestCache_FolderThatCannotBeUsed(t *testing.T) {
	for _, when := range []string{"from the beginning", "later"} {
		t.Run(when, func(t *testing.T) {
			f, points, _ := two(t)
			dir := filepath.Join(t.TempDir(), "cache")
			block := func() {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file where the folder belongs
					t.Fatal(err)
				}
			}
			if when != "later" {
				block()
			}
			v := f.cached(dir)
			f.load(v)
			if when == "later" {
				block()
			}
			third := f.must(v, onlyNoise(5))
			if n := f.stored(v, onlyNoise(5)); n != 0 {
				t.Errorf("%d bytes are stored again", n)
			}
			f.whole(v, third.Object, onlyNoise(5))
			for i, p := range points {
				f.whole(v, p.Object, onlyNoise(i))
			}
			if w := strings.Join(v.Warnings(), "\n"); !strings.Contains(w, "index cache") {
				t.Errorf("nobody is told: %q", w)
			}
		})
	}
}

func TestRebuildIndex_AddsOnlyWhatIsMissing(t *testing.T) {
	f, _, packs := two(t)
	rebuild := func() []string {
		t.Helper()
		if _, err := f.open().RebuildIndex(t.Context(), grant(access.IndexRebuild)); err != nil {
			t.Fatal(err)
		}
		return f.names("index/seg-")
	}
	before := f.names("index/seg-")
	if after := rebuild(); !slices.Equal(after, before) {
		t.Errorf("with a whole index %d segments became %d", len(before), len(after))
	}
	f.driver.Drop(before[0])
	after := rebuild()
	if len(after) != len(before) {
		t.Errorf("for a lost segment %d became %d", len(before)-1, len(after))
	}
	if again := rebuild(); !slices.Equal(after, again) {
		t.Errorf("%d segments became %d the second time", len(after), len(again))
	}
	names := f.reads("packs/")
	f.load(f.open())
	if len(*names) != 0 {
		t.Errorf("%d of %d packs are not covered", len(*names), len(packs))
	}
}

func TestMergeIndex_OneForMany(t *testing.T) {
	f := newFixtureOf(t, blob.Governance)
	v := f.open()
	var points []vault.Point
	for i := range 12 {
		points = append(points, f.must(v, onlyNoise(i)))
	}
	before := f.names("index/seg-")
	if merged, removed, err := v.MergeIndex(t.Context(), grant(access.PackDelete)); err != nil || merged != 0 || removed != 0 {
		t.Errorf("under locks: %d merged, %d removed, %v", merged, removed, err)
	}
	f.now = f.now.AddDate(0, 0, 4) // provisional locks have ended
	late := f.must(v, onlyNoise(30))
	locked := f.names("index/seg-")
	merged, removed, err := v.MergeIndex(t.Context(), grant(access.PackDelete))
	if err != nil || merged != len(before) || removed != len(before) {
		t.Fatalf("%d merged, %d removed of %d, %v", merged, removed, len(before), err)
	}
	after := f.names("index/seg-")
	if len(after) != len(locked)-len(before)+1 {
		t.Errorf("%d segments are left of %d", len(after), len(locked))
	}
	names := f.reads("packs/")
	v = f.open()
	f.load(v)
	if len(*names) != 0 {
		t.Errorf("%d packs are not covered any more", len(*names))
	}
	f.driver.SetFault(nil)
	for i, p := range points {
		f.whole(v, p.Object, onlyNoise(i))
	}
	f.whole(v, late.Object, onlyNoise(30))
	if _, _, err := v.MergeIndex(t.Context(), grant(access.BackupRun)); err == nil {
		t.Error("a backup may merge")
	}
}

// TestMergeIndex_SegmentThatDoesNotReadBack has the merged segment damaged:
// nothing may be deleted.
func TestMergeIndex_SegmentThatDoesNotReadBack(t *testing.T) {
	f := newFixture(t)
	v := f.open()
	for i := range 12 {
		f.must(v, onlyNoise(i))
	}
	before := f.names("index/seg-")
	f.driver.SetFault(func(op memblob.Op, name string) memblob.Fault {
		if op == memblob.OpRead && strings.HasPrefix(name, "index/seg-") && !slices.Contains(before, name) {
			return memblob.Fault{When: memblob.NotApplied, Err: errkind.New(errkind.Damaged, "not what was written")}
		}
		return memblob.Fault{}
	})
	if _, removed, err := v.MergeIndex(t.Context(), grant(access.PackDelete)); err == nil || removed != 0 {
		t.Errorf("%d removed, %v", removed, err)
	}
	f.driver.SetFault(nil)
	for _, n := range before {
		if !slices.Contains(f.names("index/seg-"), n) {
			t.Errorf("%s is gone", n)
		}
	}
}
