package vault_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
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
				_, _, err := s.StoreContent(t.Context(), chaCha(uint64(i)), 1<<40, vault.CutAuto)
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
				r := &cancelling{chaCha(1), 20 << 20, func() { cancel(endOpen, endStore) }}
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
	io.Reader // without an end
	after     int
	cancel    func()
}

func (c *cancelling) Read(p []byte) (int, error) {
	if c.after -= len(p); c.after < 0 {
		c.cancel()
	}
	return c.Reader.Read(p)
}

func TestSession_AbortLeavesNothingRunning(t *testing.T) {
	f := newFixture(t)
	before := runtime.NumGoroutine()
	s := f.session(t.Context())
	var g sync.WaitGroup
	started := make(chan struct{}, 4)
	for i := range 4 {
		g.Go(func() {
			r := io.MultiReader(&notify{started}, chaCha(uint64(i)))
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
