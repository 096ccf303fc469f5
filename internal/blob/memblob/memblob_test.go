package memblob_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/blobtest"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(*testing.T) blobtest.Harness {
		clock := blobtest.NewClock()
		d := memblob.New(clock.Now)
		return blobtest.Harness{
			Driver: d,
			Clock:  clock,
			Reopen: func(*testing.T) blob.Driver { return d.Clone() },
		}
	})
}

func put(t *testing.T, d *memblob.Driver, name, data string, opts blob.PutOptions) {
	t.Helper()
	if _, err := d.Put(t.Context(), name, []byte(data), opts); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, d *memblob.Driver, name string) string {
	t.Helper()
	data, err := blob.New(d, blob.Options{}).ReadAll(t.Context(), name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestVersions_OldOnesStay(t *testing.T) {
	clock := blobtest.NewClock()
	d := memblob.New(clock.Now)
	put(t, d, "a", "one", blob.PutOptions{})
	put(t, d, "a", "two", blob.PutOptions{Replace: true, Lock: blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Hour)}})
	clock.Set(clock.Now().Add(time.Hour))
	if err := d.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, v := range d.Versions("a") {
		if v.Marker {
			got = append(got, "marker")
			continue
		}
		got = append(got, string(v.Data))
	}
	if diff := cmp.Diff([]string{"one", "two", "marker"}, got); diff != "" {
		t.Fatal(diff)
	}
	if n := d.Purge("a"); n != 3 || len(d.Versions("a")) != 0 {
		t.Fatalf("purged %d, left %d", n, len(d.Versions("a")))
	}
}

func TestPurge_LockedAndCurrentStay(t *testing.T) {
	clock := blobtest.NewClock()
	d := memblob.New(clock.Now)
	until := clock.Now().Add(time.Hour)
	put(t, d, "a", "one", blob.PutOptions{})
	put(t, d, "a", "two", blob.PutOptions{Replace: true, Lock: blob.Lock{Mode: blob.Governance, Until: until}})
	clock.Set(until)
	put(t, d, "a", "three", blob.PutOptions{Replace: true})
	clock.Set(until.Add(-time.Second))
	if n := d.Purge("a"); n != 1 {
		t.Fatalf("purged %d under a lock, want 1", n)
	}
	clock.Set(until)
	if n := d.Purge("a"); n != 1 {
		t.Fatalf("purged %d, want 1", n)
	}
	if got := content(t, d, "a"); got != "three" {
		t.Fatalf("left %q", got)
	}
}

func TestFault_AppliedAndNot(t *testing.T) {
	d := memblob.New(nil)
	boom := errors.New("boom")
	var fault memblob.Fault
	d.SetFault(func(op memblob.Op, name string) memblob.Fault {
		if op == memblob.OpPut && name == "a" {
			return fault
		}
		return memblob.Fault{}
	})
	fault = memblob.Fault{When: memblob.NotApplied}
	if _, err := d.Put(t.Context(), "a", nil, blob.PutOptions{}); !errkind.Is(err, errkind.Unavailable) {
		t.Fatal(err)
	}
	if _, err := d.Stat(t.Context(), "a"); !errkind.Is(err, errkind.NotFound) {
		t.Fatalf("a fault before the operation applied it: %v", err)
	}
	fault = memblob.Fault{When: memblob.Applied, Err: boom}
	if _, err := d.Put(t.Context(), "a", []byte("x"), blob.PutOptions{}); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	d.SetFault(nil)
	if got := content(t, d, "a"); got != "x" {
		t.Fatalf("got %q", got)
	}
	want := map[memblob.Op]int{memblob.OpPut: 2, memblob.OpStat: 2, memblob.OpRead: 1}
	if diff := cmp.Diff(want, d.Counts()); diff != "" {
		t.Fatal(diff)
	}
	d.ResetCounts()
	if n := d.Counts()[memblob.OpPut]; n != 0 {
		t.Fatalf("counted %d after a reset", n)
	}
}

func TestDamage_TouchesOneStoreOnly(t *testing.T) {
	d := memblob.New(nil)
	put(t, d, "a", "abc", blob.PutOptions{})
	put(t, d, "b", "abc", blob.PutOptions{})
	c := d.Clone()
	if !c.Corrupt("a", 1) || !c.Truncate("b", 2) {
		t.Fatal("no damage done")
	}
	if c.Corrupt("a", 3) || c.Corrupt("a", -1) || c.Truncate("b", 3) || c.Corrupt("missing", 0) || c.Drop("missing") {
		t.Fatal("damage told where there is nothing to damage")
	}
	if a, b := content(t, c, "a"), content(t, c, "b"); a != "acc" || b != "ab" {
		t.Fatalf("damaged to %q and %q", a, b)
	}
	if !c.Drop("a") {
		t.Fatal("nothing dropped")
	}
	put(t, c, "new", "", blob.PutOptions{})
	if a, b := content(t, d, "a"), content(t, d, "b"); a != "abc" || b != "abc" {
		t.Fatalf("the original became %q and %q", a, b)
	}
	if objects, size, err := blob.New(d, blob.Options{}).Count(t.Context(), ""); objects != 2 || size != 6 || err != nil {
		t.Fatalf("the original has %d objects of %d bytes, %v", objects, size, err)
	}
}

func TestHold_KeepsItsVersion(t *testing.T) {
	d := memblob.New(nil)
	put(t, d, "a", "held", blob.PutOptions{})
	if err := d.SetLegalHold(t.Context(), "a", true); err != nil {
		t.Fatal(err)
	}
	d.Forge("a", []byte("forged"))
	d.Hide("a")
	if held, err := d.LegalHold(t.Context(), "a"); !errkind.Is(err, errkind.NotFound) {
		t.Fatalf("held %t, %v", held, err)
	}
	if n := d.Purge("a"); n != 1 {
		t.Fatalf("purged %d, want the forged version alone", n)
	}
	if v := d.Versions("a"); len(v) != 2 || !v[0].Held || string(v[0].Data) != "held" || !v[1].Marker {
		t.Fatalf("left %+v", v)
	}
	if c := d.Clone(); !c.Versions("a")[0].Held {
		t.Fatal("a copy lost the hold")
	}
}
