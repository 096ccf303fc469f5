package backup

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/vault"
)

// recordTree builds a tree of some files of an earlier point with the folders
// that lead to them, as they were there.
type recordTree struct {
	session *vault.Session
	chain   []vault.Change // the folders entered, outermost first
	levels  []recordLevel  // those of chain that have something in them
	files   int64
	dirs    int64
	bytes   int64
}

type recordLevel struct {
	path  string
	entry vault.Entry
	dir   *vault.Directory
}

// enter notes a folder of the earlier point. Folders and files come in the order
// of trees.
func (t *recordTree) enter(x vault.Change) {
	t.trim(x.Path)
	t.chain = append(t.chain, x)
}

func (t *recordTree) trim(path string) {
	for n := len(t.chain); n > 0 && !inside(path, t.chain[n-1].Path); n-- {
		t.chain = t.chain[:n-1]
	}
}

// add takes a file.
func (t *recordTree) add(ctx context.Context, x vault.Change) error {
	t.trim(x.Path)
	for n := len(t.levels); n > 0 && !inside(x.Path, t.levels[n-1].path); n-- {
		if err := t.leave(ctx); err != nil {
			return err
		}
	}
	for _, folder := range t.chain[len(t.levels):] {
		t.levels = append(t.levels, recordLevel{path: folder.Path, entry: *folder.Before, dir: t.session.NewDirectory()})
		t.dirs++
	}
	t.files++
	t.bytes += x.Before.Size
	return t.levels[len(t.levels)-1].dir.Add(ctx, *x.Before)
}

// leave stores the innermost folder and puts it into the one above.
func (t *recordTree) leave(ctx context.Context) error {
	n := len(t.levels) - 1
	e, err := t.top(ctx)
	if err != nil {
		return err
	}
	t.levels = t.levels[:n]
	return t.levels[n-1].dir.Add(ctx, e)
}

// top stores the innermost folder.
func (t *recordTree) top(ctx context.Context) (vault.Entry, error) {
	l := t.levels[len(t.levels)-1]
	d, err := l.dir.Finish(ctx)
	l.entry.Tree = &d
	return l.entry, err
}

// finish stores what is left and gives the root.
func (t *recordTree) finish(ctx context.Context) (vault.Digest, error) {
	for len(t.levels) > 1 {
		if err := t.leave(ctx); err != nil {
			return vault.Digest{}, err
		}
	}
	root, err := t.top(ctx)
	if err != nil {
		return vault.Digest{}, err
	}
	return t.session.PutRoot(ctx, root)
}
