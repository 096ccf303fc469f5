package tree

import (
	"context"
	"encoding/binary"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// PutContent makes the content of a file from its chunks, storing list nodes
// through put where the list is long.
func PutContent(ctx context.Context, put Putter, cut uint32, items []ListItem) (*Content, error) {
	l := NewList(put)
	for _, it := range items {
		if err := l.Add(ctx, it); err != nil {
			return nil, err
		}
	}
	return l.Finish(ctx, cut)
}

// List makes a content list while the chunks come. It holds one unfinished node
// for each level, however long the list gets.
type List struct {
	put    Putter
	count  int64 // of chunks
	levels []listLevel
}

// listLevel is a level of a list. Its first items may turn out to be few enough
// to stay in the entry, so nodes are made only from when there are more.
type listLevel struct {
	items []ListItem // in no node yet
	long  bool
}

// NewList begins a list whose nodes go to put.
func NewList(put Putter) *List { return &List{put: put} }

// Len is how many chunks were added.
func (l *List) Len() int64 { return l.count }

// Add takes the next chunk of the stream.
func (l *List) Add(ctx context.Context, it ListItem) error {
	l.count++
	return l.add(ctx, 0, it)
}

func (l *List) add(ctx context.Context, level int, it ListItem) error {
	if level == len(l.levels) {
		l.levels = append(l.levels, listLevel{})
	}
	v := &l.levels[level]
	if v.items = append(v.items, it); v.long {
		return l.end(ctx, level)
	}
	if len(v.items) <= inlineItems {
		return nil
	}
	first := v.items
	v.items, v.long = nil, true
	for _, it := range first {
		l.levels[level].items = append(l.levels[level].items, it)
		if err := l.end(ctx, level); err != nil {
			return err
		}
	}
	return nil
}

// end makes a node of a level's items if the last of them ends one.
func (l *List) end(ctx context.Context, level int) error {
	items := l.levels[level].items
	last := items[len(items)-1].Digest
	if len(items) == listItems || len(items) > 1 && binary.BigEndian.Uint16(last[30:])&listBits == 0 {
		return l.node(ctx, level)
	}
	return nil
}

func (l *List) node(ctx context.Context, level int) error {
	items := l.levels[level].items
	d, err := putNode(ctx, l.put, typeList, items)
	if err != nil {
		return err
	}
	total := int64(0)
	for _, it := range items {
		total += it.Length
	}
	l.levels[level].items = items[:0]
	return l.add(ctx, level+1, ListItem{Digest: d, Length: total})
}

// Finish stores what is left and gives the content; nil if no chunk came.
func (l *List) Finish(ctx context.Context, cut uint32) (*Content, error) {
	for level := 0; level < len(l.levels); level++ {
		v := &l.levels[level]
		if !v.long {
			return &Content{Cut: cut, Depth: uint8(level), List: v.items}, nil
		}
		if len(v.items) > 0 {
			if err := l.node(ctx, level); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// WalkContent calls fn for each data chunk of a content stream, in order, and
// node (may be nil) for each list node before it is fetched; false skips it and
// all below.
func WalkContent(ctx context.Context, get Getter, c *Content, node func(Digest) bool, fn func(ListItem) error) error {
	if c == nil {
		return nil
	}
	return walkList(ctx, get, c.List, c.Depth, node, fn)
}

func walkList(ctx context.Context, get Getter, items []ListItem, depth uint8, node func(Digest) bool, fn func(ListItem) error) error {
	for _, it := range items {
		if depth == 0 {
			if err := fn(it); err != nil {
				return err
			}
			continue
		}
		if node != nil && !node(it.Digest) {
			continue
		}
		plain, err := get(ctx, it.Digest)
		if err != nil {
			return err
		}
		below, err := parseNode[ListItem](plain, typeList)
		if err != nil {
			return err
		}
		sum, err := sumLengths(below)
		if err != nil {
			return err
		}
		if sum != it.Length {
			return errkind.New(errkind.Damaged, "list node %s stands for %d bytes, not %d", it.Digest, sum, it.Length)
		}
		if err := walkList(ctx, get, below, depth-1, node, fn); err != nil {
			return err
		}
	}
	return nil
}
