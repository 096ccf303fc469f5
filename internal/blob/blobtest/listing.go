package blobtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func listOrder(t *testing.T, h Harness) {
	all := []string{
		"a-b", "a.b", "a/b", "a/b-c", "a/b.d/e", "a_b", "a0", "ab", "header", "a/c/d", "a/c-d", "a/c0",
		"index/1", "index/10", "index/2", "points/x", "points-x", "z",
	}
	for i := range 60 {
		all = append(all, fmt.Sprintf("packs/%02x/%d", i%7, i*i))
	}
	for i, name := range all {
		put(t, h.Driver, name, make([]byte, i), blob.PutOptions{})
	}
	slices.Sort(all)
	for _, prefix := range []string{
		"", "a", "a-", "a/", "a/b", "a/b/", "a/b.d/", "a/c", "index/1", "packs", "packs/", "packs/0", "packs/03/", "packs/03/1",
		"points", "points/", "header", "header/", "missing", "missing/deep/", "lock", "locks", "locks0",
	} {
		want := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !strings.HasPrefix(name, prefix) })
		if diff := cmp.Diff(want, names(list(t, h.Driver, prefix))); diff != "" {
			t.Errorf("list %q (-want +got):\n%s", prefix, diff)
		}
	}
	for _, prefix := range []string{"/", "a//", "../", ".", "a/.", "A", "a b", strings.Repeat("x", blob.MaxName+1)} {
		err := h.Driver.List(t.Context(), prefix, func(blob.Info) error { return nil })
		wantKind(t, fmt.Sprintf("list %q", prefix), err, errkind.Invalid)
	}
}

func listError(t *testing.T, h Harness) {
	for _, name := range []string{"a", "b/c", "b/d", "e"} {
		put(t, h.Driver, name, nil, blob.PutOptions{})
	}
	stop := errors.New("stop")
	var seen []string
	err := h.Driver.List(t.Context(), "", func(info blob.Info) error {
		seen = append(seen, info.Name)
		if info.Name == "b/c" {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || !slices.Equal(seen, []string{"a", "b/c"}) {
		t.Fatalf("saw %q and got %v", seen, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = h.Driver.List(ctx, "", func(blob.Info) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("a listing cancelled midway: %v", err)
	}
}

// listWhileWriting checks that every listing during writes is in order, shows
// whole objects only, and shows at least what was put before it and not
// deleted.
func listWhileWriting(t *testing.T, h Harness) {
	var standing []string
	for i := range 30 {
		name := fmt.Sprintf("packs/%02x/old%d", i%4, i)
		put(t, h.Driver, name, make([]byte, 100), blob.PutOptions{})
		standing = append(standing, name)
	}
	slices.Sort(standing)
	done := make(chan struct{})
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		defer close(done)
		for i := range 60 {
			name := fmt.Sprintf("packs/%02x/new%d", i%6, i)
			if _, err := h.Driver.Put(t.Context(), name, make([]byte, 100), blob.PutOptions{}); err != nil {
				t.Errorf("put: %v", err)
			}
			if err := h.Driver.Delete(t.Context(), name); err != nil {
				t.Errorf("delete: %v", err)
			}
		}
	})
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		infos := list(t, h.Driver, "packs/")
		got := names(infos)
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Fatalf("listed out of order or twice: %q", got)
		}
		for _, info := range infos {
			if info.Size != 100 {
				t.Fatalf("listed %s with %d bytes", info.Name, info.Size)
			}
		}
		old := slices.DeleteFunc(got, func(name string) bool { return strings.Contains(name, "new") })
		if diff := cmp.Diff(standing, old); diff != "" {
			t.Fatalf("standing objects (-want +listed):\n%s", diff)
		}
	}
}
