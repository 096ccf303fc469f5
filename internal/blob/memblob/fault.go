package memblob

import (
	"context"
	"maps"
	"slices"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Op names an operation of the driver, for faults and counts.
type Op string

// The operations.
const (
	OpPut      Op = "put"
	OpRead     Op = "read"
	OpStat     Op = "stat"
	OpList     Op = "list"
	OpDelete   Op = "delete"
	OpLock     Op = "lock"
	OpHold     Op = "hold"
	OpVersions Op = "versions"
)

// When says whether a failing operation was applied.
type When int

// The moments of a fault.
const (
	// Never lets the operation be.
	Never When = iota
	// NotApplied fails the operation before it does anything.
	NotApplied
	// Applied lets the operation succeed and then reports a failure.
	Applied
)

// Fault is what happens to one operation. The zero Fault is nothing.
type Fault struct {
	When When
	// Err is the failure; nil stands for one of kind errkind.Unavailable.
	Err error
}

// SetFault has fault asked before every operation; nil ends that. It is called
// while the store is held and must not use it.
func (d *Driver) SetFault(fault func(op Op, name string) Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

// Counts gives how often each operation was called, faults included.
func (d *Driver) Counts() map[Op]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.counts)
}

// ResetCounts starts the counts anew.
func (d *Driver) ResetCounts() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.counts)
}

// do runs one operation as one step, with its fault if there is one.
func (d *Driver) do(ctx context.Context, op Op, name string, apply func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[op]++
	if op != OpList {
		if err := blob.CheckName(name); err != nil {
			return err
		}
	}
	var fault Fault
	if d.fault != nil {
		fault = d.fault(op, name)
	}
	if fault.When == NotApplied {
		return fault.err()
	}
	if err := apply(); err != nil || fault.When == Never {
		return err
	}
	return fault.err()
}

func (f Fault) err() error {
	if f.Err != nil {
		return f.Err
	}
	return errkind.New(errkind.Unavailable, "injected fault")
}

// Corrupt flips one bit of the byte at off of the object called name,
// whatever its lock. It reports whether there is such a byte.
func (d *Driver) Corrupt(name string, off int64) bool {
	return off >= 0 && d.damage(name, off+1, func(data []byte) []byte {
		data[off] ^= 1
		return data
	})
}

// Truncate cuts the object called name to its first n bytes, whatever its
// lock. It reports whether it had that many.
func (d *Driver) Truncate(name string, n int64) bool {
	return d.damage(name, n, func(data []byte) []byte { return data[:n] })
}

// Drop loses the object called name with all its versions, whatever its lock.
// It reports whether it was there.
func (d *Driver) Drop(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.current(name)
	delete(d.objects, name)
	return err == nil
}

// Forge puts a version on top of the object called name, whatever its lock, as
// somebody does who writes to the store by its own means.
func (d *Driver) Forge(name string, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.add(name, Version{Info: blob.Info{Size: int64(len(data))}, Data: slices.Clone(data)})
}

// Hide puts a marker on top of the object called name, whatever its lock.
func (d *Driver) Hide(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.add(name, Version{Marker: true})
}

// damage changes a copy of the current bytes of name, which must be at least
// least long.
func (d *Driver) damage(name string, least int64, change func([]byte) []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, err := d.current(name)
	if err != nil || least < 0 || int64(len(v.Data)) < least {
		return false
	}
	v.Data = change(slices.Clone(v.Data))
	v.Size = int64(len(v.Data))
	versions := d.objects[name]
	versions[len(versions)-1] = v
	return true
}
