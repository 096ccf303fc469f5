package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// writers is how many goroutines compete.
const writers = 16

func putIsReadBack(t *testing.T, h Harness) {
	data := Bytes(1, 100_000)
	info := put(t, h.Driver, "packs/ab/one", data, blob.PutOptions{SHA256: sha256.Sum256(data)})
	if info.Name != "packs/ab/one" || info.Size != int64(len(data)) || info.Modified.IsZero() {
		t.Fatalf("put told %+v", info)
	}
	wantBytes(t, h.Driver, "packs/ab/one", data)
	stat, err := h.Driver.Stat(t.Context(), "packs/ab/one")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(info, stat); diff != "" {
		t.Fatalf("put and stat tell different things (-put +stat):\n%s", diff)
	}
	if diff := cmp.Diff([]blob.Info{stat}, list(t, h.Driver, "")); diff != "" {
		t.Fatalf("stat and list tell different things (-stat +list):\n%s", diff)
	}
}

func putZeroLength(t *testing.T, h Harness) {
	put(t, h.Driver, "empty", nil, blob.PutOptions{SHA256: sha256.Sum256(nil)})
	wantBytes(t, h.Driver, "empty", []byte{})
	if n, err := h.Driver.ReadAt(t.Context(), "empty", make([]byte, 1), 0); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("read of an empty object: %d, %v; want 0, EOF", n, err)
	}
	_, err := h.Driver.Put(t.Context(), "empty", []byte("more"), blob.PutOptions{})
	wantKind(t, "put over an empty object", err, errkind.Exists)
}

func putLarge(t *testing.T, h Harness) {
	data := Bytes(2, 40<<20)
	put(t, h.Driver, "packs/large", data, blob.PutOptions{SHA256: sha256.Sum256(data)})
	wantBytes(t, h.Driver, "packs/large", data)
}

func putKeepsNoBuffer(t *testing.T, h Harness) {
	data := []byte("as it was")
	put(t, h.Driver, "object", data, blob.PutOptions{})
	clear(data)
	wantBytes(t, h.Driver, "object", []byte("as it was"))
	buf := make([]byte, 5)
	if _, err := h.Driver.ReadAt(t.Context(), "object", buf, 0); err != nil {
		t.Fatal(err)
	}
	clear(buf)
	wantBytes(t, h.Driver, "object", []byte("as it was"))
}

func putExisting(t *testing.T, h Harness) {
	put(t, h.Driver, "object", []byte("first"), blob.PutOptions{})
	for _, data := range []string{"second", "first", ""} {
		_, err := h.Driver.Put(t.Context(), "object", []byte(data), blob.PutOptions{})
		wantKind(t, "put over an object", err, errkind.Exists)
	}
	wantBytes(t, h.Driver, "object", []byte("first"))
}

func putOneOfManyWins(t *testing.T, h Harness) {
	for round := range 5 {
		name := fmt.Sprintf("epoch/%d", round)
		errs := compete(func(i int) error {
			_, err := h.Driver.Put(t.Context(), name, Bytes(uint64(i), 1000+i), blob.PutOptions{})
			return err
		})
		winner := onlyWinner(t, errs, errkind.Exists)
		wantBytes(t, h.Driver, name, Bytes(uint64(winner), 1000+winner))
	}
	if got := len(list(t, h.Driver, "")); got != 5 {
		t.Fatalf("%d objects, want 5", got)
	}
}

// compete runs do in many goroutines at the same time.
func compete(do func(i int) error) []error {
	errs := make([]error, writers)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			<-start
			errs[i] = do(i)
		})
	}
	close(start)
	all.Wait()
	return errs
}

func onlyWinner(t *testing.T, errs []error, losers errkind.Kind) int {
	t.Helper()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("both %d and %d won", winner, i)
		case err == nil:
			winner = i
		default:
			wantKind(t, "a loser", err, losers)
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	return winner
}

func putReplace(t *testing.T, h Harness) {
	put(t, h.Driver, "log/checkpoint", []byte("first, and longer"), blob.PutOptions{Replace: true})
	wantBytes(t, h.Driver, "log/checkpoint", []byte("first, and longer"))
	put(t, h.Driver, "log/checkpoint", []byte("second"), blob.PutOptions{Replace: true})
	wantBytes(t, h.Driver, "log/checkpoint", []byte("second"))
	if got := names(list(t, h.Driver, "")); !slices.Equal(got, []string{"log/checkpoint"}) {
		t.Fatalf("listed %q", got)
	}
}

