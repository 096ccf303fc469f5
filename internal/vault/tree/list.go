package tree

import (
	"context"
	"encoding/binary"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// PutContent makes the content of a file from its chunks, storing list nodes
// through put where the list is long.
func PutContent(ctx context.Context, put Putter, cut uint32, items []ListItem) (*Content, error) {
	if len(items) == 0 {
		return nil, nil
	}
	c := &Content{Cut: cut, List: items}
	for len(c.List) > inlineItems {
		up, err := listLevel(ctx, put, c.List)
		if err != nil {
			return nil, err
		}
		c.List = up
		c.Depth++
	}
	return c, nil
}

func listLevel(ctx context.Context, put Putter, items []ListItem) ([]ListItem, error) {
	var up []ListItem
	start := 0
	total := int64(0)
	for i, it := range items {
		total += it.Length
		ends := binary.BigEndian.Uint16(it.Digest[30:])&listBits == 0 && i > start
		if !ends && i-start+1 < listItems && i+1 < len(items) {
			continue
		}
		d, err := putNode(ctx, put, typeList, items[start:i+1])
		if err != nil {
			return nil, err
		}
		up = append(up, ListItem{Digest: d, Length: total})
		start, total = i+1, 0
	}
	return up, nil
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
