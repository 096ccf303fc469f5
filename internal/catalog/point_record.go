package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// RecordPoint indexes a committed point. Recording it again is no error, as
// when a commit is finished from its intent after a crash: what changed since
// then stays, namely a longer term, and the state and level where p has none.
// A new point without them is protected and stored.
func (t *Tx) RecordPoint(ctx context.Context, g access.Grant, p Point) error {
	if err := g.Require(access.BackupRun, access.CommitFinish, vaultCopy, access.VaultRecover); err != nil {
		return err
	}
	old, err := t.pointByID(ctx, p.ID)
	switch {
	case missing(err):
		return t.putPoint(ctx, p.filled())
	case err != nil:
		return err
	}
	if p.State == "" {
		p.State, p.StateAt = old.State, old.StateAt
	}
	if p.Level == "" {
		p.Level, p.LevelAt = old.Level, old.LevelAt
	}
	if old.outlasts(p.Term) {
		p.Term = old.Term
	}
	return t.putPoint(ctx, p)
}

// ReplacePoints makes points, as recover found them in storage, the only ones
// that the catalog has of a vault.
func (t *Tx) ReplacePoints(ctx context.Context, g access.Grant, vaultID string, points []Point) error {
	if err := g.Require(access.VaultRecover); err != nil {
		return err
	}
	if _, err := t.exec(ctx, "replace the points", "DELETE FROM points WHERE vault_id = ?", vaultID); err != nil {
		return err
	}
	for _, p := range points {
		if p.VaultID != vaultID {
			return errkind.New(errkind.Invalid, "the point %s is of the vault %s, not %s", p.ID, p.VaultID, vaultID)
		}
		if err := t.putPoint(ctx, p.filled()); err != nil {
			return err
		}
	}
	return nil
}

// SetPointTerm replaces the term of a point, as a governance record says.
func (t *Tx) SetPointTerm(ctx context.Context, g access.Grant, id string, term Term) error {
	if err := g.Require(pointUpdate, access.BackupRun, access.CommitFinish, access.PolicyUpdate, access.PolicyShorten, access.SourceUpdate, access.EventRecord, access.HoldPlace, access.HoldRelease, access.PointDelete, access.PointUndelete, access.PointExpire, access.VaultRecover); err != nil {
		return err
	}
	var c checks
	term.check(&c)
	tags, err1 := listText("the tags", term.Tags)
	reasons, err2 := rawText("the point's reasons", term.Reasons)
	if err := errors.Join(c.err, err1, err2); err != nil {
		return err
	}
	return t.execOne(ctx, "set the term of the point "+id, noPoint(id),
		"UPDATE points SET retain_until = ?, unlimited = ?, tags = ?, reasons = ? WHERE id = ?",
		optionalMicros(term.RetainUntil), truth(term.Unlimited), tags, reasons, id)
}

// SetPointLevel records the evidence level that a point has had since at. A
// lower level than before is taken as well: a failed verification is news.
func (t *Tx) SetPointLevel(ctx context.Context, g access.Grant, id string, level PointLevel, at time.Time) error {
	if err := g.Require(access.BackupRun, access.CommitFinish, access.LockRaise, access.VaultVerify, access.RestoreRun, drillRun, access.VaultUpdate, access.VaultRecover); err != nil {
		return err
	}
	var c checks
	oneOf(&c, "evidence level", level, pointLevels())
	c.instant("the time of the evidence", at)
	if c.err != nil {
		return c.err
	}
	return t.execOne(ctx, "set the level of the point "+id, noPoint(id),
		"UPDATE points SET level = ?, level_at = ? WHERE id = ?", string(level), micros(at), id)
}

// SetPointState records the state that a point has had since at.
func (t *Tx) SetPointState(ctx context.Context, g access.Grant, id string, state PointState, at time.Time) error {
	if err := g.Require(pointUpdate, access.PointDelete, access.PointUndelete, pointPurge, access.PointExpire, access.SourceDelete, access.SourceUndelete, access.VaultDelete, access.VaultUndelete, access.VaultRemove, access.VaultRecover); err != nil {
		return err
	}
	var c checks
	oneOf(&c, "state of a point", state, pointStates())
	c.instant("the time of the state", at)
	if c.err != nil {
		return c.err
	}
	return t.execOne(ctx, "set the state of the point "+id, noPoint(id),
		"UPDATE points SET state = ?, state_at = ? WHERE id = ?", string(state), micros(at), id)
}

// DeletePoints takes points out of the catalog; storage is not touched. Ids
// that are not there are passed over, so that it can be repeated.
func (t *Tx) DeletePoints(ctx context.Context, g access.Grant, ids ...string) error {
	if err := g.Require(access.PointDelete, pointPurge, access.PointExpire, access.VaultRemove, access.VaultRecover); err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := t.exec(ctx, "delete the point "+id, "DELETE FROM points WHERE id = ?", id); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) putPoint(ctx context.Context, p Point) error {
	values, err := p.values()
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "record the point "+p.ID, upsert("points", pointColumns, "id"), values...)
	return vaultMissing(err, p.VaultID)
}

func (r reads) pointByID(ctx context.Context, id string) (Point, error) {
	return one(ctx, r, noPoint(id), scanPoint, "SELECT "+pointColumns+" FROM points WHERE id = ?", id)
}

func noPoint(id string) string { return fmt.Sprintf("there is no recovery point %q", id) }

// RecordPoint is [Tx.RecordPoint] in a transaction of its own.
func (c *Catalog) RecordPoint(ctx context.Context, g access.Grant, p Point) error {
	return c.change(ctx, func(tx *Tx) error { return tx.RecordPoint(ctx, g, p) })
}

// ReplacePoints is [Tx.ReplacePoints] in a transaction of its own.
func (c *Catalog) ReplacePoints(ctx context.Context, g access.Grant, vaultID string, points []Point) error {
	return c.change(ctx, func(tx *Tx) error { return tx.ReplacePoints(ctx, g, vaultID, points) })
}

// SetPointTerm is [Tx.SetPointTerm] in a transaction of its own.
func (c *Catalog) SetPointTerm(ctx context.Context, g access.Grant, id string, term Term) error {
	return c.change(ctx, func(tx *Tx) error { return tx.SetPointTerm(ctx, g, id, term) })
}

// SetPointLevel is [Tx.SetPointLevel] in a transaction of its own.
func (c *Catalog) SetPointLevel(ctx context.Context, g access.Grant, id string, level PointLevel, at time.Time) error {
	return c.change(ctx, func(tx *Tx) error { return tx.SetPointLevel(ctx, g, id, level, at) })
}

// SetPointState is [Tx.SetPointState] in a transaction of its own.
func (c *Catalog) SetPointState(ctx context.Context, g access.Grant, id string, state PointState, at time.Time) error {
	return c.change(ctx, func(tx *Tx) error { return tx.SetPointState(ctx, g, id, state, at) })
}

// DeletePoints is [Tx.DeletePoints] in a transaction of its own.
func (c *Catalog) DeletePoints(ctx context.Context, g access.Grant, ids ...string) error {
	return c.change(ctx, func(tx *Tx) error { return tx.DeletePoints(ctx, g, ids...) })
}
