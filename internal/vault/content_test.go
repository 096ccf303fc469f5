package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
)

func TestSession_OverlappingContentFromManyGoroutines(t *testing.T) {
	f := newFixture(t)
	s := f.session(t.Context())
	shared := noise(3, 6<<20)
	contents := make([]file, 40)
	for i := range contents {
		own := noise(uint64(i%7), 200<<10)
		contents[i] = file{fmt.Sprintf("f-%02d", i), slices.Concat(own, shared[:(i%5)<<20])}
	}
	got := make([]*vault.Content, len(contents))
	var g sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		g.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(contents); i = int(next.Add(1)) - 1 {
				c, n, err := s.StoreContent(t.Context(), iotest.HalfReader(bytes.NewReader(contents[i].data)), int64(len(contents[i].data)), vault.CutAuto)
				if err != nil || n != int64(len(contents[i].data)) {
					t.Errorf("%d bytes, %v", n, err)
				}
				got[i] = c
			}
		})
	}
	g.Wait()
	if st := s.Stats(); st.New.Load() >= st.Read.Load() || st.NewChunks.Load() >= st.Chunks.Load() {
		t.Errorf("%d new of %d read", st.New.Load(), st.Read.Load())
	}
	p, err := f.commit(s, contents, got)
	if err != nil {
		t.Fatal(err)
	}
	f.whole(f.open(), p.Object, contents)
	f.clean(f.open())
}

// commit makes a point of contents stored already.
func (f *fixture) commit(s *vault.Session, files []file, contents []*vault.Content) (vault.Point, error) {
	f.t.Helper()
	ctx := f.t.Context()
	dir := s.NewDirectory()
	for i, x := range files {
		e := vault.Entry{Name: []byte(x.name), Kind: vault.Regular, Size: int64(len(x.data)), Content: contents[i]}
		if err := dir.Add(ctx, e); err != nil {
			return vault.Point{}, err
		}
	}
	d, err := dir.Finish(ctx)
	if err != nil {
		return vault.Point{}, err
	}
	root, err := s.PutRoot(ctx, vault.Entry{Kind: vault.Dir, Tree: &d})
	if err != nil {
		return vault.Point{}, err
	}
	return s.Commit(ctx, grant(access.BackupRun), vault.Draft{Source: f.source, Root: root, Trial: true, Term: vault.Fixed,
		Body: vault.Body{Source: vault.SourceRecord{ID: f.source}}})
}

func TestStoreContent_SameStreamSameContent(t *testing.T) {
	f := newFixture(t)
	data := noise(5, 5<<20)
	s := f.session(t.Context())
	defer s.Abort()
	encode := func(r io.Reader, size int64, cut vault.Cut) []byte {
		t.Helper()
		c, n, err := s.StoreContent(t.Context(), r, size, cut)
		if err != nil || n != int64(len(data)) {
			t.Fatalf("%d bytes, %v", n, err)
		}
		raw, err := canon.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, cut := range []vault.Cut{vault.CutAuto, 8192, 16384, 65536} {
		want := encode(bytes.NewReader(data), int64(len(data)), cut)
		for name, r := range map[string]io.Reader{
			"in halves": iotest.HalfReader(bytes.NewReader(data)), "with data and end together": iotest.DataErrReader(bytes.NewReader(data)),
		} {
			if !bytes.Equal(encode(r, int64(len(data)), cut), want) {
				t.Errorf("cut %d, %s: another content", cut, name)
			}
		}
		if !bytes.Equal(encode(bytes.NewReader(data), 1<<40, cut), want) {
			t.Errorf("cut %d: a larger size announced gives another content", cut)
		}
	}
}

func TestStoreContent_SizesAndCuts(t *testing.T) {
	f := newFixture(t)
	s := f.session(t.Context())
	var files []file
	var contents []*vault.Content
	add := func(data []byte, announced int64, cut vault.Cut) *vault.Content {
		t.Helper()
		c, n, err := s.StoreContent(t.Context(), bytes.NewReader(data), announced, cut)
		if err != nil || n != int64(len(data)) {
			t.Fatalf("%d of %d bytes, %v", n, len(data), err)
		}
		files = append(files, file{fmt.Sprintf("%04d", len(files)), data})
		contents = append(contents, c)
		return c
	}
	for _, n := range []int{0, 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, 256<<10 + 2, 4 << 20, 8<<20 - 1, 8 << 20, 8<<20 + 1} {
		data := noise(uint64(n), n)
		c := add(data, int64(n), vault.CutAuto)
		if n == 0 && c != nil || n > 0 && n <= 256<<10 && (c.Cut != 1 || len(c.List) != 1) {
			t.Errorf("%d bytes: %+v", n, c)
		}
		add(data, 0, vault.CutAuto)           // it grew
		add(data, int64(n)*3, vault.CutAuto)  // it shrank
		add(data, int64(n), vault.Cut(16384)) // in blocks
		add(data, 1, vault.Cut(8192))
	}
	p, err := f.commit(s, files, contents)
	if err != nil {
		t.Fatal(err)
	}
	f.whole(f.open(), p.Object, files)
	f.clean(f.open())
	for _, cut := range []vault.Cut{1, 2, 4096, 8193, 12289, 65537, 1 << 20} {
		if _, _, err := f.session(t.Context()).StoreContent(t.Context(), strings.NewReader(""), 0, cut); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("blocks of %d: %v", cut, err)
		}
	}
}

