package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

func makeTree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range map[string]string{"a/b/one": "1", "a/two": strings.Repeat("2", 3*readSize), "three": ""} {
		if err := writeFile(filepath.Join(root, path), func(f *os.File) error {
			_, err := io.WriteString(f, text)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a/two", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestWalkTree(t *testing.T) {
	got, err := walkTree(makeTree(t))
	if err != nil {
		t.Fatal(err)
	}
	want := treeSize{Entries: 6, Files: 3, Bytes: 3*readSize + 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("size (-want +got):\n%s", diff)
	}
	if _, err := walkTree(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a tree that is not there was walked")
	}
}

func TestSameTree_EveryDifferenceIsSeen(t *testing.T) {
	want := makeTree(t)
	change := map[string]func(root string) error{
		"a file is missing":  func(root string) error { return os.Remove(filepath.Join(root, "three")) },
		"a file is too many": func(root string) error { return os.WriteFile(filepath.Join(root, "four"), nil, 0o644) },
		"a byte differs":     func(root string) error { return os.WriteFile(filepath.Join(root, "a/b/one"), []byte("x"), 0o644) },
		"a link leads elsewhere": func(root string) error {
			path := filepath.Join(root, "link")
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Symlink("three", path)
		},
		"a file is a folder": func(root string) error {
			path := filepath.Join(root, "three")
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o755)
		},
	}
	if err := sameTree(context.Background(), want, makeTree(t), true); err != nil {
		t.Errorf("equal trees: %v", err)
	}
	for name, do := range change {
		got := makeTree(t)
		if err := do(got); err != nil {
			t.Fatal(err)
		}
		if err := sameTree(context.Background(), want, got, true); err == nil {
			t.Errorf("%s: not seen", name)
		}
	}
}

func TestRestoredRoot(t *testing.T) {
	to := t.TempDir()
	if got := restoredRoot(to, "/no/such/tree"); got != to {
		t.Errorf("neither: %s", got)
	}
	whole := filepath.Join(to, "no/such/tree")
	if err := os.MkdirAll(whole, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := restoredRoot(to, "/no/such/tree"); got != whole {
		t.Errorf("whole path: %s", got)
	}
}

func TestWorkDir_OnlyItsOwnIsRemoved(t *testing.T) {
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "precious"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (workDir{other}).open(); err == nil {
		t.Error("a folder with other things was taken")
	}
	if err := (workDir{other}).remove(); err == nil {
		t.Error("a folder with other things was removed")
	}
	own := workDir{filepath.Join(t.TempDir(), "work")}
	lock, err := own.open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.open(); !errkind.Is(err, errkind.Busy) {
		t.Errorf("while another has it: %v", err)
	}
	if err := own.remove(); !errkind.Is(err, errkind.Busy) {
		t.Errorf("removed while another has it: %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := own.remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(own.path); err == nil {
		t.Error("still there")
	}
}

func TestSynthetic_ChangesAFewPagesOnly(t *testing.T) {
	dir := t.TempDir()
	if err := fillSynthetic(context.Background(), dir, 50); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(segmentPath(dir, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := changeSynthetic(dir, 50, 3); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(segmentPath(dir, 0))
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	for at := 0; at < len(before); at += pageSize {
		if string(before[at:at+pageSize]) != string(after[at:at+pageSize]) {
			changed++
		}
	}
	if len(after) != len(before) || changed == 0 || changed > 3 {
		t.Errorf("%d bytes became %d, %d pages changed", len(before), len(after), changed)
	}
}

func TestCopier_TakesEvenlyBelowFullScale(t *testing.T) {
	c := copier{every: 4}
	for range 1000 {
		c.take()
	}
	if c.taken < 240 || c.taken > 260 {
		t.Errorf("took %d of 1000, want a quarter", c.taken)
	}
}

func TestOptions(t *testing.T) {
	o, err := parseOptions([]string{"--tool", "restic=/opt/restic", "--tool", "counterfoil:old=/opt/old", "--corpora", "db,rnd", "--scale", "0.1", "--timeout", "1m"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.runs != defaultRuns || o.scale != 0.1 || o.timeout != time.Minute || len(o.corpora) != 2 {
		t.Errorf("options: %+v", o)
	}
	want := []string{"counterfoil", "counterfoil:old", "restic", "borg", "kopia", "plakar"}
	if diff := cmp.Diff(want, toolNames(o)); diff != "" {
		t.Errorf("tools (-want +got):\n%s", diff)
	}
	for _, bad := range [][]string{
		{"extra"}, {"--runs", "-1"}, {"--scale", "0"}, {"--corpora", "mine"}, {"--tool", "tar=/bin/tar"}, {"--tool", "restic"}, {"--tool", "restic:a/b=/x"}, {"--growth", "time"},
	} {
		if _, err := parseOptions(bad, io.Discard); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
}
