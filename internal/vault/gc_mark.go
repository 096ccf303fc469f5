package vault

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/gc"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/inventory"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// marker finds out which chunks points reach. It keeps one bit for each entry
// of the index, and looks at each tree node once, however many points share it.
type marker struct {
	v       *Vault
	set     *inventory.Set
	reader  *Reader
	marks   []bitmap // by segment
	missing int64    // data chunks that no pack in the store is known to hold
}

type bitmap []uint64

func (b bitmap) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bitmap) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

func (v *Vault) newMarker(set *inventory.Set) *marker {
	m := &marker{v: v, set: set, reader: v.reader(set)}
	for _, s := range set.Tables {
		m.marks = append(m.marks, make(bitmap, (s.Len()+63)/64))
	}
	return m
}

// mark notes all places of a chunk. known says that there are any, fresh that
// it was not marked before.
func (m *marker) mark(kind seal.ChunkKind, d Digest) (known, fresh bool) {
	id := index.ID(m.v.store.ChunkID(kind, d))
	for i, s := range m.set.Tables {
		first, count := s.Find(id)
		for j := first; j < first+count; j++ {
			known = true
			fresh = fresh || !m.marks[i].has(j)
			m.marks[i].set(j)
		}
	}
	return known, fresh
}

// has reports whether a chunk was marked.
func (m *marker) has(id index.ID) bool {
	for i, s := range m.set.Tables {
		if first, count := s.Find(id); count > 0 {
			return m.marks[i].has(first)
		}
	}
	return false
}

// node marks a tree node and tells whether it has to be looked into. One that
// no pack holds stops the walk when it is fetched.
func (m *marker) node(d Digest) bool {
	known, fresh := m.mark(seal.TreeChunk, d)
	return fresh || !known
}

// point marks everything a point reaches. Tree nodes must all be there: what
// is below a lost one cannot be known, and must not be taken for garbage.
func (m *marker) point(ctx context.Context, root Digest) error {
	if !m.node(root) {
		return nil
	}
	e, err := m.reader.Root(ctx, root)
	if err != nil {
		return err
	}
	return m.entry(ctx, e)
}

func (m *marker) entry(ctx context.Context, e Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.Kind != Dir {
		return tree.WalkContent(ctx, m.reader.Node, e.Content, m.node, func(it tree.ListItem) error {
			if known, _ := m.mark(seal.DataChunk, it.Digest); !known {
				m.missing++
			}
			return nil
		})
	}
	var below []Entry
	err := tree.Walk(ctx, m.reader.Node, *e.Tree, tree.Nodes{Node: m.node}, func(c Entry) error {
		if c.Kind == Dir {
			below = append(below, Entry{Kind: Dir, Tree: c.Tree})
			return nil
		}
		return m.entry(ctx, c)
	})
	for i := 0; err == nil && i < len(below); i++ {
		err = m.entry(ctx, below[i])
	}
	return err
}

// count adds up what is needed of each pack and what each keeps. Where all that
// hold a chunk are damaged, any may have the last whole copy, and each keeps it.
func (m *marker) count(ctx context.Context, facts map[pack.Name]*gc.Pack, better func(a, b *gc.Pack) bool) error {
	return m.each(ctx, func(id index.ID, p index.Place, marked, present bool) error {
		if !present {
			if marked && m.keeper(id, facts, better) == nil {
				m.missing++
			}
			return nil
		}
		f := facts[p.Pack.Name]
		if f == nil {
			return errkind.New(errkind.Busy, "pack %s disappeared while garbage was looked for: somebody else deletes in this store", p.Pack.Name)
		}
		f.Plain += int64(p.Length)
		if !marked {
			return nil
		}
		f.Needed += int64(p.Length)
		if k := m.keeper(id, facts, better); k == f || !k.Whole {
			f.Keeps += int64(p.Length)
		}
		return nil
	})
}

// each calls fn for every entry of the index: whether points reach it, and
// whether its pack is in the store.
func (m *marker) each(ctx context.Context, fn func(id index.ID, p index.Place, marked, present bool) error) error {
	for i, t := range m.set.Tables {
		err := t.Each(func(j int, id index.ID, p index.Place) error {
			if j%4096 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			return fn(id, p, m.marks[i].has(j), m.set.Flags[i][p.Number]&inventory.Present != 0)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keeper gives the pack that is to keep a chunk.
func (m *marker) keeper(id index.ID, facts map[pack.Name]*gc.Pack, better func(a, b *gc.Pack) bool) *gc.Pack {
	var best *gc.Pack
	for _, p := range m.set.Places(id) {
		if f := facts[p.Pack.Name]; f != nil && f != best && (best == nil || better(f, best)) {
			best = f
		}
	}
	return best
}
