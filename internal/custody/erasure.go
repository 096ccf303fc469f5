package custody

import (
	"context"
	"slices"

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
// Records that cannot be read are an error: what they erase is not known.
func Erased(ctx context.Context, v *vault.Vault, p vault.Point) (erasure.List, error) {
	records, err := v.Records(ctx)
	var list erasure.List
	if err == nil {
		list, err = Erasures(records)
	}
	if err != nil {
		return nil, errkind.Wrap(errkind.Of(err), err, "read what was erased of point %s", p.Envelope.ID)
	}
	return list.Of(ErasedPoint(p)), nil
}

// ErasedPoint is a point as erasures see it.
func ErasedPoint(p vault.Point) erasure.Point {
	return erasure.Point{Source: p.Envelope.Source.String(), Began: p.Envelope.Started.Time()}
}
