// Package memblob is a store in memory for tests: it behaves as an object
// store with versions, delete markers and locks would, by a clock that the
// test sets.
//
// A version is one state that a name has had; a marker is the version that
// deletion leaves; a fault is a failure that a test injects into an operation.
//
// What must always be true: every operation is atomic, a fault included; no
// version under a lock or a legal hold goes but by the test's own damage. The package is not
// linked into any binary.
package memblob

import (
	"context"
	"crypto/sha256"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

var (
	_ blob.Driver      = (*Driver)(nil)
	_ blob.LegalHolder = (*Driver)(nil)
	_ blob.Versioned   = (*Driver)(nil)
)

// Version is one state that a name has had.
type Version struct {
	blob.Info
	// Marker tells that the name was deleted; such a version has no data.
	Marker bool
	// Held tells that the version is under a legal hold.
	Held bool
	// Data are the version's bytes; they must not be changed.
	Data []byte
}

// Driver is a store in memory. Make one with [New].
type Driver struct {
	now func() time.Time

	// mu guards everything below.
	mu sync.Mutex
	// objects has the versions of each name, oldest first. The bytes of a
	// version are never changed in place, so that copies may share them.
	objects map[string][]Version
	serial  int
	fault   func(op Op, name string) Fault
	counts  map[Op]int
}

// New makes an empty store whose locks go by now; nil stands for the system
// clock.
func New(now func() time.Time) *Driver {
	if now == nil {
		now = time.Now
	}
	return &Driver{now: now, objects: map[string][]Version{}, counts: map[Op]int{}}
}

// Caps tells what the store can do.
func (d *Driver) Caps() blob.Caps {
	return blob.Caps{
		Modes:    []blob.Mode{blob.Governance, blob.Compliance},
		Enforcer: "this process", Assurance: 1,
		Versions: true,
		Holds:    true,
	}
}

// Put implements [blob.Driver].
func (d *Driver) Put(ctx context.Context, name string, data []byte, opts blob.PutOptions) (blob.Info, error) {
	var info blob.Info
	err := d.do(ctx, OpPut, name, func() error {
		if err := opts.Lock.Check(); err != nil {
			return err
		}
		if opts.SHA256 != [32]byte{} && opts.SHA256 != sha256.Sum256(data) {
			return errkind.New(errkind.Damaged, "the bytes do not have the SHA-256 announced")
		}
		if old, err := d.current(name); err == nil {
			if !opts.Replace {
				return errkind.New(errkind.Exists, "an object of that name exists")
			}
			if err := d.kept(old); err != nil {
				return err
			}
		}
		info = d.add(name, Version{Info: blob.Info{Size: int64(len(data)), Lock: opts.Lock.Normal()}, Data: slices.Clone(data)})
		return nil
	})
	if err != nil {
		return blob.Info{}, err
	}
	return info, nil
}

// ReadAt implements [blob.Driver].
func (d *Driver) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	n := 0
	err := d.do(ctx, OpRead, name, func() error {
		v, err := d.current(name)
		if err != nil {
			return err
		}
		n, err = fill(p, v.Data, off)
		return err
	})
	return n, err
}

