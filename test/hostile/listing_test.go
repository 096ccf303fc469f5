package hostile

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listing is what stands below a folder: each path with its kind, mode and
// the digest of its content.
type listing map[string]string

// list reads a folder; skip leaves out paths, relative to it, and all below.
func list(t *testing.T, dir string, skip ...string) listing {
	t.Helper()
	out := listing{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		for _, s := range skip {
			if match, _ := filepath.Match(s, rel); match {
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		out[rel], err = describe(path, info)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return out
}

func describe(path string, info fs.FileInfo) (string, error) {
	switch {
	case info.Mode().IsRegular():
		data, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%v %d %x", info.Mode(), info.ModTime().UnixNano(), sha256.Sum256(data)), nil
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return "-> " + target, err
	default:
		return info.Mode().String(), nil
	}
}

// content is a listing without modes and times, files only.
func (l listing) content() listing {
	out := listing{}
	for path, text := range l {
		if words := strings.Fields(text); len(words) == 3 {
			out[path] = words[2]
		}
	}
	return out
}

func wantSame(t *testing.T, what string, want, got listing) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

// state is everything that bad input must not change: the store, the data
// directory and what the catalog says, but not the clock, which every command
// reads, the audit log, its copy, and the
// database, lock files and caches.
type state struct {
	store, data, src listing
	catalog          string
}

func (r *rig) state() state {
	r.t.Helper()
	s := state{store: list(r.t, r.store, "log"), src: list(r.t, r.src)}
	s.data = list(r.t, r.data, "audit", "cache", "catalog.db*", "clock.json", "*.lock", "scratch")
	if _, err := os.Stat(filepath.Join(r.data, "catalog.db")); err == nil {
		for _, noun := range []string{"vault", "source", "point"} {
			s.catalog += r.must(noun, "list", "--json").out
		}
	}
	return s
}

func (r *rig) wantUnchanged(before state) {
	r.t.Helper()
	after := r.state()
	wantSame(r.t, "the store", before.store, after.store)
	wantSame(r.t, "the data directory", before.data, after.data)
	wantSame(r.t, "the source", before.src, after.src)
	if diff := cmp.Diff(before.catalog, after.catalog); diff != "" {
		r.t.Errorf("the catalog differs (-want +got):\n%s", diff)
	}
}

// smallTree makes a tree of a few dozen files, one of them of some megabytes.
func smallTree(t *testing.T, dir string) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 24 {
		write(t, filepath.Join(dir, fmt.Sprintf("2026/%02d/ledger.csv", i/3), fmt.Sprintf("part-%02d", i)), text(random, 200+i*311))
	}
	write(t, filepath.Join(dir, "large.bin"), noise(random, 3<<20))
	write(t, filepath.Join(dir, "empty"), nil)
	if err := os.Symlink("large.bin", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
}

// noise gives bytes that do not compress.
func noise(random *rand.Rand, n int) []byte {
	out := make([]byte, 0, n+8)
	for len(out) < n {
		x := random.Uint64()
		out = append(out, byte(x), byte(x>>8), byte(x>>16), byte(x>>24), byte(x>>32), byte(x>>40), byte(x>>48), byte(x>>56))
	}
	return out[:n]
}

// text gives bytes that compress.
func text(random *rand.Rand, n int) []byte {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "2026-01-%02d,%d bank,%d.00,invoice\n", random.IntN(28)+1, random.IntN(9000), random.IntN(100000))
	}
	return []byte(b.String()[:n])
}
