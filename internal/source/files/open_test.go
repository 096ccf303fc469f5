//go:build linux

package files

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenSteps_FollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/a/b", 0o755))
	must(t, os.WriteFile(dir+"/a/b/f", []byte("x"), 0o644))
	must(t, os.Symlink("a", dir+"/link"))
	must(t, os.Symlink("f", dir+"/a/b/link"))
	root, err := openRoot(dir)
	must(t, err)
	at := int(root.file.Fd())
	for path, want := range map[string]error{
		"a/b/f": nil, "a": nil, ".": nil, "link/b/f": unix.ENOTDIR, "a/b/link": unix.ELOOP, "a/x/f": unix.ENOENT,
	} {
		fd, err := openSteps(at, path, unix.O_RDONLY)
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", path, err, want)
		}
		if err == nil {
			unix.Close(fd)
		}
	}
}

func TestSplitPath_KeepsHeadsShort(t *testing.T) {
	path := strings.TrimSuffix(strings.Repeat(strings.Repeat("n", 255)+"/", 50), "/")
	var parts []string
	for rest := path; rest != ""; {
		var head string
		if head, rest = splitPath(rest); len(head) > maxPath {
			t.Fatalf("head of %d bytes", len(head))
		}
		parts = append(parts, head)
	}
	if strings.Join(parts, "/") != path || len(parts) < 3 {
		t.Errorf("%d parts that do not make up the path", len(parts))
	}
}

func TestExtents_ManyPiecesAreJoined(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/f")
	must(t, err)
	defer f.Close()
	const pieces, step = maxExtents + 1000, 8192
	for i := range int64(pieces) {
		_, err := f.WriteAt([]byte("x"), i*step)
		must(t, err)
	}
	const size = pieces * step
	must(t, f.Truncate(size))
	extents, whole, err := findExtents(int(f.Fd()), size)
	must(t, err)
	if whole {
		t.Skip("the file system keeps no holes of 4 KiB")
	}
	if len(extents) > maxExtents {
		t.Errorf("%d extents", len(extents))
	}
	end := int64(0)
	for _, x := range extents {
		if x.Offset < end {
			t.Fatalf("extent %v overlaps the one before", x)
		}
		end = x.Offset + x.Length
	}
	if end <= (pieces-1)*step {
		t.Errorf("the extents end at %d, before the last data", end)
	}
}
