package vault_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
)

func (f *fixture) session(ctx context.Context) *vault.Session {
	f.t.Helper()
	s, err := f.open().OpenSession(ctx, grant(access.BackupRun), vault.SessionOptions{Lock: f.lock})
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// settles waits until no more goroutines run than before.
func settles(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

// within fails the test, with all stacks, if fn does not return.
func within(t *testing.T, d time.Duration, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	select {
	case <-done:
	case <-time.After(d):
		buf := make([]byte, 1<<18)
		t.Fatalf("it hangs:\n%s", buf[:runtime.Stack(buf, true)])
	}
}

// endless is a stream of noise that never ends.
type endless struct{ seed, n uint64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		if e.n++; i%8 == 0 { // cheap and different
			e.seed = e.seed*6364136223846793005 + 1442695040888963407
		}
		p[i] = byte(e.seed >> (8 * (i % 8)))
	}
	return len(p), nil
}

func TestSession_StoreFullEndsItQuickly(t *testing.T) {
	f := newFixture(t)
	if _, err := f.backup(f.open(), fewFiles(1)); err != nil {
		t.Fatal(err)
	}
	v := f.open()
	before := runtime.NumGoroutine()
	packs := 0
	f.driver.SetFault(func(op memblob.Op, name string) memblob.Fault {
		if op == memblob.OpPut && strings.HasPrefix(name, "packs/") {
			packs++
		}
		return memblob.Fault{When: pick(packs >= 3, memblob.NotApplied), Err: errkind.New(errkind.NoSpace, "full")}
	})
	s, err := v.OpenSession(t.Context(), grant(access.BackupRun), vault.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	within(t, time.Minute, func() {
		var g sync.WaitGroup
		for i := range 3 {
			g.Go(func() {
				_, _, err := s.StoreContent(t.Context(), &endless{seed: uint64(i)}, 1<<40, vault.CutAuto)
				if !errkind.Is(err, errkind.NoSpace) {
					t.Errorf("store: %v", err)
				}
			})
		}
		g.Wait()
		if err := s.NewDirectory().Add(t.Context(), vault.Entry{Name: []byte("x"), Kind: vault.Fifo}); err != nil {
			t.Error(err) // holds it only
		}
		if err := s.Flush(t.Context()); !errkind.Is(err, errkind.NoSpace) {
			t.Errorf("flush: %v", err)
		}
		if _, err := s.Commit(t.Context(), grant(access.BackupRun), vault.Draft{Source: f.source}); !errkind.Is(err, errkind.NoSpace) {
			t.Errorf("commit: %v", err)
		}
		s.Abort()
	})
	settles(t, before)
	f.driver.SetFault(nil)
	if refs, err := f.open().ListPoints(t.Context()); err != nil || len(refs) != 1 {
		t.Errorf("%d points, %v", len(refs), err)
	}
	if _, err := f.backup(f.open(), fewFiles(2)); err != nil {
		t.Error(err)
	}
	f.clean(f.open())
}

func TestSession_CommitReportsAFailureOfTheLastPack(t *testing.T) {
	f := newFixture(t)
	v := f.open()
	before := runtime.NumGoroutine()
	for i, prefix := range []string{"packs/data/", "packs/tree/", "index/seg-", "index/hint-", "points/"} {
		f.driver.SetFault(func(op memblob.Op, name string) memblob.Fault {
			return memblob.Fault{When: pick(op == memblob.OpPut && strings.HasPrefix(name, prefix), memblob.NotApplied), Err: errkind.New(errkind.NoSpace, "full")}
		})
		within(t, time.Minute, func() {
			if _, err := f.backup(v, fewFiles(i)); !errkind.Is(err, errkind.NoSpace) {
				t.Errorf("%s: %v", prefix, err)
			}
		})
	}
	settles(t, before)
}

func TestSession_CancelEndsItQuickly(t *testing.T) {
	tests := map[string]func(open, store context.CancelFunc){
		"the session's context": func(open, _ context.CancelFunc) { open() },
		"the call's context":    func(_, store context.CancelFunc) { store() },
	}
	for name, cancel := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			before := runtime.NumGoroutine()
			open, endOpen := context.WithCancel(t.Context())
			store, endStore := context.WithCancel(t.Context())
			defer endOpen()
			defer endStore()
			s := f.session(open)
			within(t, time.Minute, func() {
				r := &cancelling{endless{seed: 1}, 20 << 20, func() { cancel(endOpen, endStore) }}
				if _, _, err := s.StoreContent(store, r, 1<<40, vault.CutAuto); !errors.Is(err, context.Canceled) {
					t.Errorf("store: %v", err)
				}
				if _, err := s.Commit(store, grant(access.BackupRun), vault.Draft{Source: f.source}); !errors.Is(err, context.Canceled) {
					t.Errorf("commit: %v", err)
				}
			})
			endOpen()
			settles(t, before)
			if refs, err := f.open().ListPoints(t.Context()); err != nil || len(refs) != 0 {
				t.Errorf("%d points, %v", len(refs), err)
			}
		})
	}
}

