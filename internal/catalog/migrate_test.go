package catalog

import (
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// openRaw opens a file as the writer does, without migrations.
func openRaw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db := get[*sql.DB](t)(openSQLiteWriter(t.Context(), path))
	t.Cleanup(func() { db.Close() })
	return db
}

func TestMigrate_NewerCatalogIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	must(t, openOnce(t, path))
	db := openRaw(t, path)
	_, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9000, 1)")
	must(t, err)
	must(t, db.Close())
	before := get[[]byte](t)(os.ReadFile(path))
	err = openOnce(t, path)
	wantKind(t, err, errkind.NewerFormat)
	if !strings.Contains(err.Error(), "has version 9000") {
		t.Errorf("the sentence does not name the version: %v", err)
	}
	if string(get[[]byte](t)(os.ReadFile(path))) != string(before) {
		t.Error("the newer catalog was changed")
	}
}

// dump writes a database as SQL statements: schema, then rows in order.
func dump(t *testing.T, db *sql.DB) string {
	t.Helper()
	ctx := t.Context()
	var b strings.Builder
	scan := func(r row) (s string, err error) { return s, r.Scan(&s) }
	r := reads{db: db, place: place{dialect: sqliteDialect()}}
	for _, s := range get[[]string](t)(list(ctx, r, "schema", scan,
		"SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'sqlite_sequence' ORDER BY type = 'index', rowid")) {
		fmt.Fprintf(&b, "%s;\n", s)
	}
	tables := get[[]string](t)(list(ctx, r, "tables", scan,
		"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"))
	for _, table := range tables {
		columns := get[[]string](t)(list(ctx, r, "columns", scan, "SELECT name FROM pragma_table_info(?)", table))
		quoted := "quote(" + strings.Join(columns, ") || ', ' || quote(") + ")"
		for _, values := range get[[]string](t)(list(ctx, r, "rows", scan, "SELECT "+quoted+" FROM "+table+" ORDER BY 1")) {
			fmt.Fprintf(&b, "INSERT INTO %s VALUES (%s);\n", table, values)
		}
	}
	// The time of the migration is the only thing that differs each time.
	return regexp.MustCompile(`'20\d\d-\d\d-\d\d \d\d:\d\d:\d\d'`).ReplaceAllString(b.String(), "'2026-01-01 00:00:00'")
}

// fill writes something into every table.
func fill(t *testing.T, c *Catalog) {
	t.Helper()
	ctx := t.Context()
	seed(t, c)
	open := aPoint(2)
	open.RetainUntil, open.Unlimited = nil, true
	must(t, c.RecordPoint(ctx, grant(access.BackupRun), aPoint(1)))
	must(t, c.RecordPoint(ctx, grant(access.BackupRun), open))
	must(t, c.RecordDamage(ctx, grant(access.VaultVerify), []Damage{{vaultID(1), "packs/1", "it's gone", at(1)}}))
	end := at(3)
	must(t, c.BeginRun(ctx, grant(access.BackupRun), Run{ID: id(1), Kind: RunBackup, SourceID: id(1), StartedAt: at(1)}, nil))
	must(t, c.BeginRun(ctx, grant(access.BackupRun), Run{ID: id(2), Kind: RunVerify, StartedAt: at(2)}, nil))
	must(t, c.EndRun(ctx, grant(access.BackupRun), Run{ID: id(1), PointID: id(101), EndedAt: &end, Result: ResultDone}))
	must(t, c.AddEvent(ctx, "e1", at(1), []byte{0, 1, 255}))
	must(t, c.AddEvent(ctx, "e2", at(2), []byte("two")))
	must(t, c.MarkIntegrated(ctx, []int64{1}, 0))
	must(t, c.SetSetting(ctx, grant(serverInit), "server_id", "s1"))
}

// TestMigrate_FromEveryVersion opens a catalog that each earlier version of
// the program wrote, as kept in testdata, and expects what fill writes today.
// A new migration N comes with a new dump N; the older ones never change.
func TestMigrate_FromEveryVersion(t *testing.T) {
	today := filepath.Join(t.TempDir(), "today.db")
	fill(t, openAt(t, today))
	want := dump(t, openRaw(t, today))
	newestDump := fmt.Sprintf("testdata/catalog-%d.sql", versionOf(t, today))
	if *update {
		must(t, os.WriteFile(newestDump, []byte(want), 0o644))
	}
	if _, err := os.Stat(newestDump); err != nil {
		t.Fatalf("the newest migration has no dump yet; run with -update: %v", err)
	}
	for _, file := range get[[]string](t)(filepath.Glob("testdata/catalog-*.sql")) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "catalog.db")
			restoreDump(t, file, path)
			openAt(t, path)
			wantEqual(t, dump(t, openRaw(t, path)), want)
		})
	}
}

