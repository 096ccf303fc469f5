package diskblob

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/blobtest"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// flagOptions are those of a store whose locked files bear the flag.
func flagOptions(t *testing.T, folder string) Options {
	t.Helper()
	blobtest.NeedFlag(t, folder)
	return Options{ImmutableFlag: true}
}

// freshFlagged makes an empty store whose locked files bear the flag.
func freshFlagged(t *testing.T, now func() time.Time) (*Driver, string) {
	t.Helper()
	above := t.TempDir()
	opts := flagOptions(t, above)
	opts.Now = now
	folder := filepath.Join(above, "store")
	d, err := Create(folder, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, folder
}

// looseIn lists the objects whose lock holds without the flag.
func looseIn(t *testing.T, d *Driver) []string {
	t.Helper()
	loose := []string{}
	err := d.List(t.Context(), "", func(info blob.Info) error {
		if info.Loose {
			loose = append(loose, info.Name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return loose
}

// flaggedIn lists the files below folder that bear the flag.
func flaggedIn(t *testing.T, folder string) []string {
	t.Helper()
	list := []string{}
	for _, file := range files(t, folder) {
		if blobtest.Flagged(t, filepath.Join(folder, file)) {
			list = append(list, file)
		}
	}
	return list
}

func wantFlagged(t *testing.T, folder string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), flaggedIn(t, folder)); diff != "" {
		t.Fatalf("files with the flag (-want +got):\n%s", diff)
	}
}

func TestFlag_Conformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Harness {
		clock := blobtest.NewClock()
		d, folder := freshFlagged(t, clock.Now)
		return blobtest.Harness{
			Driver: d,
			Clock:  clock,
			Reopen: func(t *testing.T) blob.Driver {
				return reopenWith(t, folder, Options{Now: clock.Now, ImmutableFlag: true})
			},
		}
	})
}

// TestFlag_StepsEachFailOrCrash ends every kind of change at each of its steps
// in a store with flags: repeating the change must put flags right.
func TestFlag_StepsEachFailOrCrash(t *testing.T) {
	endEverywhere(t, flagOptions, func(t *testing.T, folder string, d *Driver) {
		if loose := looseIn(t, d); len(loose) > 0 {
			t.Errorf("locked without the flag: %q", loose)
		}
		for _, file := range flaggedIn(t, folder) {
			name := strings.TrimSuffix(strings.TrimPrefix(file, locksFolder+"/"), lockSuffix)
			if _, err := os.Stat(filepath.Join(folder, recordName(name))); err != nil {
				t.Errorf("%s bears the flag: %v", file, err)
			}
		}
	})
}

func TestFlag_SystemRefusesWhatIsLocked(t *testing.T) {
	clock := blobtest.NewClock()
	d, folder := freshFlagged(t, clock.Now)
	lock := blob.Lock{Mode: blob.Compliance, Until: clock.Now().Add(time.Hour)}
	put(t, d, "packs/a", []byte("kept"), blob.PutOptions{Lock: lock})
	put(t, d, "packs/b", []byte("free"), blob.PutOptions{})
	put(t, d, "packs/c", []byte("later"), blob.PutOptions{})
	if err := d.SetLock(t.Context(), "packs/c", lock); err != nil {
		t.Fatal(err)
	}
	wantFlagged(t, folder, "locks/packs/a.lock", "locks/packs/c.lock", "packs/a", "packs/c")
	for _, file := range []string{"packs/a", "packs/c", "locks/packs/a.lock"} {
		path := filepath.Join(folder, file)
		for what, err := range attacks(path, filepath.Join(folder, "elsewhere")) {
			if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s of %s: %v", what, file, err)
			}
		}
	}
	if err := os.RemoveAll(folder); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("removal of all: %v", err)
	}
	wantContent(t, d, "packs/a", []byte("kept"))
	wantContent(t, d, "packs/c", []byte("later"))
}

// attacks does to a file what would destroy it, and gives what the system
// answered.
func attacks(path, elsewhere string) map[string]error {
	_, appended := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	return map[string]error{
		"removal": os.Remove(path), "renaming": os.Rename(path, elsewhere), "linking": os.Link(path, elsewhere), "truncation": os.Truncate(path, 0),
		"overwriting": os.WriteFile(path, []byte("gone"), 0o600), "appending": appended, "a change of mode": os.Chmod(path, 0o777), "a change of dates": os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)),
		"replacement": func() error {
			if err := os.WriteFile(elsewhere, nil, 0o600); err != nil {
				return err
			}
			defer func() { _ = os.Remove(elsewhere) }()
			return os.Rename(elsewhere, path)
		}(),
	}
}

