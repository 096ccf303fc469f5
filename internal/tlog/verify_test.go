package tlog

import (
	"errors"
	"slices"
	"testing"

	merkle "golang.org/x/mod/sumdb/tlog"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestVerify_EveryFlippedByteIsFound(t *testing.T) {
	k, store := testKey(t, testOrigin), newMemStore()
	appendN(t, createLog(t, store, k), 258)
	needed := []string{
		checkpointName, "tile/entries/000", "tile/entries/001.p/2", "tile/0/000", "tile/0/001.p/2", "tile/1/000.p/1",
	}
	if len(store.objects) != len(needed) {
		t.Fatalf("%d objects", len(store.objects))
	}
	for _, name := range needed {
		good := store.objects[name]
		step := 1
		if len(good) > 1000 {
			step = 71
		}
		for i := 0; i < len(good); i += step {
			bad := slices.Clone(good)
			bad[i] ^= 1 << (i % 8)
			store.objects[name] = bad
			if _, err := Verify(t.Context(), store, k.Verifier, VerifyOptions{}); err == nil {
				t.Fatalf("%s byte %d: not found", name, i)
			}
		}
		store.objects[name] = good
	}
}

func TestVerify_NamesTheFirstBadThing(t *testing.T) {
	k, store := testKey(t, testOrigin), newMemStore()
	appendN(t, createLog(t, store, k), 600)
	cases := []struct {
		name   string
		object string
		tamper func(m *memStore)
		record int64
	}{
		{"record changed", "tile/entries/001", func(m *memStore) { m.objects["tile/entries/001"][4] ^= 1 }, 256},
		{"leaf hash changed", "tile/0/001", func(m *memStore) { m.objects["tile/0/001"][32*7] ^= 1 }, 256 + 7},
		{"upper hash changed", "tile/1/000.p/2", func(m *memStore) { m.objects["tile/1/000.p/2"][33] ^= 1 }, -1},
		{"bundle missing", "tile/entries/002.p/88", func(m *memStore) { delete(m.objects, "tile/entries/002.p/88") }, -1},
		{"tile missing", "tile/0/000", func(m *memStore) { delete(m.objects, "tile/0/000") }, -1},
		{"bundle cut", "tile/entries/000", func(m *memStore) { m.objects["tile/entries/000"] = m.objects["tile/entries/000"][:99] }, -1},
		{"tiles swapped", "tile/0/000", func(m *memStore) {
			m.objects["tile/0/000"], m.objects["tile/0/001"] = m.objects["tile/0/001"], m.objects["tile/0/000"]
		}, 0},
		{"record and leaf changed", "tile/1/000.p/2", func(m *memStore) {
			rs, _ := parseBundle(m.objects["tile/entries/000"], 256)
			rs[3][0] = 'R'
			var f frontier
			for _, r := range rs {
				_ = f.push(merkle.RecordHash(r), func(x tile, h []Hash) error {
					m.objects[x.name()] = encodeTile(h)
					return nil
				})
			}
		}, -1},
		{"checkpoint missing", checkpointName, func(m *memStore) { delete(m.objects, checkpointName) }, -1},
	}
	for _, c := range cases {
		bad := newMemStore()
		for n, data := range store.objects {
			bad.objects[n] = slices.Clone(data)
		}
		c.tamper(bad)
		_, err := Verify(t.Context(), bad, k.Verifier, VerifyOptions{})
		var d *Damage
		if !errors.As(err, &d) || d.Object != c.object || d.Record != c.record {
			t.Errorf("%s: %v", c.name, err)
		}
		wantKind(t, err, errkind.Damaged)
	}
}

func TestVerify_AgainstAnOlderCheckpoint(t *testing.T) {
	k, store := testKey(t, testOrigin), newMemStore()
	l := createLog(t, store, k)
	var anchors []Checkpoint
	for _, n := range []int{0, 1, 254, 1, 1, 300} {
		appendN(t, l, n)
		c, err := ParseCheckpoint(l.Checkpoint())
		if err != nil {
			t.Fatal(err)
		}
		anchors = append(anchors, c)
	}
	for _, a := range anchors {
		r, err := Verify(t.Context(), store, nil, VerifyOptions{Anchor: &a})
		if err != nil || r.Signed {
			t.Errorf("anchor of %d: %v, %v", a.Size, r, err)
		}
		a.Root[5] ^= 1
		_, err = Verify(t.Context(), store, nil, VerifyOptions{Anchor: &a})
		wantKind(t, err, errkind.Damaged)
	}
	newer := anchors[len(anchors)-1]
	newer.Size++
	_, err := Verify(t.Context(), store, k.Verifier, VerifyOptions{Anchor: &newer})
	wantKind(t, err, errkind.Damaged)
	strange := anchors[2]
	strange.Keys = []KeyID{{"someone", 1}}
	_, err = Verify(t.Context(), store, nil, VerifyOptions{Anchor: &strange})
	wantKind(t, err, errkind.WrongKey)
	strange.Origin = "elsewhere"
	_, err = Verify(t.Context(), store, nil, VerifyOptions{Anchor: &strange})
	wantKind(t, err, errkind.WrongKey)
}

func TestStrays_OlderPartialsAreCheckedAndTheRestNamed(t *testing.T) {
	k, d := testKey(t, testOrigin), DirStore(t.TempDir())
	l := createLog(t, d, k)
	for range 4 {
		appendN(t, l, 2)
	}
	for name, data := range map[string]string{"tile/entries/000.p/9": "", "notes.txt": "x", ".lock": "", "tile/entries/000.p/.tmp-1": "x"} {
		if name == "tile/entries/000.p/9" {
			all, err := d.Read(t.Context(), "tile/entries/000.p/8")
			if err != nil {
				t.Fatal(err)
			}
			data = string(appendRecord(all, []byte("not signed")))
		}
		if err := d.Write(t.Context(), name, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	strays, err := d.Strays(t.Context(), l.Size())
	if err != nil || len(strays) != 2 || strays[0].Name != "notes.txt" || strays[1].Name != "tile/entries/000.p/9" {
		t.Errorf("%v, %v", strays, err)
	}
	old, err := d.Read(t.Context(), "tile/entries/000.p/4")
	if err != nil {
		t.Fatal(err)
	}
	old[len(old)-1] ^= 1
	if err := d.Write(t.Context(), "tile/entries/000.p/4", old); err != nil {
		t.Fatal(err)
	}
	_, err = d.Strays(t.Context(), l.Size())
	var dmg *Damage
	if !errors.As(err, &dmg) || dmg.Object != "tile/entries/000.p/4" || dmg.Record != 3 {
		t.Error(err)
	}
}
