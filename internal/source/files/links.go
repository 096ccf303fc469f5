package files

import "crypto/sha256"

// objectID tells one file system object from every other on the host.
type objectID struct{ device, inode uint64 }

// links finds the entries that are the same object. A group is forgotten when
// all of its links were seen, so that only objects with links outside the
// source stay in memory.
type links struct {
	groups map[objectID]*linkGroup
}

type linkGroup struct {
	name []byte
	left uint64
}

func newLinks() *links { return &links{groups: map[objectID]*linkGroup{}} }

// group names the group of an object with count links seen at path, nil for an
// object with one link. The name derives from the path of the first member,
// so that an unchanged source gives equal trees.
func (l *links) group(id objectID, count uint64, path string) []byte {
	if count < 2 {
		return nil
	}
	g, ok := l.groups[id]
	if !ok {
		sum := sha256.Sum256([]byte("counterfoil link group\x00" + path))
		g = &linkGroup{name: sum[:16:16], left: count}
		l.groups[id] = g
	}
	g.left--
	if g.left == 0 {
		delete(l.groups, id)
	}
	return g.name
}
