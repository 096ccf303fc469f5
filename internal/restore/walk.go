package restore

import (
	"context"
	"errors"

	"github.com/counterfoil/counterfoil/internal/erasure"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// walk goes through the selected part of a point's tree, folders before what
// is in them. Only the nodes on the way to the present entry are in memory.
type walk struct {
	reader *vault.Reader
	// enter is called for every folder; false leaves out what is in it.
	enter func(path string, e vault.Entry, s *selection) (bool, error)
	// entry is called for everything else.
	entry func(path string, e vault.Entry) error
	// lost is called for the part of a folder that is damaged, with the
	// folder's path, and for each selected path that may have been in it.
	lost func(path string, err error)
	// erased is what is not gone into. leftOut, unless nil, is called for each
	// entry left out by it, folder or not.
	erased  erasure.List
	leftOut func(path string, e vault.Entry, s *selection, by erasure.Erasure) error
}

var errEnough = errors.New("all selected names were met") // ends the reading of a folder early

func (w *walk) dir(ctx context.Context, path string, e vault.Entry, s *selection) error {
	down, err := w.enter(path, e, s)
	if err != nil || !down {
		return err
	}
	missing := s.names()
	broken := false
	watch := w.erased.Below(path)
	err = w.reader.ReadDir(ctx, *e.Tree, func(_ vault.Digest, err error) error {
		if !errkind.Is(err, errkind.Damaged) {
			return err
		}
		broken = true
		w.lost(path, err)
		return nil
	}, func(c vault.Entry) error {
		next := s.child(c.Name)
		if next == nil {
			return nil
		}
		delete(missing, string(c.Name))
		if err := w.met(ctx, join(path, string(c.Name)), c, next, watch); err != nil {
			return err
		}
		if !s.all && len(missing) == 0 {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return w.unmet(path, missing, broken)
}

// met goes on to what a folder holds, unless it is erased.
func (w *walk) met(ctx context.Context, path string, e vault.Entry, s *selection, watch bool) error {
	if watch {
		if by, ok := w.erased.At(path); ok {
			if w.leftOut == nil {
				return nil
			}
			return w.leftOut(path, e, s, by)
		}
	}
	return w.child(ctx, path, e, s)
}

func (w *walk) child(ctx context.Context, path string, e vault.Entry, s *selection) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.Kind == vault.Dir {
		return w.dir(ctx, path, e, s)
	}
	if len(s.below) > 0 {
		return errkind.New(errkind.NotFound, "%q is not a folder in this point", path)
	}
	return w.entry(path, e)
}

// unmet deals with selected names that a folder does not show.
func (w *walk) unmet(path string, missing map[string]bool, broken bool) error {
	for name := range missing {
		if !broken {
			return errkind.New(errkind.NotFound, "there is no %q in this point; `counterfoil point ls POINT -R` lists what it holds", join(path, name))
		}
		w.lost(join(path, name), errkind.New(errkind.Damaged, "the part of the folder that could name it is damaged"))
	}
	return nil
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
