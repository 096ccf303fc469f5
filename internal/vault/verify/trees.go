package verify

import (
	"cmp"
	"context"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/points"
	"github.com/counterfoil/counterfoil/internal/vault/reader"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// pointTrees walks every point and checks that each chunk it refers to has a
// whole place. A subtree found whole is not walked again for another point.
func (w *verifier) pointTrees(ctx context.Context) error {
	t := &treeCheck{w: w, ctx: ctx, whole: map[tree.Digest]bool{}, reader: w.reader()}
	for _, p := range w.points {
		if err := t.point(ctx, p); err != nil {
			return err
		}
		if t.err != nil {
			return t.err
		}
	}
	return nil
}

type treeCheck struct {
	w      *verifier
	ctx    context.Context
	reader *reader.Reader
	whole  map[tree.Digest]bool
	now    points.Point
	err    error // the store's, met where only yes or no can be said
}

func (t *treeCheck) point(ctx context.Context, p points.Point) error {
	t.now = p
	if !t.usable(seal.TreeChunk, p.Envelope.Root, "/") {
		return nil
	}
	root, err := t.reader.Root(ctx, p.Envelope.Root)
	if err != nil {
		return t.w.finding(p.Object, err)
	}
	if root.Kind != tree.Dir {
		_, err := t.file(ctx, "/", root)
		return err
	}
	_, err = t.dir(ctx, *root.Tree, "")
	return err
}

// dir reports whether everything below is whole.
func (t *treeCheck) dir(ctx context.Context, d tree.Digest, path string) (bool, error) {
	if t.whole[d] {
		return true, nil
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	ok := true
	var below []tree.Entry
	nodes := tree.Nodes{
		Node: func(n tree.Digest) bool {
			if t.usable(seal.TreeChunk, n, path+"/") {
				return true
			}
			ok = false
			return false
		},
		Broken: func(n tree.Digest, err error) error {
			if !errkind.Is(err, errkind.Damaged) {
				return err // the store's trouble is not damage
			}
			ok = false
			t.lost(seal.TreeChunk, n, path+"/", err)
			return nil
		},
	}
	err := tree.Walk(ctx, t.reader.Node, d, nodes, func(e tree.Entry) error {
		if e.Kind == tree.Dir {
			below = append(below, e)
			return nil
		}
		whole, err := t.file(ctx, tree.Join(path, e.Name), e)
		ok = ok && whole
		return err
	})
	if err != nil {
		return false, err
	}
	for _, e := range below {
		whole, err := t.dir(ctx, *e.Tree, tree.Join(path, e.Name))
		if err != nil {
			return false, err
		}
		ok = ok && whole
	}
	if ok {
		t.whole[d] = true
	}
	return ok, nil
}

func (t *treeCheck) file(ctx context.Context, path string, e tree.Entry) (bool, error) {
	ok := true
	get := func(ctx context.Context, d tree.Digest) ([]byte, error) {
		if !t.usable(seal.TreeChunk, d, path) {
			return nil, errLost
		}
		return t.reader.Node(ctx, d)
	}
	err := tree.WalkContent(ctx, get, e.Content, nil, func(it tree.ListItem) error {
		if !t.usable(seal.DataChunk, it.Digest, path) {
			ok = false
			return errLost
		}
		return nil
	})
	switch {
	case err == nil:
		return ok, nil
	case err == errLost: //nolint:errorlint // our own marker, never wrapped
		return false, nil
	case errkind.Is(err, errkind.Damaged):
		t.w.problem(t.now.Object, err).affects(AffectedFile{Point: t.now.Envelope.ID, Path: path})
		return false, nil
	default:
		return false, err
	}
}

// usable reports whether a chunk has a whole place, and notes the file where
// it has none.
func (t *treeCheck) usable(kind seal.ChunkKind, d tree.Digest, path string) bool {
	for _, p := range t.w.set.Places(index.ID(t.w.store.Domain.ChunkID(kind, d))) {
		if t.holds(p, d) {
			return true
		}
	}
	t.lost(kind, d, path, nil)
	return false
}

// holds reports whether a place has the chunk. In a pack with a fault only its
// bytes can tell: another pack may lie under its name, whole in itself.
func (t *treeCheck) holds(p index.Place, d tree.Digest) bool {
	key := reader.FrameKey{Pack: p.Pack.Name, Frame: p.Frame}
	if t.w.badFrame[key] {
		return false
	}
	if !t.w.suspect[p.Pack.Name] {
		return true
	}
	plain, err := t.reader.Frame(t.ctx, p.Pack, p.Frame)
	switch {
	case err == nil:
		_, err = reader.Cut(plain, p, d)
		return err == nil
	case errkind.Is(err, errkind.Damaged), errkind.Is(err, errkind.NotFound):
		t.w.badFrame[key] = true
		return false
	default:
		t.err = err
		return true
	}
}

// lost notes a file against the pack that should have held the chunk.
func (t *treeCheck) lost(kind seal.ChunkKind, d tree.Digest, path string, cause error) {
	object := ""
	id := index.ID(t.w.store.Domain.ChunkID(kind, d))
	for _, table := range t.w.set.Tables {
		table.Lookup(id, func(p index.Place) bool {
			object = pack.Object(p.Pack.Kind, p.Pack.Name)
			return false
		})
	}
	if cause == nil {
		cause = errkind.New(errkind.Damaged, "chunk %s is in no whole pack", d)
	}
	if object == "" {
		object = t.blame()
	}
	t.w.problem(object, cause).affects(AffectedFile{Point: t.now.Envelope.ID, Path: cmp.Or(strings.TrimPrefix(path, "/"), "/")})
}

// blame finds the pack of this point that is known to be wrong, for a chunk of
// which no directory tells where it was.
func (t *treeCheck) blame() string {
	objects, err := t.w.set.Objects(t.now.Envelope)
	if err == nil {
		for _, o := range objects {
			if t.w.byObject[o] != nil {
				return o
			}
		}
	}
	return t.now.Object
}

// errLost ends the walk of a file that is lost: one finding is enough.
var errLost = errkind.New(errkind.Internal, "lost")
