package internal

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAssessment_NamesTestsThatExistAndCountsRight holds docs/worm-assessment.md
// against the tree.
func TestAssessment_NamesTestsThatExistAndCountsRight(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "worm-assessment.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := testNames(t, "..")
	for _, m := range regexp.MustCompile("`(Test[A-Z][A-Za-z0-9_]*)`").FindAllStringSubmatch(string(page), -1) {
		if !known[m[1]] {
			t.Errorf("there is no %s", m[1])
		}
	}
	count := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^\| W-\d\d \|[^|]*\| ([a-z/ ]+) \|`).FindAllStringSubmatch(string(page), -1) {
		count[m[1]]++
	}
	want := fmt.Sprintf("Met %d, partly met %d, open %d, not applicable %d.", count["met"], count["partly met"], count["open"], count["n/a"])
	if !strings.Contains(string(page), want) || len(count) > 4 || count["met"]+count["partly met"]+count["open"]+count["n/a"] != 40 {
		t.Errorf("the rows say: %s %v", want, count)
	}
}

// testNames gives the names of all tests of the module.
func testNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	name := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]*)\(`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			out[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
