//go:build unix

package compat

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/vault"
)

// shapes tells which parts of the format occur in the vault's trees.
func shapes(ctx context.Context, v *vault.Vault) (map[string]bool, error) {
	refs, err := v.ListPoints(ctx)
	if err != nil {
		return nil, err
	}
	r, err := v.NewReader(ctx)
	if err != nil {
		return nil, err
	}
	s := &shapeWalk{ctx: ctx, r: r, shown: map[string]bool{}, groups: map[string]bool{}}
	for _, ref := range refs {
		p, err := v.ReadPoint(ctx, ref.Object)
		if err != nil {
			return nil, err
		}
		root, err := r.Root(ctx, p.Envelope.Root)
		if err != nil {
			return nil, err
		}
		clear(s.groups)
		if err := s.entry(root); err != nil {
			return nil, err
		}
	}
	return s.shown, nil
}

type shapeWalk struct {
	ctx    context.Context
	r      *vault.Reader
	shown  map[string]bool
	groups map[string]bool
}

// The types of nodes that are shown; a node is the CBOR array of its type and items.
const (
	branchNode = 2
	listNode   = 3
)

func (s *shapeWalk) entry(e vault.Entry) error {
	s.shown[map[vault.Kind]string{vault.Regular: "regular", vault.Dir: "directory", vault.Symlink: "symlink", vault.Fifo: "fifo",
		vault.CharDevice: "character device", vault.BlockDevice: "block device", vault.Socket: "socket"}[e.Kind]] = true
	group := string(e.LinkGroup)
	for shape, occurs := range map[string]bool{
		"extended attribute": len(e.Xattrs) > 0, "fuzzy": e.Fuzzy, "sparse": len(e.Extents) > 0, "sparse without data": e.Sparse && len(e.Extents) == 0,
		"empty file": e.Kind == vault.Regular && e.Size == 0, "hard link": s.groups[group],
	} {
		s.shown[shape] = s.shown[shape] || occurs
	}
	if group != "" {
		s.groups[group] = true
	}
	if e.Content != nil {
		return s.content(e.Content)
	}
	if e.Tree == nil {
		return nil
	}
	if err := s.node(*e.Tree, branchNode, "branch node"); err != nil {
		return err
	}
	return s.r.ReadDir(s.ctx, *e.Tree, nil, s.entry)
}

func (s *shapeWalk) content(c *vault.Content) error {
	switch c.Cut {
	case 1:
		s.shown["cut whole"] = true
	case 2:
		s.shown["cut by content"] = true
	default:
		s.shown["cut in blocks"] = true
	}
	if c.Depth == 0 {
		s.shown["content list of depth 0"] = true
		return nil
	}
	s.shown["content list of depth 1"] = s.shown["content list of depth 1"] || c.Depth == 1
	return s.node(c.List[0].Digest, listNode, "list node")
}

func (s *shapeWalk) node(d vault.Digest, kind byte, shape string) error {
	plain, err := s.r.Node(s.ctx, d)
	if err == nil && len(plain) > 1 && plain[1] == kind {
		s.shown[shape] = true
	}
	return err
}
