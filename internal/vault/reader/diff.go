package reader

import (
	"bytes"
	"context"
	"crypto/sha256"

	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Change is one difference between two points: Before or After is nil where
// the path is only in one of them.
type Change struct {
	Path          string
	Before, After *tree.Entry
}

// Diff calls fn for every path that differs between two roots, in order of the
// walk. Equal subtrees are not read: the time is proportional to the change.
// Directories of which only the contents differ are not reported themselves.
func (r *Reader) Diff(ctx context.Context, before, after tree.Digest, fn func(Change) error) error {
	return r.DiffWithin(ctx, before, after, Scope{}, fn)
}

// Scope bounds a comparison; its zero value compares everything.
type Scope struct {
	// Enter says whether to look into what is a directory in one of both roots
	// at least; nil looks into all.
	Enter func(Change) bool
	// Broken is called for a part of a directory of the first root that cannot
	// be had; nil error goes on without it. A nil Broken ends with the error.
	Broken func(path string, err error) error
}

// DiffWithin is [Reader.Diff] within a scope.
func (r *Reader) DiffWithin(ctx context.Context, before, after tree.Digest, in Scope, fn func(Change) error) error {
	if before == after {
		return nil
	}
	a, err := r.Root(ctx, before)
	if err != nil {
		return err
	}
	b, err := r.Root(ctx, after)
	if err != nil {
		return err
	}
	return r.diffEntry(ctx, in, Change{Before: &a, After: &b}, fn)
}

func (r *Reader) diffEntry(ctx context.Context, in Scope, c Change, fn func(Change) error) error {
	if !sameEntry(c.Before, c.After) {
		if err := fn(c); err != nil {
			return err
		}
	}
	ta, tb := treeOf(c.Before), treeOf(c.After)
	if ta == nil && tb == nil || ta != nil && tb != nil && *ta == *tb || in.Enter != nil && !in.Enter(c) {
		return nil
	}
	var broken func(tree.Digest, error) error
	if in.Broken != nil {
		broken = func(_ tree.Digest, err error) error { return in.Broken(c.Path, err) }
	}
	left, err := r.entries(ctx, ta, broken)
	if err != nil {
		return err
	}
	right, err := r.entries(ctx, tb, nil)
	if err != nil {
		return err
	}
	for len(left) > 0 || len(right) > 0 {
		var x, y *tree.Entry
		switch first := compareHeads(left, right); {
		case first < 0:
			x, left = &left[0], left[1:]
		case first > 0:
			y, right = &right[0], right[1:]
		default:
			x, y, left, right = &left[0], &right[0], left[1:], right[1:]
		}
		name := nameOf(x, y)
		if err := r.diffEntry(ctx, in, Change{Path: tree.Join(c.Path, name), Before: x, After: y}, fn); err != nil {
			return err
		}
	}
	return nil
}

func nameOf(x, y *tree.Entry) []byte {
	if x != nil {
		return x.Name
	}
	return y.Name
}

func compareHeads(left, right []tree.Entry) int {
	switch {
	case len(left) == 0:
		return 1
	case len(right) == 0:
		return -1
	default:
		return bytes.Compare(left[0].Name, right[0].Name)
	}
}

func treeOf(e *tree.Entry) *tree.Digest {
	if e == nil {
		return nil
	}
	return e.Tree
}

func (r *Reader) entries(ctx context.Context, d *tree.Digest, broken func(tree.Digest, error) error) ([]tree.Entry, error) {
	if d == nil {
		return nil, nil
	}
	var out []tree.Entry
	err := r.ReadDir(ctx, *d, broken, func(e tree.Entry) error {
		out = append(out, e)
		return nil
	})
	return out, err
}

// sameEntry compares all but what lies below a directory.
func sameEntry(a, b *tree.Entry) bool {
	if a == nil || b == nil {
		return false
	}
	x, y := *a, *b
	x.Tree, y.Tree = nil, nil
	if x.Kind == tree.Dir && y.Kind == tree.Dir {
		x.MTime, y.MTime = tree.Stamp{}, tree.Stamp{} // changes whenever something inside does
	}
	ex, errX := canon.Marshal(x)
	ey, errY := canon.Marshal(y)
	return errX == nil && errY == nil && bytes.Equal(ex, ey)
}

// ContentDiffers reports whether a path that is in both points holds other
// bytes.
func (c Change) ContentDiffers() bool {
	if c.Before == nil || c.After == nil {
		return false
	}
	return contentKey(c.Before) != contentKey(c.After)
}

// ContentKey names the bytes of a file as they are cut: what has the same one
// has the same bytes.
func ContentKey(e *tree.Entry) tree.Digest { return sha256.Sum256([]byte(contentKey(e))) }

// contentKey is equal for equal contents cut in the same way.
func contentKey(e *tree.Entry) string {
	data, err := canon.Marshal([]any{e.Size, e.Target, e.Sparse, e.Extents, e.Content})
	if err != nil {
		panic(err) // plain data
	}
	return string(data)
}
