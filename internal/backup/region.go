package backup

import (
	"strings"

	"github.com/counterfoil/counterfoil/internal/vault"
)

// region is a set of paths, each with all that lies below it; "" is everything.
type region struct {
	tops  map[string]bool
	above map[string]bool // the folders that lead to tops
}

func newRegion(paths ...string) region {
	r := region{tops: map[string]bool{}, above: map[string]bool{}}
	for _, p := range paths {
		r.tops[p] = true
		for p != "" {
			p = parent(p)
			r.above[p] = true
		}
	}
	return r
}

// unread is where a point with these problems says nothing of what its source
// has. What lacks some attributes is there, and what vanished meanwhile is gone.
func unread(problems []vault.PointProblem) region {
	var paths []string
	for _, p := range problems {
		if p.Op != "xattr" && p.Op != "vanished" {
			paths = append(paths, string(p.Path))
		}
	}
	return newRegion(paths...)
}

// has reports whether a path lies in the region.
func (r region) has(path string) bool {
	for ; !r.tops[path]; path = parent(path) {
		if path == "" {
			return false
		}
	}
	return true
}

// meets reports whether anything at or below a folder lies in the region.
func (r region) meets(folder string) bool { return r.above[folder] || r.has(folder) }

// meet gives what lies in both regions.
func (r region) meet(s region) region {
	var paths []string
	for p := range r.tops {
		if s.has(p) {
			paths = append(paths, p)
		}
	}
	for p := range s.tops {
		if r.has(p) {
			paths = append(paths, p)
		}
	}
	return newRegion(paths...)
}

func (r region) empty() bool { return len(r.tops) == 0 }

// parent is the folder in which a path lies.
func parent(path string) string {
	return path[:max(0, strings.LastIndexByte(path, '/'))]
}

// inside reports whether a path lies below a folder.
func inside(path, folder string) bool {
	return folder == "" && path != "" || len(path) > len(folder) && path[len(folder)] == '/' && strings.HasPrefix(path, folder)
}
