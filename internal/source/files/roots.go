package files

import (
	"slices"
	"strings"
)

// node is a directory that leads to root paths, or a root path itself. A
// source of several paths is a tree of nodes below "/".
type node struct {
	name     string
	abs      string // absolute path
	path     string // path relative to the source's root
	root     bool   // abs was asked for: everything in it is read
	children []*node
}

// plant makes the tree of nodes for clean absolute paths. A path inside
// another is already covered by it and leaves no node of its own.
func plant(paths []string) *node {
	sorted := slices.Clone(paths)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	top := &node{abs: "/"}
	for _, p := range sorted {
		top.add(p)
	}
	if only := top.only(); only != nil {
		return &node{abs: only.abs, root: true}
	}
	top.sort()
	return top
}

// add marks the clean absolute path p as a root below n.
func (n *node) add(p string) {
	at := n
	for name := range strings.SplitSeq(strings.Trim(p, "/"), "/") {
		if at.root {
			return
		}
		if name != "" {
			at = at.child(name)
		}
	}
	at.root = true
	at.children = nil
}

// child gives the child of that name, made if need be.
func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	c := &node{name: name, abs: strings.TrimSuffix(n.abs, "/") + "/" + name, path: join(n.path, name)}
	n.children = append(n.children, c)
	return c
}

// only gives the root below n when there is just one, else nil.
func (n *node) only() *node {
	at := n
	for !at.root {
		if len(at.children) != 1 {
			return nil
		}
		at = at.children[0]
	}
	return at
}

// sort brings the children into bytewise order of their names.
func (n *node) sort() {
	slices.SortFunc(n.children, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	for _, c := range n.children {
		c.sort()
	}
}

// roots lists the root nodes at and below n in walk order.
func (n *node) roots() []*node {
	if n.root {
		return []*node{n}
	}
	var out []*node
	for _, c := range n.children {
		out = append(out, c.roots()...)
	}
	return out
}
