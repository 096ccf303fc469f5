package catalog

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// dialect is all that differs between the databases a catalog may live in.
// Everything else is written once, in SQL that both understand: `?` marks,
// TEXT ids, BIGINT microseconds UTC, BIGINT 0/1 truths, TEXT JSON, ON CONFLICT.
// Column types that differ (bytes, the outbox's counter, the byte-order
// collation that list orders rely on) are settled in the migrations' folder.
type dialect struct {
	name string
	// goose is the migration tool's name of the database.
	goose goose.Dialect
	// folder holds the migrations within the embedded files.
	folder string
	// rebind rewrites `?` marks as the driver wants them.
	rebind func(query string) string
	// txOptions is the isolation of a change. A change reads before it writes,
	// so it must run as if alone: SQLite does so by itself.
	txOptions *sql.TxOptions
	// tables counts the tables of the name given.
	tables string
	// kind tells what a driver's error means; ok is false if it cannot say.
	kind func(err error) (k errkind.Kind, ok bool)
	// foreign fails if the database holds another program's tables.
	foreign func(ctx context.Context, db *sql.DB) error
	// check fails with a Damaged error if the structure is broken.
	check func(ctx context.Context, db *sql.DB) error
	// keepCopy writes a copy of the catalog of the version given beside it
	// before an upgrade.
	keepCopy func(ctx context.Context, db *sql.DB, path string, version int64) error
	// scrub leaves no bytes of deleted rows in the catalog's files.
	scrub func(ctx context.Context, db *sql.DB) error
}

// questionMarks is the rebind of databases that take `?` as it is.
func questionMarks(query string) string { return query }

// dollarMarks numbers the marks: the first `?` becomes $1. Marks within quotes
// are text and stay.
func dollarMarks(query string) string {
	var b strings.Builder
	n := 0
	var quote rune
	for _, r := range query {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		case r == '?':
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
