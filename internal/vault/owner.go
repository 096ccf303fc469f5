package vault

import (
	"context"
	"fmt"
	"strconv"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Owner is an epoch of ownership (section 12): the server of the highest one
// may write to the vault.
type Owner struct {
	Vault  ID         `cbor:"1,keyasint"`
	Epoch  uint64     `cbor:"2,keyasint"`
	Server ID         `cbor:"3,keyasint"`
	At     tree.Stamp `cbor:"4,keyasint"`
	Host   string     `cbor:"5,keyasint"`
}

const ownerPrefix = "governance/owner/"

func ownerObject(epoch uint64) string { return fmt.Sprintf("%s%010d", ownerPrefix, epoch) }

// Owner reads the epoch in force.
func (v *Vault) Owner(ctx context.Context) (Owner, error) {
	epoch, err := v.lastEpoch(ctx)
	if err != nil {
		return Owner{}, err
	}
	if epoch == 0 {
		return Owner{}, errkind.New(errkind.Damaged, "the vault has no owner epoch in %s", ownerPrefix)
	}
	return v.readOwner(ctx, ownerObject(epoch))
}

// lastEpoch gives the highest epoch there is, 0 if there is none.
func (v *Vault) lastEpoch(ctx context.Context) (uint64, error) {
	var last uint64
	err := v.bucket.List(ctx, ownerPrefix, func(i blob.Info) error {
		if n, err := strconv.ParseUint(i.Name[len(ownerPrefix):], 10, 64); err == nil && ownerObject(n) == i.Name {
			last = max(last, n)
		}
		return nil
	})
	return last, err
}

func (v *Vault) readOwner(ctx context.Context, name string) (Owner, error) {
	var o Owner
	_, err := v.readSigned(ctx, canon.Owner, name, &o)
	if err == nil && (o.Vault != v.header.Vault || ownerObject(o.Epoch) != name) {
		err = errkind.New(errkind.Damaged, "owner epoch %q is not what its name says", name)
	}
	return o, err
}

// CheckOwner fails with errkind.NotAllowed unless this server owns the vault.
func (v *Vault) CheckOwner(ctx context.Context) error {
	o, err := v.Owner(ctx)
	if err != nil {
		return err
	}
	if o.Server != v.opts.Server {
		return errkind.New(errkind.NotAllowed, "the vault belongs to the server on host %q since %s: 'vault recover' takes it over when that one is gone", o.Host, o.At.Time().Format("2006-01-02 15:04:05Z"))
	}
	return nil
}

// TakeOwnership opens a new epoch for this server. The one that had it can
// read but no longer write. An epoch that cannot be read is no obstacle.
func (v *Vault) TakeOwnership(ctx context.Context, g access.Grant) error {
	if err := g.Require(access.OwnerTake, access.VaultRecover); err != nil {
		return err
	}
	o, err := v.Owner(ctx)
	if err != nil && !errkind.Is(err, errkind.Damaged) {
		return err
	}
	if err == nil && o.Server == v.opts.Server {
		return nil
	}
	epoch, err := v.lastEpoch(ctx)
	if err != nil {
		return err
	}
	return v.takeOwnership(ctx, epoch+1)
}

func (v *Vault) takeOwnership(ctx context.Context, epoch uint64) error {
	o := Owner{Vault: v.header.Vault, Epoch: epoch, Server: v.opts.Server, At: tree.StampOf(v.opts.Now()), Host: v.opts.Host}
	clear, err := canon.Marshal(o)
	if err != nil {
		return err
	}
	object, err := canon.Sign(canon.Owner, clear, nil, v.ring.SigningKey())
	if err != nil {
		return err
	}
	_, err = v.bucket.Put(ctx, ownerObject(epoch), object, blob.PutOptions{})
	if errkind.Is(err, errkind.Exists) {
		return errkind.New(errkind.Busy, "another server is taking over the vault at this moment")
	}
	return err
}

// readSigned reads a signed object, checks its signature and decodes its
// clear part into clear.
func (v *Vault) readSigned(ctx context.Context, m canon.Magic, name string, clear any) (canon.SignedObject, error) {
	data, err := v.bucket.ReadAll(ctx, name, smallObjectLimit)
	if err != nil {
		return canon.SignedObject{}, err
	}
	return v.parseSigned(m, name, data, clear)
}

func (v *Vault) parseSigned(m canon.Magic, name string, data []byte, clear any) (canon.SignedObject, error) {
	o, err := canon.ParseSigned(m, data)
	if err == nil {
		err = o.Verify(m, v.public)
	}
	if err == nil {
		err = canon.Unmarshal(o.Clear, clear)
	}
	if err != nil {
		return o, errkind.Wrap(errkind.Of(err), err, "object %q", name)
	}
	return o, nil
}
