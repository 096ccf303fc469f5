package diskblob

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/blobtest"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestLockRecord_EveryDamageLocksForEver(t *testing.T) {
	clock := blobtest.NewClock()
	d, folder := fresh(t, clock.Now)
	lock := blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Hour)}
	put(t, d, "packs/a", []byte("kept"), blob.PutOptions{Lock: lock})
	put(t, d, "packs/b", []byte("kept"), blob.PutOptions{Lock: lock})
	clock.Set(lock.Until.Add(time.Hour))
	path := filepath.Join(folder, "locks/packs/a.lock")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(filepath.Join(folder, "locks/packs/b.lock"))
	if err != nil {
		t.Fatal(err)
	}
	damages := map[string][]byte{
		"empty": {}, "of another object": other, "longer": append(bytes.Clone(whole), '\n'),
		"newer": bytes.Replace(whole, []byte(`"version":1`), []byte(`"version":2`), 1),
		"huge":  bytes.Repeat([]byte(" "), 10_000),
	}
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1
		damages["flipped at "+string(whole[:i])] = flipped
		damages["cut at "+string(whole[:i])] = whole[:i]
	}
	for what, data := range damages {
		replaceFile(t, path, data)
		wantKind(t, what+": delete", d.Delete(t.Context(), "packs/a"), errkind.Refused)
		info, err := d.Stat(t.Context(), "packs/a")
		if err != nil || info.Lock.Mode != blob.Compliance || !info.Lock.Until.Equal(blob.Forever()) {
			t.Fatalf("%s: stat tells %+v, %v", what, info, err)
		}
	}
	_, err = d.Put(t.Context(), "packs/a", nil, blob.PutOptions{Replace: true})
	wantKind(t, "replace", err, errkind.Refused)
	further := blob.Lock{Mode: blob.Compliance, Until: clock.Now().AddDate(10, 0, 0)}
	wantKind(t, "raise", d.SetLock(t.Context(), "packs/a", further), errkind.Refused)
	wantContent(t, d, "packs/a", []byte("kept"))
	damaged, err := d.DamagedLocks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"packs/a"}, damaged); diff != "" {
		t.Fatalf("damaged locks (-want +got):\n%s", diff)
	}
	replaceFile(t, path, whole)
	if err := d.Delete(t.Context(), "packs/a"); err != nil {
		t.Fatalf("delete with the record whole again: %v", err)
	}
}

func replaceFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o440); err != nil {
		t.Fatal(err)
	}
}

func TestLockRecord_UnreadableKeepsTheData(t *testing.T) {
	d, folder := fresh(t, nil)
	put(t, d, "a", []byte("kept"), blob.PutOptions{})
	if err := os.Mkdir(filepath.Join(folder, "locks/a.lock"), 0o750); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "delete", d.Delete(t.Context(), "a"), errkind.Refused)
	wantContent(t, d, "a", []byte("kept"))
}

func TestLockRecord_LeftBehindKeepsItsDate(t *testing.T) {
	clock := blobtest.NewClock()
	d, folder := fresh(t, clock.Now)
	long := blob.Lock{Mode: blob.Compliance, Until: clock.Now().Add(2 * time.Hour)}
	put(t, d, "a", []byte("lost"), blob.PutOptions{Lock: long})
	if err := os.Remove(filepath.Join(folder, "a")); err != nil {
		t.Fatal(err)
	}
	short := blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Hour)}
	info, err := d.Put(t.Context(), "a", []byte("new"), blob.PutOptions{Lock: short})
	if err != nil || info.Lock != long {
		t.Fatalf("put told %+v, %v; want the lock %+v", info, err, long)
	}
	clock.Set(short.Until)
	wantKind(t, "delete", d.Delete(t.Context(), "a"), errkind.Refused)
}

func FuzzDecodeRecord(f *testing.F) {
	lock := blob.Lock{Mode: blob.Compliance, Until: time.Date(2036, 3, 31, 0, 0, 0, 5, time.UTC)}
	f.Add("packs/a", encodeRecord("packs/a", lock))
	f.Add("packs/a", []byte(`{"version":1,"name":"packs/a","mode":"governance","until":"0000-01-01T00:00:00+23:59"}`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		got, err := decodeRecord(name, data)
		if err != nil {
			return
		}
		if got.Check() != nil || got.Mode == blob.NoLock || !bytes.Equal(encodeRecord(name, got), data) {
			t.Fatalf("%q was read as %+v", data, got)
		}
	})
}
