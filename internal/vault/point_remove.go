package vault

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/records"
)

// RemovePoint takes a point out of the vault: it is recorded first, then its
// objects are deleted. What only it needed is garbage from then on. A point under a lock is
// refused with errkind.Refused, before anything is recorded. It may be repeated.
func (v *Vault) RemovePoint(ctx context.Context, g access.Grant, object string) error {
	_, err := v.removePoint(ctx, g, object, func(f Fact) (Record, error) { return v.records.Append(ctx, g, f) })
	return err
}

// RemovePointAfter is RemovePoint for what was decided by the records up to one:
// when another was written since, it fails with errkind.Busy and removes nothing. It
// gives the record of the removal, also with an error after it; one that was
// recorded before is none, and its number is 0.
func (v *Vault) RemovePointAfter(ctx context.Context, g access.Grant, last Record, object string) (Record, error) {
	return v.removePoint(ctx, g, object, func(f Fact) (Record, error) { return v.records.AppendAfter(ctx, g, last, f) })
}

func (v *Vault) removePoint(ctx context.Context, g access.Grant, object string, record func(Fact) (Record, error)) (Record, error) {
	var none Record
	if err := g.Require(access.PointDelete, access.PointExpire); err != nil {
		return none, err
	}
	if err := v.CheckOwner(ctx); err != nil {
		return none, err
	}
	p, err := v.points.Read(ctx, object)
	if err != nil {
		return none, err
	}
	names := []string{p.Object + objects.IntentSuffix, p.Object}
	for _, name := range names {
		info, err := v.store.Bucket.Stat(ctx, name)
		if err == nil && info.Lock.Holds(v.store.Now()) {
			return none, info.Lock.Refuse()
		}
		if err != nil && !errkind.Is(err, errkind.NotFound) {
			return none, err
		}
	}
	l, err := v.records.Ledger(ctx)
	if err != nil {
		return none, err
	}
	e, made := p.Envelope, none
	if _, recorded := l.Removed[records.PointKey{Source: e.Source, Number: e.Number}]; !recorded {
		f, err := NewFact(FactRemoved, RemovedRecord{Point: e.ID, Source: e.Source, Number: e.Number, Digest: p.Digest})
		if err != nil {
			return none, err
		}
		if made, err = record(f); err != nil {
			return none, err
		}
	}
	// The intent goes first: alone it would be a commit to be finished.
	for _, name := range names {
		if err := v.store.Bucket.Delete(ctx, g, name); err != nil && !errkind.Is(err, errkind.NotFound) {
			return made, err
		}
	}
	return made, nil
}
