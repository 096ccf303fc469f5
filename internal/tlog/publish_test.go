package tlog

import (
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestPublish_IsIdempotentAndResumes(t *testing.T) {
	k := testKey(t, testOrigin)
	l := createLog(t, newMemStore(), k)
	dst := newMemStore()
	for _, n := range []int{0, 3, 0, 253, 1, 600} {
		appendN(t, l, n)
		for range 2 {
			if size, err := l.Publish(t.Context(), dst); err != nil || size != l.Size() {
				t.Fatalf("publish %d: %d, %v", l.Size(), size, err)
			}
		}
		mustVerify(t, dst, k)
	}
	before := dst.writes
	if _, err := l.Publish(t.Context(), dst); err != nil || dst.writes != before {
		t.Errorf("publishing nothing new wrote %d objects, %v", dst.writes-before, err)
	}
}

func TestPublish_RefusesAnotherHistory(t *testing.T) {
	k := testKey(t, testOrigin)
	src := newMemStore()
	l := createLog(t, src, k)
	appendN(t, l, 260)
	ahead := src.clone()
	appendN(t, openLog(t, ahead, k), 10)
	forked := newMemStore()
	if _, err := createLog(t, forked, k).Append(t.Context(), [][]byte{[]byte("other")}); err != nil {
		t.Fatal(err)
	}
	fullTile := newMemStore() // no checkpoint, but a full tile of another log
	fullTile.objects["tile/0/000"] = make([]byte, 256*32)
	foreign := newMemStore()
	createLog(t, foreign, testKey(t, testOrigin))

	for name, c := range map[string]struct {
		dst  *memStore
		kind errkind.Kind
	}{
		"ahead": {ahead, errkind.Damaged}, "forked": {forked, errkind.Damaged},
		"full tile": {fullTile, errkind.Damaged}, "foreign key": {foreign, errkind.WrongKey},
	} {
		before := string(c.dst.objects[checkpointName])
		if _, err := l.Publish(t.Context(), c.dst); !errkind.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
		if string(c.dst.objects[checkpointName]) != before {
			t.Errorf("%s: its checkpoint was replaced", name)
		}
	}
}

func TestPublish_DoesNotSpreadDamage(t *testing.T) {
	k, src := testKey(t, testOrigin), newMemStore()
	l := createLog(t, src, k)
	appendN(t, l, 300)
	for _, name := range []string{"tile/entries/000", "tile/0/000", "tile/0/001.p/44"} {
		bad, dst := src.clone(), newMemStore()
		l.store = bad
		bad.objects[name] = append([]byte(nil), src.objects[name]...)
		bad.objects[name][40] ^= 1
		if _, err := l.Publish(t.Context(), dst); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("%s: %v", name, err)
		}
		if _, ok := dst.objects[checkpointName]; ok {
			t.Errorf("%s: a checkpoint was published", name)
		}
	}
}
