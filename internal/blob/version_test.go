package blob_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// seen reads the versions of name until one is want, and gives all that were
// shown, in turn.
func seen(t *testing.T, b *blob.Bucket, name, want string) ([]string, error) {
	t.Helper()
	var list []string
	err := b.ReadVersions(t.Context(), name, 100, func(data []byte) bool {
		list = append(list, string(data))
		return string(data) == want
	})
	return list, err
}

func wantSeen(t *testing.T, doing string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +shown):\n%s", doing, diff)
	}
}

func TestReadVersions_CurrentThenOldestFirst(t *testing.T) {
	f := newFixture()
	lock := blob.Lock{Mode: blob.Compliance, Until: f.clock.Now().Add(time.Hour)}
	f.put(t, "a", "older", blob.PutOptions{})
	f.put(t, "a", "ours", blob.PutOptions{Replace: true, Lock: lock})
	f.mem.Forge("a", []byte("forged"))
	f.mem.Hide("a")
	f.mem.Forge("a", []byte(strings.Repeat("x", 101)))
	f.mem.Forge("a", []byte("top"))

	list, err := seen(t, f.Bucket, "a", "ours")
	must(t, err)
	wantSeen(t, "ours", list, "top", "older", "ours")
	list, err = seen(t, f.Bucket, "a", "no such")
	wantKind(t, "none of them", err, errkind.NotFound)
	wantSeen(t, "none", list, "top", "older", "ours", "forged")

	f.mem.Hide("a")
	list, err = seen(t, f.Bucket, "a", "ours")
	must(t, err)
	wantSeen(t, "under a marker", list, "older", "ours")
	f.mem.Hide("b")
	for _, name := range []string{"b", "missing"} {
		list, err = seen(t, f.Bucket, name, "ours")
		wantKind(t, name, err, errkind.NotFound)
		wantSeen(t, name, list)
	}
}

func TestReadVersions_WithoutVersions(t *testing.T) {
	mem := memblob.New(nil)
	b := blob.New(plainDriver{mem}, blob.Options{})
	for name, data := range map[string]string{"a": "ours", "large": strings.Repeat("x", 101), "empty": ""} {
		if _, err := b.Put(t.Context(), name, []byte(data), blob.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, want string
		shown      []string
		ok         bool
	}{{"a", "ours", []string{"ours"}, true}, {"empty", "", []string{""}, true}, {"a", "other", []string{"ours"}, false}, {"large", "", nil, false}, {"missing", "", nil, false}} {
		list, err := seen(t, b, tt.name, tt.want)
		wantSeen(t, tt.name, list, tt.shown...)
		if tt.ok {
			must(t, err)
			continue
		}
		wantKind(t, tt.name, err, errkind.NotFound)
	}
}

// changing asks read before each version that is read.
type changing struct {
	*memblob.Driver
	read func(version string) error
}

func (d changing) ReadVersionAt(ctx context.Context, name, version string, p []byte, off int64) (int, error) {
	if err := d.read(version); err != nil {
		return 0, err
	}
	return d.Driver.ReadVersionAt(ctx, name, version, p, off)
}

func TestReadVersions_OneThatCannotBeReadHidesNoOther(t *testing.T) {
	f := newFixture()
	f.put(t, "a", "ours", blob.PutOptions{})
	f.mem.Forge("a", []byte("top"))
	kind, calls := errkind.Invalid, 0
	pause := func(context.Context, time.Duration) error { return nil }
	b := blob.New(changing{f.mem, func(version string) error {
		if version != "v2" {
			return nil
		}
		calls++
		return errkind.New(kind, "not this one")
	}}, blob.Options{Attempts: 3, Sleep: pause})
	for _, kind = range []errkind.Kind{errkind.Invalid, errkind.Damaged, errkind.Unavailable} {
		list, err := seen(t, b, "a", "ours")
		must(t, err)
		wantSeen(t, kind.String(), list, "ours")
		_, err = seen(t, b, "a", "other")
		wantKind(t, "none, and one unread", err, kind)
	}
	kind, calls = errkind.NotFound, 0
	_, err := seen(t, b, "a", "other")
	wantKind(t, "one that keeps going", err, errkind.Unavailable)
	if calls != 3 {
		t.Errorf("read %d times", calls)
	}
}

// An object that is replaced while its versions are read is found all the same.
func TestReadVersions_ReplacedMeanwhile(t *testing.T) {
	f := newFixture()
	f.put(t, "a", "first", blob.PutOptions{})
	moved := false
	b := blob.New(changing{f.mem, func(string) error {
		if !moved {
			moved = true
			f.put(t, "a", "second", blob.PutOptions{Replace: true})
			f.mem.Purge("a")
		}
		return nil
	}}, blob.Options{})
	list, err := seen(t, b, "a", "second")
	must(t, err)
	wantSeen(t, "replaced", list, "second")
}

func TestReadVersions_EndsWithItsContext(t *testing.T) {
	f := newFixture()
	f.put(t, "a", "one", blob.PutOptions{})
	f.mem.Forge("a", []byte("two"))
	ctx, cancel := context.WithCancel(t.Context())
	shown := 0
	err := f.ReadVersions(ctx, "a", 10, func([]byte) bool {
		shown++
		cancel()
		return false
	})
	wantKind(t, "read", err, errkind.Cancelled)
	if shown != 1 {
		t.Errorf("%d versions were shown", shown)
	}
}
