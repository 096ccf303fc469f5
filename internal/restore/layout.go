package restore

import (
	"sort"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// layout says where in a file the bytes of its content stream belong. A dense
// file's stream is the file; a sparse file's is its extents one after the other.
type layout struct {
	extents []vault.Extent // nil for a dense file
	starts  []int64        // where in the stream each extent begins
	stream  int64          // length of the stream
	size    int64          // length of the file
}

// layoutOf refuses an entry whose extents do not lie one after the other
// within its size: nothing is ever written outside of them.
func layoutOf(e vault.Entry) (layout, error) {
	if !e.Sparse {
		return layout{stream: e.Size, size: e.Size}, nil
	}
	l := layout{extents: e.Extents, starts: make([]int64, len(e.Extents)), size: e.Size}
	end := int64(0)
	for i, x := range e.Extents {
		if x.Offset < end || x.Length <= 0 || x.Length > e.Size-x.Offset {
			return l, errkind.New(errkind.Damaged, "the extents of the file do not fit its size")
		}
		l.starts[i] = l.stream
		l.stream += x.Length
		end = x.Offset + x.Length
	}
	return l, nil
}

// holds tells whether a stretch of stream belongs to the file.
func (l *layout) holds(at, length int64) bool {
	return at >= 0 && length > 0 && length <= l.stream-at
}

// each cuts a stretch of stream into pieces that lie together in the file: fn
// gets a piece's offset in the file and its place within the stretch.
func (l *layout) each(at, length int64, fn func(off, from, to int64) error) error {
	if length == 0 {
		return nil
	}
	if !l.holds(at, length) {
		return errkind.New(errkind.Damaged, "the content is longer than the file")
	}
	if l.starts == nil {
		return fn(at, 0, length)
	}
	i := sort.Search(len(l.starts), func(i int) bool { return l.starts[i] > at }) - 1
	for from := int64(0); from < length; i++ {
		skip := at + from - l.starts[i]
		n := min(l.extents[i].Length-skip, length-from)
		if err := fn(l.extents[i].Offset+skip, from, from+n); err != nil {
			return err
		}
		from += n
	}
	return nil
}
