package catalog

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func aSubject(n int) ErasureSubject {
	return ErasureSubject{VaultID: vaultID(1), ID: id(n), Name: strings.Repeat("Ann Example of 7 Sample Street; ", 1+n*40), CreatedAt: at(n)}
}

// wantNoBytes wants text in no file that begins with path.
func wantNoBytes(t *testing.T, path, text string) {
	t.Helper()
	files := get[[]string](t)(filepath.Glob(path + "*"))
	if len(files) == 0 {
		t.Errorf("no file %s", path)
	}
	for _, file := range files {
		if bytes.Contains(get[[]byte](t)(os.ReadFile(file)), []byte(text)) {
			t.Errorf("%s holds %.30q", file, text)
		}
	}
}

func TestErasureSubject_ForgottenLeavesNoByteInAnyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := openAt(t, path)
	fill(t, c)
	const short = "Ann Example of 7 Sample Street"
	for n := range 4 {
		must(t, c.SetErasureSubject(t.Context(), grant(access.ErasureRecord), aSubject(n)))
	}
	other := ErasureSubject{VaultID: vaultID(1), ID: id(9), Name: "Bob", CreatedAt: at(1)}
	must(t, c.SetErasureSubject(t.Context(), grant(access.ErasureRecord), other))
	found := false
	for _, file := range get[[]string](t)(filepath.Glob(path + "*")) {
		found = found || bytes.Contains(get[[]byte](t)(os.ReadFile(file)), []byte(short))
	}
	if !found {
		t.Fatal("the test finds no name that is there")
	}
	for n := range 4 {
		wantEqual(t, get[bool](t)(c.ForgetErasureSubject(t.Context(), grant(access.ErasureForget), vaultID(1), id(n))), true)
	}
	wantNoBytes(t, path, short)
	_, err := c.ErasureSubject(t.Context(), vaultID(1), id(1))
	wantKind(t, err, errkind.NotFound)
	wantEqual(t, get[ErasureSubject](t)(c.ErasureSubject(t.Context(), vaultID(1), id(9))), other)
	wantEqual(t, get[bool](t)(c.ForgetErasureSubject(t.Context(), grant(access.ErasureForget), vaultID(1), id(1))), false)
	must(t, c.Check(t.Context()))
}

func TestErasureSubject_WhileTheCatalogIsReadForgettingSaysThatItIsNotDone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := openAt(t, path)
	must(t, c.SetErasureSubject(t.Context(), grant(access.ErasureRecord), aSubject(1)))
	must(t, func() error { _, err := c.writer.ExecContext(t.Context(), "PRAGMA busy_timeout = 50"); return err }())
	rows, err := c.readers.QueryContext(t.Context(), "SELECT name FROM erasure_subjects")
	must(t, err)
	if !rows.Next() {
		t.Fatal("nothing to read")
	}
	_, err = c.ForgetErasureSubject(t.Context(), grant(access.ErasureForget), vaultID(1), id(1))
	wantKind(t, err, errkind.Busy)
	must(t, rows.Close())
	wantEqual(t, get[bool](t)(c.ForgetErasureSubject(t.Context(), grant(access.ErasureForget), vaultID(1), id(1))), false)
	wantNoBytes(t, path, aSubject(1).Name)
}

func TestErasureSubject_OneNameForEach(t *testing.T) {
	c := openAt(t, filepath.Join(t.TempDir(), "catalog.db"))
	must(t, c.SetErasureSubject(t.Context(), grant(access.ErasureRecord), aSubject(1)))
	wantKind(t, c.SetErasureSubject(t.Context(), grant(access.ErasureRecord), aSubject(1)), errkind.Exists)
	wantKind(t, c.SetErasureSubject(t.Context(), grant(access.RestoreRun), aSubject(2)), errkind.NotAllowed)
	for name, s := range map[string]ErasureSubject{"no name": {VaultID: "v", ID: "i", CreatedAt: at(1)}, "not text": {VaultID: "v", ID: "i", Name: "a\xff", CreatedAt: at(1)}} {
		if err := c.SetErasureSubject(t.Context(), grant(access.ErasureRecord), s); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErasureSubject_GoesWithItsVault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := openAt(t, path)
	seed(t, c)
	must(t, c.SetErasureSubject(t.Context(), grant(access.ErasureRecord), aSubject(1)))
	must(t, c.DeleteVault(t.Context(), grant(access.VaultRemove), vaultID(1)))
	_, err := c.ErasureSubject(t.Context(), vaultID(1), id(1))
	wantKind(t, err, errkind.NotFound)
}
