package records

import (
	"context"
	"strconv"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Owner is an epoch of ownership (section 12): the server of the highest one
// may write to the vault.
type Owner struct {
	Vault  seal.ID    `cbor:"1,keyasint"`
	Epoch  uint64     `cbor:"2,keyasint"`
	Server seal.ID    `cbor:"3,keyasint"`
	At     tree.Stamp `cbor:"4,keyasint"`
	Host   string     `cbor:"5,keyasint"`
}

// Owner reads the epoch in force.
func (l *Log) Owner(ctx context.Context) (Owner, error) {
	epoch, err := l.LastEpoch(ctx)
	if err != nil {
		return Owner{}, err
	}
	if epoch == 0 {
		return Owner{}, errkind.New(errkind.Damaged, "the vault has no owner epoch in %s", objects.OwnerPrefix)
	}
	return l.ReadOwner(ctx, objects.OwnerName(epoch))
}

// LastEpoch gives the highest epoch there is, 0 if there is none.
func (l *Log) LastEpoch(ctx context.Context) (uint64, error) {
	var last uint64
	err := l.store.Bucket.List(ctx, objects.OwnerPrefix, func(i blob.Info) error {
		if n, err := strconv.ParseUint(i.Name[len(objects.OwnerPrefix):], 10, 64); err == nil && objects.OwnerName(n) == i.Name {
			last = max(last, n)
		}
		return nil
	})
	return last, err
}

// ReadOwner reads an epoch.
func (l *Log) ReadOwner(ctx context.Context, name string) (Owner, error) {
	var o Owner
	err := l.store.ReadGood(ctx, name, func(data []byte) error {
		var err error
		o, err = l.parseOwner(name, data)
		return err
	})
	return o, err
}

func (l *Log) parseOwner(name string, data []byte) (Owner, error) {
	var o Owner
	_, err := l.store.ParseSigned(canon.Owner, name, data, &o)
	if err == nil && (o.Vault != l.store.Vault || objects.OwnerName(o.Epoch) != name) {
		err = errkind.New(errkind.Damaged, "owner epoch %q is not what its name says", name)
	}
	return o, err
}

// CheckOwner fails with errkind.NotAllowed unless this server owns the vault.
func (l *Log) CheckOwner(ctx context.Context) error {
	o, err := l.Owner(ctx)
	if err != nil {
		return err
	}
	if o.Server != l.server {
		return errkind.New(errkind.NotAllowed, "the vault belongs to the server on host %q since %s: 'vault recover' takes it over when that one is gone", o.Host, o.At.Time().Format("2006-01-02 15:04:05Z"))
	}
	return nil
}

// TakeOwnership opens a new epoch for this server. The one that had it can
// read but no longer write. An epoch that cannot be read is no obstacle.
func (l *Log) TakeOwnership(ctx context.Context, g access.Grant) error {
	if err := g.Require(access.OwnerTake, access.VaultRecover); err != nil {
		return err
	}
	o, err := l.Owner(ctx)
	if err != nil && !errkind.Is(err, errkind.Damaged) {
		return err
	}
	if err == nil && o.Server == l.server {
		return nil
	}
	epoch, err := l.LastEpoch(ctx)
	if err != nil {
		return err
	}
	return l.OpenEpoch(ctx, g, epoch+1)
}

// OpenEpoch makes this server the owner: errkind.Busy where the epoch is taken.
func (l *Log) OpenEpoch(ctx context.Context, g access.Grant, epoch uint64) error {
	if err := g.Require(access.VaultCreate, access.OwnerTake, access.VaultRecover); err != nil {
		return err
	}
	o := Owner{Vault: l.store.Vault, Epoch: epoch, Server: l.server, At: tree.StampOf(l.store.Now()), Host: l.host}
	clear, err := canon.Marshal(o)
	if err != nil {
		return err
	}
	object, err := canon.Sign(canon.Owner, clear, nil, l.store.Ring.SigningKey())
	if err != nil {
		return err
	}
	_, err = l.store.Bucket.Put(ctx, objects.OwnerName(epoch), object, blob.PutOptions{Lock: l.lock()})
	if errkind.Is(err, errkind.Exists) {
		return errkind.New(errkind.Busy, "another server is taking over the vault at this moment")
	}
	return err
}
