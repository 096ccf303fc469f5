package backup_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// pages is a file that begins as a database of SQLite does, of 16 KiB pages
// that do not compress.
func pages(n int) []byte {
	random := rand.New(rand.NewPCG(3, 4))
	out := make([]byte, n*16384)
	for i := 0; i < len(out); i += 8 {
		x := random.Uint64()
		for j := range 8 {
			out[i+j] = byte(x >> (8 * j))
		}
	}
	copy(out, "SQLite format 3\x00\x40\x00")
	return out
}

func TestRun_ChangedPageCostsABlock(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "books.db")
	data := pages(512)
	write := func() {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write()
	r := newRig(t)
	r.use(files.New(files.Config{Paths: []string{dir}}))
	first := r.must()
	if cut := r.entry(first.Point, "books.db").Content.Cut; cut != 16384 {
		t.Fatalf("cut %d", cut)
	}
	for i := range 16 {
		data[100*16384+i] ^= 0xff
	}
	write()
	second := r.must()
	if second.New > 2*16384+8192 {
		t.Errorf("a changed page cost %d bytes", second.New)
	}
	// What no longer looks like a database goes on as it was.
	copy(data, "nothing to be known by")
	write()
	third := r.must()
	if e := r.entry(third.Point, "books.db"); e.Content.Cut != 16384 || third.New > 2*16384+8192 {
		t.Errorf("cut %d, %d new bytes", e.Content.Cut, third.New)
	}
	if got := r.contents(third.Point)["books.db"]; got != string(data) {
		t.Error("the content came back different")
	}
}

func TestRun_FilledHoleCostsItsBlocks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.img")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data := pages(256)
	if err := f.Truncate(64 << 20); err != nil {
		t.Fatal(err)
	}
	// Data at odd places: two stretches, aligned to pages of memory only.
	for _, part := range [][2]int{{0, 1 << 20}, {1<<20 + 5*4096, 2 << 20}} {
		if _, err := f.WriteAt(data[part[0]:part[1]], int64(part[0])*2/8192*8192); err != nil {
			t.Fatal(err)
		}
	}
	r := newRig(t)
	r.use(files.New(files.Config{Paths: []string{dir}}))
	first := r.must()
	e := r.entry(first.Point, "disk.img")
	if !e.Sparse {
		t.Skip("the file system of the temporary folder keeps no holes")
	}
	for _, x := range e.Extents {
		if x.Offset%16384 != 0 || x.Length%16384 != 0 {
			t.Errorf("extent %+v", x)
		}
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte("x"), 4096), 1<<20+4096); err != nil {
		t.Fatal(err)
	}
	second := r.must()
	if second.New > 4*16384+8192 {
		t.Errorf("a filled hole of one page cost %d bytes", second.New)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.sameAs(second.Point, "disk.img", want); err != nil {
		t.Error(err)
	}
}

// sameAs compares a file of a point with the bytes it should have.
func (r *rig) sameAs(p vault.Point, path string, want []byte) error {
	got := make([]byte, len(want))
	stream := []byte(r.contents(p)[path])
	for _, x := range r.entry(p, path).Extents {
		if int64(len(stream)) < x.Length {
			return fmt.Errorf("the stream ends early")
		}
		copy(got[x.Offset:], stream[:x.Length])
		stream = stream[x.Length:]
	}
	if len(stream) > 0 || !bytes.Equal(got, want) {
		return fmt.Errorf("the content differs")
	}
	return nil
}