func putReplaceIsWhole(t *testing.T, h Harness) {
	const size = 64 << 10
	put(t, h.Driver, "object", bytes.Repeat([]byte{0}, size), blob.PutOptions{})
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		defer close(done)
		for i := range 40 {
			if _, err := h.Driver.Put(t.Context(), "object", bytes.Repeat([]byte{byte(i)}, size), blob.PutOptions{Replace: true}); err != nil {
				t.Errorf("replace: %v", err)
				return
			}
		}
	})
	all.Go(func() {
		for reading := true; reading; {
			select {
			case <-done:
				reading = false
			default:
			}
			got, err := read(t, h.Driver, "object", size)
			if h.ReplaceGap && errkind.Is(err, errkind.NotFound) {
				continue
			}
			if err != nil || len(got) != size || bytes.Count(got, got[:1]) != size {
				t.Errorf("read while replacing: %d bytes of mixed content, %v", len(got), err)
				return
			}
		}
	})
	all.Wait()
}

func putWrongSum(t *testing.T, h Harness) {
	opts := blob.PutOptions{SHA256: sha256.Sum256([]byte("other bytes"))}
	_, err := h.Driver.Put(t.Context(), "packs/wrong", []byte("bytes"), opts)
	wantKind(t, "put with a wrong SHA-256", err, errkind.Damaged)
	wantMissing(t, h.Driver, "packs/wrong")

	put(t, h.Driver, "kept", []byte("old"), blob.PutOptions{})
	opts.Replace = true
	_, err = h.Driver.Put(t.Context(), "kept", []byte("bytes"), opts)
	wantKind(t, "replace with a wrong SHA-256", err, errkind.Damaged)
	wantBytes(t, h.Driver, "kept", []byte("old"))
}

func putCancelled(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Driver.Put(ctx, "object", Bytes(3, 5<<20), blob.PutOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("put with a cancelled context: %v", err)
	}
	wantMissing(t, h.Driver, "object")
	put(t, h.Driver, "object", []byte("now"), blob.PutOptions{})
}

func putSurvives(t *testing.T, h Harness) {
	want := map[string][]byte{}
	for i := range 20 {
		name := fmt.Sprintf("points/%02x/p%d", i%3, i)
		want[name] = Bytes(uint64(i), i*777)
		put(t, h.Driver, name, want[name], blob.PutOptions{})
	}
	d := h.Reopen(t)
	for name, data := range want {
		wantBytes(t, d, name, data)
	}
	if diff := cmp.Diff(list(t, h.Driver, ""), list(t, d, "")); diff != "" {
		t.Fatalf("reopening changed the listing (-before +after):\n%s", diff)
	}
}

func namesAllowed(t *testing.T, h Harness) {
	allowed := []string{
		"header", "a", "0", "_", "-", "a.b", "a..b", "a.", "log/checkpoint", "log/tile/0/x001/x234/067",
		"log/tile/0/001.p/5", "log/tile/entries/000", "packs/ab/" + strings.Repeat("f", 64), "lock/s", "lockss",
		strings.Repeat("n", blob.MaxPart), strings.Repeat("d/", blob.MaxParts-1) + "x",
		strings.Repeat(strings.Repeat("e", 127)+"/", 3) + strings.Repeat("e", blob.MaxName-3*128),
	}
	for i, name := range allowed {
		if err := blob.CheckName(name); err != nil {
			t.Fatalf("check: %v", err)
		}
		put(t, h.Driver, name, []byte{byte(i)}, blob.PutOptions{})
	}
	for i, name := range allowed {
		wantBytes(t, h.Driver, name, []byte{byte(i)})
	}
	if got := len(list(t, h.Driver, "")); got != len(allowed) {
		t.Fatalf("%d objects listed, want %d", got, len(allowed))
	}
}

func namesRefused(t *testing.T, h Harness) {
	refused := []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".hidden", "a/.tmp-1", "A", "a b", "a\x00b",
		"ä", "a\\b", "a\nb", "a:b", "locks", "locks/a", "locks/a.lock", "locks/store", "a.lock", "a.lock/b",
		strings.Repeat("n", blob.MaxPart+1), strings.Repeat("d/", blob.MaxParts) + "x",
		strings.Repeat(strings.Repeat("e", 127)+"/", 3) + strings.Repeat("e", blob.MaxName+1-3*128),
	}
	for _, name := range refused {
		_, err := h.Driver.Put(t.Context(), name, []byte("x"), blob.PutOptions{})
		wantKind(t, fmt.Sprintf("put %q", name), err, errkind.Invalid)
		_, err = h.Driver.Put(t.Context(), name, []byte("x"), blob.PutOptions{Replace: true})
		wantKind(t, fmt.Sprintf("replace %q", name), err, errkind.Invalid)
		_, err = h.Driver.Stat(t.Context(), name)
		wantKind(t, fmt.Sprintf("stat %q", name), err, errkind.Invalid)
		_, err = h.Driver.ReadAt(t.Context(), name, make([]byte, 1), 0)
		wantKind(t, fmt.Sprintf("read %q", name), err, errkind.Invalid)
		wantKind(t, fmt.Sprintf("delete %q", name), h.Driver.Delete(t.Context(), name), errkind.Invalid)
		lock := blob.Lock{Mode: blob.Governance, Until: h.Clock.Now().Add(time.Hour)}
		wantKind(t, fmt.Sprintf("lock %q", name), h.Driver.SetLock(t.Context(), name, lock), errkind.Invalid)
	}
	if got := list(t, h.Driver, ""); len(got) != 0 {
		t.Fatalf("listed %q", names(got))
	}
}