type cancelling struct {
	endless
	after  int
	cancel func()
}

func (c *cancelling) Read(p []byte) (int, error) {
	if c.after -= len(p); c.after < 0 {
		c.cancel()
	}
	return c.endless.Read(p)
}

func TestSession_AbortLeavesNothingRunning(t *testing.T) {
	f := newFixture(t)
	before := runtime.NumGoroutine()
	s := f.session(t.Context())
	var g sync.WaitGroup
	started := make(chan struct{}, 4)
	for i := range 4 {
		g.Go(func() {
			r := io.MultiReader(&notify{started}, &endless{seed: uint64(i)})
			if _, _, err := s.StoreContent(t.Context(), r, 1<<40, vault.CutAuto); err == nil {
				t.Error("an endless stream was stored")
			}
		})
	}
	for range 4 {
		<-started
	}
	within(t, time.Minute, func() {
		s.Abort() // with writers at work: they end, nothing panics
		g.Wait()
		s.Abort()
		if _, err := s.Commit(t.Context(), grant(access.BackupRun), vault.Draft{Source: f.source}); err == nil {
			t.Error("committed after abort")
		}
		if _, _, err := s.StoreContent(t.Context(), strings.NewReader("late"), 4, vault.CutAuto); err == nil {
			t.Error("stored after abort")
		}
	})
	settles(t, before)
}

type notify struct{ ch chan struct{} }

func (n *notify) Read([]byte) (int, error) {
	n.ch <- struct{}{}
	return 0, io.EOF
}

func TestSession_FlushThenCommit(t *testing.T) {
	f := newFixture(t)
	s := f.session(t.Context())
	d, err := f.draft(t.Context(), s, fewFiles(1))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s.Stats().Packs.Load() != 2 || s.Stats().Stored.Load() == 0 {
		t.Errorf("%d packs, %d bytes", s.Stats().Packs.Load(), s.Stats().Stored.Load())
	}
	if _, _, err := s.StoreContent(t.Context(), strings.NewReader("late"), 4, vault.CutAuto); err == nil {
		t.Error("stored after flush")
	}
	p, err := s.Commit(t.Context(), grant(access.BackupRun), d)
	if err != nil {
		t.Fatal(err)
	}
	s.Abort()
	f.whole(f.open(), p.Object, fewFiles(1))
	f.clean(f.open())
}

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

