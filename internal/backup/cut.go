package backup

import (
	"errors"
	"io"

	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/source/paged"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// pagedFrom is the size below which a file is one chunk whatever it holds.
const pagedFrom = 256 << 10

// cutFor decides how a file is cut: as asked, as it was in the last point if
// that was into blocks (another way would store it all anew), else by what its first bytes
// show it to be.
func (a *assembler) cutFor(f source.File, size int64, before *vault.Entry) (vault.Cut, error) {
	switch {
	case a.r.Cut != vault.CutAuto:
		return a.r.Cut, nil
	case size < pagedFrom:
		return vault.CutAuto, nil
	case before != nil && before.Content != nil && vault.Cut(before.Content.Cut).Fixed():
		return vault.Cut(before.Content.Cut), nil
	}
	head := a.heads.Get().(*[paged.Head]byte)
	defer a.heads.Put(head)
	n, err := f.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, &unreadableError{"read", err}
	}
	if paged.Detect(head[:n], size) == "" {
		return vault.CutAuto, nil
	}
	return vault.Cut(paged.BlockFor(size)), nil
}

// alignExtents widens the extents of a sparse file to whole blocks, so that a
// block keeps its place in a block of the stream when a hole is filled. The zeros that this
// adds are less than two blocks for each.
func alignExtents(extents []vault.Extent, cut vault.Cut, size int64) []vault.Extent {
	if !cut.Fixed() {
		return extents
	}
	block := int64(cut)
	out := make([]vault.Extent, 0, len(extents))
	for _, x := range extents {
		from := x.Offset / block * block
		to := min((x.Offset+x.Length+block-1)/block*block, size)
		if n := len(out); n > 0 && from <= out[n-1].Offset+out[n-1].Length {
			out[n-1].Length = max(out[n-1].Length, to-out[n-1].Offset)
			continue
		}
		out = append(out, vault.Extent{Offset: from, Length: to - from})
	}
	return out
}
