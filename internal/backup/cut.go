package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/source/paged"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// pagedFrom is the size below which a file is one chunk whatever it holds.
const pagedFrom = 256 << 10

// cutFor decides how a file is cut: as asked, else into blocks when its first
// bytes show pages. A file that was in blocks keeps their size, since another
// would store it all anew, and stays in blocks also when its pages are no longer
// recognised, unless it is another file by now.
func (a *assembler) cutFor(ctx context.Context, f source.File, size int64, before *vault.Entry) (vault.Cut, error) {
	switch {
	case a.r.Cut != vault.CutAuto:
		return a.r.Cut, nil
	case size < pagedFrom:
		return vault.CutAuto, nil
	}
	pooled := a.heads.Get().(*[paged.Head]byte)
	defer a.heads.Put(pooled)
	n, err := f.ReadAt(pooled[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, &unreadableError{"read", err}
	}
	head := pooled[:n]
	known := paged.Detect(head, size) != ""
	switch {
	case before != nil && before.Content != nil && vault.Cut(before.Content.Cut).Fixed() && (known || a.sameBegin(ctx, head, before)):
		return vault.Cut(before.Content.Cut), nil
	case known:
		return vault.Cut(paged.BlockFor(size)), nil
	}
	return vault.CutAuto, nil
}

// errSeen ends a walk over chunks.
var errSeen = errors.New("seen")

// sameBegin reports whether any block at the beginning of a file is as it was in
// the last point. What cannot be told counts as the same: a wrong answer costs space only.
func (a *assembler) sameBegin(ctx context.Context, head []byte, before *vault.Entry) bool {
	if before.Sparse {
		if len(before.Extents) == 0 || before.Extents[0].Offset != 0 {
			return true
		}
		head = head[:min(int64(len(head)), before.Extents[0].Length)]
	}
	compared, same := false, false
	err := a.reader.Chunks(ctx, before.Content, func(d vault.Digest, length int64) error {
		if same || length != int64(before.Content.Cut) || length > int64(len(head)) {
			return errSeen
		}
		compared, same = true, d == sha256.Sum256(head[:length])
		head = head[length:]
		return nil
	})
	return same || !compared || err != nil && !errors.Is(err, errSeen)
}

// alignExtents widens the extents of a sparse file to whole blocks, so that a
// block of the stream is a block of the file, also after a hole was filled. The
// zeros that this adds are less than two blocks for each.
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
