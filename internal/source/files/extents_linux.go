package files

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/vault"
)

// maxExtents bounds the list of a file's data ranges. A file of more pieces
// has its smallest holes taken as data, which costs zeros but no memory.
const maxExtents = 1 << 15

// findExtents lists the data of a file of that size as the file system tells
// it, in time that depends on the number of pieces only. whole is true when
// there is no hole, or when the file system cannot tell.
func findExtents(fd int, size int64) (extents []vault.Extent, whole bool, err error) {
	minHole := int64(1)
	for at := int64(0); at < size; {
		start, err := unix.Seek(fd, at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // nothing but hole from here
		}
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
			return nil, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		if start >= size { // the file grew meanwhile
			break
		}
		end, err := unix.Seek(fd, start, unix.SEEK_HOLE)
		if err != nil && !errors.Is(err, unix.ENXIO) {
			return nil, false, err
		}
		if err != nil || end > size {
			end = size
		}
		if end <= start { // shrank meanwhile; a refresh will see it
			break
		}
		extents = appendExtent(extents, vault.Extent{Offset: start, Length: end - start}, minHole)
		if len(extents) > maxExtents {
			minHole = max(2*minHole, 4096)
			extents = coarsen(extents, minHole)
		}
		at = end
	}
	if len(extents) == 1 && extents[0] == (vault.Extent{Offset: 0, Length: size}) {
		return nil, true, nil
	}
	return extents, false, nil
}

// appendExtent adds the next extent, joined with the last one if the hole
// between them is smaller than minHole.
func appendExtent(extents []vault.Extent, next vault.Extent, minHole int64) []vault.Extent {
	if n := len(extents); n > 0 {
		last := &extents[n-1]
		if next.Offset-(last.Offset+last.Length) < minHole {
			last.Length = next.Offset + next.Length - last.Offset
			return extents
		}
	}
	return append(extents, next)
}

// coarsen joins extents with holes below minHole between them.
func coarsen(extents []vault.Extent, minHole int64) []vault.Extent {
	out := extents[:0]
	for _, e := range extents {
		out = appendExtent(out, e, minHole)
	}
	return out
}