func fill(p, data []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errkind.New(errkind.Invalid, "offset %d", off)
	}
	n := copy(p, data[min(off, int64(len(data))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Stat implements [blob.Driver].
func (d *Driver) Stat(ctx context.Context, name string) (blob.Info, error) {
	var info blob.Info
	err := d.do(ctx, OpStat, name, func() error {
		v, err := d.current(name)
		info = v.Info
		return err
	})
	return info, err
}

// List implements [blob.Driver]. It calls fn without holding the store, for
// the objects there were when it began.
func (d *Driver) List(ctx context.Context, prefix string, fn func(blob.Info) error) error {
	var found []blob.Info
	err := d.do(ctx, OpList, prefix, func() error {
		if err := blob.CheckPrefix(prefix); err != nil {
			return err
		}
		for name, versions := range d.objects {
			if !strings.HasPrefix(name, prefix) || len(versions) == 0 {
				continue
			}
			if v := versions[len(versions)-1]; !v.Marker {
				found = append(found, v.Info)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b blob.Info) int { return strings.Compare(a.Name, b.Name) })
	for _, info := range found {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(info); err != nil {
			return err
		}
	}
	return nil
}

// Delete implements [blob.Driver]. It leaves a marker; the bytes stay among
// the versions until they are purged.
func (d *Driver) Delete(ctx context.Context, name string) error {
	return d.do(ctx, OpDelete, name, func() error {
		v, err := d.current(name)
		if err != nil {
			return err
		}
		if err := d.kept(v); err != nil {
			return err
		}
		d.add(name, Version{Marker: true})
		return nil
	})
}

// SetLock implements [blob.Driver].
func (d *Driver) SetLock(ctx context.Context, name string, lock blob.Lock) error {
	return d.do(ctx, OpLock, name, func() error {
		if err := lock.Check(); err != nil {
			return err
		}
		v, err := d.current(name)
		if err != nil {
			return err
		}
		raised, err := v.Lock.Raise(lock, d.now())
		if err != nil {
			return err
		}
		versions := d.objects[name]
		versions[len(versions)-1].Lock = raised
		return nil
	})
}

// SetLegalHold implements [blob.LegalHolder].
func (d *Driver) SetLegalHold(ctx context.Context, name string, on bool) error {
	return d.do(ctx, OpHold, name, func() error {
		if _, err := d.current(name); err != nil {
			return err
		}
		versions := d.objects[name]
		versions[len(versions)-1].Held = on
		return nil
	})
}

// LegalHold implements [blob.LegalHolder].
func (d *Driver) LegalHold(ctx context.Context, name string) (bool, error) {
	var on bool
	err := d.do(ctx, OpStat, name, func() error {
		v, err := d.current(name)
		on = v.Held
		return err
	})
	return on, err
}

// ListVersions implements [blob.Versioned].
func (d *Driver) ListVersions(ctx context.Context, name string) ([]blob.Version, error) {
	var list []blob.Version
	err := d.do(ctx, OpVersions, name, func() error {
		versions := d.objects[name]
		if len(versions) == 0 {
			return errkind.New(errkind.NotFound, "no object of that name")
		}
		for i, v := range slices.Backward(versions) {
			newest := i == len(versions)-1
			list = append(list, blob.Version{ID: v.Version, Marker: v.Marker, Size: v.Size, Modified: v.Modified, Current: newest && !v.Marker})
		}
		return nil
	})
	return list, err
}

// ReadVersionAt implements [blob.Versioned].
func (d *Driver) ReadVersionAt(ctx context.Context, name, version string, p []byte, off int64) (int, error) {
	n := 0
	err := d.do(ctx, OpRead, name, func() error {
		i := slices.IndexFunc(d.objects[name], func(v Version) bool { return v.Version == version && !v.Marker })
		if i < 0 {
			return errkind.New(errkind.NotFound, "no such version of that name")
		}
		var err error
		n, err = fill(p, d.objects[name][i].Data, off)
		return err
	})
	return n, err
}

// Versions gives every version of name, oldest first, markers included.
func (d *Driver) Versions(name string) []Version {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.objects[name])
}

// Purge removes the older versions and a marker of name for good, except
// versions under a lock or a hold, and returns how many it removed.
func (d *Driver) Purge(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	versions := d.objects[name]
	var kept []Version
	for i, v := range versions {
		current := i == len(versions)-1 && !v.Marker
		if current || d.kept(v) != nil {
			kept = append(kept, v)
		}
	}
	// Without its marker an older version would come back to life.
	if n := len(versions); n > 0 && versions[n-1].Marker && len(kept) > 0 {
		kept = append(kept, versions[n-1])
	}
	d.objects[name] = kept
	if len(kept) == 0 {
		delete(d.objects, name)
	}
	return len(versions) - len(kept)
}

// Clone gives a copy of the store as it is now, such as a crash would leave
// it: with the same clock, without faults, counting anew.
func (d *Driver) Clone() *Driver {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := New(d.now)
	c.serial = d.serial
	for name, versions := range d.objects {
		c.objects[name] = slices.Clone(versions)
	}
	return c
}

// current gives the newest version of name unless it is a marker. The caller
// holds mu.
func (d *Driver) current(name string) (Version, error) {
	versions := d.objects[name]
	if len(versions) == 0 || versions[len(versions)-1].Marker {
		return Version{}, errkind.New(errkind.NotFound, "no object of that name")
	}
	return versions[len(versions)-1], nil
}

// kept fails where a lock or a hold forbids that v is deleted or replaced. The
// caller holds mu.
func (d *Driver) kept(v Version) error {
	switch {
	case v.Lock.Holds(d.now()):
		return v.Lock.Refuse()
	case v.Held:
		return errkind.New(errkind.Refused, "under a legal hold")
	}
	return nil
}

// add makes v the newest version of name. The caller holds mu.
func (d *Driver) add(name string, v Version) blob.Info {
	d.serial++
	v.Name, v.Version, v.Modified = name, "v"+strconv.Itoa(d.serial), d.now().UTC()
	d.objects[name] = append(d.objects[name], v)
	return v.Info
}
