package tlog

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// crashStory is a sequence of appends that crosses tile borders at two levels.
var crashStory = []int{1, 3, 250, 1, 1, 300, 2}

// TestAppend_CrashMatrix fails each write of a story in turn, once without and
// once with effect, and requires afterwards that the log opens, verifies and
// holds all that was acknowledged and nothing twice.
func TestAppend_CrashMatrix(t *testing.T) {
	k := testKey(t, testOrigin)
	start := newMemStore()
	createLog(t, start, k)
	probe := start.clone()
	l := openLog(t, probe, k)
	for _, n := range crashStory {
		appendN(t, l, n)
	}
	for at := 1; at <= probe.writes; at++ {
		for _, applied := range []bool{false, true} {
			for _, reopen := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d/applied=%v/reopen=%v", at, applied, reopen), func(t *testing.T) {
					store := start.clone()
					store.failAt, store.applied = at, applied
					crashOnce(t, store, k, reopen)
				})
			}
		}
	}
}

func crashOnce(t *testing.T, store *memStore, k Key, reopen bool) {
	l := openLog(t, store, k)
	faults := 0
	var acked int64
	for _, n := range crashStory {
		want := acked + int64(n)
		_, err := l.Append(t.Context(), records(acked, n))
		if errors.Is(err, errFault) {
			faults++
			if reopen {
				l = openLog(t, store, k)
			} else if err := l.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustVerify(t, store, k)
			// All or nothing; then the caller does the rest.
			if l.Size() != acked && l.Size() != want {
				t.Fatalf("size %d after a failed append of %d to %d", l.Size(), n, acked)
			}
			_, err = l.Append(t.Context(), records(l.Size(), int(want-l.Size())))
		}
		if err != nil {
			t.Fatal(err)
		}
		acked = want
	}
	if faults != 1 {
		t.Fatalf("%d faults injected", faults)
	}
	if r := mustVerify(t, store, k); r.Checkpoint.Size != acked {
		t.Fatalf("size %d, want %d", r.Checkpoint.Size, acked)
	}
	err := openLog(t, store, k).Entries(t.Context(), 0, acked, func(i int64, data []byte) error {
		if !bytes.Equal(data, record(i)) {
			return fmt.Errorf("record %d is %q", i, data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAppend_AfterFaultFindsOutItself: without a Refresh in between the next
// append looks for itself what became of the failed one.
func TestAppend_AfterFaultFindsOutItself(t *testing.T) {
	k := testKey(t, testOrigin)
	for _, applied := range []bool{false, true} {
		store := newMemStore()
		l := createLog(t, store, k)
		store.failAt, store.applied = store.writes+3, applied // the checkpoint
		if _, err := l.Append(t.Context(), records(0, 2)); !errors.Is(err, errFault) {
			t.Fatal(err)
		}
		first, err := l.Append(t.Context(), records(2, 1))
		want := int64(0)
		if applied {
			want = 2
		}
		if err != nil || first != want {
			t.Errorf("applied=%v: first %d, %v", applied, first, err)
		}
		mustVerify(t, store, k)
	}
}

func TestPublish_CrashMatrix(t *testing.T) {
	k, src := testKey(t, testOrigin), newMemStore()
	l := createLog(t, src, k)
	appendN(t, l, 40)
	start := newMemStore()
	if _, err := l.Publish(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	appendN(t, l, 500)
	probe := start.clone()
	if _, err := l.Publish(t.Context(), probe); err != nil {
		t.Fatal(err)
	}
	for at := 1; at <= probe.writes; at++ {
		for _, applied := range []bool{false, true} {
			dst := start.clone()
			dst.failAt, dst.applied = at, applied
			if _, err := l.Publish(t.Context(), dst); !errors.Is(err, errFault) {
				t.Fatal(err)
			}
			if r := mustVerify(t, dst, k); r.Checkpoint.Size != 40 && r.Checkpoint.Size != 540 {
				t.Errorf("write %d: size %d", at, r.Checkpoint.Size)
			}
			if n, err := l.Publish(t.Context(), dst); err != nil || n != 540 {
				t.Errorf("write %d: second publish %d, %v", at, n, err)
			}
			if r := mustVerify(t, dst, k); r.Checkpoint.Size != 540 {
				t.Errorf("write %d: size %d in the end", at, r.Checkpoint.Size)
			}
		}
	}
}
