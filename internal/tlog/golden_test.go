package tlog

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// goldenSecret signs the golden log and nothing else.
const goldenSecret = "PRIVATE+KEY+counterfoil.example/golden+64a73a35+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

// TestGolden_FormatStays writes the log that the format document shows and
// requires every byte of it to be as it ever was.
func TestGolden_FormatStays(t *testing.T) {
	const golden, origin = "testdata/golden", "counterfoil.example/golden"
	k, err := ParseSigner(goldenSecret)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if *update {
		if err := os.RemoveAll(golden); err != nil {
			t.Fatal(err)
		}
		dir = golden
	}
	store := DirStore(dir)
	if err := Create(t.Context(), store, origin, k.Signer); err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), store, origin, k.Signer, k.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), [][]byte{[]byte("one"), []byte("two"), []byte("three")}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(contents(t, golden), contents(t, dir)); d != "" {
		t.Error(d)
	}
	r, err := Verify(t.Context(), DirStore(golden), k.Verifier, VerifyOptions{Origin: origin})
	if err != nil || r.Checkpoint.Size != 3 || r.Checkpoint.Root != naiveRoot([][]byte{[]byte("one"), []byte("two"), []byte("three")}) {
		t.Errorf("%+v, %v", r, err)
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		all[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
