package blobtest

import (
	"errors"
	"io"
	"testing"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// versioned gives the store's versions, and skips a test of them where there are
// none.
func versioned(t *testing.T, d blob.Driver) blob.Versioned {
	t.Helper()
	store, ok := d.(blob.Versioned)
	if !ok || !d.Caps().Versions {
		t.Skip("the store's versions cannot be read")
	}
	return store
}

// versionsCurrent checks that one version is the object, listed with what Stat
// tells of it, and that it is read by its id.
func versionsCurrent(t *testing.T, h Harness) {
	store := versioned(t, h.Driver)
	put(t, h.Driver, "object", []byte("one"), blob.PutOptions{Replace: true})
	info := put(t, h.Driver, "object", []byte("second"), blob.PutOptions{Replace: true})
	list, err := store.ListVersions(t.Context(), "object")
	if err != nil {
		t.Fatal(err)
	}
	current := 0
	for i, v := range list {
		if i > 0 && v.Modified.After(list[i-1].Modified) {
			t.Errorf("listed %+v after %+v", v, list[i-1])
		}
		if !v.Current {
			continue
		}
		current++
		if v.ID != info.Version || v.Size != info.Size || v.Marker {
			t.Errorf("listed %+v, put told %+v", v, info)
		}
		p := make([]byte, 10)
		n, err := store.ReadVersionAt(t.Context(), "object", v.ID, p, 2)
		if string(p[:n]) != "cond" || !errors.Is(err, io.EOF) {
			t.Errorf("read %q, %v", p[:n], err)
		}
	}
	if current != 1 {
		t.Errorf("%d versions are the object in %+v", current, list)
	}
}

func versionsOfNothing(t *testing.T, h Harness) {
	store := versioned(t, h.Driver)
	info := put(t, h.Driver, "other", []byte("x"), blob.PutOptions{})
	_, err := store.ListVersions(t.Context(), "object")
	wantKind(t, "versions of what is not there", err, errkind.NotFound)
	_, err = store.ReadVersionAt(t.Context(), "object", info.Version, make([]byte, 1), 0)
	wantKind(t, "read another object's version", err, errkind.NotFound)
	_, err = store.ListVersions(t.Context(), "../object")
	wantKind(t, "versions of a wrong name", err, errkind.Invalid)
}
