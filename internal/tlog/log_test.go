package tlog

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestAppend_RootsAreThoseOfRFC6962(t *testing.T) {
	k, store := testKey(t, testOrigin), newMemStore()
	l := createLog(t, store, k)
	rng := rand.New(rand.NewPCG(1, 2))
	all := [][]byte{}
	for len(all) < 1300 {
		batch := records(int64(len(all)), 1+rng.IntN(90))
		first, err := l.Append(t.Context(), batch)
		if err != nil || first != int64(len(all)) {
			t.Fatalf("append at %d: %d, %v", len(all), first, err)
		}
		all = append(all, batch...)
		c, err := OpenCheckpoint(l.Checkpoint(), k.Verifier)
		if err != nil {
			t.Fatal(err)
		}
		if want := naiveRoot(all); c.Root != want || c.Size != int64(len(all)) {
			t.Fatalf("size %d: checkpoint %v, want root %v", len(all), c, want)
		}
		if rng.IntN(3) == 0 {
			l = openLog(t, store, k) // what is read back must go on the same way
		}
	}
	mustVerify(t, store, k)
}

func TestEntries_GivesWhatWasAppended(t *testing.T) {
	k := testKey(t, testOrigin)
	l := createLog(t, newMemStore(), k)
	appendN(t, l, 600)
	for _, r := range [][2]int64{{0, 600}, {0, 0}, {255, 257}, {300, 301}, {512, 600}, {600, 600}} {
		next := r[0]
		err := l.Entries(t.Context(), r[0], r[1], func(i int64, data []byte) error {
			if i != next || !bytes.Equal(data, record(i)) {
				t.Errorf("record %d: %q, want %d", i, data, next)
			}
			next++
			return nil
		})
		if err != nil || next != r[1] {
			t.Errorf("entries %v: ended at %d, %v", r, next, err)
		}
	}
	wantKind(t, l.Entries(t.Context(), 0, 601, nil), errkind.Invalid)
}

func TestProofs_HoldForEveryRecordAndSize(t *testing.T) {
	k := testKey(t, testOrigin)
	l := createLog(t, newMemStore(), k)
	var olds []Checkpoint
	for l.Size() < 530 {
		appendN(t, l, 53)
		c, err := OpenCheckpoint(l.Checkpoint(), k.Verifier)
		if err != nil {
			t.Fatal(err)
		}
		olds = append(olds, c)
	}
	now := olds[len(olds)-1]
	for i := int64(0); i < now.Size; i += 7 {
		p, err := l.InclusionProof(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckInclusion(p, now, i, record(i)); err != nil {
			t.Error(err)
		}
		wantKind(t, CheckInclusion(p, now, i, []byte("another")), errkind.Damaged)
	}
	for _, old := range olds {
		p, err := l.ConsistencyProof(t.Context(), old.Size)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckConsistency(p, now, old); err != nil {
			t.Error(err)
		}
		old.Root[0] ^= 1
		wantKind(t, CheckConsistency(p, now, old), errkind.Damaged)
	}
	_, err := l.InclusionProof(t.Context(), now.Size)
	wantKind(t, err, errkind.NotFound)
}

func TestAppend_RefusesLargeRecords(t *testing.T) {
	k := testKey(t, testOrigin)
	l := createLog(t, newMemStore(), k)
	if _, err := l.Append(t.Context(), [][]byte{make([]byte, MaxRecord), {}}); err != nil {
		t.Fatal(err)
	}
	_, err := l.Append(t.Context(), [][]byte{{1}, make([]byte, MaxRecord+1)})
	wantKind(t, err, errkind.Invalid)
	if l.Size() != 2 {
		t.Errorf("size %d", l.Size())
	}
}

func TestAppend_SecondProcessMustRefresh(t *testing.T) {
	k, store := testKey(t, testOrigin), newMemStore()
	a := createLog(t, store, k)
	b := openLog(t, store, k)
	appendN(t, a, 3)
	_, err := b.Append(t.Context(), records(0, 1))
	wantKind(t, err, errkind.Busy)
	if err := b.Refresh(t.Context()); err != nil || b.Size() != 3 {
		t.Fatalf("size %d, %v", b.Size(), err)
	}
	appendN(t, b, 2)
	mustVerify(t, store, k)
}

func TestAppend_NeverSignsAnotherHistory(t *testing.T) {
	k := testKey(t, testOrigin)
	older := newMemStore()
	createLog(t, older, k)
	appendN(t, openLog(t, older, k), 5)
	other := older.clone()
	if _, err := openLog(t, other, k).Append(t.Context(), [][]byte{[]byte("forked")}); err != nil {
		t.Fatal(err)
	}

	for name, replace := range map[string]*memStore{"rolled back": older, "forked": other} {
		store := older.clone()
		l := openLog(t, store, k)
		appendN(t, l, 1)
		store.objects = replace.clone().objects
		_, err := l.Append(t.Context(), records(6, 1))
		if !errkind.Is(err, errkind.Damaged) {
			t.Errorf("%s: append gave %v", name, err)
		}
		if err := l.Refresh(t.Context()); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("%s: refresh gave %v", name, err)
		}
		if l.Size() != 6 {
			t.Errorf("%s: the log forgot what it knew", name)
		}
	}
}