func TestStoreContent_FailingReaderSparesTheSession(t *testing.T) {
	f := newFixture(t)
	s := f.session(t.Context())
	boom := errors.New("input/output error")
	broken := io.MultiReader(bytes.NewReader(noise(1, 3<<20)), iotest.ErrReader(boom))
	if _, _, err := s.StoreContent(t.Context(), broken, 5<<20, vault.CutAuto); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
	p, err := f.fill(t.Context(), s, fewFiles(1))
	if err != nil {
		t.Fatal(err)
	}
	f.whole(f.open(), p.Object, fewFiles(1))
	f.clean(f.open())
}

// TestSession_HugeAndHostileDirectories stores folders whose nodes would be
// longer than a chunk, or than all memory of the pipeline, if they were not split.
func TestSession_HugeAndHostileDirectories(t *testing.T) {
	f := newFixture(t)
	s := f.session(t.Context())
	ctx := t.Context()
	const links, tiny = 9000, 3000
	dir := s.NewDirectory()
	for i := range links {
		e := vault.Entry{Name: fmt.Appendf(nil, "link-%06d", i), Kind: vault.Symlink, Target: bytes.Repeat([]byte{byte(i)}, 4095)}
		if i%100 == 0 {
			e.Xattrs = []vault.Xattr{{Name: []byte("user.big"), Value: bytes.Repeat([]byte{1}, 64<<10)}}
		}
		if err := dir.Add(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	for i := range tiny {
		c, n, err := s.StoreContent(ctx, strings.NewReader(fmt.Sprint(i)), 4, vault.CutAuto)
		if err != nil {
			t.Fatal(err)
		}
		if err := dir.Add(ctx, vault.Entry{Name: fmt.Appendf(nil, "tiny-%06d", i), Kind: vault.Regular, Size: n, Content: c}); err != nil {
			t.Fatal(err)
		}
	}
	var p vault.Point
	within(t, time.Minute, func() {
		d, err := dir.Finish(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		root, err := s.PutRoot(ctx, vault.Entry{Kind: vault.Dir, Tree: &d})
		if err != nil {
			t.Error(err)
			return
		}
		p, err = s.Commit(ctx, grant(access.BackupRun), vault.Draft{Source: f.source, Root: root, Trial: true, Term: vault.Fixed})
		if err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		return
	}
	for range 2 { // by the index, then by the packs alone
		v := f.open()
		f.clean(v)
		r, err := v.NewReader(ctx)
		if err != nil {
			t.Fatal(err)
		}
		root, err := r.Root(ctx, p.Envelope.Root)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := r.ReadDir(ctx, *root.Tree, nil, func(vault.Entry) error { n++; return nil }); err != nil || n != links+tiny {
			t.Errorf("%d entries, %v", n, err)
		}
		for _, seg := range f.names("index/") {
			f.driver.Drop(seg)
		}
	}
}
