package s3blob

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Delete implements [blob.Driver], with the credential to dispose. It deletes the version that is the object,
// for good, and before it what else lies under the name, so that a crash leaves
// the object there or nothing. A version that somebody else has put and locked
// stays and is reported, once the object has gone: it cannot be told from an
// object then.
func (d *Driver) Delete(ctx context.Context, name string) error {
	if err := ready(ctx, name, blob.Lock{}); err != nil {
		return err
	}
	defer d.exclude(name)()
	history, chosen, err := d.look(ctx, name)
	if err != nil {
		return err
	}
	// The service is asked only once our clock agrees, whose time was proven. Nor is
	// a hold left to it: some forget it when the lock beside it ends.
	if err := d.free(ctx, name, chosen.ID); err != nil {
		return err
	}
	d.known.forget(name)
	var left error
	for _, v := range history {
		if v.ID == chosen.ID {
			continue
		}
		if err := d.remove(ctx, d.disposer, name, v.ID); err != nil && !v.Marker && !errkind.Is(err, errkind.NotFound) {
			left = d.why(ctx, name, v.ID, err)
		}
	}
	if err := d.remove(ctx, d.disposer, name, chosen.ID); err != nil {
		return d.why(ctx, name, chosen.ID, err)
	}
	return errkind.Wrap(errkind.Of(left), left, "the object was deleted, and another version of its name was not")
}

// free fails where a lock or a legal hold forbids to delete or replace a version.
func (d *Driver) free(ctx context.Context, name, id string) error {
	lock, err := d.retention(ctx, name, id)
	if err != nil {
		return err
	}
	if lock.Holds(d.now()) {
		return lock.Refuse()
	}
	held, err := d.held(ctx, name, id)
	if err != nil {
		return err
	}
	if held {
		return underHold()
	}
	return nil
}

// why explains an error by which the service refused to change a version: a lock
// or a legal hold on it is Refused, whatever the service calls it; where neither
// is found the credential lacks the permission.
func (d *Driver) why(ctx context.Context, name, id string, err error) error {
	if !denied(err) {
		return err
	}
	lock, failed := d.retention(ctx, name, id)
	if failed != nil {
		return err
	}
	if lock.Holds(d.now()) {
		return lock.Refuse()
	}
	// Locks end by the service's clock.
	if lock.Mode != blob.NoLock {
		if at, failed := d.ServerTime(ctx); failed == nil && !at.After(lock.Until) {
			return errkind.Wrap(errkind.Refused, lock.Refuse(), "by the object store's clock, which shows %s", at.Format(time.RFC3339))
		}
	}
	if held, failed := d.held(ctx, name, id); failed == nil && held {
		return underHold()
	}
	return errkind.Wrap(errkind.NotAllowed, err, "no lock forbids it and the service does not allow it to this credential")
}

func underHold() error { return errkind.New(errkind.Refused, "under a legal hold") }
