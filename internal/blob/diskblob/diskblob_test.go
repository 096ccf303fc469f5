package diskblob

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/blobtest"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Harness {
		clock := blobtest.NewClock()
		d, folder := fresh(t, clock.Now)
		return blobtest.Harness{
			Driver: d,
			Clock:  clock,
			Reopen: func(t *testing.T) blob.Driver { return reopen(t, folder, clock.Now) },
		}
	})
}

// fresh makes an empty store.
func fresh(t testing.TB, now func() time.Time) (*Driver, string) {
	t.Helper()
	return freshWith(t, Options{Now: now})
}

func freshWith(t testing.TB, opts Options) (*Driver, string) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "store")
	d, err := Create(folder, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, folder
}

func reopen(t testing.TB, folder string, now func() time.Time) *Driver {
	t.Helper()
	return reopenWith(t, folder, Options{Now: now})
}

func reopenWith(t testing.TB, folder string, opts Options) *Driver {
	t.Helper()
	d, err := Open(folder, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func put(t testing.TB, d *Driver, name string, data []byte, opts blob.PutOptions) {
	t.Helper()
	if _, err := d.Put(t.Context(), name, data, opts); err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
}

func wantKind(t *testing.T, doing string, err error, want errkind.Kind) {
	t.Helper()
	if !errkind.Is(err, want) {
		t.Fatalf("%s: %v, want kind %v, got %v", doing, err, want, errkind.Of(err))
	}
}

func wantContent(t *testing.T, d *Driver, name string, want []byte) {
	t.Helper()
	buf := make([]byte, len(want)+1)
	n, _ := d.ReadAt(t.Context(), name, buf, 0)
	if !bytes.Equal(buf[:n], want) {
		t.Fatalf("%s has %d bytes, want the %d put", name, n, len(want))
	}
}

// files lists every file below folder that is not a folder.
func files(t *testing.T, folder string) []string {
	t.Helper()
	list := []string{}
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			list = append(list, strings.TrimPrefix(path, folder+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestCreate_RefusesAForeignFolder(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "diary"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Create(folder, Options{})
	wantKind(t, "create in a folder with files", err, errkind.Exists)
	if diff := cmp.Diff([]string{"diary"}, files(t, folder)); diff != "" {
		t.Fatalf("the folder was changed:\n%s", diff)
	}
	_, err = Create(filepath.Join(folder, "diary"), Options{})
	wantKind(t, "create on a file", err, errkind.Invalid)
	_, err = Create(filepath.Join(folder, "diary", "below"), Options{})
	wantKind(t, "create below a file", err, errkind.Invalid)
}

func TestCreate_AgainOrInterruptedIsOpened(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "deep", "down", "store")
	for _, leftover := range []string{"lost+found", "locks"} {
		if err := os.MkdirAll(filepath.Join(folder, leftover), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "locks", ".tmp-x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d, err := Create(folder, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Put(t.Context(), "header", []byte("h"), blob.PutOptions{Replace: true}); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpen_NeedsAFolder(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "missing"), Options{})
	wantKind(t, "open a missing folder", err, errkind.NotFound)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(file, Options{})
	wantKind(t, "open a file", err, errkind.Invalid)
}

func TestMark_MissingStopsChanges(t *testing.T) {
	clock := blobtest.NewClock()
	d, folder := fresh(t, clock.Now)
	put(t, d, "packs/a", []byte("kept"), blob.PutOptions{})
	if err := os.RemoveAll(filepath.Join(folder, "locks")); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "delete", d.Delete(t.Context(), "packs/a"), errkind.Refused)
	for _, replace := range []bool{false, true} {
		_, err := d.Put(t.Context(), "packs/b", []byte("x"), blob.PutOptions{Replace: replace})
		wantKind(t, "put", err, errkind.Refused)
	}
	lock := blob.Lock{Mode: blob.Compliance, Until: clock.Now().Add(time.Hour)}
	wantKind(t, "lock", d.SetLock(t.Context(), "packs/a", lock), errkind.Refused)
	wantContent(t, d, "packs/a", []byte("kept"))
	if diff := cmp.Diff([]string{"packs/a"}, files(t, folder)); diff != "" {
		t.Fatalf("the folder was changed:\n%s", diff)
	}
}

func TestLayout_PlainFilesWithLockRecords(t *testing.T) {
	clock := blobtest.NewClock()
	d, folder := fresh(t, clock.Now)
	lock := blob.Lock{Mode: blob.Compliance, Until: time.Date(2036, 3, 31, 0, 0, 0, 0, time.UTC)}
	put(t, d, "header", []byte("head"), blob.PutOptions{})
	put(t, d, "packs/ab/abcd", []byte("pack"), blob.PutOptions{Lock: lock})
	want := []string{"header", "locks/packs/ab/abcd.lock", "locks/store", "packs/ab/abcd"}
	if diff := cmp.Diff(want, files(t, folder)); diff != "" {
		t.Fatalf("files (-want +got):\n%s", diff)
	}
	for file, mode := range map[string]fs.FileMode{"header": 0o440, "packs": fs.ModeDir | 0o750, "packs/ab/abcd": 0o440} {
		info, err := os.Stat(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode {
			t.Errorf("%s has mode %v, want %v", file, info.Mode(), mode)
		}
	}
	record, err := os.ReadFile(filepath.Join(folder, "locks/packs/ab/abcd.lock"))
	if err != nil {
		t.Fatal(err)
	}
	// The digest is that of the line without its member, computed apart.
	line := `{"version":1,"name":"packs/ab/abcd","mode":"compliance","until":"2036-03-31T00:00:00Z"`
	sum := sha256.Sum256([]byte(line + "}\n"))
	if diff := cmp.Diff(line+`,"sha256":"`+hex.EncodeToString(sum[:])+"\"}\n", string(record)); diff != "" {
		t.Fatalf("lock record (-want +got):\n%s", diff)
	}
}

func TestSymlinks_AreNotFollowed(t *testing.T) {
	d, folder := fresh(t, nil)
	put(t, d, "packs/a", []byte("inside"), blob.PutOptions{})
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "a"), []byte("outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"out": outside, "in": "packs", "file": "packs/a", "packs/gone": "nowhere", "locks/in": "packs",
	} {
		if err := os.Symlink(target, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"out/a", "in/a", "file", "packs/gone"} {
		_, err := d.Stat(t.Context(), name)
		wantKind(t, "stat "+name, err, errkind.Damaged)
		_, err = d.ReadAt(t.Context(), name, make([]byte, 1), 0)
		wantKind(t, "read "+name, err, errkind.Damaged)
		_, err = d.Put(t.Context(), name, []byte("x"), blob.PutOptions{})
		wantKind(t, "put "+name, err, errkind.Damaged)
		wantKind(t, "delete "+name, d.Delete(t.Context(), name), errkind.Damaged)
	}
	for _, name := range []string{"out/b", "in/b"} {
		_, err := d.Put(t.Context(), name, []byte("x"), blob.PutOptions{Replace: true})
		wantKind(t, "put "+name, err, errkind.Damaged)
	}
	var listed []string
	err := d.List(t.Context(), "", func(info blob.Info) error {
		listed = append(listed, info.Name)
		return nil
	})
	if diff := cmp.Diff([]string{"packs/a"}, listed); diff != "" || err != nil {
		t.Fatalf("listed (-want +got), %v:\n%s", err, diff)
	}
	if _, err := d.Sweep(t.Context(), -time.Hour); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a"}, files(t, outside)); diff != "" {
		t.Fatalf("outside (-want +got):\n%s", diff)
	}
}

func TestNames_ObjectAndFolderAtOnce(t *testing.T) {
	d, _ := fresh(t, nil)
	put(t, d, "a/b", []byte("kept"), blob.PutOptions{})
	for _, name := range []string{"a", "a/b/c"} {
		for _, replace := range []bool{false, true} {
			_, err := d.Put(t.Context(), name, []byte("x"), blob.PutOptions{Replace: replace})
			wantKind(t, "put "+name, err, errkind.Invalid)
		}
	}
	wantContent(t, d, "a/b", []byte("kept"))
}

func TestList_ForeignFilesAreNoObjects(t *testing.T) {
	d, folder := fresh(t, nil)
	put(t, d, "a", nil, blob.PutOptions{})
	for _, name := range []string{"README", ".tmp-1", "a b", "\xff", "x.lock"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	objects, _, err := blob.New(d, blob.Options{}).Count(t.Context(), "")
	if objects != 1 || err != nil {
		t.Fatalf("%d objects, %v", objects, err)
	}
	_, err = d.Stat(t.Context(), "fifo")
	wantKind(t, "stat a FIFO", err, errkind.Damaged)
	_, err = d.ReadAt(t.Context(), "fifo", make([]byte, 1), 0)
	wantKind(t, "read a FIFO", err, errkind.Damaged)
}

func TestSweep_OnlyOldTemporaryFiles(t *testing.T) {
	clock := blobtest.NewClock()
	d, folder := fresh(t, clock.Now)
	put(t, d, "packs/a", []byte("x"), blob.PutOptions{Lock: blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Hour)}})
	ages := map[string]time.Duration{
		".tmp-old": 25 * time.Hour, "packs/.tmp-old": 25 * time.Hour, "locks/packs/.tmp-old": 25 * time.Hour,
		"packs/.tmp-new": 23 * time.Hour, "packs/old": 25 * time.Hour,
	}
	for name, age := range ages {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte("part"), 0o440); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, clock.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	n, err := d.Sweep(t.Context(), 24*time.Hour)
	if n != 3 || err != nil {
		t.Fatalf("swept %d, %v; want 3", n, err)
	}
	want := []string{"locks/packs/a.lock", "locks/store", "packs/.tmp-new", "packs/a", "packs/old"}
	if diff := cmp.Diff(want, files(t, folder)); diff != "" {
		t.Fatalf("files (-want +got):\n%s", diff)
	}
}

func TestFolderRemoved_IsMadeAgain(t *testing.T) {
	d, folder := fresh(t, nil)
	put(t, d, "packs/a", nil, blob.PutOptions{})
	if err := os.RemoveAll(filepath.Join(folder, "packs")); err != nil {
		t.Fatal(err)
	}
	_, err := d.Put(t.Context(), "packs/b", nil, blob.PutOptions{})
	wantKind(t, "put into a removed folder", err, errkind.Unavailable)
	put(t, d, "packs/b", nil, blob.PutOptions{})
}

func TestFailures_HaveKinds(t *testing.T) {
	for _, test := range []struct {
		err         error
		read, write errkind.Kind
	}{
		{syscall.ENOENT, errkind.NotFound, errkind.NotFound},
		{syscall.ENOSPC, errkind.Internal, errkind.NoSpace},
		{syscall.EDQUOT, errkind.Internal, errkind.NoSpace},
		{syscall.EROFS, errkind.Internal, errkind.ReadOnly},
		{syscall.EACCES, errkind.NotAllowed, errkind.ReadOnly},
		{syscall.EPERM, errkind.NotAllowed, errkind.ReadOnly},
		{syscall.EEXIST, errkind.Internal, errkind.Exists},
		{syscall.EIO, errkind.Unavailable, errkind.Unavailable},
		{syscall.ENOTDIR, errkind.NotFound, errkind.Invalid},
		{errors.New("other"), errkind.Internal, errkind.Internal},
		{errkind.New(errkind.Damaged, "known"), errkind.Damaged, errkind.Damaged},
	} {
		wrapped := &fs.PathError{Op: "openat", Path: "secret", Err: test.err}
		if got := errkind.Of(readFailure("read", wrapped)); got != test.read {
			t.Errorf("reading, %v: %v, want %v", test.err, got, test.read)
		}
		if got := errkind.Of(writeFailure("write", wrapped)); got != test.write {
			t.Errorf("writing, %v: %v, want %v", test.err, got, test.write)
		}
		if text := writeFailure("write", wrapped).Error(); strings.Contains(text, "secret") {
			t.Errorf("%q names the file", text)
		}
	}
}

func BenchmarkPut32MiB(b *testing.B) {
	data := blobtest.Bytes(1, 32<<20)
	sum := sha256.Sum256(data)
	for name, opts := range map[string]blob.PutOptions{
		"verified": {Replace: true, SHA256: sum},
		"trusted":  {Replace: true},
	} {
		b.Run(name, func(b *testing.B) {
			d, _ := fresh(b, nil)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				put(b, d, "packs/ab/pack", data, opts)
			}
		})
	}
}

func BenchmarkPut32MiB_NewAndLocked(b *testing.B) {
	data := blobtest.Bytes(1, 32<<20)
	d, folder := fresh(b, nil)
	opts := blob.PutOptions{SHA256: sha256.Sum256(data), Lock: blob.Lock{Mode: blob.Governance, Until: time.Now().Add(time.Hour)}}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		put(b, d, "packs/ab/pack", data, opts)
		b.StopTimer()
		if err := os.RemoveAll(filepath.Join(folder, "packs/ab/pack")); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func TestOpen_WrongMarkIsAFaultAndNoObstacle(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	d, err := Create(folder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if faults := d.Caps().Faults; len(faults) != 0 {
		t.Errorf("a fresh store has faults %v", faults)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, markerName), []byte("counterfoil disk stone 1\n"), markerMode); err != nil {
		t.Fatal(err)
	}
	d, err = Open(folder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if faults := d.Caps().Faults; len(faults) != 1 || faults[0] != markerName {
		t.Errorf("faults %v, want %s", faults, markerName)
	}
}
