package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// place is where a catalog lives and how to speak to it.
type place struct {
	dialect dialect
	path    string
}

// fail gives a database error its context and kind. An error that has a kind
// already keeps it.
func (p place) fail(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf(format, args...)
	kind := errkind.Of(err)
	if k, ok := p.dialect.kind(err); ok {
		if k == errkind.NoSpace {
			err = fmt.Errorf("no space left on the disk: %w", err)
		}
		kind = k
	} else if k, ok := fileKind(err); ok && kind == errkind.Internal {
		kind = k
	}
	if kind == errkind.Damaged {
		return errkind.Wrap(kind, err, "%s: the catalog %s is damaged; %s", what, p.path, rebuildHint)
	}
	return errkind.Wrap(kind, err, "%s", what)
}

// querier is what a pool and a transaction have in common.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// reads has the reading methods, shared by [Catalog], where each sees what is
// committed, and [Tx].
type reads struct {
	place
	db querier
}

// row is one line of a result.
type row interface{ Scan(dest ...any) error }

// list runs a query and scans every row; the result is never nil.
func list[T any](ctx context.Context, r reads, what string, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := r.db.QueryContext(ctx, r.dialect.rebind(query), args...)
	if err != nil {
		return nil, r.fail(err, "%s", what)
	}
	defer rows.Close() //nolint:errcheck // Err below has what matters
	found := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, r.fail(err, "%s", what)
		}
		found = append(found, v)
	}
	if err := rows.Err(); err != nil {
		return nil, r.fail(err, "%s", what)
	}
	return found, nil
}

// one runs a query for at most one row. Without one it fails with
// errkind.NotFound and the sentence given.
func one[T any](ctx context.Context, r reads, sentence string, scan func(row) (T, error), query string, args ...any) (T, error) {
	var none T
	found, err := list(ctx, r, "read the catalog", scan, query, args...)
	if err != nil {
		return none, err
	}
	if len(found) == 0 {
		return none, errkind.New(errkind.NotFound, "%s", sentence)
	}
	return found[0], nil
}

// exec runs a statement and gives the number of rows it touched.
func (t *Tx) exec(ctx context.Context, what, query string, args ...any) (int64, error) {
	res, err := t.tx.ExecContext(ctx, t.dialect.rebind(query), args...)
	if err != nil {
		return 0, t.fail(err, "%s", what)
	}
	n, err := res.RowsAffected()
	return n, t.fail(err, "%s", what)
}

// execOne runs a statement that must touch a row, else it fails with
// errkind.NotFound and the sentence given.
func (t *Tx) execOne(ctx context.Context, what, sentence, query string, args ...any) error {
	n, err := t.exec(ctx, what, query, args...)
	if err == nil && n == 0 {
		return errkind.New(errkind.NotFound, "%s", sentence)
	}
	return err
}

// insert writes the columns of a new row.
func insert(table, columns string) string {
	marks := strings.Repeat(", ?", strings.Count(columns, ",")+1)
	return "INSERT INTO " + table + " (" + columns + ") VALUES (" + marks[2:] + ")"
}

// upsert writes a row, replacing the one with the same key if there is one.
func upsert(table, columns, key string) string {
	var sets []string
	for c := range strings.SplitSeq(columns, ", ") {
		sets = append(sets, c+" = excluded."+c)
	}
	return insert(table, columns) + " ON CONFLICT (" + key + ") DO UPDATE SET " + strings.Join(sets, ", ")
}

// where collects conditions and their arguments.
type where struct {
	conditions []string
	args       []any
}

func (w *where) add(condition string, args ...any) {
	w.conditions = append(w.conditions, condition)
	w.args = append(w.args, args...)
}

func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// limit ends a query; 0 means no limit.
func (w *where) limit(n int) string {
	if n <= 0 {
		return ""
	}
	w.args = append(w.args, n)
	return " LIMIT ?"
}
