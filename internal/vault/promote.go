package vault

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// promoteFrom is the part of a pack that a point must need for the pack to be
// locked as long as the point: of what is needed less, that part is copied.
const promoteFrom = 3

// promote copies what the point needs of packs whose lock is too short and of
// which it needs little, instead of locking all that is in them for longer. The point
// then counts on the copies.
func (s *Session) promote(ctx context.Context, d Draft) error {
	if s.opts.Lock == blob.NoLock {
		return nil
	}
	little, err := s.littleNeeded(ctx, blob.Lock{Mode: s.opts.Lock, Until: d.LockUntil.Time()})
	if err != nil || len(little) == 0 {
		return err
	}
	set, err := s.v.packs.Read(ctx) // with what the session stored
	if err != nil {
		return err
	}
	reader := s.v.reader(set)
	fresh, err := s.v.copyChunks(ctx, s.opts.Lock, set, func(take func(seal.ChunkKind, Digest) error) error {
		w := promotion{s: s, reader: reader, from: little, take: take, seen: map[Digest]bool{}}
		return w.node(ctx, d.Root, true)
	})
	if err != nil {
		return err
	}
	if err := s.set.Err(); err != nil {
		return err // what was not found was not copied
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range little {
		delete(s.needed, n)
	}
	for _, info := range fresh {
		s.needed[info.Name] = info.Kind
	}
	return nil
}

// littleNeeded finds the packs with a short lock of which the point needs less
// than a third.
func (s *Session) littleNeeded(ctx context.Context, want blob.Lock) (map[pack.Name]bool, error) {
	s.mu.Lock()
	used := make(map[pack.Name]int64, len(s.used))
	for n, bytes := range s.used {
		used[n] = bytes
	}
	s.mu.Unlock()
	little := map[pack.Name]bool{}
	for n, bytes := range used {
		p := s.set.Pack(n)
		if p == nil {
			continue
		}
		plain := int64(0)
		for _, f := range p.Frames {
			plain += int64(f.Plain)
		}
		if bytes*promoteFrom >= plain {
			continue
		}
		info, err := s.v.store.Bucket.Stat(ctx, pack.Object(p.Kind, n))
		if err != nil {
			return nil, err
		}
		if long := info.Lock.Join(want) == info.Lock.Normal(); !long {
			little[n] = true
		}
	}
	return little, nil
}

// promotion walks the point's tree for the chunks that the session found in
// some packs.
type promotion struct {
	s      *Session
	reader *Reader
	from   map[pack.Name]bool
	take   func(seal.ChunkKind, Digest) error
	seen   map[Digest]bool // nodes and chunks
}

func (w *promotion) chunk(kind seal.ChunkKind, d Digest) error {
	if w.seen[d] {
		return nil
	}
	place, known := w.s.set.Usable(index.ID(w.s.v.store.ChunkID(kind, d)))
	if !known || !w.from[place.Pack.Name] {
		return nil
	}
	w.seen[d] = true
	return w.take(kind, d)
}

// node copies a tree node, if it has to be, and looks into it.
func (w *promotion) node(ctx context.Context, d Digest, root bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if root {
		if err := w.chunk(seal.TreeChunk, d); err != nil {
			return err
		}
		e, err := w.reader.Root(ctx, d)
		if err != nil {
			return err
		}
		return w.node(ctx, *e.Tree, false)
	}
	var failed error
	var below []Digest
	nodes := tree.Nodes{Node: func(n Digest) bool {
		failed = w.chunk(seal.TreeChunk, n)
		return failed == nil
	}}
	err := tree.Walk(ctx, w.reader.Node, d, nodes, func(e Entry) error {
		if e.Kind == Dir {
			below = append(below, *e.Tree)
			return nil
		}
		return w.content(ctx, e.Content)
	})
	for i := 0; err == nil && failed == nil && i < len(below); i++ {
		err = w.node(ctx, below[i], false)
	}
	if failed != nil {
		return failed
	}
	return err
}

func (w *promotion) content(ctx context.Context, c *Content) error {
	var failed error
	err := tree.WalkContent(ctx, w.reader.Node, c, func(d Digest) bool {
		failed = w.chunk(seal.TreeChunk, d)
		return failed == nil
	}, func(it tree.ListItem) error { return w.chunk(seal.DataChunk, it.Digest) })
	if failed != nil {
		return errkind.Wrap(errkind.Of(failed), failed, "copy what a point needs")
	}
	return err
}
