package blob

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// DeleteActions lists the actions whose grant allows an object to be deleted.
func DeleteActions() []access.Action {
	return []access.Action{"object/delete", "point/delete", "vault/remove", "pack/delete", "commit/finish", "point/expire", "canary/run"}
}

// LockActions lists the actions whose grant allows a lock to be raised.
func LockActions() []access.Action {
	return []access.Action{"backup/run", "vault/create", "lock/raise", "commit/finish", "pack/delete", "vault/lock", "vault/update", "vault/harden", "vault/recover", "canary/run", "hold/place", "policy/update", "policy/shorten", "source/update"}
}

// Bucket is one store. Its methods check names and locks before the driver
// sees them, repeat what failed with errkind.Unavailable, and say in their
// errors what was done to which object. They may be called from many
// goroutines; buffers belong to the caller again on return.
type Bucket struct {
	driver Driver
	opts   Options
}

// New makes a bucket over driver.
func New(driver Driver, opts Options) *Bucket {
	return &Bucket{driver: driver, opts: opts.withDefaults()}
}

// Caps tells what the store can do; it does no I/O.
func (b *Bucket) Caps() Caps { return b.driver.Caps() }

// Put stores data under name and returns once it is durable, with its SHA-256
// checked by the driver. An attempt whose outcome was unknown is settled by
// comparing what is stored with data: a caller for whom winning matters must
// put bytes that nobody else would. Kinds: Exists, Refused, Damaged, NoSpace,
// ReadOnly, Unavailable, Invalid, Unsupported.
func (b *Bucket) Put(ctx context.Context, name string, data []byte, opts PutOptions) (Info, error) {
	if err := cmp.Or(CheckName(name), opts.Lock.Check()); err != nil {
		return Info{}, fmt.Errorf("put: %w", err)
	}
	if opts.SHA256 == [32]byte{} {
		opts.SHA256, opts.Hashed = sha256.Sum256(data), true
	}
	var info Info
	unsure := false
	err := b.opts.retry(ctx, func() error {
		var err error
		info, err = b.driver.Put(ctx, name, data, opts)
		if unsure && (errkind.Is(err, errkind.Exists) || errkind.Is(err, errkind.Refused)) {
			info, err = b.adopt(ctx, name, int64(len(data)), opts, err)
		}
		unsure = unsure || errkind.Is(err, errkind.Unavailable)
		return err
	})
	return info, at("put", name, err)
}

// adopt takes the stored object for the one an earlier attempt was to put if
// its bytes are the same, and sees to its lock; otherwise cause stands.
func (b *Bucket) adopt(ctx context.Context, name string, size int64, opts PutOptions, cause error) (Info, error) {
	info, err := b.driver.Stat(ctx, name)
	if err != nil {
		return Info{}, err
	}
	if info.Size != size {
		return Info{}, cause
	}
	data, err := b.readWhole(ctx, name, size)
	if err != nil {
		return Info{}, err
	}
	if sha256.Sum256(data) != opts.SHA256 {
		return Info{}, cause
	}
	want := info.Lock.Join(opts.Lock)
	if want == info.Lock.Normal() {
		return info, nil
	}
	if err := b.driver.SetLock(ctx, name, want); err != nil {
		return Info{}, err
	}
	info.Lock = want
	return info, nil
}

// ReadAll returns the whole object. One larger than limit fails with
// errkind.Damaged: what we store has known bounds. Kinds also: NotFound,
// Unavailable, Invalid.
func (b *Bucket) ReadAll(ctx context.Context, name string, limit int64) ([]byte, error) {
	if err := CheckName(name); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	var data []byte
	err := b.opts.retry(ctx, func() error {
		info, err := b.driver.Stat(ctx, name)
		if err != nil {
			return err
		}
		if info.Size > limit {
			return errkind.New(errkind.Damaged, "%d bytes, where %d are the most", info.Size, limit)
		}
		data, err = b.readWhole(ctx, name, info.Size)
		return err
	})
	return data, at("read", name, err)
}

// readWhole reads an object of a known size in one call, so that it is of one
// version.
func (b *Bucket) readWhole(ctx context.Context, name string, size int64) ([]byte, error) {
	return whole(size, func(p []byte) (int, error) { return b.driver.ReadAt(ctx, name, p, 0) })
}

// whole reads size bytes by one call of read. Another size means that the object
// was replaced meanwhile.
func whole(size int64, read func(p []byte) (int, error)) ([]byte, error) {
	buf := make([]byte, size+1)
	n, err := read(buf)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if int64(n) != size {
		return nil, errkind.New(errkind.Unavailable, "%d bytes of an object that had %d: it changed while it was read", n, size)
	}
	return buf[:n:n], nil
}