func TestFlag_GoesOnlyWithTheLocksEnd(t *testing.T) {
	clock := blobtest.NewClock()
	d, folder := freshFlagged(t, clock.Now)
	lock := blob.Lock{Mode: blob.Compliance, Until: clock.Now().Add(time.Hour)}
	for _, name := range []string{"deleted", "replaced", "raised"} {
		put(t, d, name, []byte("one"), blob.PutOptions{Lock: lock})
	}
	all := flaggedIn(t, folder)
	wantKind(t, "delete", d.Delete(t.Context(), "deleted"), errkind.Refused)
	_, err := d.Put(t.Context(), "replaced", nil, blob.PutOptions{Replace: true})
	wantKind(t, "replace", err, errkind.Refused)
	if err := d.SetLock(t.Context(), "raised", raised(lock)); err != nil {
		t.Fatal(err)
	}
	wantFlagged(t, folder, all...)
	clock.Set(lock.Until)
	if err := d.Delete(t.Context(), "deleted"); err != nil {
		t.Fatal(err)
	}
	put(t, d, "replaced", []byte("two"), blob.PutOptions{Replace: true})
	wantFlagged(t, folder, "locks/raised.lock", "raised")
	if diff := cmp.Diff([]string{"locks/raised.lock", "locks/store", "raised", "replaced"}, files(t, folder)); diff != "" {
		t.Fatalf("files (-want +got):\n%s", diff)
	}
}

// TestFlag_RecordTakenAwayKeepsTheObject has somebody with root's rights remove
// a lock record: without it, nothing says that the lock has ended.
func TestFlag_RecordTakenAwayKeepsTheObject(t *testing.T) {
	clock := blobtest.NewClock()
	d, folder := freshFlagged(t, clock.Now)
	lock := blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Hour)}
	put(t, d, "a", []byte("kept"), blob.PutOptions{Lock: lock})
	blobtest.ClearFlags(t, filepath.Join(folder, locksFolder))
	if err := os.Remove(filepath.Join(folder, "locks/a.lock")); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "delete", d.Delete(t.Context(), "a"), errkind.Refused)
	_, err := d.Put(t.Context(), "a", nil, blob.PutOptions{Replace: true})
	wantKind(t, "replace", err, errkind.Refused)
	wantContent(t, d, "a", []byte("kept"))
	if err := d.SetLock(t.Context(), "a", lock); err != nil {
		t.Fatalf("lock again: %v", err)
	}
	wantFlagged(t, folder, "a", "locks/a.lock")
	clock.Set(lock.Until)
	if err := d.Delete(t.Context(), "a"); err != nil {
		t.Fatalf("delete at the lock's end: %v", err)
	}
}

// TestFlag_LostByACopyIsFoundAndSetAgain has a store without flags, as copying
// makes one, with what a crash of its copying may have left.
func TestFlag_LostByACopyIsFoundAndSetAgain(t *testing.T) {
	clock := blobtest.NewClock()
	d, folder := freshFlagged(t, clock.Now)
	lock := blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Hour)}
	put(t, d, "locked", []byte("locked"), blob.PutOptions{Lock: lock})
	put(t, d, "raised", []byte("raised"), blob.PutOptions{Lock: lock})
	put(t, d, "put/again", []byte("again"), blob.PutOptions{Lock: lock})
	put(t, d, "free", []byte("free"), blob.PutOptions{})
	there := flaggedIn(t, folder)
	blobtest.ClearFlags(t, folder)
	blobtest.SetFlag(t, filepath.Join(folder, "raised")) // its record lacks the flag
	for _, twin := range []string{".tmp-1", "put/.tmp-2"} {
		if err := os.Link(filepath.Join(folder, map[string]string{".tmp-1": "locked", "put/.tmp-2": "put/again"}[twin]), filepath.Join(folder, twin)); err != nil {
			t.Fatal(err)
		}
	}
	copied := reopenWith(t, folder, Options{Now: clock.Now, ImmutableFlag: true})
	if diff := cmp.Diff([]string{"locked", "put/again", "raised"}, looseIn(t, copied)); diff != "" {
		t.Fatalf("locked without the flag (-want +got):\n%s", diff)
	}
	if err := copied.SetLock(t.Context(), "locked", lock); err != nil {
		t.Fatal(err)
	}
	if err := copied.SetLock(t.Context(), "raised", raised(lock)); err != nil {
		t.Fatal(err)
	}
	_, err := copied.Put(t.Context(), "put/again", []byte("again"), blob.PutOptions{Lock: lock})
	wantKind(t, "put again", err, errkind.Exists)
	wantFlagged(t, folder, there...)
	if left := leftovers(t, folder); len(left) > 0 {
		t.Fatalf("temporary names that cannot be swept: %q", left)
	}
}

