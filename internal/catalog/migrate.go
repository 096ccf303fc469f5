package catalog

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

//go:embed migrations
var migrations embed.FS

// migrate brings the database to the newest migration known. Each migration
// runs in one transaction with the record of its version, and that record is
// unique: of two processes that upgrade at once, one rolls back whole and then
// finds the work done.
func migrate(ctx context.Context, p place, db *sql.DB, files fs.FS) error {
	if err := p.dialect.foreign(ctx, db); err != nil {
		return p.fail(err, "open the catalog %s", p.path)
	}
	provider, err := newProvider(p.dialect, db, files)
	if err != nil {
		return p.fail(err, "read the catalog's migrations")
	}
	target := newest(provider)
	current, err := currentVersion(ctx, p.dialect, db)
	if err != nil {
		return p.fail(err, "read the version of the catalog %s", p.path)
	}
	if current > target {
		return errkind.New(errkind.NewerFormat,
			"the catalog %s has version %d and this program knows up to %d: use a newer counterfoil", p.path, current, target)
	}
	if current == target {
		return nil
	}
	if current > 0 {
		if err := p.dialect.keepCopy(ctx, db, p.path, current); err != nil {
			return p.fail(err, "keep a copy of the catalog %s before its upgrade", p.path)
		}
	}
	return upgrade(ctx, p, db, provider, current)
}

// upgrade applies what is missing. When an attempt fails although another
// process moved the version forward meanwhile, it tries again from there, so
// it ends after at most one attempt for each migration.
func upgrade(ctx context.Context, p place, db *sql.DB, provider *goose.Provider, from int64) error {
	for {
		_, err := provider.Up(ctx)
		if err == nil {
			return nil
		}
		now, versionErr := currentVersion(ctx, p.dialect, db)
		if versionErr != nil || now <= from {
			return p.fail(errors.Join(err, versionErr), "upgrade the catalog %s", p.path)
		}
		if now >= newest(provider) {
			return nil
		}
		from = now
	}
}

func newProvider(d dialect, db *sql.DB, files fs.FS) (*goose.Provider, error) {
	folder, err := fs.Sub(files, d.folder)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(d.goose, db, folder,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

func newest(provider *goose.Provider) int64 {
	sources := provider.ListSources()
	return sources[len(sources)-1].Version
}

// currentVersion gives the newest migration applied, 0 for an empty database.
func currentVersion(ctx context.Context, d dialect, db *sql.DB) (int64, error) {
	var tables int64
	if err := db.QueryRowContext(ctx, d.rebind(d.tables), goose.DefaultTablename).Scan(&tables); err != nil {
		return 0, err
	}
	if tables == 0 {
		return 0, nil
	}
	var version int64
	err := db.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+goose.DefaultTablename).Scan(&version)
	return version, err
}