func restoreDump(t *testing.T, file, path string) {
	t.Helper()
	db := openRaw(t, path)
	text := string(get[[]byte](t)(os.ReadFile(file)))
	_, err := db.ExecContext(t.Context(), fmt.Sprintf("PRAGMA application_id = %d; BEGIN; %s COMMIT;", sqliteApplication, text))
	must(t, err)
	must(t, db.Close())
}

// versionOf gives the newest migration of a catalog.
func versionOf(t *testing.T, path string) int64 {
	t.Helper()
	return get[int64](t)(sqliteCopyVersion(t.Context(), path))
}

// withNext gives this program's migrations followed by a made-up one.
func withNext(t *testing.T, file string) fs.FS {
	t.Helper()
	all := fstest.MapFS{}
	for _, name := range get[[]string](t)(fs.Glob(migrations, "migrations/sqlite/*.sql")) {
		all[name] = &fstest.MapFile{Data: get[[]byte](t)(migrations.ReadFile(name))}
	}
	name := fmt.Sprintf("migrations/sqlite/%05d_next.sql", len(all)+1)
	all[name] = &fstest.MapFile{Data: get[[]byte](t)(os.ReadFile(file))}
	return all
}

func TestMigrate_KeepsACopyAndTheData(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "catalog.db")
	c := get[*Catalog](t)(Open(t.Context(), path, Options{}))
	fill(t, c)
	before, version := dump(t, c.writer), versionOf(t, path)
	must(t, c.SetErasureSubject(t.Context(), grant(access.ErasureRecord), aSubject(1)))
	must(t, c.Close())

	c = get[*Catalog](t)(Open(t.Context(), path, Options{migrations: withNext(t, "testdata/migration-note.sql")}))
	wantEqual(t, get[ErasureSubject](t)(c.ErasureSubject(t.Context(), vaultID(1), id(1))), aSubject(1))
	var note string
	must(t, c.writer.QueryRowContext(t.Context(), "SELECT group_concat(note, '') FROM notes WHERE vault_id = '"+vaultID(1)+"'").Scan(&note))
	wantEqual(t, note, "+")
	wantEqual(t, get[[]Vault](t)(c.Vaults(t.Context())), []Vault{aVault(1), aVault(2)})
	must(t, c.Close())

	kept := fmt.Sprintf("%s.version-%d", path, version)
	wantEqual(t, names(t, dir), "catalog.db "+filepath.Base(kept))
	wantNoBytes(t, kept, aSubject(1).Name)
	wantEqual(t, get[os.FileInfo](t)(os.Stat(kept)).Mode().Perm(), os.FileMode(0o600))
	wantEqual(t, dump(t, openRaw(t, kept)), before)
	wantKind(t, openOnce(t, path), errkind.NewerFormat)
}

func TestMigrate_FailedMigrationChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := get[*Catalog](t)(Open(t.Context(), path, Options{}))
	fill(t, c)
	before := dump(t, c.writer)
	must(t, c.Close())
	if _, err := Open(t.Context(), path, Options{migrations: withNext(t, "testdata/migration-broken.sql")}); err == nil {
		t.Fatal("a broken migration went through")
	}
	wantEqual(t, dump(t, openAt(t, path).writer), before)
}

func TestMigrate_VersionIsRecordedOnce(t *testing.T) {
	c := openAt(t, filepath.Join(t.TempDir(), "catalog.db"))
	_, err := c.writer.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, 1)")
	wantKind(t, c.fail(err, "insert"), errkind.Exists)
}

func TestMigrate_AtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := get[*Catalog](t)(Open(t.Context(), path, Options{}))
	fill(t, c)
	version := versionOf(t, path)
	must(t, c.Close())
	files := withNext(t, "testdata/migration-note.sql")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			c, err := Open(t.Context(), path, Options{migrations: files})
			if err != nil {
				t.Error(err)
				return
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var note string
	must(t, openRaw(t, path).QueryRowContext(t.Context(), "SELECT group_concat(note, '') FROM notes WHERE vault_id = '"+vaultID(1)+"'").Scan(&note))
	wantEqual(t, note, "+")
	wantEqual(t, get[int64](t)(sqliteCopyVersion(t.Context(), fmt.Sprintf("%s.version-%d", path, version))), version)
}

func TestCreate_AtOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "catalog.db")
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			c, err := Open(t.Context(), path, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := c.AddEvent(t.Context(), fmt.Sprint(n), at(1), []byte("x")); err != nil {
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	wantEqual(t, len(get[[]PendingEvent](t)(openAt(t, path).PendingEvents(t.Context(), 9))), 4)
}
