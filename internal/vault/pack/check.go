package pack

import (
	"fmt"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/digest"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// Checker checks packs, one after the other. It keeps the memory that this
// takes; its zero value is ready.
type Checker struct {
	stored, plain []byte
	ends          []int
	sums          [][digest.Size]byte
	whole, chunk  *digest.Hash
}

// Checked is what came of checking a pack.
type Checked struct {
	// Frames and Chunks are those found right.
	Frames, Chunks int64
	// Bad holds the numbers of the wrong frames, ascending.
	Bad []uint32
	// Unread says that the directory could not be read, so that nothing is
	// known of the frames.
	Unread bool
	// Err describes the first fault, nil when there is none.
	Err error
}

// Check checks the bytes of a pack: the name, the directory, every frame and
// every chunk in them.
func (c *Checker) Check(kind seal.ChunkKind, vault seal.ID, keys seal.Keys, z *seal.Zipper, name Name, data []byte) Checked {
	sealer, frames, err := open(kind, vault, keys, data)
	if err != nil {
		return Checked{Unread: true, Err: errkind.Wrap(errkind.Damaged, err, "its directory cannot be read")}
	}
	if FramesEnd(frames) > int64(len(data)) {
		return Checked{Err: errkind.New(errkind.Damaged, "its directory lists frames beyond its end")}
	}
	if c.whole == nil {
		c.whole, c.chunk = digest.New(), digest.New()
	}
	c.whole.Reset()
	var out Checked
	var fault error
	where := int64(0)
	rest := data // what the hash of the whole pack has not seen
	at := int64(FramesAt)
	for n := range frames {
		f := &frames[n]
		sealed := data[at : at+int64(f.Sealed)]
		if rest, err = c.frame(sealer, z, uint32(n), f, sealed, rest); err != nil {
			if out.Bad = append(out.Bad, uint32(n)); fault == nil {
				fault, where = err, at
			}
		} else {
			out.Frames++
			out.Chunks += int64(len(f.Lengths))
		}
		at += int64(f.Sealed)
	}
	c.whole.Write(rest)
	switch renamed := c.whole.Sum() != name; {
	case renamed && fault != nil:
		out.Err = errkind.Wrap(errkind.Damaged, fault, "its bytes do not have the SHA-256 of its name, at offset %d", where)
	case renamed:
		out.Err = errkind.New(errkind.Damaged, "its bytes do not have the SHA-256 of its name")
	case fault != nil:
		out.Err = errkind.Wrap(errkind.Damaged, fault, "wrong at offset %d behind the right SHA-256", where)
	}
	return out
}

func open(kind seal.ChunkKind, vault seal.ID, keys seal.Keys, data []byte) (*seal.Sealer, []Frame, error) {
	from, to, err := DirectoryAt(data, int64(len(data)))
	if err != nil {
		return nil, nil, err
	}
	s, err := OpenHead(kind, vault, data, keys)
	if err != nil {
		return nil, nil, err
	}
	frames, err := ParseDirectory(s, data[from:to])
	return s, frames, err
}

// frame opens a frame and checks its chunks. Beside each chunk as many bytes of
// the pack are hashed, since two streams take little longer than one; it
// returns those that are left.
func (c *Checker) frame(s *seal.Sealer, z *seal.Zipper, n uint32, f *Frame, sealed, rest []byte) ([]byte, error) {
	var err error
	if c.stored, err = s.Unseal(c.stored[:0], n, sealed); err != nil {
		return rest, err
	}
	plain, err := OpenFrame(c.plain[:0], z, f.Compression, c.stored, f.Plain)
	if err != nil {
		return rest, fmt.Errorf("frame %d: %w", n, err)
	}
	c.plain = plain
	at, paired := 0, 0
	c.ends, c.sums = c.ends[:0], append(c.sums[:0], make([][digest.Size]byte, len(f.Lengths))...)
	for i, length := range f.Lengths {
		from := at
		at += int(length)
		if len(rest) == 0 {
			c.ends = append(c.ends, at)
			continue
		}
		c.chunk.Reset()
		rest = digest.Beside(c.whole, c.chunk, rest, plain[from:at])
		c.sums[i] = c.chunk.Sum()
		paired = at
	}
	digest.Runs(plain, paired, c.ends, c.sums[len(f.Lengths)-len(c.ends):])
	for i := range f.Lengths {
		if c.sums[i] != f.Digest(i) {
			return rest, errkind.New(errkind.Damaged, "frame %d: chunk %d has not the digest in the directory", n, i)
		}
	}
	return rest, nil
}