// TestSession_TwoAtOnceNeverOverwrite opens two sessions of one source and
// commits both, in every order and at the same moment.
func TestSession_TwoAtOnceNeverOverwrite(t *testing.T) {
	for round := range 6 {
		f := newFixture(t)
		sessions := []*vault.Session{f.session(t.Context()), f.session(t.Context())}
		drafts := make([]vault.Draft, 2)
		for i, s := range sessions {
			var err error
			if drafts[i], err = f.draft(t.Context(), s, fewFiles(i+1)); err != nil {
				t.Fatal(err)
			}
		}
		points, errs := make([]vault.Point, 2), make([]error, 2)
		var g sync.WaitGroup
		for i, s := range sessions {
			commit := func() { points[i], errs[i] = s.Commit(t.Context(), grant(access.BackupRun), drafts[i]) }
			if round%2 == 0 {
				commit() // one after the other
			} else {
				g.Go(commit)
			}
		}
		g.Wait()
		committed := 0
		v := f.open()
		for i := range sessions {
			switch {
			case errs[i] == nil:
				committed++
				f.whole(v, points[i].Object, fewFiles(i+1))
			case !errkind.Is(errs[i], errkind.Busy):
				t.Errorf("round %d: %v", round, errs[i])
			}
		}
		refs, err := v.ListPoints(t.Context())
		if err != nil || len(refs) != committed || committed == 0 || round%2 == 0 && committed != 2 {
			t.Errorf("round %d: %d points listed, %d committed, %v", round, len(refs), committed, err)
		}
		for _, name := range f.names("points/") {
			if n := len(f.driver.Versions(name)); n != 1 {
				t.Errorf("%s was written %d times", name, n)
			}
		}
		f.clean(v)
	}
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

func TestCommit_LongListsOfLongPathsFit(t *testing.T) {
	f := newFixture(t)
	s := f.session(t.Context())
	d, err := f.draft(t.Context(), s, fewFiles(1))
	if err != nil {
		t.Fatal(err)
	}
	d.Body.ProblemCount, d.Body.FuzzyCount = 10_000, 10_000
	for i := range 10_000 {
		path := noise(uint64(i), 4000)
		d.Body.Problems = append(d.Body.Problems, vault.PointProblem{Path: path, Op: "open", Message: "permission denied"})
		d.Body.Fuzzy = append(d.Body.Fuzzy, path)
	}
	p, err := s.Commit(t.Context(), grant(access.BackupRun), d)
	if err != nil {
		t.Fatal(err)
	}
	p, err = f.open().ReadPoint(t.Context(), p.Object)
	if err != nil || p.Body.ProblemCount != 10_000 || len(p.Body.Problems) < 400 || len(p.Body.Fuzzy) < 400 {
		t.Errorf("%d problems, %d fuzzy, %v", len(p.Body.Problems), len(p.Body.Fuzzy), err)
	}
}

func TestCommit_LocksNeverWeakenAndAlwaysSuffice(t *testing.T) {
	year := func(n int) time.Time { return start.AddDate(n, 0, 0) }
	until := start.AddDate(7, 0, 0) // what the fixture asks for
	tests := map[string]struct {
		mode  blob.Mode
		there blob.Lock
		want  blob.Mode
	}{
		"longer in the same mode":  {blob.Governance, blob.Lock{Mode: blob.Governance, Until: year(20)}, blob.Governance},
		"shorter in a stronger":    {blob.Governance, blob.Lock{Mode: blob.Compliance, Until: year(1)}, blob.Compliance},
		"longer in a weaker":       {blob.Compliance, blob.Lock{Mode: blob.Governance, Until: year(20)}, blob.Compliance},
		"ended in a stronger":      {blob.Governance, blob.Lock{Mode: blob.Compliance, Until: start.Add(time.Minute)}, blob.Governance},
		"shorter in the same mode": {blob.Compliance, blob.Lock{Mode: blob.Compliance, Until: year(1)}, blob.Compliance},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if _, err := f.backup(f.open(), fewFiles(1)); err != nil {
				t.Fatal(err)
			}
			packs := f.names("packs/")
			f.now = start
			for _, n := range packs {
				if err := f.driver.SetLock(t.Context(), n, tt.there); err != nil {
					t.Fatal(err)
				}
			}
			f.now = start.Add(time.Hour)
			f.lock = tt.mode
			if _, err := f.backup(f.open(), fewFiles(1)); err != nil {
				t.Fatal(err)
			}
			for _, n := range packs {
				info, err := f.bucket.Stat(t.Context(), n)
				if err != nil {
					t.Fatal(err)
				}
				if info.Lock.Mode != tt.want || info.Lock.Until.Before(until) || info.Lock.Until.Before(tt.there.Until) {
					t.Errorf("%+v", info.Lock)
				}
			}
		})
	}
}

