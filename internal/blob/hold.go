package blob

import (
	"cmp"
	"context"
	"fmt"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// CanHold tells whether the store has legal holds of its own; it does no I/O.
func (b *Bucket) CanHold() bool {
	_, ok := b.holder()
	return ok
}

// SetLegalHold sets the store's own legal hold on an object under a grant for
// "hold/place", or takes it away under one for "hold/release"; asking for what
// is so already succeeds. Kinds: NotAllowed, by us or by the store; NotFound,
// Unsupported, Unavailable, Invalid.
func (b *Bucket) SetLegalHold(ctx context.Context, grant access.Grant, name string, on bool) error {
	action, doing := access.HoldRelease, "take the legal hold from"
	if on {
		action, doing = access.HoldPlace, "set a legal hold on"
	}
	if err := cmp.Or(grant.Require(action), CheckName(name)); err != nil {
		return fmt.Errorf("%s an object: %w", doing, err)
	}
	holder, ok := b.holder()
	if !ok {
		return at(doing, name, errkind.New(errkind.Unsupported, "this store has no legal holds of its own"))
	}
	err := b.opts.retry(ctx, func() error { return holder.SetLegalHold(ctx, name, on) })
	return at(doing, name, err)
}

// LegalHold tells whether an object is under a legal hold of the store's own; in
// a store that has none, none is. Kinds: NotFound, NotAllowed, Unavailable,
// Invalid.
func (b *Bucket) LegalHold(ctx context.Context, name string) (bool, error) {
	if err := CheckName(name); err != nil {
		return false, fmt.Errorf("look for a legal hold: %w", err)
	}
	holder, ok := b.holder()
	if !ok {
		return false, nil
	}
	var on bool
	err := b.opts.retry(ctx, func() error {
		var err error
		on, err = holder.LegalHold(ctx, name)
		return err
	})
	return on, at("look for a legal hold on", name, err)
}

func (b *Bucket) holder() (LegalHolder, bool) {
	holder, ok := b.driver.(LegalHolder)
	return holder, ok && b.driver.Caps().Holds
}
