package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// SourceKind says what is protected.
type SourceKind string

// SourceFiles is a source of folders on a host.
const SourceFiles SourceKind = "files"

// Source is what the catalog knows of something protected.
type Source struct {
	// ID is a ULID.
	ID      string
	Name    string
	Kind    SourceKind
	VaultID string
	// Policy and PolicyVersion name the one policy in force.
	Policy        string
	PolicyVersion int
	// Paths are bytes as the file system has them, not necessarily UTF-8.
	Paths [][]byte
	// Excludes are patterns in gitignore syntax.
	Excludes []string
	// ExcludeLarger leaves out larger files, by bytes; 0 is no limit.
	ExcludeLarger int64
	// ExcludeCaches leaves out folders with a CACHEDIR.TAG.
	ExcludeCaches bool
	OneFileSystem bool
	// Classes are the record classes.
	Classes                         []string
	Owner, Criticality, Sensitivity string
	// RPO and RTO are ISO 8601 durations.
	RPO, RTO  string
	CreatedAt time.Time
	Detail    json.RawMessage
}

const sourceColumns = "id, name, kind, vault_id, policy_name, policy_version, paths, excludes, exclude_larger, exclude_caches, " +
	"one_file_system, classes, owner, criticality, rpo, rto, sensitivity, created_at, detail"

// Check fails with errkind.Invalid for a source that the catalog would not
// take, so that it can be refused before a vault is told of it.
func (s Source) Check() error {
	var c checks
	c.ulid("source", s.ID)
	c.name("source", s.Name)
	oneOf(&c, "kind of source", s.Kind, []SourceKind{SourceFiles})
	c.vaultID(s.VaultID)
	c.want(s.Policy != "" && s.PolicyVersion > 0, "the source %q needs a policy and its version", s.Name)
	c.want(len(s.Paths) > 0, "the source %q needs a path", s.Name)
	for _, p := range s.Paths {
		c.want(len(p) > 0, "the source %q has an empty path", s.Name)
	}
	c.want(s.ExcludeLarger >= 0, "the size limit %d of the source %q is below zero", s.ExcludeLarger, s.Name)
	for _, class := range s.Classes {
		c.want(isClass(class), "%q cannot be a record class: one is lower-case letters, digits and underscores", class)
	}
	c.period("the RPO", s.RPO)
	c.period("the RTO", s.RTO)
	c.instant("the creation time of the source", s.CreatedAt)
	return c.err
}

func (s Source) values() ([]any, error) {
	paths, err1 := pathsText(s.Paths)
	excludes, err2 := listText("the exclusions", s.Excludes)
	classes, err3 := listText("the record classes", s.Classes)
	detail, err4 := rawText("the source's detail", s.Detail)
	return []any{
		s.ID, s.Name, string(s.Kind), s.VaultID, s.Policy, s.PolicyVersion, paths, excludes, s.ExcludeLarger,
		truth(s.ExcludeCaches), truth(s.OneFileSystem), classes, s.Owner, s.Criticality, s.RPO, s.RTO, s.Sensitivity,
		micros(s.CreatedAt), detail,
	}, errors.Join(s.Check(), err1, err2, err3, err4)
}

func scanSource(r row) (Source, error) {
	var s Source
	var created, caches, oneFS int64
	var paths, excludes, classes, detail string
	err := r.Scan(&s.ID, &s.Name, &s.Kind, &s.VaultID, &s.Policy, &s.PolicyVersion, &paths, &excludes, &s.ExcludeLarger,
		&caches, &oneFS, &classes, &s.Owner, &s.Criticality, &s.RPO, &s.RTO, &s.Sensitivity, &created, &detail)
	if err != nil {
		return s, err
	}
	var err1, err2, err3 error
	s.Paths, err1 = pathsOf(paths)
	s.Excludes, err2 = listOf(excludes)
	s.Classes, err3 = listOf(classes)
	s.ExcludeCaches, s.OneFileSystem = caches != 0, oneFS != 0
	s.CreatedAt, s.Detail = timeOf(created), rawOf(detail)
	return s, errors.Join(err1, err2, err3)
}

// Source gives the source of that name or id.
func (r reads) Source(ctx context.Context, nameOrID string) (Source, error) {
	return one(ctx, r, noSource(nameOrID), scanSource,
		"SELECT "+sourceColumns+" FROM sources WHERE name = ? OR id = ?", nameOrID, nameOrID)
}

