package custody

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInside_FollowsLinks(t *testing.T) {
	dir := t.TempDir()
	store, link := filepath.Join(dir, "store"), filepath.Join(dir, "link")
	if err := os.MkdirAll(filepath.Join(store, "packs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(store, link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path    string
		folders []string
		in      bool
	}{
		{store, []string{store}, true},
		{filepath.Join(store, "packs"), []string{store}, true},
		{filepath.Join(store, "not/there/yet"), []string{store}, true},
		{filepath.Join(link, "packs"), []string{store}, true},
		{filepath.Join(link, "not/there/yet"), []string{store}, true},
		{filepath.Join(store, "packs"), []string{link}, true},
		{store + "-2", []string{store}, false},
		{dir, []string{store}, false},
		{"/", []string{store}, false},
		{filepath.Join(dir, "not/there/yet"), []string{store, link}, false},
		{store, nil, false},
	} {
		if got, in := Inside(tt.path, tt.folders); in != tt.in || in && got != tt.folders[0] {
			t.Errorf("Inside(%q, %q) = %q, %t", tt.path, tt.folders, got, in)
		}
	}
}
