package blob_test

import (
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestSetLegalHold_NeedsItsGrant(t *testing.T) {
	for on, right := range map[bool]access.Action{true: access.HoldPlace, false: access.HoldRelease} {
		f := newFixture()
		f.put(t, "a", "kept", blob.PutOptions{})
		must(t, f.mem.SetLegalHold(t.Context(), "a", !on))
		for _, action := range []access.Action{"", access.HoldPlace, access.HoldRelease, "object/delete", "lock/raise"} {
			if action != right {
				wantKind(t, string(action), f.SetLegalHold(t.Context(), grant(action), "a", on), errkind.NotAllowed)
			}
		}
		if held, err := f.LegalHold(t.Context(), "a"); err != nil || held == on {
			t.Fatalf("under other grants: held %t, %v", held, err)
		}
		must(t, f.SetLegalHold(t.Context(), grant(right), "a", on))
		if held, err := f.LegalHold(t.Context(), "a"); err != nil || held != on {
			t.Fatalf("held %t, %v; want %t", held, err, on)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSetLegalHold_ForbidsDeletionAndReplacement(t *testing.T) {
	f := newFixture()
	f.put(t, "a", "kept", blob.PutOptions{})
	f.failing(memblob.OpHold, 2, memblob.Fault{When: memblob.Applied})
	must(t, f.SetLegalHold(t.Context(), grant(access.HoldPlace), "a", true))
	wantKind(t, "delete", f.Delete(t.Context(), grant("object/delete"), "a"), errkind.Refused)
	_, err := f.Put(t.Context(), "a", []byte("instead"), blob.PutOptions{Replace: true})
	wantKind(t, "replace", err, errkind.Refused)
	f.want(t, "a", "kept")
	must(t, f.SetLegalHold(t.Context(), grant(access.HoldRelease), "a", false))
	must(t, f.Delete(t.Context(), grant("object/delete"), "a"))
	wantKind(t, "hold what is gone", f.SetLegalHold(t.Context(), grant(access.HoldPlace), "a", true), errkind.NotFound)
}

// noHolds is a driver that could set holds, over a store that has none.
type noHolds struct{ *memblob.Driver }

func (d noHolds) Caps() blob.Caps {
	caps := d.Driver.Caps()
	caps.Holds = false
	return caps
}

// plainDriver has no optional abilities.
type plainDriver struct{ blob.Driver }

func TestSetLegalHold_UnsupportedWhereThereAreNone(t *testing.T) {
	for name, driver := range map[string]blob.Driver{"driver": plainDriver{memblob.New(nil)}, "store": noHolds{memblob.New(nil)}} {
		b := blob.New(driver, blob.Options{})
		if _, err := b.Put(t.Context(), "a", nil, blob.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		err := b.SetLegalHold(t.Context(), grant(access.HoldPlace), "a", true)
		wantKind(t, name, err, errkind.Unsupported)
		if !strings.HasSuffix(err.Error(), "this store has no legal holds of its own") {
			t.Errorf("%s: %v", name, err)
		}
		if held, err := b.LegalHold(t.Context(), "a"); held || err != nil || b.CanHold() {
			t.Errorf("%s: held %t, %v, can hold %t", name, held, err, b.CanHold())
		}
	}
	if f := newFixture(); !f.CanHold() {
		t.Error("the store in memory has no holds")
	}
}