func TestCreate_RefusesWhereALogWas(t *testing.T) {
	k, store := testKey(t, testOrigin), newMemStore()
	l := createLog(t, store, k)
	wantKind(t, Create(t.Context(), store, testOrigin, k.Signer), errkind.Exists)
	appendN(t, l, 77)
	delete(store.objects, checkpointName)
	wantKind(t, Create(t.Context(), store, testOrigin, k.Signer), errkind.Exists)
	_, err := Open(t.Context(), store, testOrigin, k.Signer, k.Verifier)
	wantKind(t, err, errkind.NotFound)
	wantKind(t, Create(t.Context(), newMemStore(), "two words", k.Signer), errkind.Invalid)
}

func TestOpen_RefusesForeignKeyAndOrigin(t *testing.T) {
	k, store := testKey(t, testOrigin), newMemStore()
	createLog(t, store, k)
	other := testKey(t, testOrigin)
	_, err := Open(t.Context(), store, testOrigin, other.Signer, other.Verifier)
	wantKind(t, err, errkind.WrongKey)
	_, err = Open(t.Context(), store, "other", k.Signer, k.Verifier)
	wantKind(t, err, errkind.WrongKey)
}

func TestOpen_FindsDamageAtTheRightEdge(t *testing.T) {
	k, store := testKey(t, testOrigin), newMemStore()
	appendN(t, createLog(t, store, k), 300)
	for _, name := range []string{"tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"} {
		bad := store.clone()
		bad.objects[name] = append([]byte(nil), store.objects[name]...)
		bad.objects[name][9] ^= 1
		if _, err := Open(t.Context(), bad, testOrigin, k.Signer, k.Verifier); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("%s flipped: %v", name, err)
		}
		delete(bad.objects, name)
		_, err := Open(t.Context(), bad, testOrigin, k.Signer, k.Verifier)
		var d *Damage
		if !errors.As(err, &d) || d.Object != name {
			t.Errorf("%s missing: %v", name, err)
		}
	}
}

func TestOpen_WithoutSignerReadsOnly(t *testing.T) {
	k, store := testKey(t, testOrigin), newMemStore()
	createLog(t, store, k)
	l, err := Open(t.Context(), store, testOrigin, nil, k.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Append(t.Context(), records(0, 1))
	wantKind(t, err, errkind.ReadOnly)
}

func TestDir_TidyKeepsWhatVerifyNeeds(t *testing.T) {
	k, dir := testKey(t, testOrigin), t.TempDir()
	d := DirStore(filepath.Join(dir, "made", "on", "demand"))
	l := createLog(t, d, k)
	appendN(t, l, 200)
	appendN(t, l, 50)
	reader := openLog(t, d, k)
	since := l.Size()
	appendN(t, l, 50)
	if err := l.Tidy(t.Context(), d, since); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tile/entries/000.p", "tile/0/000.p"} {
		if _, err := os.Stat(filepath.Join(d.root, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	mustVerify(t, d, k)
	// One who still holds the checkpoint of 250 finds them in the full tile.
	count := 0
	if err := reader.Entries(t.Context(), 0, 250, func(int64, []byte) error { count++; return nil }); err != nil || count != 250 {
		t.Errorf("%d entries, %v", count, err)
	}
	if err := reader.Refresh(t.Context()); err != nil || reader.Size() != 300 {
		t.Errorf("refresh: %d, %v", reader.Size(), err)
	}
}

func TestDir_SweepRemovesTheRestOfAnInterruptedAppend(t *testing.T) {
	k, d := testKey(t, testOrigin), DirStore(t.TempDir())
	l := createLog(t, d, k)
	appendN(t, l, 250)
	old := l.Checkpoint()
	appendN(t, l, 20)
	if err := d.Write(t.Context(), checkpointName, old); err != nil {
		t.Fatal(err)
	}
	l = openLog(t, d, k)
	before, err := d.Strays(t.Context(), l.Size())
	if err != nil || len(before) != 5 {
		t.Fatalf("strays %v, %v", before, err)
	}
	if err := l.Sweep(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	after, err := d.Strays(t.Context(), l.Size())
	if err != nil || len(after) != 2 { // the full ones, which the next append replaces
		t.Errorf("strays after sweep %v, %v", after, err)
	}
	var other [][]byte
	for range 25 {
		other = append(other, []byte("something else"))
	}
	if _, err := l.Append(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if strays, err := d.Strays(t.Context(), l.Size()); err != nil || len(strays) > 0 {
		t.Errorf("strays in the end %v, %v", strays, err)
	}
	mustVerify(t, d, k)
}

func TestDir_RefusesNamesOutside(t *testing.T) {
	d := DirStore(t.TempDir())
	for _, name := range []string{"../x", "/x", "", ".", "a/../../x"} {
		_, err := d.Read(t.Context(), name)
		if !errkind.Is(err, errkind.Invalid) {
			t.Errorf("read %q: %v", name, err)
		}
		if err := d.Write(t.Context(), name, nil); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("write %q: %v", name, err)
		}
	}
	if err := os.Mkdir(filepath.Join(d.root, "checkpoint"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := d.Read(t.Context(), "checkpoint")
	wantKind(t, err, errkind.Damaged)
}
