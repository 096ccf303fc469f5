package blob_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestLogStore_ReadsBackWhatItWrote(t *testing.T) {
	f := newFixture()
	log := blob.NewLogStore(f.Bucket, "log/")
	for _, name := range []string{"checkpoint", "tile/0/x001/x234/067", "tile/0/001.p/5", "tile/entries/000"} {
		_, err := log.Read(t.Context(), name)
		if !errors.Is(err, fs.ErrNotExist) || !errkind.Is(err, errkind.NotFound) {
			t.Fatalf("read of a missing %s: %v", name, err)
		}
		for _, data := range []string{"first", "second"} {
			if err := log.Write(t.Context(), name, []byte(data)); err != nil {
				t.Fatal(err)
			}
			got, err := log.Read(t.Context(), name)
			if err != nil || string(got) != data {
				t.Fatalf("read %q, %v; want %q", got, err, data)
			}
		}
		f.want(t, "log/"+name, "second")
	}
	f.failing(memblob.OpStat, 9, memblob.Fault{When: memblob.NotApplied})
	if _, err := log.Read(t.Context(), "checkpoint"); errors.Is(err, fs.ErrNotExist) || err == nil {
		t.Fatalf("an unreachable store looks like an empty one: %v", err)
	}
}
