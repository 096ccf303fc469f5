package blobtest

import (
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// holder gives the store's legal holds, and skips a test of them where there are
// none.
func holder(t *testing.T, d blob.Driver) blob.LegalHolder {
	t.Helper()
	holder, ok := d.(blob.LegalHolder)
	if !ok && d.Caps().Holds {
		t.Fatal("the store says that it has legal holds, and its driver cannot set them")
	}
	if !d.Caps().Holds {
		t.Skip("the store has no legal holds")
	}
	return holder
}

func setHold(t *testing.T, d blob.Driver, name string, on bool) {
	t.Helper()
	h := holder(t, d)
	if err := h.SetLegalHold(t.Context(), name, on); err != nil {
		t.Fatalf("set the hold of %s to %t: %v", name, on, err)
	}
	wantHold(t, d, name, on)
}

func wantHold(t *testing.T, d blob.Driver, name string, want bool) {
	t.Helper()
	if got, err := holder(t, d).LegalHold(t.Context(), name); err != nil || got != want {
		t.Fatalf("hold of %s: %t, %v; want %t", name, got, err, want)
	}
}

// holdForbids checks that a hold forbids what a lock would, on objects put both
// ways, until it is taken away.
func holdForbids(t *testing.T, h Harness) {
	holder(t, h.Driver)
	put(t, h.Driver, "once", []byte("kept"), blob.PutOptions{})
	put(t, h.Driver, "replaced", []byte("first"), blob.PutOptions{Replace: true})
	put(t, h.Driver, "replaced", []byte("kept"), blob.PutOptions{Replace: true})
	for _, name := range []string{"once", "replaced"} {
		wantHold(t, h.Driver, name, false)
		setHold(t, h.Driver, name, true)
		setHold(t, h.Driver, name, true)
		wantLocked(t, h.Driver, name, []byte("kept"))
		wantLock(t, h.Driver, name, blob.Lock{})
		setHold(t, h.Driver, name, false)
		setHold(t, h.Driver, name, false)
		put(t, h.Driver, name, []byte("new"), blob.PutOptions{Replace: true})
		wantBytes(t, h.Driver, name, []byte("new"))
		if err := h.Driver.Delete(t.Context(), name); err != nil {
			t.Fatalf("delete after the hold: %v", err)
		}
		wantMissing(t, h.Driver, name)
	}
}

// holdBesideLock checks that neither takes the other's place.
func holdBesideLock(t *testing.T, h Harness) {
	holder(t, h.Driver)
	until := h.in(h.term(time.Hour))
	lock := blob.Lock{Mode: modes(t, h)[0], Until: until}
	put(t, h.Driver, "object", []byte("kept"), blob.PutOptions{Lock: lock})
	setHold(t, h.Driver, "object", true)
	wantLock(t, h.Driver, "object", lock)
	h.pass(t, until)
	wantLocked(t, h.Driver, "object", []byte("kept"))
	setHold(t, h.Driver, "object", false)
	again := blob.Lock{Mode: lock.Mode, Until: h.in(time.Hour)}
	if err := h.Driver.SetLock(t.Context(), "object", again); err != nil {
		t.Fatal(err)
	}
	setHold(t, h.Driver, "object", true)
	setHold(t, h.Driver, "object", false)
	wantLock(t, h.Driver, "object", again)
	wantLocked(t, h.Driver, "object", []byte("kept"))
}

func holdSurvives(t *testing.T, h Harness) {
	holder(t, h.Driver)
	put(t, h.Driver, "object", []byte("kept"), blob.PutOptions{})
	setHold(t, h.Driver, "object", true)
	d := h.Reopen(t)
	wantHold(t, d, "object", true)
	wantLocked(t, d, "object", []byte("kept"))
}

func holdOfNothing(t *testing.T, h Harness) {
	store := holder(t, h.Driver)
	for _, on := range []bool{true, false} {
		wantKind(t, "hold what is not there", store.SetLegalHold(t.Context(), "object", on), errkind.NotFound)
		wantKind(t, "hold a wrong name", store.SetLegalHold(t.Context(), "../object", on), errkind.Invalid)
	}
	_, err := store.LegalHold(t.Context(), "object")
	wantKind(t, "hold of what is not there", err, errkind.NotFound)
	wantMissing(t, h.Driver, "object")
}
