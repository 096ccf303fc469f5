package custody

import (
	"context"
	"strings"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// CatchUp finishes what a run that was interrupted while it committed left in a
// vault, and enters into the catalog the points of a source that are in storage and
// not in it. It gives their ids. Points that cannot be read are left to verification.
func (c *Custody) CatchUp(ctx context.Context, g access.Grant, row catalog.Vault, v *vault.Vault, source catalog.Source) ([]string, error) {
	if err := g.Require(access.BackupRun); err != nil {
		return nil, err
	}
	if _, err := v.FinishCommits(ctx, g); err != nil {
		return nil, err
	}
	rows, err := c.cfg.Catalog.Points(ctx, catalog.PointFilter{SourceID: source.ID, VaultID: row.ID})
	if err != nil {
		return nil, err
	}
	known := map[int64]bool{}
	for _, p := range rows {
		known[p.Number] = true
	}
	refs, err := v.ListPoints(ctx)
	if err != nil {
		return nil, err
	}
	records, err := v.Records(ctx)
	if err != nil && !errkind.Is(err, errkind.Damaged) {
		return nil, err
	}
	facts := PointRecords(records)
	var entered []string
	for _, ref := range refs {
		if !strings.EqualFold(ref.Source.String(), source.ID) || known[int64(ref.Number)] {
			continue
		}
		id, err := c.enter(ctx, g, row, v, ref, facts)
		if err != nil {
			return entered, err
		}
		if id != "" {
			entered = append(entered, id)
		}
	}
	return entered, nil
}

// enter puts a point of storage into the catalog.
func (c *Custody) enter(ctx context.Context, g access.Grant, row catalog.Vault, v *vault.Vault, ref vault.PointRef, facts []retention.Fact) (string, error) {
	p, err := v.ReadPoint(ctx, ref.Object)
	if errkind.Is(err, errkind.Damaged) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	point, err := c.recoverPoint(ctx, v, p, facts, row)
	if err != nil {
		return "", err
	}
	return point.ID, c.cfg.Catalog.RecordPoint(ctx, g, point)
}
