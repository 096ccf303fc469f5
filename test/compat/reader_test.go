//go:build unix

package compat

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// outcome is what one run of the mini reader did.
type outcome struct {
	exit   int
	stdout string
	stderr string
	target string
}

func runReader(t *testing.T, program, store, key, point string) outcome {
	t.Helper()
	o := outcome{target: filepath.Join(t.TempDir(), "target")}
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), program, store, filepath.Join(goldenFolder, key), point, o.target)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	o.exit, o.stdout, o.stderr = cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
	return o
}

// checkReader restores points and compares the tree with its listing, as far as the mini reader makes it.
func checkReader(t *testing.T, program, store, key string, points []string) {
	t.Helper()
	for _, point := range points {
		o := runReader(t, program, store, key, point)
		if o.exit != 0 {
			t.Errorf("point %s: exit %d\n%s", point, o.exit, o.stderr)
			continue
		}
		made, others := splitListing(readListing(t, point))
		got, err := folderListing(o.target)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(made, got); diff != "" {
			t.Errorf("point %s (-listing +restored):\n%s", point, diff)
		}
		for _, path := range others {
			if want := fmt.Sprintf("not made %q", filepath.Join(o.target, path)); !strings.Contains(o.stdout, want) {
				t.Errorf("point %s: the output does not say %s", point, want)
			}
		}
	}
}

func TestMiniReader_RestoresEveryPoint(t *testing.T) {
	checkReader(t, buildReader(t), copyGolden(t), platformKey, goldenPoints(t))
}

func TestMiniReader_NeedsNoIndex(t *testing.T) {
	store := copyGolden(t)
	removeIndex(t, store)
	checkReader(t, buildReader(t), store, recoveryKit, goldenPoints(t)[1:])
}

func TestMiniReader_WrongKeyRestoresNothing(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	data, err := os.ReadFile(filepath.Join(goldenFolder, platformKey))
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(data))
	at := len(words) - 1
	words[at] = "A" + words[at][1:]
	if words[at] == strings.Fields(string(data))[at] {
		words[at] = "B" + words[at][1:]
	}
	if err := os.WriteFile(key, []byte(strings.Join(words, " ")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "target")
	err = exec.CommandContext(t.Context(), buildReader(t), copyGolden(t), key, "latest", target).Run()
	if err == nil {
		t.Error("a mistyped key was accepted")
	}
	if _, err := os.Stat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was restored with a wrong key (%v)", err)
	}
}

// TestMiniReader_FlippedByteNeverGivesWrongBytes flips one byte of each object in turn. Whatever is restored must be right,
// everything must be there when the reader says so, and it must notice what it reads.
func TestMiniReader_FlippedByteNeverGivesWrongBytes(t *testing.T) {
	program, store := buildReader(t), copyGolden(t)
	points := goldenPoints(t)
	want := map[string]string{}
	for _, p := range points {
		want[p], _ = splitListing(readListing(t, p))
	}
	for i, object := range objects(t, store) {
		if strings.HasPrefix(object, "locks/") {
			continue // the store driver's own
		}
		path := filepath.Join(store, object)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(whole) == 0 {
			continue
		}
		h := fnv.New32a()
		_, _ = h.Write([]byte(object)) // never fails
		at := int(h.Sum32() % uint32(len(whole)))
		damaged := append([]byte(nil), whole...)
		damaged[at] ^= 1 << (i % 8)
		overwrite(t, path, damaged)
		point := concerned(points, object)
		o := runReader(t, program, store, platformKey, point)
		checkDamaged(t, fmt.Sprintf("%s at %d", object, at), o, want[point])
		if !strings.HasPrefix(object, "index/") && o.exit != 1 {
			t.Errorf("%s at %d: exit %d, want 1", object, at, o.exit)
		}
		if strings.HasPrefix(object, "packs/") && !strings.Contains(o.stderr, object+": name is not the SHA256") {
			t.Errorf("%s at %d: nothing said of the pack's name:\n%s", object, at, o.stderr)
		}
		overwrite(t, path, whole)
		if err := os.RemoveAll(o.target); err != nil {
			t.Fatal(err)
		}
	}
}

// concerned gives the point that an object belongs to. Packs are tried with the second point, which needs most of them, and
// what every restore reads with the smallest.
func concerned(points []string, object string) string {
	for _, p := range points {
		if strings.HasPrefix(object, "points/"+p) {
			return p
		}
	}
	if strings.HasPrefix(object, "packs/") {
		return points[1]
	}
	return points[2]
}

func overwrite(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkDamaged asks that every restored line is one of the listing, and all of them when the reader was content. Times and
// modes of folders in which something is missing count too.
func checkDamaged(t *testing.T, what string, o outcome, want string) {
	t.Helper()
	got := ""
	if _, err := os.Stat(o.target); err == nil {
		if got, err = folderListing(o.target); err != nil {
			t.Fatal(err)
		}
	}
	if o.exit == 0 {
		if got != want {
			t.Errorf("%s: the reader is content with a restore that differs:\n%s", what, cmp.Diff(want, got))
		}
		return
	}
	expected := map[string]bool{}
	for line := range strings.Lines(want) {
		expected[withoutLink(line)] = true
	}
	if strings.Count(got, "\n") == 1 {
		return // the empty target, of whose folder nothing could be read
	}
	for line := range strings.Lines(got) {
		if !expected[withoutLink(line)] {
			t.Errorf("%s: restored, and wrong: %s", what, line)
		}
	}
}

// withoutLink drops the number of a link group, which shifts when an earlier one is missing.
func withoutLink(line string) string {
	before, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " link=")
	return before
}

func objects(t *testing.T, store string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(store, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			out = append(out, strings.TrimPrefix(path, store+string(filepath.Separator)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