func readRanges(t *testing.T, h Harness) {
	data := Bytes(4, 10_000)
	put(t, h.Driver, "object", data, blob.PutOptions{})
	size := int64(len(data))
	for _, r := range []struct{ off, length int64 }{
		{0, 0}, {0, 1}, {0, size}, {1, size - 1}, {size - 1, 1}, {5000, 1000},
		{0, size + 1}, {size - 1, 2}, {size, 1}, {size + 1, 1}, {size * 1000, 10},
	} {
		p := make([]byte, r.length)
		n, err := h.Driver.ReadAt(t.Context(), "object", p, r.off)
		want := data[min(r.off, size):min(r.off+r.length, size)]
		if !bytes.Equal(p[:n], want) {
			t.Fatalf("read %d at %d: %d bytes, want %d or other ones", r.length, r.off, n, len(want))
		}
		if short := int64(len(want)) < r.length; short != errors.Is(err, io.EOF) || !short && err != nil {
			t.Fatalf("read %d at %d: %d of %d bytes came with the error %v", r.length, r.off, n, len(want), err)
		}
	}
	_, err := h.Driver.ReadAt(t.Context(), "object", make([]byte, 1), -1)
	wantKind(t, "read at -1", err, errkind.Invalid)
}

func missing(t *testing.T, h Harness) {
	put(t, h.Driver, "folder/object", []byte("x"), blob.PutOptions{})
	lock := blob.Lock{Mode: blob.Governance, Until: h.Clock.Now().Add(time.Hour)}
	for _, name := range []string{"missing", "folder", "folder/missing", "missing/missing", "folder/object/missing"} {
		_, err := h.Driver.Stat(t.Context(), name)
		wantKind(t, "stat "+name, err, errkind.NotFound)
		_, err = h.Driver.ReadAt(t.Context(), name, make([]byte, 1), 0)
		wantKind(t, "read "+name, err, errkind.NotFound)
		wantKind(t, "delete "+name, h.Driver.Delete(t.Context(), name), errkind.NotFound)
		wantKind(t, "lock "+name, h.Driver.SetLock(t.Context(), name, lock), errkind.NotFound)
	}
	wantBytes(t, h.Driver, "folder/object", []byte("x"))
}

func deleteRemoves(t *testing.T, h Harness) {
	put(t, h.Driver, "a/object", []byte("x"), blob.PutOptions{})
	put(t, h.Driver, "a/other", []byte("y"), blob.PutOptions{})
	if err := h.Driver.Delete(t.Context(), "a/object"); err != nil {
		t.Fatal(err)
	}
	wantMissing(t, h.Driver, "a/object")
	_, err := h.Driver.ReadAt(t.Context(), "a/object", make([]byte, 1), 0)
	wantKind(t, "read what was deleted", err, errkind.NotFound)
	wantKind(t, "delete again", h.Driver.Delete(t.Context(), "a/object"), errkind.NotFound)
	wantBytes(t, h.Driver, "a/other", []byte("y"))
	wantMissing(t, h.Reopen(t), "a/object")
	put(t, h.Driver, "a/object", []byte("again"), blob.PutOptions{})
	wantBytes(t, h.Driver, "a/object", []byte("again"))
}

func deleteOneOfManyWins(t *testing.T, h Harness) {
	put(t, h.Driver, "object", []byte("x"), blob.PutOptions{})
	errs := compete(func(int) error { return h.Driver.Delete(t.Context(), "object") })
	onlyWinner(t, errs, errkind.NotFound)
	wantMissing(t, h.Driver, "object")
}

func cancelled(t *testing.T, h Harness) {
	put(t, h.Driver, "object", []byte("x"), blob.PutOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, readErr := h.Driver.ReadAt(ctx, "object", make([]byte, 1), 0)
	_, statErr := h.Driver.Stat(ctx, "object")
	lock := blob.Lock{Mode: blob.Compliance, Until: h.Clock.Now().Add(time.Hour)}
	for doing, err := range map[string]error{
		"read":   readErr,
		"stat":   statErr,
		"delete": h.Driver.Delete(ctx, "object"),
		"lock":   h.Driver.SetLock(ctx, "object", lock),
		"list":   h.Driver.List(ctx, "", func(blob.Info) error { return nil }),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", doing, err)
		}
	}
	info, err := h.Driver.Stat(t.Context(), "object")
	if err != nil || info.Lock != (blob.Lock{}) {
		t.Fatalf("after cancelled calls: %+v, %v", info, err)
	}
}
