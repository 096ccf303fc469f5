package lifecycle

import (
	"context"
	"errors"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// VaultDeletion is a vault that was deleted softly, or brought back.
type VaultDeletion struct {
	Vault  string
	Points int
	// PurgeAfter is until when the deletion can be undone, zero for a vault that was
	// brought back.
	PurgeAfter time.Time
}

// DeleteVault deletes a vault softly with all its points, or nothing of it: a
// single point that may not be deleted is errkind.Refused. Backups into it end.
func (l *Lifecycle) DeleteVault(ctx context.Context, g access.Grant, name, why string) (VaultDeletion, error) {
	if err := g.Require(access.VaultDelete); err != nil {
		return VaultDeletion{}, err
	}
	w, err := l.view(ctx, name)
	if err != nil {
		return VaultDeletion{}, err
	}
	s := w.settings()
	switch {
	case s.Deleted != nil:
		// An earlier deletion may have stopped before the catalog followed.
		if err := errors.Join(l.cfg.Custody.Settle(ctx, g, w.row, s), l.reindex(ctx, g, w)); err != nil {
			return VaultDeletion{}, err
		}
		return VaultDeletion{}, errkind.New(errkind.Exists, "vault %q is deleted already, recoverable until %s", name, s.Deleted.PurgeAfter.Time().Format(time.RFC3339))
	case s.State == vault.StateLocking:
		return VaultDeletion{}, errkind.New(errkind.Refused, "vault %q is about to be locked: call that back first with 'vault unlock-request %s'", name, name)
	}
	points, err := l.deletable(ctx, w, func(standing) bool { return true })
	if err != nil {
		return VaultDeletion{}, errkind.Wrap(errkind.Of(err), err, "vault %q is not deleted, and nothing in it", name)
	}
	d := w.deletion(l.cfg.Clock.Receipt(), g.Subject())
	s.Deleted = (*vault.SoftDeletion)(&d)
	if err := l.write(ctx, g, w, s, d.facts(points, why)...); err != nil {
		return VaultDeletion{}, err
	}
	return VaultDeletion{Vault: w.row.Name, Points: len(points), PurgeAfter: d.PurgeAfter.Time()}, nil
}

// UndeleteVault brings back a deleted vault with the points that were deleted
// with it.
func (l *Lifecycle) UndeleteVault(ctx context.Context, g access.Grant, name string) (VaultDeletion, error) {
	if err := g.Require(access.VaultUndelete); err != nil {
		return VaultDeletion{}, err
	}
	w, err := l.view(ctx, name)
	if err != nil {
		return VaultDeletion{}, err
	}
	s := w.settings()
	if s.Deleted == nil {
		if err := errors.Join(l.cfg.Custody.Settle(ctx, g, w.row, s), l.reindex(ctx, g, w)); err != nil {
			return VaultDeletion{}, err
		}
		return VaultDeletion{}, errkind.New(errkind.Invalid, "vault %q is not deleted", name)
	}
	facts := w.undeletion(*s.Deleted, l.cfg.Clock.Receipt(), g.Subject())
	s.Deleted = nil
	out := VaultDeletion{Vault: w.row.Name}
	for _, f := range facts {
		out.Points += len(f.Selector.Points)
	}
	return out, l.write(ctx, g, w, s, facts...)
}
