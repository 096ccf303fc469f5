package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/tlog"
)

const origin = "counterfoil.example/audit"

// fixture is a log on disk with what an auditor may have kept of it.
type fixture struct {
	dir    string
	key    tlog.Key
	pub    string // file with the public key
	older  string // file with the checkpoint of the first batch
	newest string // file with the last checkpoint
	log    *tlog.Log
}

func makeLog(t *testing.T, batches ...int) fixture {
	t.Helper()
	secret, public, err := tlog.NewKey(origin, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{dir: filepath.Join(t.TempDir(), "log")}
	if f.key, err = tlog.ParseSigner(secret); err != nil {
		t.Fatal(err)
	}
	store := tlog.DirStore(f.dir)
	if err := tlog.Create(t.Context(), store, origin, f.key.Signer); err != nil {
		t.Fatal(err)
	}
	if f.log, err = tlog.Open(t.Context(), store, origin, f.key.Signer, f.key.Verifier); err != nil {
		t.Fatal(err)
	}
	for i, n := range batches {
		var records [][]byte
		for j := range n {
			records = append(records, fmt.Appendf(nil, `{"v":1,"n":%d}`, f.log.Size()+int64(j)))
		}
		if _, err := f.log.Append(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			f.older = save(t, f.log.Checkpoint())
		}
	}
	f.newest = save(t, f.log.Checkpoint())
	f.pub = save(t, []byte(public+"\n"))
	return f
}

func save(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func verify(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
}

// expect runs the program and requires an exit code and texts in its output.
func expect(t *testing.T, want int, args []string, texts ...string) {
	t.Helper()
	code, out, errs := verify(args...)
	if code != want {
		t.Errorf("%v: exit code %d, want %d\n%s%s", args, code, want, out, errs)
	}
	for _, text := range texts {
		if !strings.Contains(out+errs, text) {
			t.Errorf("%v: no %q in\n%s%s", args, text, out, errs)
		}
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func overwrite(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLog_Anchors(t *testing.T) {
	f := makeLog(t, 3, 2, 300)
	expect(t, exitOK, []string{"log", f.dir, "--key", f.pub}, "OK: all 305 records are under the signature of the key "+origin+"+")
	expect(t, exitOK, []string{"log", "--vkey", f.key.Public, f.dir}, "OK: all 305 records")
	expect(t, exitOK, []string{"log", f.dir, "--key", f.pub, "--checkpoint", f.older}, "OK: all 305", "OK: the first 3 records")
	expect(t, exitOK, []string{"log", "--checkpoint", f.older, f.dir}, "OK: the first 3 records", "unproven: records 3 to 304")
	code, out, _ := verify("log", f.dir, "--checkpoint", f.newest)
	if code != exitOK || strings.Contains(out, "unproven") {
		t.Errorf("the newest checkpoint proves all: %d %s", code, out)
	}
	expect(t, exitUnproven, []string{"log", f.dir}, "consistent, origin unproven", "claims the key \""+origin+"+")
	empty := makeLog(t)
	expect(t, exitOK, []string{"log", empty.dir, "--key", empty.pub}, "OK: all 0 records")
}

func TestLog_Print(t *testing.T) {
	f := makeLog(t, 2)
	if _, err := f.log.Append(t.Context(), [][]byte{[]byte("\x1b[2Jevil"), []byte("line\nbreak"), {0xff}}); err != nil {
		t.Fatal(err)
	}
	code, out, _ := verify("log", f.dir, "--key", f.pub, "--print")
	want := "0\t{\"v\":1,\"n\":0}\n1\t{\"v\":1,\"n\":1}\n2\t\"\\x1b[2Jevil\"\n3\t\"line\\nbreak\"\n4\t\"\\xff\"\n"
	if code != exitOK || !strings.HasPrefix(out, want) {
		t.Errorf("%d %s", code, out)
	}
}

// TestLog_EveryFlippedByte flips each byte of each file, older partial tiles
// included, and requires exit code 1 and a sentence every time.
func TestLog_EveryFlippedByte(t *testing.T) {
	f := makeLog(t, 2, 1, 2)
	names := files(t, f.dir)
	if len(names) != 7 { // three sizes of bundle and tile, one checkpoint
		t.Fatalf("%q", names)
	}
	for _, name := range names {
		good := read(t, name)
		for i := range good {
			for _, bit := range []byte{0x01, 0x20, 0x80} {
				bad := bytes.Clone(good)
				bad[i] ^= bit
				overwrite(t, name, bad)
				code, out, errs := verify("log", f.dir, "--key", f.pub)
				if code != exitDamaged || strings.Contains(out, "OK") || !strings.Contains(errs, "NOT VERIFIED") {
					t.Fatalf("%s byte %d bit %02x: exit %d\n%s%s", name, i, bit, code, out, errs)
				}
			}
		}
		overwrite(t, name, good)
	}
	expect(t, exitOK, []string{"log", f.dir, "--key", f.pub})
}

func TestLog_TruncatedMissingAndLonger(t *testing.T) {
	f := makeLog(t, 258)
	for _, name := range files(t, f.dir) {
		rel, err := filepath.Rel(f.dir, name)
		if err != nil {
			t.Fatal(err)
		}
		good := read(t, name)
		for _, bad := range [][]byte{good[:len(good)-1], good[:len(good)/2], {}, append(bytes.Clone(good), 0)} {
			overwrite(t, name, bad)
			expect(t, exitDamaged, []string{"log", f.dir, "--key", f.pub}, rel)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		expect(t, exitDamaged, []string{"log", f.dir, "--key", f.pub}, rel+": missing")
		overwrite(t, name, good)
	}
}

func TestLog_SwappedTiles(t *testing.T) {
	f := makeLog(t, 600)
	for _, kind := range []string{"0", "entries"} {
		a, b := filepath.Join(f.dir, "tile", kind, "000"), filepath.Join(f.dir, "tile", kind, "001")
		x, y := read(t, a), read(t, b)
		overwrite(t, a, y)
		overwrite(t, b, x)
		expect(t, exitDamaged, []string{"log", f.dir, "--key", f.pub}, "tile/"+kind+"/000: record 0")
		overwrite(t, a, x)
		overwrite(t, b, y)
	}
}

func TestLog_RolledBack(t *testing.T) {
	f := makeLog(t, 3, 4)
	overwrite(t, filepath.Join(f.dir, "checkpoint"), read(t, f.older))
	// The key alone cannot tell: an old log is a true log.
	expect(t, exitOK, []string{"log", f.dir, "--key", f.pub}, "3 records", "note: \"tile/entries/000.p/7\": in part beyond the checkpoint")
	expect(t, exitDamaged, []string{"log", f.dir, "--key", f.pub, "--checkpoint", f.newest}, "records were removed")
	expect(t, exitDamaged, []string{"log", f.dir, "--checkpoint", f.newest}, "records were removed")
}

func TestLog_RewrittenHistory(t *testing.T) {
	f := makeLog(t, 3, 4)
	forged := tlog.DirStore(filepath.Join(t.TempDir(), "forged"))
	if err := tlog.Create(t.Context(), forged, origin, f.key.Signer); err != nil {
		t.Fatal(err)
	}
	l, err := tlog.Open(t.Context(), forged, origin, f.key.Signer, f.key.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), bytes.Fields([]byte("a b c d e f g h"))); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := l.Publish(t.Context(), tlog.DirStore(dir)); err != nil {
		t.Fatal(err)
	}
	// Whoever has the signing key can rewrite, but not against a kept checkpoint.
	expect(t, exitOK, []string{"log", dir, "--key", f.pub})
	expect(t, exitDamaged, []string{"log", dir, "--key", f.pub, "--checkpoint", f.older}, "history was rewritten")
}

func TestLog_AppendedWithoutSignature(t *testing.T) {
	f := makeLog(t, 3)
	bundle := filepath.Join(f.dir, "tile", "entries", "000.p", "3")
	longer := append(bytes.Clone(read(t, bundle)), 0, 2, 'h', 'i')

	// In a file of its own it is not part of the log, and that is said.
	overwrite(t, filepath.Join(f.dir, "tile", "entries", "000.p", "4"), longer)
	expect(t, exitOK, []string{"log", f.dir, "--key", f.pub}, "3 records", "note: \"tile/entries/000.p/4\"", "not signed")

	// A checkpoint changed to cover it, or made anew with another key, fails.
	other := makeLog(t, 3)
	check := filepath.Join(f.dir, "checkpoint")
	good := read(t, check)
	overwrite(t, check, bytes.Replace(good, []byte("\n3\n"), []byte("\n4\n"), 1))
	expect(t, exitDamaged, []string{"log", f.dir, "--key", f.pub}, "invalid signature")
	expect(t, exitDamaged, []string{"log", f.dir}, "tile/0/000")
	overwrite(t, check, good)
	overwrite(t, bundle, longer)
	expect(t, exitDamaged, []string{"log", f.dir, "--key", f.pub}, "tile/entries/000.p/3: 4 bytes too many")

	expect(t, exitDamaged, []string{"log", other.dir, "--key", f.pub}, "not signed by")
	expect(t, exitDamaged, []string{"log", other.dir, "--checkpoint", f.older}, "signed by")
}

func TestLog_OddFiles(t *testing.T) {
	f := makeLog(t, 3)
	overwrite(t, filepath.Join(f.dir, "note\n.txt"), []byte("x"))
	overwrite(t, filepath.Join(f.dir, "write.lock"), nil)
	code, out, _ := verify("log", f.dir, "--key", f.pub)
	if code != exitOK || !strings.Contains(out, `note: "note\n.txt": not part of a log`) || strings.Contains(out, "write.lock") {
		t.Errorf("%d %s", code, out)
	}
	check := filepath.Join(f.dir, "checkpoint")
	if err := os.Remove(check); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(check, 0o700); err != nil {
		t.Fatal(err)
	}
	expect(t, exitDamaged, []string{"log", f.dir, "--key", f.pub}, "not a regular file")
}

func TestRun_UsageAndHelp(t *testing.T) {
	f := makeLog(t, 1)
	secret := save(t, []byte("PRIVATE+KEY+x+00000000+AAAA"))
	for _, args := range [][]string{
		{}, {"frobnicate"}, {"log"}, {"log", f.dir, f.dir}, {"log", f.dir, "--nope"}, {"log", f.dir + "/missing"},
		{"log", f.pub}, {"log", f.dir, "--key", f.dir + "/missing"}, {"log", f.dir, "--key", f.older},
		{"log", f.dir, "--vkey", "x"}, {"log", f.dir, "--key", f.pub, "--vkey", f.key.Public},
		{"log", f.dir, "--checkpoint", f.pub}, {"log", f.dir, "--key", secret}, {"log", f.dir, "--key"},
	} {
		expect(t, exitUsage, args, "counterfoil-verify: ", "try: counterfoil-verify help")
	}
	expect(t, exitUsage, []string{"log", f.dir, "--key", secret}, "secret signing key")
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}, {"log", "--help"}} {
		expect(t, exitOK, args, "Usage:", "Exit codes:")
	}
	expect(t, exitOK, []string{"version"}, "counterfoil-verify ", "go1.")
}

func TestRun_StopsWhenCancelled(t *testing.T) {
	f := makeLog(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"log", f.dir, "--key", f.pub}, &out, &errs); code != exitDamaged || !strings.Contains(errs.String(), "context canceled") {
		t.Errorf("%d %s", code, errs.String())
	}
}