func TestCommit_LockingNeedsADate(t *testing.T) {
	f := newFixtureOf(t, blob.Governance)
	s := f.session(t.Context())
	d, err := f.draft(t.Context(), s, fewFiles(1))
	if err != nil {
		t.Fatal(err)
	}
	d.LockUntil = vault.Stamp{}
	if _, err := s.Commit(t.Context(), grant(access.BackupRun), d); !errkind.Is(err, errkind.Invalid) || len(f.names("points/")) != 0 {
		t.Errorf("%v", err)
	}
}

func TestCreate_WithoutKeysIsRefused(t *testing.T) {
	b := blob.New(memblob.New(nil), blob.Options{})
	_, err := vault.Create(t.Context(), grant(access.VaultCreate), b, nil, vault.CreateOptions{ID: vault.NewID(), Kind: vault.Trial})
	if n, _, countErr := b.Count(t.Context(), ""); !errkind.Is(err, errkind.Invalid) || n != 0 || countErr != nil {
		t.Errorf("%v, %d objects, %v", err, n, countErr)
	}
}

func TestReadMany_CancelledIsNotSuccess(t *testing.T) {
	f, points, _ := two(t)
	r, err := f.open().NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wants := f.wants(r, points...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := 0
	err = r.ReadMany(ctx, wants, func(vault.Want, []byte, error) error { calls++; return nil })
	if err == nil && calls < len(wants) {
		t.Errorf("nil with %d of %d served", calls, len(wants))
	}
	var got atomic.Int64
	err = r.ReadMany(t.Context(), append(wants, wants...), func(w vault.Want, data []byte, err error) error {
		if err != nil || vault.Digest(sum(data)) != w.Digest {
			t.Errorf("%v", err)
		}
		got.Add(1)
		return nil
	})
	if err != nil || int(got.Load()) != 2*len(wants) {
		t.Errorf("%d served, %v", got.Load(), err)
	}
	boom := errors.New("enough")
	if err := r.ReadMany(t.Context(), wants, func(vault.Want, []byte, error) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
}

// TestVerify_StoreOutOfReachIsNotDamage lets reads of tree packs fail for a
// while: verification gives up, it does not report losses.
func TestVerify_StoreOutOfReachIsNotDamage(t *testing.T) {
	f, points, packs := two(t)
	f.bucket = once(f.driver)
	f.driver.Corrupt(packs[0], 5000) // so that reading is needed to know
	v := f.open()
	reads := 0
	f.driver.SetFault(func(op memblob.Op, name string) memblob.Fault {
		if op == memblob.OpRead && strings.HasPrefix(name, "packs/tree/") {
			reads++
		}
		return memblob.Fault{When: pick(op == memblob.OpRead && reads > 4 && strings.HasPrefix(name, "packs/tree/"), memblob.NotApplied)}
	})
	report, err := v.Verify(t.Context(), vault.Full, nil)
	if !errkind.Is(err, errkind.Unavailable) {
		t.Errorf("%+v, %v", report, err)
	}
	f.driver.SetFault(nil)
	f.whole(f.open(), points[1].Object, onlyNoise(1))
}

func TestVault_NothingSecretPrints(t *testing.T) {
	f := newFixture(t)
	s := f.session(t.Context())
	defer s.Abort()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{f.open(), s} {
			if text := fmt.Sprintf(verb, v); len(text) > 60 {
				t.Errorf("%T by %s prints %.80q", v, verb, text)
			}
		}
	}
}

func sum(data []byte) [32]byte { return sha256.Sum256(data) }
