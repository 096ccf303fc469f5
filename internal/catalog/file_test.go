package catalog

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestOpen_MakesPrivateFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := openAt(t, path)
	must(t, c.AddEvent(t.Context(), "e", at(1), []byte("x")))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info := get[os.FileInfo](t)(os.Stat(path + suffix))
		if info.Mode().Perm() != 0o600 {
			t.Errorf("catalog.db%s has mode %v, want 0600", suffix, info.Mode())
		}
	}
}

func TestOpen_TightensMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	must(t, openOnce(t, path))
	must(t, os.Chmod(path, 0o644))
	must(t, openOnce(t, path))
	wantEqual(t, get[os.FileInfo](t)(os.Stat(path)).Mode().Perm(), os.FileMode(0o600))
}

// openOnce opens and closes.
func openOnce(t *testing.T, path string) error {
	t.Helper()
	c, err := Open(t.Context(), path, Options{})
	if err != nil {
		return err
	}
	return c.Close()
}

func names(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	for _, e := range get[[]os.DirEntry](t)(os.ReadDir(dir)) {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestOpen_LeavesOneFileAfterClose(t *testing.T) {
	dir := t.TempDir()
	must(t, openOnce(t, filepath.Join(dir, "catalog.db")))
	must(t, openOnce(t, filepath.Join(dir, "catalog.db")))
	wantEqual(t, names(t, dir), "catalog.db")
}

func TestOpen_OddPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a?_pragma=x(1)&b#%41 \xff\n")
	must(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "catalog.db")
	c := openAt(t, path)
	must(t, c.AddEvent(t.Context(), "e", at(1), []byte("x")))
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, len(get[[]PendingEvent](t)(c.PendingEvents(t.Context(), 9))), 1)
}

func TestOpen_SettingsTook(t *testing.T) {
	c := openAt(t, filepath.Join(t.TempDir(), "catalog.db"))
	ask := func(db *sql.DB, name string) (v string) {
		t.Helper()
		must(t, db.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&v))
		return v
	}
	for name, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000", "application_id": "1128686452",
	} {
		wantEqual(t, ask(c.writer, name), want)
	}
	wantEqual(t, ask(c.readers, "query_only"), "1")
	if _, err := c.readers.ExecContext(t.Context(), "DELETE FROM settings"); err == nil {
		t.Error("a reader may write")
	}
	err := sqliteReady(t.Context(), c.writer, []pragma{{"journal_mode", "delete"}})
	wantKind(t, err, errkind.Unsupported)
}

func TestOpen_RefusesOldLibrary(t *testing.T) {
	for _, version := range []string{"3.40.1", "3.51.2", "3.9.0"} {
		wantKind(t, sqliteNewEnough(version), errkind.Unsupported)
	}
	for _, version := range []string{"3.51.3", "3.54.1", "4.0.0"} {
		must(t, sqliteNewEnough(version))
	}
}

func TestOpen_Missing(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(t.Context(), filepath.Join(dir, "catalog.db"), Options{MustExist: true})
	wantKind(t, err, errkind.NotFound)
	wantKind(t, openOnce(t, filepath.Join(dir, "no", "catalog.db")), errkind.NotFound)
	wantKind(t, openOnce(t, dir), errkind.Invalid)
	wantEqual(t, names(t, dir), "")
}

func TestOpen_ForeignDatabaseIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	db := get[*sql.DB](t)(sql.Open("sqlite", path))
	_, err := db.ExecContext(t.Context(), "CREATE TABLE theirs (a)")
	must(t, err)
	must(t, db.Close())
	wantKind(t, openOnce(t, path), errkind.Invalid)
	db = get[*sql.DB](t)(sql.Open("sqlite", path))
	defer db.Close()
	var tables int
	must(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_master").Scan(&tables))
	wantEqual(t, tables, 1)
}

// grown makes a closed catalog with a hundred points and gives its bytes.
func grown(t *testing.T, path string) []byte {
	t.Helper()
	c := get[*Catalog](t)(Open(t.Context(), path, Options{}))
	seed(t, c)
	must(t, c.Change(t.Context(), grant(access.BackupRun), nil, func(tx *Tx) error {
		for n := 1; n < 150; n++ {
			must(t, tx.RecordPoint(t.Context(), grant(access.BackupRun), aPoint(n)))
		}
		return nil
	}))
	must(t, c.Close())
	return get[[]byte](t)(os.ReadFile(path))
}

func wantDamaged(t *testing.T, err error) {
	t.Helper()
	wantKind(t, err, errkind.Damaged)
	if !strings.Contains(err.Error(), "`counterfoil vault recover URL` rebuilds it") {
		t.Errorf("the sentence does not say what to do: %v", err)
	}
}

func TestOpen_Damaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	whole := grown(t, path)
	for name, spoil := range map[string]func(b []byte) []byte{
		"empty":       func([]byte) []byte { return nil },
		"text":        func([]byte) []byte { return []byte(strings.Repeat("not a database\n", 999)) },
		"zeros":       func(b []byte) []byte { clear(b); return b },
		"magic":       func(b []byte) []byte { b[3] ^= 1; return b },
		"first page":  func(b []byte) []byte { clear(b[100:4096]); return b },
		"half a page": func(b []byte) []byte { return b[:2000] },
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.WriteFile(path, spoil(append([]byte{}, whole...)), 0o600))
			wantDamaged(t, openOnce(t, path))
		})
	}
}

func TestRead_DamagedPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	whole := grown(t, path)
	for name, spoil := range map[string]func(b []byte) []byte{
		"truncated": func(b []byte) []byte { return b[:len(b)/2] },
		"scribbled": func(b []byte) []byte {
			for i := len(b) / 2; i < len(b); i++ {
				b[i] = 0xa5
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.WriteFile(path, spoil(append([]byte{}, whole...)), 0o600))
			c, err := Open(t.Context(), path, Options{})
			if err != nil {
				wantDamaged(t, err)
				return
			}
			defer c.Close()
			wantDamaged(t, c.Check(t.Context()))
			_, err = c.Points(t.Context(), PointFilter{})
			wantDamaged(t, err)
		})
	}
}

func TestCheck_WholeCatalog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	grown(t, path)
	must(t, openAt(t, path).Check(t.Context()))
}

func TestKeepCopy_OfAnotherVersionIsNotKept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "catalog.db")
	must(t, openOnce(t, path))
	db := openRaw(t, path)
	must(t, sqliteKeepCopy(t.Context(), db, path, 7))
	must(t, db.Close())
	wantEqual(t, names(t, dir), "catalog.db")
}

func TestSetAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "catalog.db")
	must(t, openOnce(t, path))
	must(t, os.WriteFile(path+"-wal", []byte("left over"), 0o600))
	aside := get[string](t)(SetAside(grant(access.VaultRecover), path, at(1)))
	wantEqual(t, names(t, dir), fmt.Sprintf("%s %[1]s-wal", filepath.Base(aside)))
	must(t, openOnce(t, path))

	must(t, os.Remove(path))
	must(t, os.WriteFile(path+"-wal", []byte("left over"), 0o600))
	wantDamaged(t, openOnce(t, path))
	get[string](t)(SetAside(grant(access.VaultRecover), path, at(2)))
	must(t, openOnce(t, path))

	_, err := SetAside(grant(access.VaultRecover), filepath.Join(dir, "none.db"), at(1))
	wantKind(t, err, errkind.NotFound)
}
