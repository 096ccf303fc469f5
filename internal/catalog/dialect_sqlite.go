package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/pressly/goose/v3"
	"golang.org/x/mod/semver"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

const (
	// minSQLite is the first release in which a WAL reset cannot corrupt the
	// file while several processes have it open.
	minSQLite = "3.51.3"
	// sqliteApplication marks a file as a catalog ("CFct"); migration 1 sets it.
	sqliteApplication = 0x43466374
)

// pragma is a setting and the value it must have once a connection is open.
// Drivers silently ignore settings they do not know, so each is asked back.
type pragma struct{ name, want string }

func sqliteDialect() dialect {
	return dialect{
		name:     "sqlite",
		goose:    goose.DialectSQLite3,
		folder:   "migrations/sqlite",
		rebind:   questionMarks,
		tables:   "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
		kind:     sqliteKind,
		foreign:  sqliteForeign,
		check:    sqliteCheck,
		keepCopy: sqliteKeepCopy,
		scrub:    sqliteScrub,
	}
}

// openSQLiteWriter opens the one connection of this process that writes. Every
// transaction takes the write lock at once: one that upgraded from reading
// could fail halfway when another process wrote in between.
func openSQLiteWriter(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, "immediate",
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "trusted_schema(0)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	err = sqliteReady(ctx, db, []pragma{
		{"journal_mode", "wal"}, {"synchronous", "2"}, {"foreign_keys", "1"}, {"busy_timeout", "10000"},
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// openSQLiteReaders opens a pool that cannot write.
func openSQLiteReaders(ctx context.Context, path string, n int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, "deferred",
		"busy_timeout(10000)", "query_only(1)", "foreign_keys(1)", "trusted_schema(0)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	if err := sqliteReady(ctx, db, []pragma{{"query_only", "1"}, {"busy_timeout", "10000"}}); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// sqliteDSN names the file as a URI, so that no character of path can be taken
// for an option.
func sqliteDSN(path, txlock string, pragmas ...string) string {
	q := url.Values{"_txlock": {txlock}, "_dqs": {"0"}, "_defensive": {"1"}, "_error_rc": {"1"}, "_pragma": pragmas}
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	return u.String()
}

func sqliteReady(ctx context.Context, db *sql.DB, want []pragma) error {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return err
	}
	if err := sqliteNewEnough(version); err != nil {
		return err
	}
	for _, p := range want {
		var got string
		if err := db.QueryRowContext(ctx, "PRAGMA "+p.name).Scan(&got); err != nil {
			return fmt.Errorf("ask for %s: %w", p.name, err)
		}
		if got != p.want {
			return errkind.New(errkind.Unsupported, "the database keeps %s at %s where the catalog needs %s", p.name, got, p.want)
		}
	}
	return nil
}

func sqliteNewEnough(version string) error {
	if semver.Compare("v"+version, "v"+minSQLite) < 0 {
		return errkind.New(errkind.Unsupported,
			"this program was built with SQLite %s, which can corrupt a shared catalog; it needs %s or later", version, minSQLite)
	}
	return nil
}

// sqliteKind maps result codes. Extended codes carry the primary one in their
// low byte.
func sqliteKind(err error) (errkind.Kind, bool) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errkind.Internal, false
	}
	switch e.Code() {
	case sqlite3.SQLITE_IOERR_SHMSIZE:
		// The shared index of the log could not be extended: a full disk.
		return errkind.NoSpace, true
	case sqlite3.SQLITE_IOERR_SHORT_READ:
		return errkind.Damaged, true
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return errkind.Exists, true
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return errkind.NotFound, true
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return errkind.Damaged, true
	case sqlite3.SQLITE_FULL:
		return errkind.NoSpace, true
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return errkind.Busy, true
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return errkind.ReadOnly, true
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR:
		return errkind.Unavailable, true
	case sqlite3.SQLITE_CONSTRAINT:
		return errkind.Invalid, true
	}
	return errkind.Internal, false
}

// sqliteForeign keeps migrations off a database that somebody else made.
func sqliteForeign(ctx context.Context, db *sql.DB) error {
	var id, tables int64
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return err
	}
	if id != sqliteApplication && tables > 0 {
		return errkind.New(errkind.Invalid, "the file is a database of another program, not a catalog")
	}
	return nil
}

func sqliteCheck(ctx context.Context, db *sql.DB) error {
	var first string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&first); err != nil {
		return err
	}
	if first != "ok" {
		return errkind.New(errkind.Damaged, "%s", first)
	}
	return nil
}

// sqliteKeepCopy writes path.version-N. Another process may have upgraded in
// the meantime; then the copy is of the wrong version and the other process
// has kept the right one.
func sqliteKeepCopy(ctx context.Context, db *sql.DB, path string, version int64) error {
	kept := fmt.Sprintf("%s.version-%d", path, version)
	tmp, err := newPrivateFile(kept)
	if err != nil {
		return err
	}
	defer os.Remove(tmp) //nolint:errcheck // gone already when the copy was kept
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", tmp); err != nil {
		return err
	}
	if err := sqliteDropNames(ctx, tmp); err != nil {
		return err
	}
	got, err := sqliteCopyVersion(ctx, tmp)
	if err != nil || got != version {
		return err
	}
	if err := syncFile(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, kept); err != nil {
		return err
	}
	return syncFolder(kept)
}

func sqliteCopyVersion(ctx context.Context, path string) (version int64, err error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, "deferred", "query_only(1)"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return currentVersion(ctx, sqliteDialect(), db)
}
