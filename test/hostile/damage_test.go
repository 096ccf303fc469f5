package hostile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// verification is what these tests look at of 'vault verify --json'.
type verification struct {
	OK       bool
	Problems []struct {
		Object, Reason, Spared string
		Points                 []string
		Files                  []struct{ Point, Path string }
		FileCount              int `json:"file_count"`
	}
}

// objects lists a vault's objects below a folder, as names in the store.
func (r *rig) objects(dir string) []string {
	r.t.Helper()
	var out []string
	for path, text := range list(r.t, filepath.Join(r.store, dir)) {
		if len(strings.Fields(text)) == 3 {
			out = append(out, filepath.Join(dir, path))
		}
	}
	return out
}

func TestPack_Truncated(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	packs := r.objects("packs/data")
	if len(packs) != 1 {
		t.Fatalf("packs %v", packs)
	}
	path := filepath.Join(r.store, packs[0])
	whole := read(t, path)
	rewrite(t, path, whole[:len(whole)*2/3])
	var said sentences
	var v verification
	x := r.query(&v, "vault", "verify", "books")
	if x.code != 1 || v.OK || len(v.Problems) != 1 || v.Problems[0].Object != packs[0] {
		t.Fatalf("the truncated pack is not named:\n%s", x)
	}
	if p := v.Problems[0]; len(p.Points) != 1 || p.FileCount == 0 || p.Spared != "" {
		t.Errorf("its points and files are not named: %+v", p)
	}
	said.add(r, "verify with a truncated pack", r.want(1, "vault", "verify", "books"))
	said.add(r, "quick verify with a truncated pack", r.want(1, "vault", "verify", "books", "--quick"))
	lost, reason := v.Problems[0].FileCount, v.Problems[0].Reason

	to := filepath.Join(r.dir, "to")
	x = r.want(1, "restore", "run", "latest", "--to", to)
	said.add(r, "restore with a truncated pack", x)
	want, got := list(t, r.src).content(), list(t, to).content()
	wantPart(t, want, got)
	if len(want)-len(got) != lost {
		t.Errorf("%d files are missing, the verification named %d", len(want)-len(got), lost)
	}
	said.addAll(r, "doctor with a truncated pack", r.want(1, "doctor"))

	x = r.must("backup", "run", "docs") // heals: the source still has what is damaged
	said.addAll(r, "backup after the damage was found", x)
	for _, point := range r.points() {
		r.wantRestored(point, list(t, r.src))
	}
	v = verification{}
	x = r.query(&v, "vault", "verify", "books")
	for _, p := range v.Problems {
		if p.Object != packs[0] || p.Spared == "" || p.FileCount != 0 || p.Reason != reason {
			t.Errorf("after healing: %+v", p)
		}
	}
	said.addAll(r, "verify after healing", r.run("vault", "verify", "books"))
	rewrite(t, path, whole) // the operator had a copy
	r.wantWhole()
	r.must("doctor")
	said.golden(t, "pack_truncated")
}

func TestPack_GoneIsHealedByTheNextBackup(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	for _, name := range append(r.objects("packs/data"), r.objects("packs/tree")...) {
		remove(t, filepath.Join(r.store, name))
	}
	var said sentences
	said.addAll(r, "verify without packs", r.want(1, "vault", "verify", "books"))
	said.addAll(r, "restore without packs", r.want(1, "restore", "run", "latest", "--to", filepath.Join(r.dir, "to")))
	said.addAll(r, "backup without packs", r.must("backup", "run", "docs"))
	for _, point := range r.points() {
		r.wantRestored(point, list(t, r.src))
	}
	said.golden(t, "packs_gone")
}

func TestCatalog_CorruptedIsRecovered(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	r.must("backup", "run", "docs")
	before := r.points()
	path := filepath.Join(r.data, "catalog.db")
	data := read(t, path)
	for i := range data[:4096] {
		data[i] ^= 0x5a
	}
	rewrite(t, path, data)
	remove(t, path+"-wal")
	remove(t, path+"-shm")
	var said sentences
	for _, args := range [][]string{{"point", "list"}, {"backup", "run", "docs"}, {"restore", "run", "latest", "--to", filepath.Join(r.dir, "to")}, {"doctor"}} {
		x := r.want(1, args...)
		said.addAll(r, "with a corrupted catalog", x)
		if !strings.Contains(strings.Join(strings.Fields(x.out+x.err), " "), "vault recover") {
			t.Errorf("the way out is not named:\n%s", x)
		}
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	said.addAll(r, "recovery", r.run("vault", "recover", "file://"+r.store, "--key-file", r.keyFile()))
	after := r.points()
	if strings.Join(before, " ") != strings.Join(after, " ") {
		t.Errorf("points before %v, after %v", before, after)
	}
	r.must("backup", "run", "docs")
	r.wantWhole()
	r.wantRestored(before[1], list(t, r.src))
	said.golden(t, "catalog_corrupted")
}

func TestCatalog_PartsCorrupted(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	path := filepath.Join(r.data, "catalog.db")
	data := read(t, path)
	for i := len(data) / 3; i < len(data); i += 97 {
		data[i] ^= 0x41
	}
	rewrite(t, path, data)
	remove(t, path+"-wal")
	remove(t, path+"-shm")
	x := r.run("doctor")
	if x.code != 1 || !strings.Contains(strings.Join(strings.Fields(x.out+x.err), " "), "vault recover") {
		t.Errorf("the doctor does not find it:\n%s", x)
	}
}

func TestAuditLog_KeyGone(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	remove(t, filepath.Join(r.data, "keys", "audit.key"))
	write(t, filepath.Join(r.src, "more"), []byte("more"))
	var said sentences
	said.addAll(r, "backup without the audit log's key", r.run("backup", "run", "docs"))
	said.addAll(r, "audit verify without the audit log's key", r.want(1, "audit", "verify"))
	said.addAll(r, "doctor without the audit log's key", r.want(1, "doctor"))
	said.addAll(r, "recovery brings it back", r.run("vault", "recover", "file://"+r.store, "--key-file", r.keyFile()))
	r.must("backup", "run", "docs")
	r.must("audit", "verify")
	r.wantWhole()
	r.wantRestored("latest", list(t, r.src))
	said.golden(t, "audit_key_gone")
}

func TestAuditLog_Damaged(t *testing.T) {
	t.Parallel()
	r := place(t)
	r.must("quickstart", r.src)
	tiles := globs(t, filepath.Join(r.data, "audit", "tile", "entries", "*.p", "*"))
	for _, tile := range tiles {
		data := read(t, tile)
		data[len(data)/2] ^= 1
		rewrite(t, tile, data)
	}
	write(t, filepath.Join(r.src, "more"), []byte("more"))
	var said sentences
	said.addAll(r, "audit verify of a damaged log", r.want(1, "audit", "verify"))
	said.addAll(r, "doctor with a damaged log", r.want(1, "doctor"))
	said.addAll(r, "removal of a trial with a damaged log", r.run("quickstart", "--remove", "--yes"))
	if _, err := os.Stat(filepath.Join(r.data, "vaults", "trial", "header")); err != nil {
		t.Fatalf("the trial was removed although that cannot be journalled: %v", err)
	}
	var sources []struct{ Name string }
	r.query(&sources, "source", "list")
	x := r.run("backup", "run", sources[0].Name)
	said.add(r, "backup with a damaged log", x)
	if x.code != 0 {
		t.Errorf("%s", x)
	}
	r.wantRestored("latest", list(t, r.src))
	said.golden(t, "audit_damaged")
}