// TestFlag_NothingLockedNothingFlagged is what a trial relies on.
func TestFlag_NothingLockedNothingFlagged(t *testing.T) {
	d, folder := freshFlagged(t, nil)
	put(t, d, "header", []byte("h"), blob.PutOptions{})
	put(t, d, "packs/a", []byte("a"), blob.PutOptions{})
	put(t, d, "header", []byte("h2"), blob.PutOptions{Replace: true})
	wantFlagged(t, folder)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
}

func TestFlag_AbandonedStoreCanBeRemoved(t *testing.T) {
	d, folder := freshFlagged(t, nil)
	put(t, d, "keys/a", []byte("k"), blob.PutOptions{Lock: blob.Lock{Mode: blob.Governance, Until: time.Now().Add(time.Hour)}})
	if err := d.Abandon(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "delete", d.Delete(t.Context(), "keys/a"), errkind.Refused) // the lock stays
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
}

// TestFlag_LinkToAnotherObjectIsNotFollowed puts a symbolic link in the place of
// an object whose lock has ended.
func TestFlag_LinkToAnotherObjectIsNotFollowed(t *testing.T) {
	clock := blobtest.NewClock()
	d, folder := freshFlagged(t, clock.Now)
	put(t, d, "ended", []byte("old"), blob.PutOptions{Lock: blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Minute)}})
	put(t, d, "locked", []byte("kept"), blob.PutOptions{Lock: blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Hour)}})
	clock.Set(clock.Now().Add(time.Minute))
	d.step = func(name string) error {
		if name != "clear flag" {
			return nil
		}
		path := filepath.Join(folder, "ended")
		blobtest.ClearFlags(t, path)
		return errors.Join(os.Remove(path), os.Symlink("locked", path))
	}
	wantKind(t, "delete", d.Delete(t.Context(), "ended"), errkind.Damaged)
	if !blobtest.Flagged(t, filepath.Join(folder, "locked")) {
		t.Fatal("the flag of another object was cleared")
	}
}

