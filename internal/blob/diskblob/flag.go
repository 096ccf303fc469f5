package diskblob

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// flagEnforcer says who keeps locks where objects bear the immutable flag.
const flagEnforcer = "the file system's immutable flag, which root on this host can clear"

// chooseFlag finds out whether objects under a lock will bear the immutable
// flag, and who therefore enforces locks.
func (d *Driver) chooseFlag(folder string, opts Options) error {
	why := "it was told not to"
	if opts.ImmutableFlag {
		why = d.flagRefusal()
	}
	switch {
	case why == "":
		d.flags, d.enforcer = true, flagEnforcer
		if opts.AdministeredByOthers {
			d.enforcer, d.assurance = "the file system's immutable flag; this host is said to be administered by others", 2
		}
	case opts.AdministeredByOthers:
		return errkind.New(errkind.Unsupported, "open store %s: it is declared to be administered by others, which says something only where files bear the immutable flag, and %s: see to that, or name the store without the declaration", folder, why)
	case opts.ImmutableFlag:
		d.enforcer = "this process: " + why
	}
	return nil
}

// fasten has an object and its lock record bear the flag while the lock holds.
// The record must be in its place. A crash before the end leaves a lock that
// only this process keeps, until the object is locked again or put again.
func (d *Driver) fasten(name string, lock blob.Lock) error {
	if !d.flags || !lock.Holds(d.now()) {
		return nil
	}
	for _, file := range []string{recordName(name), name} {
		if err := d.setFlag(file); err != nil {
			return err
		}
	}
	return nil
}

// refasten sees to the flag of an object that somebody else has put, perhaps
// not to the end.
func (d *Driver) refasten(name string) error {
	if !d.flags {
		return nil
	}
	release, err := d.exclude(name)
	if err != nil {
		return err
	}
	defer release()
	lock, err := d.readLock(name)
	if err == nil {
		err = d.fasten(name, lock)
	}
	if errkind.Is(err, errkind.NotFound) {
		return nil // it has gone meanwhile
	}
	return err
}

// loosen takes the flag from an object that is to be removed or replaced, whose
// lock the caller has found ended. The flag is never there without a record,
// whatever crashed: if it is, somebody has taken the record away.
func (d *Driver) loosen(name string, ended blob.Lock) error {
	if ended.Mode != blob.NoLock {
		return d.clearFlag(name)
	}
	flagged, err := d.flagged(name)
	if err == nil && flagged {
		return errkind.New(errkind.Refused, "it bears the immutable flag and its lock record is missing: until when it was locked is not known, and it is kept")
	}
	return err
}

// loose reports whether the flag is missing where a lock holds.
func (d *Driver) loose(name string, lock blob.Lock) (bool, error) {
	if !d.flags || !lock.Holds(d.now()) {
		return false, nil
	}
	for _, file := range []string{name, recordName(name)} {
		flagged, err := d.flagged(file)
		if errkind.Is(err, errkind.NotFound) {
			return false, nil // it has gone meanwhile
		}
		if err != nil || !flagged {
			return true, err
		}
	}
	return false, nil
}

// Abandon implements [blob.Abandoner].
func (d *Driver) Abandon(ctx context.Context) error {
	return d.walk(ctx, ".", func(file string) error {
		info, err := d.lstat(file)
		if errkind.Is(err, errkind.NotFound) || err == nil && !info.Mode().IsRegular() {
			return nil
		}
		if err != nil {
			return err
		}
		return d.clearFlag(file)
	})
}

func (d *Driver) flagged(file string) (bool, error) {
	f, _, err := d.openPlain(file)
	if err != nil {
		return false, err
	}
	flagged, err := immutable(f)
	return flagged, readFailure("read the flags of "+file, closing(f, err))
}

// setFlag makes the flag durable on a file that is in its place: the system
// gives a file that bears it no other name.
func (d *Driver) setFlag(file string) error {
	if err := d.step("set flag"); err != nil {
		return err
	}
	f, info, err := d.openPlain(file)
	if err != nil {
		return err
	}
	err = d.dropTwins(file, info)
	if err == nil {
		err = setImmutable(f)
	}
	if err == nil {
		err = f.Sync()
	}
	return writeFailure("set the immutable flag on "+file, closing(f, err))
}

// clearFlag takes the flag from a file, durably. What does not bear it, or is
// not there, stays as it is.
func (d *Driver) clearFlag(file string) error {
	flagged, err := d.flagged(file)
	if errkind.Is(err, errkind.NotFound) || err == nil && !flagged {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.step("clear flag"); err != nil {
		return err
	}
	f, _, err := d.openPlain(file)
	if err != nil {
		return err
	}
	if err = clearImmutable(f); err == nil {
		err = f.Sync()
	}
	if err = closing(f, err); errors.Is(err, fs.ErrPermission) {
		return errkind.New(errkind.NotAllowed, "%s bears the immutable flag, which this process may not clear: it needs the capability CAP_LINUX_IMMUTABLE, as root has", file)
	}
	return writeFailure("clear the immutable flag of "+file, err)
}

// openPlain opens the very file that has the name: what somebody puts in its
// place meanwhile, such as a symbolic link to another object, must not lose its
// flag.
func (d *Driver) openPlain(file string) (*os.File, fs.FileInfo, error) {
	there, err := d.object(file)
	if err != nil {
		return nil, nil, err
	}
	f, err := d.root.Open(file)
	if err != nil {
		return nil, nil, readFailure("open "+file, err)
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(there, info) {
		err = errkind.New(errkind.Damaged, "another file was put in its place")
	}
	if err != nil {
		return nil, nil, closing(f, readFailure("open "+file, err))
	}
	return f, info, nil
}

// dropTwins removes the temporary names that a crash has left to a file: they
// could not be removed once it bears the flag.
func (d *Driver) dropTwins(file string, info fs.FileInfo) error {
	if links(info) < 2 {
		return nil
	}
	entries, err := d.entries(path.Dir(file))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		temp := path.Join(path.Dir(file), e.Name())
		twin, err := d.root.Lstat(temp)
		if err != nil || !os.SameFile(twin, info) {
			continue
		}
		if err := d.root.Remove(temp); err != nil {
			return err
		}
	}
	return nil
}
