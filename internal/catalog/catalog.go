// Package catalog is the index over vaults plus the workflow state of one
// installation: vaults, sources, policies, points, damage, runs, settings and
// the outbox of the audit log. It is one SQL implementation over database/sql;
// what differs between databases sits behind a dialect.
//
// The words it introduces: an index table holds what storage also knows and
// recover can rebuild; the outbox holds audit events that are committed but
// not yet integrated into the log; a change is one transaction, together with
// its audit event.
//
// What must always be true: losing the catalog never loses a record, so it
// never is the only holder of a point, term, hold or key. Mutating methods take
// an access.Grant; only the audit outbox does without, because the gate itself
// writes there. Lists come in a documented order. Deciding what to keep, lock
// or delete is left to others.
package catalog

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Options are the choices of [Open]; the zero value is right for most.
type Options struct {
	// MustExist makes Open fail with errkind.NotFound rather than create.
	MustExist bool
	// Readers bounds the connections that read at once; 0 means 4.
	Readers int

	// migrations replaces the embedded migrations in tests.
	migrations fs.FS
}

// Catalog is an open catalog. It is safe for concurrent use; several processes
// may have the same one open.
type Catalog struct {
	reads
	writer  *sql.DB
	readers *sql.DB
}

// Tx is one running transaction. It has every mutating method of [Catalog] and
// every reading one, which then see what the transaction wrote. It ends with
// the function it was given to and is for one goroutine.
type Tx struct {
	reads
	tx *sql.Tx
}

// Open opens the SQLite catalog at path, creates it if it is not there and
// brings it to the newest migration.
//
// Kinds: NewerFormat for a catalog of a later program, Damaged for a file that
// is not what was written, Invalid for another program's database, NoSpace,
// ReadOnly, Unavailable, Busy.
func Open(ctx context.Context, path string, opts Options) (*Catalog, error) {
	if opts.Readers <= 0 {
		opts.Readers = 4
	}
	if opts.migrations == nil {
		opts.migrations = migrations
	}
	path, err := prepareFile(ctx, path, opts)
	if err != nil {
		return nil, err
	}
	p := place{dialect: sqliteDialect(), path: path}
	writer, err := openSQLiteWriter(ctx, path)
	if err != nil {
		return nil, p.fail(err, "open the catalog %s", path)
	}
	if err := migrate(ctx, p, writer, opts.migrations); err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	readers, err := openSQLiteReaders(ctx, path, opts.Readers)
	if err != nil {
		return nil, errors.Join(p.fail(err, "open the catalog %s", path), writer.Close())
	}
	return &Catalog{reads: reads{db: readers, place: p}, writer: writer, readers: readers}, nil
}

// Close ends all use of the catalog. It waits for running statements.
func (c *Catalog) Close() error {
	return c.fail(errors.Join(c.readers.Close(), c.writer.Close()), "close the catalog")
}

// Check reads the whole catalog and fails with errkind.Damaged if the
// database's own structure does not hold together.
func (c *Catalog) Check(ctx context.Context) error {
	return c.fail(c.dialect.check(ctx, c.readers), "check the catalog")
}

// Change runs fn in one transaction and adds event, if there is one, to the
// audit outbox in the same transaction: both are durable on return or neither
// is. g only has to be a real grant; each method that fn calls checks its own.
//
// fn must not call mutating methods of the Catalog itself, which would wait
// for this transaction for ever.
func (c *Catalog) Change(ctx context.Context, g access.Grant, event *PendingEvent, fn func(tx *Tx) error) error {
	if err := g.Require(g.Action()); err != nil {
		return err
	}
	return c.change(ctx, func(tx *Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		if event == nil {
			return nil
		}
		return tx.AddEvent(ctx, event.ID, event.At, event.Body)
	})
}

// change runs fn in a write transaction and commits unless it fails or panics.
func (c *Catalog) change(ctx context.Context, fn func(tx *Tx) error) error {
	sqlTx, err := c.writer.BeginTx(ctx, c.dialect.txOptions)
	if err != nil {
		return c.fail(err, "begin a change of the catalog")
	}
	// After a commit this does nothing.
	defer sqlTx.Rollback() //nolint:errcheck // the error that led here is the one to report
	if err := fn(&Tx{reads: reads{db: sqlTx, place: c.place}, tx: sqlTx}); err != nil {
		return err
	}
	return c.fail(sqlTx.Commit(), "commit a change of the catalog")
}

// Reset empties the index tables - vaults, sources, policies, points, erasures,
// damage - for a rebuild from storage. It keeps the outbox, the runs and the settings,
// which storage may not know.
func (c *Catalog) Reset(ctx context.Context, g access.Grant) error {
	return c.change(ctx, func(tx *Tx) error { return tx.Reset(ctx, g) })
}

// Reset is [Catalog.Reset] within a transaction.
func (t *Tx) Reset(ctx context.Context, g access.Grant) error {
	if err := g.Require(access.VaultRecover); err != nil {
		return err
	}
	for _, table := range []string{"erasure_facts", "damages", "points", "sources", "policies", "vaults"} {
		if _, err := t.exec(ctx, "empty "+table, "DELETE FROM "+table); err != nil {
			return err
		}
	}
	return nil
}

// missing reports whether err says that something is not in the catalog.
func missing(err error) bool { return errkind.Is(err, errkind.NotFound) }
