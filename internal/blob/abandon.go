package blob

import (
	"context"
	"fmt"

	"github.com/counterfoil/counterfoil/internal/access"
)

// Abandoner is a driver whose files the operating system keeps from being
// removed. Abandon ends that for all of them; their locks stay. What is so
// already succeeds.
type Abandoner interface {
	Abandon(ctx context.Context) error
}

// Abandon lets the files of a store be removed by whoever may do so otherwise,
// under a grant for "vault/create": of a vault that came to nothing, and of no
// other. Kinds: NotAllowed, Unavailable.
func (b *Bucket) Abandon(ctx context.Context, grant access.Grant) error {
	if err := grant.Require(access.VaultCreate); err != nil {
		return fmt.Errorf("abandon a store: %w", err)
	}
	if a, ok := b.driver.(Abandoner); ok {
		return at("abandon", "the store", b.opts.retry(ctx, func() error { return a.Abandon(ctx) }))
	}
	return nil
}