// ReadAt fills p from offset off and returns the count; a count short of
// len(p) comes with io.EOF, which is returned as it is. Kinds: NotFound,
// Unavailable, Invalid.
func (b *Bucket) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	if err := CheckName(name); err != nil {
		return 0, fmt.Errorf("read: %w", err)
	}
	if off < 0 {
		return 0, errkind.New(errkind.Invalid, "read %s: offset %d", name, off)
	}
	var n int
	err := b.opts.retry(ctx, func() error {
		var err error
		n, err = b.driver.ReadAt(ctx, name, p, off)
		return err
	})
	if errors.Is(err, io.EOF) {
		return n, io.EOF
	}
	return n, at("read", name, err)
}

// Stat describes one object. Kinds: NotFound, Unavailable, Invalid.
func (b *Bucket) Stat(ctx context.Context, name string) (Info, error) {
	if err := CheckName(name); err != nil {
		return Info{}, fmt.Errorf("stat: %w", err)
	}
	var info Info
	err := b.opts.retry(ctx, func() error {
		var err error
		info, err = b.driver.Stat(ctx, name)
		return err
	})
	return info, at("stat", name, err)
}

// List calls fn for every object whose name begins with prefix, once each and
// in bytewise order of names. An error of fn ends the listing and is returned
// as it is. Objects put or deleted meanwhile may or may not be seen.
func (b *Bucket) List(ctx context.Context, prefix string, fn func(Info) error) error {
	if err := CheckPrefix(prefix); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	// The order of names lets a repeated listing go on where it broke off.
	last, stopped := "", error(nil)
	err := b.opts.retry(ctx, func() error {
		err := b.driver.List(ctx, prefix, func(info Info) error {
			if info.Name <= last {
				return nil
			}
			last = info.Name
			stopped = fn(info)
			return stopped
		})
		if stopped != nil {
			return nil
		}
		return err
	})
	if stopped != nil {
		return stopped
	}
	return at("list", prefix, err)
}

// Count gives the number and the total size of the objects whose names begin
// with prefix.
func (b *Bucket) Count(ctx context.Context, prefix string) (objects int, size int64, err error) {
	err = b.List(ctx, prefix, func(info Info) error {
		objects++
		size += info.Size
		return nil
	})
	return objects, size, err
}

// Delete removes one object under a grant for one of [DeleteActions]. Kinds:
// NotAllowed, NotFound, Refused, ReadOnly, Unavailable, Invalid.
func (b *Bucket) Delete(ctx context.Context, grant access.Grant, name string) error {
	if err := cmp.Or(grant.Require(DeleteActions()...), CheckName(name)); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	unsure := false
	err := b.opts.retry(ctx, func() error {
		err := b.driver.Delete(ctx, name)
		if unsure && errkind.Is(err, errkind.NotFound) {
			return nil
		}
		unsure = unsure || errkind.Is(err, errkind.Unavailable)
		return err
	})
	return at("delete", name, err)
}

// SetLock raises an object's lock under a grant for one of [LockActions];
// asking for what it has already succeeds. Kinds: NotAllowed, NotFound,
// Refused for a lower date or a weaker mode, ReadOnly, NoSpace, Unavailable,
// Invalid, Unsupported.
func (b *Bucket) SetLock(ctx context.Context, grant access.Grant, name string, lock Lock) error {
	if err := cmp.Or(grant.Require(LockActions()...), CheckName(name), lock.Check()); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if lock.Mode == NoLock {
		return errkind.New(errkind.Invalid, "lock %s: no lock mode", name)
	}
	err := b.opts.retry(ctx, func() error { return b.driver.SetLock(ctx, name, lock) })
	return at("lock", name, err)
}

// Provoke attacks an object that was made for it and is under a lock, under a
// grant for "canary/run". A store with no means of its own is attacked through
// this package. Kinds: NotAllowed, NotFound, Invalid, Unavailable.
func (b *Bucket) Provoke(ctx context.Context, grant access.Grant, name string, lock Lock) ([]Attempt, error) {
	if err := cmp.Or(grant.Require(access.CanaryRun), CheckName(name)); err != nil {
		return nil, fmt.Errorf("provoke: %w", err)
	}
	if p, ok := b.driver.(Prober); ok {
		attempts, err := p.Provoke(ctx, name)
		if !errkind.Is(err, errkind.Unsupported) {
			return attempts, at("provoke", name, err)
		}
	}
	_, replace := b.Put(ctx, name, []byte("replaced\n"), PutOptions{Replace: true})
	attempts := []Attempt{
		{"delete", b.Delete(ctx, grant, name)},
		{"replace", replace},
		{"shorten", b.SetLock(ctx, grant, name, Lock{Mode: lock.Mode, Until: lock.Until.Add(-time.Hour)})},
	}
	if lock.Mode == Compliance {
		attempts = append(attempts, Attempt{"weaken", b.SetLock(ctx, grant, name, Lock{Mode: Governance, Until: lock.Until})})
	}
	return attempts, nil
}

// at adds to err what was done to which object; nil stays nil.
func at(doing, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", doing, name, err)
}
