package vault

import (
	"context"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
)

// LockPoint raises the locks of a point's packs and of its own objects where
// they are short. It may be repeated.
func (v *Vault) LockPoint(ctx context.Context, g access.Grant, p Point, packs, own blob.Lock) error {
	names, err := v.PackObjects(ctx, p.Envelope)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := v.raiseLock(ctx, g, name, packs); err != nil {
			return err
		}
	}
	for _, name := range objects.OfPoint(p.Object) {
		err := v.raiseLock(ctx, g, name, own)
		if objects.IsIntent(name) && errkind.Is(err, errkind.NotFound) {
			continue // a point stands without its intent
		}
		if err != nil {
			return err
		}
	}
	return nil
}
