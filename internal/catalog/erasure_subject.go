package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// ErasureSubject is a person whose data was erased. Only the catalog has the
// name: records and logs have the id.
type ErasureSubject struct {
	VaultID, ID, Name string
	CreatedAt         time.Time
}

const subjectColumns = "vault_id, id, name, created_at"

// MaxSubjectName bounds a name or note, in bytes.
const MaxSubjectName = 4096

func (s ErasureSubject) check() error {
	var c checks
	c.want(s.VaultID != "" && s.ID != "", "a subject needs its vault and its id")
	c.want(s.Name != "" && len(s.Name) <= MaxSubjectName && utf8.ValidString(s.Name), "a subject's name must be text of 1 to 4096 bytes")
	c.instant("the time of the subject", s.CreatedAt)
	return c.err
}

func scanSubject(r row) (ErasureSubject, error) {
	var s ErasureSubject
	var created int64
	err := r.Scan(&s.VaultID, &s.ID, &s.Name, &created)
	s.CreatedAt = timeOf(created)
	return s, err
}

// ErasureSubject gives the subject of that id; one without a name, or whose name
// was forgotten, is errkind.NotFound.
func (r reads) ErasureSubject(ctx context.Context, vaultID, id string) (ErasureSubject, error) {
	return one(ctx, r, fmt.Sprintf("the name of subject %q is not known here: none was given, it was forgotten, or the catalog was lost", id), scanSubject,
		"SELECT "+subjectColumns+" FROM erasure_subjects WHERE vault_id = ? AND id = ?", vaultID, id)
}

// SetErasureSubject gives a subject its name. One that has a name keeps it:
// errkind.Exists.
func (t *Tx) SetErasureSubject(ctx context.Context, g access.Grant, s ErasureSubject) error {
	if err := errors.Join(g.Require(access.ErasureRecord), s.check()); err != nil {
		return err
	}
	_, err := t.exec(ctx, "keep the name of a subject", insert("erasure_subjects", subjectColumns), s.VaultID, s.ID, s.Name, micros(s.CreatedAt))
	return existing(err, "subject %s has a name already", s.ID)
}

// SetErasureSubject is [Tx.SetErasureSubject] in a transaction of its own.
func (c *Catalog) SetErasureSubject(ctx context.Context, g access.Grant, s ErasureSubject) error {
	return c.change(ctx, func(tx *Tx) error { return tx.SetErasureSubject(ctx, g, s) })
}

// ForgetErasureSubject removes a subject's name from the catalog and its bytes
// from the catalog's files; false says that there was none. It does the latter
// in any case, so that it can be repeated where it was interrupted.
func (c *Catalog) ForgetErasureSubject(ctx context.Context, g access.Grant, vaultID, id string) (bool, error) {
	if err := g.Require(access.ErasureForget); err != nil {
		return false, err
	}
	var gone int64
	err := c.change(ctx, func(tx *Tx) (err error) {
		gone, err = tx.exec(ctx, "forget the name of a subject", "DELETE FROM erasure_subjects WHERE vault_id = ? AND id = ?", vaultID, id)
		return err
	})
	if err != nil {
		return false, err
	}
	err = c.dialect.scrub(ctx, c.writer)
	return gone > 0, c.fail(err, "the name is forgotten, but its bytes may still lie in the files of the catalog %s: forget it once more", c.path)
}

// sqliteScrub writes the file anew and empties its log: deleted rows leave
// their bytes in both. A log that somebody still reads is errkind.Busy.
func sqliteScrub(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, "VACUUM"); err != nil {
		return err
	}
	return sqliteEmptyLog(ctx, db)
}

// sqliteEmptyLog moves the log into the file. Closing a database does so too, and
// says nothing when it cannot.
func sqliteEmptyLog(ctx context.Context, db *sql.DB) error {
	var busy, frames, moved int64
	if err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return errkind.New(errkind.Busy, "another process reads the catalog")
	}
	return nil
}

// sqliteDropNames takes names out of a copy of the catalog that is kept: they
// would outlive their being forgotten there.
func sqliteDropNames(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, "immediate"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var tables int64
	if err := db.QueryRowContext(ctx, sqliteDialect().tables, "erasure_subjects").Scan(&tables); err != nil || tables == 0 {
		return err
	}
	if _, err := db.ExecContext(ctx, "DELETE FROM erasure_subjects"); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM")
	return err
}
