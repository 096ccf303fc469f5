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
	if err := g.Require(access.PointDelete, access.PointExpire); err != nil {
		return err
	}
	if err := v.CheckOwner(ctx); err != nil {
		return err
	}
	p, err := v.points.Read(ctx, object)
	if err != nil {
		return err
	}
	names := []string{p.Object + objects.IntentSuffix, p.Object}
	for _, name := range names {
		info, err := v.store.Bucket.Stat(ctx, name)
		if err == nil && info.Lock.Holds(v.store.Now()) {
			return info.Lock.Refuse()
		}
		if err != nil && !errkind.Is(err, errkind.NotFound) {
			return err
		}
	}
	l, err := v.records.Ledger(ctx)
	if err != nil {
		return err
	}
	e := p.Envelope
	if _, recorded := l.Removed[records.PointKey{Source: e.Source, Number: e.Number}]; !recorded {
		f, err := NewFact(FactRemoved, RemovedRecord{Point: e.ID, Source: e.Source, Number: e.Number, Digest: p.Digest})
		if err != nil {
			return err
		}
		if _, err := v.records.Append(ctx, g, f); err != nil {
			return err
		}
	}
	// The intent goes first: alone it would be a commit to be finished.
	for _, name := range names {
		if err := v.store.Bucket.Delete(ctx, g, name); err != nil && !errkind.Is(err, errkind.NotFound) {
			return err
		}
	}
	return nil
}
