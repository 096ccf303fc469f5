package backup_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"

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

// TestRun_ReplacedFileIsCutAnew has a file that was in blocks, and one that is
// another by now under the same name.
func TestRun_ReplacedFileIsCutAnew(t *testing.T) {
	text := func(n int) []byte {
		var out []byte
		for i := 0; len(out) < n; i++ {
			out = fmt.Appendf(out, "%08d an invoice that says little\n", i*i)
		}
		return out[:n]
	}
	data := pages(1024)
	grown := append(pages(1024), text(1<<20)...)
	changed := func(from, to int) []byte {
		out := bytes.Clone(grown)
		for i := from; i < to; i++ {
			out[i] ^= 0x55
		}
		return out
	}
	const content = 2
	for name, tt := range map[string]struct {
		to   []byte
		want uint32
	}{
		"by text":                               {text(16 << 20), content},
		"by another database":                   {pages(1100), 16384},
		"by something small":                    {text(300 << 10)[:100<<10], 1},
		"not, but it grew and lost its mark":    {changed(0, 16), 16384},
		"not, but for its first blocks":         {changed(0, 3*16384), 16384},
		"by something of the same end":          {changed(0, 10*16384), content},
		"not, but its end is gone and its mark": {changed(0, 1)[:512<<10], 16384},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			books := &fakeFile{data: string(data), ctime: noon.AddDate(0, -1, 0), inode: 7}
			r.src.files["books.db"] = books
			if e := r.entry(r.must().Point, "books.db"); e.Content.Cut != 16384 || e.Content.Depth == 0 {
				t.Fatalf("cut %d, depth %d", e.Content.Cut, e.Content.Depth)
			}
			books.data, books.ctime = string(tt.to), noon
			second := r.must()
			if cut := r.entry(second.Point, "books.db").Content.Cut; cut != tt.want {
				t.Errorf("cut %d, want %d", cut, tt.want)
			}
			if got := r.contents(second.Point)["books.db"]; got != string(tt.to) {
				t.Error("the content came back different")
			}
		})
	}
}

// TestRun_ChangedRowCostsItsBlocks has a database of SQLite as SQLite writes it.
func TestRun_ChangedRowCostsItsBlocks(t *testing.T) {
	if testing.Short() {
		t.Skip("a database of 64 MiB")
	}
	dir := t.TempDir()
	do := func(statements string) {
		t.Helper()
		db, err := sql.Open("sqlite", filepath.Join(dir, "books.db"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(statements); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	do("pragma page_size = 8192; create table t (n integer primary key, x blob); " +
		"with recursive c(n) as (select 1 union all select n + 1 from c where n < 16384) insert into t select n, randomblob(4000) from c")
	r := newRig(t)
	r.use(files.New(files.Config{Paths: []string{dir}}))
	first := r.must()
	e := r.entry(first.Point, "books.db")
	if e.Content.Cut != 16384 || e.Size < 64<<20 {
		t.Fatalf("cut %d of %d bytes", e.Content.Cut, e.Size)
	}
	do("update t set x = randomblob(4000) where n = 8000")
	second := r.must()
	// The row's page, and the first, which counts changes.
	known := map[vault.Digest]bool{}
	for _, d := range r.chunks(first.Point, "books.db") {
		known[d] = true
	}
	unknown := 0
	for _, d := range r.chunks(second.Point, "books.db") {
		if !known[d] {
			unknown++
		}
	}
	if unknown != 2 || second.New < 2*16384 {
		t.Errorf("a changed row cost %d blocks, %d bytes", unknown, second.New)
	}
	t.Logf("%d of %d bytes are nodes of trees", second.New-2*16384, second.New)
	want, err := os.ReadFile(filepath.Join(dir, "books.db"))
	if err != nil {
		t.Fatal(err)
	}
	if r.contents(second.Point)["books.db"] != string(want) {
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

// chunks are the chunks of a file's content.
func (r *rig) chunks(p vault.Point, path string) (all []vault.Digest) {
	r.t.Helper()
	reader, err := r.v.NewReader(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	err = reader.Chunks(r.t.Context(), r.entry(p, path).Content, func(d vault.Digest, _ int64) error {
		all = append(all, d)
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
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
