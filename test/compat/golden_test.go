//go:build unix

// Package compat keeps one vault of every released format and shows that it can still be read: by the present engine, and
// by the mini reader, which is written from the format document alone. The vaults in testdata are never made again once a
// format is released; until then `go test ./test/compat -update` makes this one anew, with new keys.
package compat

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/diskblob"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/vault"
)

var update = flag.Bool("update", false, "make the golden vault of format 1 anew, with new keys")

const (
	goldenFolder = "testdata/vault-1"
	platformKey  = "platform-key.test-only.txt"
	recoveryKit  = "recovery-kit.test-only.txt"
	goldenLimit  = 2 << 20
)

// TestMain makes the golden vault first when it is asked for, so that every test sees the new one.
func TestMain(m *testing.M) {
	flag.Parse()
	if *update {
		if err := makeGolden(goldenFolder); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if buildFolder != "" {
		_ = os.RemoveAll(buildFolder) // a leftover in the temporary folder harms nobody
	}
	os.Exit(code)
}

// copyGolden gives a copy of the golden vault's store that a test may change.
func copyGolden(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(goldenFolder, "store"))); err != nil {
		t.Fatal(err)
	}
	return folder
}

// points are the golden points by the number that they have on the command line and in the listings' names.
func goldenPoints(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(goldenFolder, "listing-*.txt"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no listings in %s (%v)", goldenFolder, err)
	}
	var out []string
	for _, name := range names {
		point := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "listing-"), ".txt")
		out = append(out, strings.Replace(point, "-", "/", 1))
	}
	return out
}

func readListing(t *testing.T, point string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(goldenFolder, listingName(point)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func listingName(point string) string {
	return "listing-" + strings.Replace(point, "/", "-", 1) + ".txt"
}

func openEngine(t *testing.T, store, key string) *vault.Vault {
	t.Helper()
	driver, err := diskblob.Open(store, diskblob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := driver.Close(); err != nil {
			t.Error(err)
		}
	})
	kek, err := keys.ReadFile(filepath.Join(goldenFolder, key))
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(t.Context(), blob.New(driver, blob.Options{}), kek, vault.Options{Now: goldenNow})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// checkEngine verifies the vault in full and compares every point with its listing.
func checkEngine(t *testing.T, store, key string) {
	t.Helper()
	v := openEngine(t, store, key)
	report, err := v.Verify(t.Context(), vault.Full, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		t.Errorf("%s: %s", p.Object, p.Reason)
	}
	for _, n := range append(report.Notes, v.Warnings()...) {
		t.Errorf("note: %s", n)
	}
	for _, point := range goldenPoints(t) {
		got, err := engineListing(t.Context(), v, "points/"+point)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(readListing(t, point), got); diff != "" {
			t.Errorf("point %s (-listing +engine):\n%s", point, diff)
		}
	}
}

func TestGolden_EngineVerifiesAndReadsEverything(t *testing.T) {
	checkEngine(t, copyGolden(t), platformKey)
}

func TestGolden_EngineReadsWithoutIndex(t *testing.T) {
	store := copyGolden(t)
	removeIndex(t, store)
	checkEngine(t, store, recoveryKit)
}

func TestGolden_PointsAndRecordsSayWhatWasRecorded(t *testing.T) {
	v := openEngine(t, copyGolden(t), platformKey)
	records, err := v.Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, r := range records {
		for _, f := range r.Facts {
			kinds = append(kinds, f.Kind)
		}
	}
	want := []string{"source", "source", "policy", "class", "vault", "point", "point", "point"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("kinds of facts (-want +got):\n%s", diff)
	}
	refs, err := v.ListPoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(refs) != 3 {
		t.Fatalf("%d points, want 3", len(refs))
	}
	incomplete := 0
	for _, ref := range refs {
		p, err := v.ReadPoint(t.Context(), ref.Object)
		if err != nil {
			t.Fatal(err)
		}
		if !p.Envelope.Complete {
			incomplete++
			if diff := cmp.Diff(goldenProblems(), p.Body.Problems); diff != "" || p.Body.FuzzyCount != 1 || len(p.Body.Fuzzy) != 1 {
				t.Errorf("incomplete point: fuzzy %q, problems:\n%s", p.Body.Fuzzy, diff)
			}
		}
	}
	if incomplete != 1 {
		t.Errorf("%d incomplete points, want 1", incomplete)
	}
}

// TestGolden_CoversTheFormat keeps the golden vault from losing what it is there to show.
func TestGolden_CoversTheFormat(t *testing.T) {
	v := openEngine(t, copyGolden(t), platformKey)
	shown, err := shapes(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"branch node", "list node", "content list of depth 0", "content list of depth 1", "cut whole",
		"cut by content", "cut in blocks", "sparse", "sparse without data", "hard link", "empty file",
		"extended attribute", "fuzzy", "regular", "directory", "symlink", "fifo", "character device", "block device", "socket"} {
		if !shown[want] {
			t.Errorf("the golden vault no longer holds: %s", want)
		}
	}
	size := int64(0)
	err = filepath.WalkDir(goldenFolder, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if size > goldenLimit {
		t.Errorf("the golden vault has grown to %d bytes, at most %d are kept in the repository", size, goldenLimit)
	}
}

func removeIndex(t *testing.T, store string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(store, "index")); err != nil {
		t.Fatal(err)
	}
}

// buildReader builds the mini reader, as anybody would, once for all tests.
func buildReader(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the golden vault holds names and modes that only Linux surely keeps")
	}
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// buildFolder is where built puts the program; TestMain removes it.
var buildFolder string

var built = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "counterfoil-compat-")
	if err != nil {
		return "", err
	}
	buildFolder = folder
	program := filepath.Join(folder, "minireader")
	if out, err := exec.Command("go", "build", "-o", program, "../minireader").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build mini reader: %w\n%s", err, out)
	}
	return program, nil
})
