package restore

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// selection is the part of a folder that is wanted: all of it, or what the
// names below say. Names below something that is wanted as a whole must be
// there too.
type selection struct {
	all   bool
	below map[string]*selection
}

// newSelection makes the selection of the paths given, everything for none.
// sources are the absolute paths that the point was made of.
func newSelection(paths, sources [][]byte) (*selection, error) {
	s := &selection{all: len(paths) == 0}
	for _, p := range paths {
		relative, err := relativePath(string(p), sources)
		if err != nil {
			return nil, err
		}
		s.add(relative)
	}
	return s, nil
}

// add wants one more clean relative path, "" being everything.
func (s *selection) add(relative string) {
	for relative != "" {
		name, rest, _ := strings.Cut(relative, "/")
		if s.below[name] == nil {
			if s.below == nil {
				s.below = map[string]*selection{}
			}
			s.below[name] = &selection{}
		}
		s, relative = s.below[name], rest
	}
	s.all = true
}

// child gives the selection of an entry, nil if it is not wanted.
func (s *selection) child(name []byte) *selection {
	c := s.below[string(name)]
	switch {
	case !s.all:
		return c
	case len(s.below) == 0:
		return s
	case c == nil:
		return &selection{all: true}
	}
	return &selection{all: true, below: c.below}
}

// names gives the names that a folder must have.
func (s *selection) names() map[string]bool {
	names := make(map[string]bool, len(s.below))
	for name := range s.below {
		names[name] = true
	}
	return names
}

// relativePath gives a wanted path relative to the point's root, clean, ""
// for the root itself.
func relativePath(wanted string, sources [][]byte) (string, error) {
	clean := path.Clean(wanted)
	if !path.IsAbs(clean) {
		if clean == ".." || strings.HasPrefix(clean, "../") {
			return "", errkind.New(errkind.Invalid, "path %q leads out of the point", wanted)
		}
		if clean == "." {
			clean = ""
		}
		return clean, nil
	}
	root := sourceRoot(sources)
	if !beneath(clean, root) {
		return "", errkind.New(errkind.NotFound, "there is no %q in this point: it holds what is in %q", wanted, root)
	}
	return strings.Trim(strings.TrimPrefix(clean, root), "/"), nil
}

// sourceRoot gives the absolute path of the point's root: the source's path if
// it is only one, else "/". A path inside another one does not count.
func sourceRoot(sources [][]byte) string {
	var roots []string
	for _, s := range sources {
		roots = append(roots, path.Clean(string(s)))
	}
	slices.Sort(roots)
	roots = slices.Compact(roots)
	if len(roots) == 0 || slices.ContainsFunc(roots, func(p string) bool { return !beneath(p, roots[0]) }) {
		return "/"
	}
	return roots[0]
}

func beneath(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// sizeOf makes sure that everything selected is in the point and gives the
// bytes of it, 0 when that takes more than looking at what was named. What is
// erased must be there too, so that a mistyped path is told from it.
func sizeOf(ctx context.Context, r *vault.Reader, root vault.Entry, s *selection) (int64, error) {
	total, folders := int64(0), false
	w := walk{
		reader: r,
		enter: func(_ string, _ vault.Entry, s *selection) (bool, error) {
			folders = folders || s.all
			return !s.all || len(s.below) > 0, nil
		},
		entry: func(_ string, e vault.Entry) error {
			total += e.Size
			return nil
		},
		// Damage is counted when the folder is restored.
		lost: func(string, error) {},
	}
	err := w.dir(ctx, "", root, s)
	if folders {
		total = 0
	}
	return total, err
}
