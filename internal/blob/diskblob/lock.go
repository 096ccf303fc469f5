package diskblob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// SetLock implements [blob.Driver]. It also sees to the flag of an object that
// has the lock already.
func (d *Driver) SetLock(ctx context.Context, name string, lock blob.Lock) error {
	old, release, err := d.grasp(ctx, name, lock)
	if err != nil {
		return err
	}
	defer release()
	raised, err := old.Raise(lock, d.now())
	if err != nil {
		return err
	}
	if raised != old {
		if err := d.writeLock(name, raised); err != nil {
			return err
		}
	}
	return d.fasten(name, raised)
}

// grasp excludes others from an object that must be there and gives its lock;
// asked is the lock wanted for it, if any. release must be called without an error.
func (d *Driver) grasp(ctx context.Context, name string, asked blob.Lock) (lock blob.Lock, release func(), err error) {
	if err := ready(ctx, name, asked); err != nil {
		return blob.Lock{}, nil, err
	}
	if release, err = d.exclude(name); err != nil {
		return blob.Lock{}, nil, err
	}
	if _, err = d.object(name); err == nil {
		lock, err = d.readLock(name)
	}
	if err != nil {
		release()
		return blob.Lock{}, nil, err
	}
	return lock, release, nil
}

// Delete implements [blob.Driver]. The lock record goes after its object: a
// crash between leaves one that no longer holds.
func (d *Driver) Delete(ctx context.Context, name string) error {
	lock, release, err := d.grasp(ctx, name, blob.Lock{})
	if err != nil {
		return err
	}
	defer release()
	if lock.Holds(d.now()) {
		return lock.Refuse()
	}
	if err := d.loosen(name, lock); err != nil {
		return err
	}
	if err := d.step("remove object"); err != nil {
		return err
	}
	if err := d.root.Remove(name); err != nil {
		return writeFailure("remove", err)
	}
	if err := d.syncFolder(path.Dir(name)); err != nil {
		return err
	}
	return d.dropLock(name)
}

// DamagedLocks lists the objects' names whose lock records cannot be read;
// those objects count as locked for ever.
func (d *Driver) DamagedLocks(ctx context.Context) ([]string, error) {
	var damaged []string
	err := d.walk(ctx, locksFolder, func(file string) error {
		name, isRecord := strings.CutSuffix(strings.TrimPrefix(file, locksFolder+"/"), lockSuffix)
		if !isRecord {
			return nil
		}
		data, err := d.readRecord(name)
		if errkind.Is(err, errkind.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := decodeRecord(name, data); err != nil {
			damaged = append(damaged, name)
		}
		return nil
	})
	return damaged, err
}

// exclude keeps all others, in this process and in others, from changing name
// until release is called.
func (d *Driver) exclude(name string) (release func(), err error) {
	if err := d.requireMark(); err != nil {
		return nil, err
	}
	n := stripeOf(name)
	d.stripe[n].Lock()
	unlock, err := d.excludeProcesses(n)
	if err != nil {
		d.stripe[n].Unlock()
		return nil, err
	}
	return func() {
		unlock()
		d.stripe[n].Unlock()
	}, nil
}

// requireMark refuses a change to a folder without the mark of a store: it
// never was one, or it may have lost its lock records together with the mark.
func (d *Driver) requireMark() error {
	marked, err := d.marked()
	if err == nil && !marked {
		return errkind.New(errkind.Refused, "%s is missing: the folder is no store or has lost its locks, and is not changed", markerName)
	}
	return err
}

// stripeOf gives the group of name, by an FNV-1a hash that every process and
// version computes alike.
func stripeOf(name string) int {
	hash := uint32(2166136261)
	for i := range len(name) {
		hash = (hash ^ uint32(name[i])) * 16777619
	}
	return int(hash % stripes)
}

func recordName(name string) string { return locksFolder + "/" + name + lockSuffix }

// maxRecord bounds what is read of a lock record: twice the longest name and
// room for the rest.
const maxRecord = 2 * 1024

// readLock gives the lock of name, the zero Lock if it never had one. A record
// that cannot be understood is a lock for ever; one that cannot be read is an
// error, on which the caller must leave the object alone.
func (d *Driver) readLock(name string) (blob.Lock, error) {
	data, err := d.readRecord(name)
	if errkind.Is(err, errkind.NotFound) {
		return blob.Lock{}, nil
	}
	if err != nil {
		return blob.Lock{}, err
	}
	lock, err := decodeRecord(name, data)
	if err != nil {
		return blob.Lock{Mode: blob.Compliance, Until: blob.Forever()}, nil
	}
	return lock, nil
}

// readRecord gives the bytes of the lock record of name; nil, which is no
// valid record, if something else than a file is in its place.
func (d *Driver) readRecord(name string) ([]byte, error) {
	record := recordName(name)
	info, err := d.lstat(record)
	switch {
	case errkind.Is(err, errkind.Damaged):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, nil
	}
	f, err := d.root.Open(record)
	if err != nil {
		return nil, readFailure("read lock record", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	return data, readFailure("read lock record", closing(f, err))
}

// writeLock makes lock durable as the lock of name. The caller excludes others
// and has seen that nothing is lowered. The record before loses its flag for a
// moment, and stays whole.
func (d *Driver) writeLock(name string, lock blob.Lock) error {
	record := recordName(name)
	folder := path.Dir(record)
	if err := d.makeFolders(folder); err != nil {
		return err
	}
	temp, err := d.stage(folder, encodeRecord(name, lock), objectMode)
	if err != nil {
		return err
	}
	if err := d.clearFlag(record); err != nil {
		return d.discard(temp, err)
	}
	if err := d.step("place lock record"); err != nil {
		return d.discard(temp, err)
	}
	if err := d.root.Rename(temp, record); err != nil {
		return d.discard(temp, writeFailure("rename lock record", err))
	}
	return d.syncFolder(folder)
}

// dropLock removes the record of a lock that no longer holds. Whether that is
// durable does not matter.
func (d *Driver) dropLock(name string) error {
	if err := d.clearFlag(recordName(name)); err != nil {
		return err
	}
	err := d.root.Remove(recordName(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return writeFailure("remove lock record", err)
}

// lockedIn gives the names, within folder, of the objects with lock records.
func (d *Driver) lockedIn(folder string) (map[string]bool, error) {
	entries, err := d.entries(path.Join(locksFolder, folder))
	if err != nil {
		return nil, err
	}
	locked := map[string]bool{}
	for _, e := range entries {
		if base, isRecord := strings.CutSuffix(e.Name(), lockSuffix); isRecord {
			locked[base] = true
		}
	}
	return locked, nil
}