// Sources gives all sources by name.
func (r reads) Sources(ctx context.Context) ([]Source, error) {
	return list(ctx, r, "list sources", scanSource, "SELECT "+sourceColumns+" FROM sources ORDER BY name")
}

func noSource(nameOrID string) string {
	return fmt.Sprintf("there is no source %q; `counterfoil source list` shows those there are", nameOrID)
}

// CreateSource adds a source. A taken name or id is errkind.Exists; a vault or
// policy version that is not there is errkind.NotFound.
func (t *Tx) CreateSource(ctx context.Context, g access.Grant, s Source) error {
	if err := g.Require(access.SourceCreate, access.VaultRecover); err != nil {
		return err
	}
	values, err := s.values()
	if err != nil {
		return err
	}
	if err := t.sourceNeeds(ctx, s); err != nil {
		return err
	}
	_, err = t.exec(ctx, "create the source "+s.Name, insert("sources", sourceColumns), values...)
	return existing(err, "there is a source %q already, by name or id", s.Name)
}

// UpdateSource changes all but the id and creation time of a source.
func (t *Tx) UpdateSource(ctx context.Context, g access.Grant, s Source) error {
	if err := g.Require(access.SourceUpdate, access.PolicyUpdate, access.PolicyShorten, access.SourceStop, access.SourceResume, access.SourceDelete, access.SourceUndelete, access.PointExpire, access.VaultRecover); err != nil {
		return err
	}
	old, err := one(ctx, t.reads, noSource(s.ID), scanSource, "SELECT "+sourceColumns+" FROM sources WHERE id = ?", s.ID)
	if err != nil {
		return err
	}
	s.CreatedAt = old.CreatedAt
	if err := errors.Join(s.Check(), t.sourceNeeds(ctx, s)); err != nil {
		return err
	}
	return t.putSource(ctx, s)
}

// sourceNeeds fails unless the vault and policy that s names are there.
func (t *Tx) sourceNeeds(ctx context.Context, s Source) error {
	if _, err := t.Vault(ctx, s.VaultID); err != nil {
		return err
	}
	_, err := t.Policy(ctx, s.Policy, s.PolicyVersion)
	return err
}

// ReplaceSource writes a source as recover found it in storage. Its policy
// need not be there; its vault must.
func (t *Tx) ReplaceSource(ctx context.Context, g access.Grant, s Source) error {
	if err := g.Require(access.VaultRecover); err != nil {
		return err
	}
	return t.putSource(ctx, s)
}

func (t *Tx) putSource(ctx context.Context, s Source) error {
	values, err := s.values()
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "write the source "+s.Name, upsert("sources", sourceColumns, "id"), values...)
	return existing(vaultMissing(err, s.VaultID), "there is another source %q already", s.Name)
}

// DeleteSource takes a source out of the catalog. Its points stay.
func (t *Tx) DeleteSource(ctx context.Context, g access.Grant, id string) error {
	if err := g.Require(access.VaultRemove); err != nil {
		return err
	}
	return t.execOne(ctx, "delete the source", noSource(id), "DELETE FROM sources WHERE id = ?", id)
}

// vaultMissing puts a sentence in place of a database's complaint about a
// vault that is not in the catalog.
func vaultMissing(err error, vaultID string) error {
	if errkind.Is(err, errkind.NotFound) {
		return errkind.New(errkind.NotFound, "%s", noVault(vaultID))
	}
	return err
}

// CreateSource is [Tx.CreateSource] in a transaction of its own.
func (c *Catalog) CreateSource(ctx context.Context, g access.Grant, s Source) error {
	return c.change(ctx, func(tx *Tx) error { return tx.CreateSource(ctx, g, s) })
}

// UpdateSource is [Tx.UpdateSource] in a transaction of its own.
func (c *Catalog) UpdateSource(ctx context.Context, g access.Grant, s Source) error {
	return c.change(ctx, func(tx *Tx) error { return tx.UpdateSource(ctx, g, s) })
}

// ReplaceSource is [Tx.ReplaceSource] in a transaction of its own.
func (c *Catalog) ReplaceSource(ctx context.Context, g access.Grant, s Source) error {
	return c.change(ctx, func(tx *Tx) error { return tx.ReplaceSource(ctx, g, s) })
}

// DeleteSource is [Tx.DeleteSource] in a transaction of its own.
func (c *Catalog) DeleteSource(ctx context.Context, g access.Grant, id string) error {
	return c.change(ctx, func(tx *Tx) error { return tx.DeleteSource(ctx, g, id) })
}
