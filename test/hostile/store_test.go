package hostile

import (
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestStore_Full(t *testing.T) {
	t.Parallel()
	r := place(t)
	disk := filepath.Join(r.dir, "disk")
	mount(t, disk, "size=12m")
	r.store = filepath.Join(disk, "store")
	r.must("vault", "create", "books", "file://"+r.store)
	r.must("source", "create", "docs", r.src, "--vault", "books")
	r.must("backup", "run", "docs")
	first, before := r.points()[0], list(t, r.src)
	write(t, filepath.Join(r.src, "more.bin"), noise(rand.New(rand.NewPCG(3, 4)), 40<<20))
	var said sentences
	said.add(r, "backup into a full store", r.want(1, "backup", "run", "docs"))
	said.add(r, "again", r.want(1, "backup", "run", "docs"))
	said.add(r, "source into a full store", fill(r, disk, "source", "create", "more", r.src, "--vault", "books"))
	if got := r.points(); len(got) != 1 {
		t.Errorf("points %v", got)
	}
	r.wantWhole()
	r.wantRestored(first, before)
	remount(t, disk, 0, "size=80m")
	r.must("backup", "run", "docs")
	r.wantWhole()
	r.wantRestored("latest", list(t, r.src))
	r.wantRestored(first, before)
	said.golden(t, "store_full")
}

// fill runs the program while the last bytes of a disk are taken.
func fill(r *rig, disk string, args ...string) result {
	r.t.Helper()
	path := filepath.Join(disk, "filler")
	f, err := os.Create(path)
	if err != nil {
		r.t.Fatal(err)
	}
	for size := 1 << 20; size >= 1; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	if err := f.Close(); err != nil {
		r.t.Fatal(err)
	}
	x := r.run(args...)
	remove(r.t, path)
	return x
}

func TestDataDir_Full(t *testing.T) {
	t.Parallel()
	r := place(t)
	disk := filepath.Join(r.dir, "disk")
	mount(t, disk, "size=24m")
	r.data = filepath.Join(disk, "data")
	r.must("vault", "create", "books", "file://"+r.store)
	r.must("source", "create", "docs", r.src, "--vault", "books")
	r.must("backup", "run", "docs")
	before := list(t, r.src)
	write(t, filepath.Join(r.src, "more"), []byte("more"))
	var said sentences
	x := fill(r, disk, "backup", "run", "docs")
	said.add(r, "backup with a full data directory", x)
	if x.code != 1 {
		t.Errorf("want exit 1\n%s", x)
	}
	x = fill(r, disk, "point", "list")
	said.add(r, "list with a full data directory", x)
	x = fill(r, disk, "restore", "run", "latest", "--to", filepath.Join(r.dir, "to"))
	said.add(r, "restore with a full data directory", x)
	if x.code != 0 && x.code != 1 {
		t.Errorf("want exit 0 or 1\n%s", x)
	}
	x = fill(r, disk, "doctor")
	said.addAll(r, "doctor with a full data directory", x)
	r.must("backup", "run", "docs")
	r.wantWhole()
	ids := r.points()
	r.wantRestored(ids[len(ids)-1], before)
	r.wantRestored("latest", list(t, r.src))
	r.must("audit", "verify")
	said.golden(t, "data_dir_full")
}

func TestDataDir_FullFromTheStart(t *testing.T) {
	t.Parallel()
	r := place(t)
	disk := filepath.Join(r.dir, "disk")
	mount(t, disk, "size=64k")
	r.data = filepath.Join(disk, "data")
	var said sentences
	for _, args := range [][]string{{"quickstart", r.src}, {"vault", "create", "books", "file://" + r.store}} {
		x := r.run(args...)
		said.add(r, "on a disk that is too small", x)
		if x.code != 1 {
			t.Errorf("want exit 1\n%s", x)
		}
	}
	remount(t, disk, 0, "size=64m")
	r.must("quickstart", r.src)
	said.golden(t, "disk_too_small")
}

func TestRestore_FullTarget(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	disk := filepath.Join(r.dir, "disk")
	mount(t, disk, "size=1m")
	to := filepath.Join(disk, "to")
	var said sentences
	x := r.run("restore", "run", "latest", "--to", to)
	said.add(r, "restore onto a full disk", x)
	if x.code != 1 {
		t.Errorf("want exit 1\n%s", x)
	}
	wantPart(t, list(t, r.src).content(), list(t, to).content())
	remount(t, disk, 0, "size=16m")
	x = r.run("restore", "run", "latest", "--to", to)
	if x.code != 0 {
		t.Errorf("want exit 0\n%s", x)
	}
	wantSame(t, "restored", list(t, r.src), list(t, to))
	said.golden(t, "restore_full")
}

// wantPart fails if got has a file that want has not, or other bytes.
func wantPart(t *testing.T, want, got listing) {
	t.Helper()
	for path, digest := range got {
		if want[path] != digest {
			t.Errorf("%q has wrong bytes", path)
		}
	}
}

func TestStore_ReadOnly(t *testing.T) {
	t.Parallel()
	r := place(t)
	disk := filepath.Join(r.dir, "disk")
	mount(t, disk, "size=32m")
	r.store = filepath.Join(disk, "store")
	r.must("vault", "create", "books", "file://"+r.store)
	r.must("source", "create", "docs", r.src, "--vault", "books")
	r.must("backup", "run", "docs")
	before := list(t, r.src)
	write(t, filepath.Join(r.src, "more"), []byte("more"))
	remount(t, disk, syscall.MS_RDONLY, "size=32m")
	var said sentences
	r.refuse(&said, []refused{
		{"backup into a read-only store", 1, []string{"backup", "run", "docs"}},
		{"source into a read-only store", 1, []string{"source", "create", "more", r.src, "--vault", "books"}},
		{"vault in a read-only place", 1, []string{"vault", "create", "more", "file://" + filepath.Join(disk, "more")}},
		{"restore to a read-only place", 1, []string{"restore", "run", "latest", "--to", filepath.Join(disk, "to")}},
	})
	said.golden(t, "store_read_only")
	r.wantWhole()
	r.must("vault", "show", "books")
	r.must("point", "show", "latest")
	r.must("point", "explain", "latest")
	r.wantRestored("latest", before)
	remount(t, disk, 0, "size=32m")
	r.must("backup", "run", "docs")
	r.wantWhole()
}

func TestStore_GoneOrEmpty(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	away := r.store + "-away"
	if err := os.Rename(r.store, away); err != nil {
		t.Fatal(err)
	}
	cases := []refused{
		{"backup into a store that is gone", 1, []string{"backup", "run", "docs"}},
		{"verify of a store that is gone", 1, []string{"vault", "verify", "books"}},
		{"restore from a store that is gone", 1, []string{"restore", "run", "latest", "--to", filepath.Join(r.dir, "to")}},
		{"doctor with a store that is gone", 1, []string{"doctor"}},
	}
	var said sentences
	r.refuse(&said, cases)
	if err := os.Mkdir(r.store, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range cases {
		cases[i].name = strings.Replace(cases[i].name, "gone", "an empty folder", 1)
	}
	r.refuse(&said, cases[:3])
	said.golden(t, "store_gone")
	remove(t, r.store)
	if err := os.Rename(away, r.store); err != nil {
		t.Fatal(err)
	}
	r.must("backup", "run", "docs")
	r.wantWhole()
}

// keyFile is where the key of the rig's only vault lies.
func (r *rig) keyFile() string {
	r.t.Helper()
	for _, path := range globs(r.t, filepath.Join(r.data, "keys", "*.key")) {
		if filepath.Base(path) != "audit.key" {
			return path
		}
	}
	r.t.Fatal("no key file")
	return ""
}

func globs(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestKey_WrongOrMangledOrGone(t *testing.T) {
	t.Parallel()
	r, other := newRigWithPoint(t), newRig(t)
	key := r.keyFile()
	right := read(t, key)
	var said sentences
	refuse := func(what string) {
		t.Helper()
		r.refuse(&said, []refused{
			{"backup with " + what, 1, []string{"backup", "run", "docs"}},
			{"verify with " + what, 1, []string{"vault", "verify", "books"}},
			{"restore with " + what, 1, []string{"restore", "run", "latest", "--to", filepath.Join(r.dir, "to")}},
		})
	}
	replace := func(data []byte) {
		remove(t, key)
		if err := os.WriteFile(key, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace(read(t, other.keyFile()))
	refuse("the key of another vault")
	replace([]byte(strings.ReplaceAll(string(right), "1", "2")))
	refuse("a mangled key")
	replace(right[:len(right)/2])
	refuse("half a key")
	replace(nil)
	refuse("an empty key file")
	remove(t, key)
	refuse("no key file")
	replace(right)
	said.golden(t, "keys")
	r.must("backup", "run", "docs")
	r.wantWhole()
}

// forge makes objects of a format that does not exist yet: the right digest
// at the end, so that nothing is damaged.
func forge(t *testing.T, path, magic string) {
	t.Helper()
	data := read(t, path)
	copy(data, magic)
	sum := sha256.Sum256(data[:len(data)-sha256.Size])
	copy(data[len(data)-sha256.Size:], sum[:])
	rewrite(t, path, data)
}

// rewrite changes an object behind the program's back.
func rewrite(t *testing.T, path string, data []byte) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, info.Mode()); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

func TestVault_OfANewerFormat(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	for _, name := range []string{"header", "keys/header"} {
		forge(t, filepath.Join(r.store, name), "CFV2head")
	}
	var said sentences
	r.refuse(&said, []refused{
		{"backup into a vault of a newer format", 1, []string{"backup", "run", "docs"}},
		{"verify of a vault of a newer format", 1, []string{"vault", "verify", "books"}},
		{"restore from a vault of a newer format", 1, []string{"restore", "run", "latest", "--to", filepath.Join(r.dir, "to")}},
		{"recovery of a vault of a newer format", 1, []string{"vault", "recover", "file://" + r.store, "--key-file", r.keyFile()}},
		{"doctor with a vault of a newer format", 1, []string{"doctor"}},
	})
	said.golden(t, "newer_format")
}
