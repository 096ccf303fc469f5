package tlog

import (
	"crypto/sha256"
	"slices"

	merkle "golang.org/x/mod/sumdb/tlog"
)

// frontier is the right edge of the tree: for each level the hashes of the one
// tile that is not full yet. It is all that is needed to append and to know
// the root.
type frontier struct {
	size   int64
	levels [][]Hash
}

// push adds the hash of one record and calls full for every tile it completes,
// lowest level first.
func (f *frontier) push(leaf Hash, full func(tile, []Hash) error) error {
	f.size++
	h := leaf
	for level := 0; ; level++ {
		if level == len(f.levels) {
			f.levels = append(f.levels, nil)
		}
		f.levels[level] = append(f.levels[level], h)
		if len(f.levels[level]) < tileWidth {
			return nil
		}
		hashes := f.levels[level]
		f.levels[level] = nil
		t := tile{level, itemsAt(level, f.size)>>tileHeight - 1, tileWidth}
		if err := full(t, hashes); err != nil {
			return err
		}
		h = perfectRoot(hashes)
	}
}

// partials calls fn for the tile of each level that is begun but not full.
func (f *frontier) partials(fn func(tile, []Hash) error) error {
	for level, hashes := range f.levels {
		if len(hashes) == 0 {
			continue
		}
		t := tile{level, itemsAt(level, f.size) >> tileHeight, len(hashes)}
		if err := fn(t, hashes); err != nil {
			return err
		}
	}
	return nil
}

// root is the RFC 6962 tree hash. The tree is a row of perfect subtrees, the
// largest on the left; they are joined from the right.
func (f *frontier) root() Hash {
	var acc *Hash
	for _, hashes := range f.levels {
		end := len(hashes)
		for width := 1; width <= len(hashes); width <<= 1 {
			if len(hashes)&width == 0 {
				continue
			}
			h := perfectRoot(hashes[end-width : end])
			if acc != nil {
				h = merkle.NodeHash(h, *acc)
			}
			acc = &h
			end -= width
		}
	}
	if acc == nil {
		return sha256.Sum256(nil)
	}
	return *acc
}

func (f *frontier) clone() frontier {
	c := frontier{size: f.size, levels: slices.Clone(f.levels)}
	for i := range c.levels {
		c.levels[i] = slices.Clone(c.levels[i])
	}
	return c
}

// perfectRoot is the hash of a perfect tree over 2^k hashes.
func perfectRoot(hashes []Hash) Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	half := len(hashes) / 2
	return merkle.NodeHash(perfectRoot(hashes[:half]), perfectRoot(hashes[half:]))
}