func TestFlag_CapsSayWhoEnforces(t *testing.T) {
	above := t.TempDir()
	opts := flagOptions(t, above)
	folder := filepath.Join(above, "store")
	for _, c := range []struct {
		opts      Options
		enforcer  string
		assurance int
	}{
		{Options{}, "this process", 1},
		{opts, "the file system's immutable flag, which root on this host can clear", 1},
		{Options{ImmutableFlag: true, AdministeredByOthers: true}, "the file system's immutable flag; this host is said to be administered by others", 2},
	} {
		d, err := Create(folder, c.opts)
		if err != nil {
			t.Fatal(err)
		}
		if caps := d.Caps(); caps.Enforcer != c.enforcer || caps.Assurance != c.assurance {
			t.Errorf("%+v: %+v", c.opts, caps)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Open(folder, Options{AdministeredByOthers: true})
	wantKind(t, "declared without the flag", err, errkind.Unsupported)
	if left := files(t, folder); len(left) != 1 {
		t.Errorf("trying the flag left %q", left)
	}
}

// TestFlag_FileSystemWithoutFlags uses one in memory that has none.
func TestFlag_FileSystemWithoutFlags(t *testing.T) {
	blobtest.NeedFlag(t, t.TempDir())
	folder := t.TempDir()
	if err := unix.Mount("none", folder, "ramfs", 0, "mode=0755"); err != nil {
		t.Skipf("mount a file system in memory: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	store := filepath.Join(folder, "store")
	d, err := Create(store, Options{ImmutableFlag: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if caps := d.Caps(); caps.Enforcer != "this process: this file system has no immutable flag" || caps.Assurance != 1 {
		t.Errorf("%+v", caps)
	}
	put(t, d, "a", []byte("a"), blob.PutOptions{Lock: blob.Lock{Mode: blob.Governance, Until: time.Now().Add(time.Hour)}})
	wantKind(t, "delete", d.Delete(t.Context(), "a"), errkind.Refused)
	if loose := looseIn(t, d); len(loose) > 0 {
		t.Errorf("told to lack a flag that cannot be set: %q", loose)
	}
	_, err = Open(store, Options{ImmutableFlag: true, AdministeredByOthers: true})
	wantKind(t, "declared", err, errkind.Unsupported)
}

// powerlessEnv names, in the environment of a child process, its store.
const powerlessEnv = "COUNTERFOIL_DISKBLOB_POWERLESS"

func TestFlag_WithoutTheRight(t *testing.T) {
	clock := blobtest.NewClock()
	d, folder := freshFlagged(t, clock.Now)
	put(t, d, "ended", []byte("old"), blob.PutOptions{Lock: blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Minute)}})
	put(t, d, "locked", []byte("kept"), blob.PutOptions{Lock: blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Hour)}})
	child := exec.Command(os.Args[0], "-test.run=^TestChild_WithoutTheRight$", "-test.v")
	child.Env = append(os.Environ(), powerlessEnv+"="+folder)
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestChild_WithoutTheRight") {
		t.Fatalf("the child: %v\n%s", err, out)
	}
	wantFlagged(t, folder, "ended", "locked", "locks/ended.lock", "locks/locked.lock")
	if diff := cmp.Diff([]string{"new"}, looseIn(t, d)); diff != "" {
		t.Fatalf("locked without the flag (-want +got):\n%s", diff)
	}
}

// TestChild_WithoutTheRight is the child process of the test above: root still,
// but without the capability to set the flag.
func TestChild_WithoutTheRight(t *testing.T) {
	folder := os.Getenv(powerlessEnv)
	if folder == "" {
		t.Skip("it is the child process of another test")
	}
	if err := blobtest.ForgoFlag(); err != nil {
		t.Fatal(err)
	}
	clock := blobtest.NewClock()
	clock.Set(clock.Now().Add(time.Minute))
	opts := Options{Now: clock.Now, ImmutableFlag: true}
	d := reopenWith(t, folder, opts)
	if caps := d.Caps(); caps.Enforcer != "this process: it may not set the immutable flag (CAP_LINUX_IMMUTABLE)" || caps.Assurance != 1 {
		t.Errorf("%+v", caps)
	}
	lock := blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Hour)}
	put(t, d, "new", []byte("new"), blob.PutOptions{Lock: lock})
	wantKind(t, "delete what is locked", d.Delete(t.Context(), "new"), errkind.Refused)
	wantContent(t, d, "locked", []byte("kept"))
	wantKind(t, "delete what bears the flag", d.Delete(t.Context(), "ended"), errkind.NotAllowed)
	_, err := d.Put(t.Context(), "ended", nil, blob.PutOptions{Replace: true})
	wantKind(t, "replace what bears the flag", err, errkind.NotAllowed)
	wantKind(t, "raise a flagged record", d.SetLock(t.Context(), "locked", raised(lock)), errkind.NotAllowed)
	wantContent(t, d, "ended", []byte("old"))
	if loose := looseIn(t, d); len(loose) > 0 {
		t.Errorf("told to lack a flag that cannot be set: %q", loose)
	}
	_, err = Open(folder, Options{Now: clock.Now, ImmutableFlag: true, AdministeredByOthers: true})
	wantKind(t, "declared", err, errkind.Unsupported)
}

func TestProvoke_TheSystemRefusesForTheFlag(t *testing.T) {
	clock := blobtest.NewClock()
	d, folder := freshFlagged(t, clock.Now)
	lock := blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Hour)}
	put(t, d, "canary/a", []byte("kept"), blob.PutOptions{Lock: lock})
	before := files(t, folder)
	attempts, err := d.Provoke(t.Context(), "canary/a")
	if err != nil || len(attempts) != 6 {
		t.Fatalf("%v, %v", attempts, err)
	}
	for _, a := range attempts {
		wantKind(t, a.Name, a.Err, errkind.Refused)
	}
	if diff := cmp.Diff(before, files(t, folder)); diff != "" {
		t.Fatalf("files (-before +after):\n%s", diff)
	}
	blobtest.ClearFlags(t, folder)
	attempts, err = d.Provoke(t.Context(), "canary/a")
	if err != nil || attempts[0].Err != nil || attempts[2].Err != nil {
		t.Fatalf("without the flag: %v, %v", attempts, err)
	}
	_, err = reopen(t, folder, clock.Now).Provoke(t.Context(), "canary/a")
	wantKind(t, "provoke where only this process enforces", err, errkind.Unsupported)
}
