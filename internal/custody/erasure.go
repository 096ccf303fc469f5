package custody

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/erasure"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Erasures gives every erasure ever recorded, in the order of the records, each
// with its withdrawal. One that is not understood is an error: what it names
// must not be taken for what may be brought back.
func Erasures(records []vault.Record) (erasure.List, error) {
	var out erasure.List
	for _, r := range records {
		for _, f := range r.Facts {
			var err error
			switch f.Kind {
			case vault.FactErasure:
				var x vault.ErasureRecord
				if err = f.Decode(&x); err == nil {
					out = append(out, erasureOf(x))
				}
			case vault.FactErasureWithdrawn:
				var x vault.WithdrawalRecord
				if err = f.Decode(&x); err == nil {
					withdraw(out, x)
				}
			}
			if err != nil {
				return nil, errkind.Wrap(errkind.NewerFormat, err, "governance record %d: an erasure that this version does not understand", r.Number)
			}
		}
	}
	return out, nil
}

func erasureOf(x vault.ErasureRecord) erasure.Erasure {
	e := erasure.Erasure{ID: x.ID, Subject: x.Subject, Reason: x.Reason, By: x.By, At: x.At.Time(), Until: x.Until.Time()}
	for _, id := range x.Sources {
		e.Sources = append(e.Sources, id.String())
	}
	for _, p := range x.Paths {
		e.Paths = append(e.Paths, string(p))
	}
	return e
}

func withdraw(list erasure.List, x vault.WithdrawalRecord) {
	if i := slices.IndexFunc(list, func(e erasure.Erasure) bool { return e.ID == x.Erasure }); i >= 0 {
		list[i].Withdrawn = &erasure.Withdrawal{Reason: x.Reason, By: x.By, At: x.At.Time()}
	}
}

// Erased gives the erasures that concern a point, by the records in its vault.
// Where those are damaged, it takes what can be read of them and what the
// catalog has, so that no file is lost by it, and says in doubt that this may
// not be all. Any other error keeps what was erased from being known.
func (c *Custody) Erased(ctx context.Context, vaultID string, p vault.Point) (list erasure.List, doubt string, err error) {
	_, v, err := c.Vault(ctx, vaultID)
	if err != nil {
		return nil, "", err
	}
	records, err := v.Records(ctx)
	if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
		doubt = fmt.Sprintf("what was erased is taken from the governance records that can be read and from the catalog, and may not be all: %v", err)
		records, err = c.recordsOfErasures(ctx, vaultID, v)
	}
	if err == nil {
		list, err = Erasures(records)
	}
	if err != nil {
		return nil, "", errkind.Wrap(errkind.Of(err), err, "read what was erased of point %s", p.Envelope.ID)
	}
	return list.Of(ErasedPoint(p)), doubt, nil
}

// recordsOfErasures gives the records that can be read, and in place of others
// what the catalog has of them.
func (c *Custody) recordsOfErasures(ctx context.Context, vaultID string, v *vault.Vault) ([]vault.Record, error) {
	records, err := v.ReadableRecords(ctx)
	if err != nil {
		return nil, err
	}
	kept, err := c.cfg.Catalog.ErasureFacts(ctx, vaultID)
	if err != nil {
		return nil, err
	}
	read := map[uint64]bool{}
	for _, r := range records {
		read[r.Number] = true
	}
	for _, f := range kept {
		if !read[f.Record] {
			records = append(records, vault.Record{Number: f.Record, Facts: []vault.Fact{{Kind: f.Kind, Value: f.Value}}})
		}
	}
	slices.SortStableFunc(records, func(a, b vault.Record) int { return cmp.Compare(a.Number, b.Number) })
	return records, nil
}

// KeepErasures copies what records say of erasures to the catalog, for when the
// records are damaged.
func (c *Custody) KeepErasures(ctx context.Context, g access.Grant, vaultID string, records []vault.Record) error {
	var facts []catalog.ErasureFact
	for _, r := range records {
		for i, f := range r.Facts {
			if f.Kind == vault.FactErasure || f.Kind == vault.FactErasureWithdrawn {
				facts = append(facts, catalog.ErasureFact{Record: r.Number, Place: i, Kind: f.Kind, Value: f.Value})
			}
		}
	}
	return c.cfg.Catalog.PutErasureFacts(ctx, g, vaultID, facts)
}

// recoverErasures copies what storage knows of erasures to the catalog, what
// stands after a break of the records too.
func (c *Custody) recoverErasures(ctx context.Context, g access.Grant, vaultID string, v *vault.Vault) error {
	records, err := v.Records(ctx)
	if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
		records, err = v.ReadableRecords(ctx)
	}
	if err != nil {
		return err
	}
	return c.KeepErasures(ctx, g, vaultID, records)
}

// ErasedPoint is a point as erasures see it.
func ErasedPoint(p vault.Point) erasure.Point {
	return erasure.Point{Source: p.Envelope.Source.String(), Began: p.Envelope.Started.Time()}
}
