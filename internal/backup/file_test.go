package backup

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// memoryFile is a file of bytes.
type memoryFile struct {
	source.File
	*bytes.Reader
}

func (f memoryFile) ReadAt(p []byte, off int64) (int, error) { return f.Reader.ReadAt(p, off) }
func (f memoryFile) Size() int64                             { return f.Reader.Size() }

func TestExtentReader_ReadsTheDataAndLeavesTheListAlone(t *testing.T) {
	f := memoryFile{Reader: bytes.NewReader([]byte("0123456789"))}
	for name, c := range map[string]struct {
		extents []vault.Extent
		want    string
	}{
		"none":              {nil, ""},
		"whole":             {[]vault.Extent{{Length: 10}}, "0123456789"},
		"holes between":     {[]vault.Extent{{Offset: 1, Length: 2}, {Offset: 5, Length: 1}, {Offset: 8, Length: 2}}, "12589"},
		"one is empty":      {[]vault.Extent{{Offset: 1, Length: 0}, {Offset: 2, Length: 3}}, "234"},
		"the file is short": {[]vault.Extent{{Offset: 8, Length: 5}, {Offset: 20, Length: 5}}, "89"},
	} {
		t.Run(name, func(t *testing.T) {
			list := slices.Clone(c.extents)
			for kind, wrap := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "by bytes": iotest.OneByteReader} {
				got := &strings.Builder{}
				if _, err := io.Copy(got, wrap(&extentReader{f: f, extents: list})); err != nil || got.String() != c.want {
					t.Errorf("%s: %q, %v; want %q", kind, got, err, c.want)
				}
			}
			if !slices.Equal(list, c.extents) {
				t.Errorf("the list became %v, was %v", list, c.extents)
			}
		})
	}
}
