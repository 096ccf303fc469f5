package diskblob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// writeSize is how much is written, and hashed while in the processor's cache,
// before the context is asked again.
const writeSize = 4 << 20

// Put implements [blob.Driver]. A crash leaves a .tmp- file at most, or a lock
// record without its object, which only delays the deletion of what is put
// there next.
func (d *Driver) Put(ctx context.Context, name string, data []byte, opts blob.PutOptions) (blob.Info, error) {
	if err := ready(ctx, name, opts.Lock); err != nil {
		return blob.Info{}, err
	}
	if err := d.requireMark(); err != nil {
		return blob.Info{}, err
	}
	if !opts.Replace {
		// Asked again below; here it saves the writing.
		if err := d.vacant(name); err != nil {
			return blob.Info{}, d.settled(name, err)
		}
	}
	folder := path.Dir(name)
	if err := d.makeFolders(folder); err != nil {
		return blob.Info{}, err
	}
	temp, err := d.stageObject(ctx, folder, data, opts)
	if err != nil {
		return blob.Info{}, err
	}
	info, err := d.publish(ctx, temp, name, opts)
	if err != nil {
		return blob.Info{}, d.settled(name, d.discard(temp, err))
	}
	if err := d.syncFolder(folder); err != nil {
		return blob.Info{}, err
	}
	return info, nil
}

// settled passes err on. Where it says that the object exists, the caller may
// rely on that object as on one it put, so its name is made durable first, and
// its flag seen to: its writer may have crashed, or not be as far. Where a lock
// refuses the change, it is one that such a writer has recorded.
func (d *Driver) settled(name string, err error) error {
	switch {
	case errkind.Is(err, errkind.Refused):
		return errors.Join(err, d.refasten(name))
	case !errkind.Is(err, errkind.Exists):
		return err
	}
	folder := path.Dir(name)
	if failed := d.makeFolders(folder); failed != nil {
		return failed
	}
	if failed := d.syncFolder(folder); failed != nil {
		return failed
	}
	if failed := d.refasten(name); failed != nil {
		return failed
	}
	return err
}

// ready checks what every change is given.
func ready(ctx context.Context, name string, lock blob.Lock) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := blob.CheckName(name); err != nil {
		return err
	}
	return lock.Check()
}

// vacant fails unless no file has the name.
func (d *Driver) vacant(name string) error {
	info, err := d.lstat(name)
	switch {
	case errkind.Is(err, errkind.NotFound):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return errkind.New(errkind.Invalid, "a folder has that name")
	case !info.Mode().IsRegular():
		return errkind.New(errkind.Damaged, "not a plain file but %s", info.Mode().Type())
	}
	return errkind.New(errkind.Exists, "an object of that name exists")
}

// stageObject writes data to a durable temporary file and compares its hash.
func (d *Driver) stageObject(ctx context.Context, folder string, data []byte, opts blob.PutOptions) (string, error) {
	temp, f, err := d.createTemp(folder, objectMode)
	if err != nil {
		return "", err
	}
	err = d.fill(ctx, f, data, opts)
	if err := closing(f, err); err != nil {
		return "", d.discard(temp, writeFailure("write", err))
	}
	return temp, nil
}

// fill writes data to f and makes it durable.
func (d *Driver) fill(ctx context.Context, f *os.File, data []byte, opts blob.PutOptions) error {
	hash, check := sha256.New(), !opts.Hashed && opts.SHA256 != [32]byte{}
	end := direct(f, data)
	for rest := data; len(rest) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := rest[:min(writeSize, len(rest))]
		if aligned := len(part) &^ (directAlign - 1); end != nil && aligned < len(part) {
			if part = part[:aligned]; aligned == 0 { // the rest goes the usual way
				end()
				end = nil
				continue
			}
		}
		if _, err := f.Write(part); end != nil && errors.Is(err, syscall.EINVAL) {
			end() // a file system that promised direct writes and has none of this alignment
			end = nil
			continue
		} else if err != nil {
			return err
		}
		if check {
			hash.Write(part)
		}
		rest = rest[len(part):]
	}
	if check && [32]byte(hash.Sum(nil)) != opts.SHA256 {
		return errkind.New(errkind.Damaged, "the bytes do not have the SHA-256 announced")
	}
	if err := d.step("sync object"); err != nil {
		return err
	}
	return f.Sync()
}

// publish gives the staged file its object's name, with its lock in force
// before; the flag comes after, since a file that bears it gets no name. Once the
// name is given the change has happened, whatever else fails.
func (d *Driver) publish(ctx context.Context, temp, name string, opts blob.PutOptions) (info blob.Info, err error) {
	release, err := d.exclude(name)
	if err != nil {
		return blob.Info{}, err
	}
	defer release()
	if err := ctx.Err(); err != nil {
		return blob.Info{}, err
	}
	lock, err := d.lockForPut(name, opts)
	if err != nil {
		return blob.Info{}, err
	}
	staged, err := d.root.Lstat(temp)
	if err != nil {
		return blob.Info{}, writeFailure("look up temporary file", err)
	}
	if err := d.place(temp, name, opts.Replace); err != nil {
		return blob.Info{}, err
	}
	if err := d.fasten(name, lock); err != nil {
		return blob.Info{}, err
	}
	return describe(name, staged, lock), nil
}

// lockForPut decides whether the object may be put, and makes the lock that it
// will have durable. The caller excludes others.
func (d *Driver) lockForPut(name string, opts blob.PutOptions) (blob.Lock, error) {
	err := d.vacant(name)
	there := errkind.Is(err, errkind.Exists)
	if err != nil && (!there || !opts.Replace) {
		return blob.Lock{}, err
	}
	old, err := d.readLock(name)
	if err != nil {
		return blob.Lock{}, err
	}
	holds := old.Holds(d.now())
	switch {
	case there && holds:
		return blob.Lock{}, old.Refuse()
	case holds:
		// A lock without an object, left by a crash: it stays, since it cannot
		// be known whose it was.
		opts.Lock = old.Join(opts.Lock)
	}
	if there {
		// Before the record may go, without which the flag would forbid the change.
		if err := d.loosen(name, old); err != nil {
			return blob.Lock{}, err
		}
	}
	lock := opts.Lock.Normal()
	switch {
	case lock == old:
		return lock, nil
	case lock.Mode == blob.NoLock:
		return lock, d.dropLock(name)
	default:
		return lock, d.writeLock(name, lock)
	}
}

// place renames the staged file, or links it where nothing may be replaced:
// the file system itself then lets only one win.
func (d *Driver) place(temp, name string, replace bool) error {
	if err := d.step("place object"); err != nil {
		return err
	}
	if replace {
		return writeFailure("rename", d.root.Rename(temp, name))
	}
	if err := d.root.Link(temp, name); err != nil {
		return writeFailure("link", err)
	}
	// The object stands; a leftover second name is swept some day.
	_ = d.root.Remove(temp)
	return nil
}

// stage writes a small durable temporary file in folder.
func (d *Driver) stage(folder string, data []byte, mode fs.FileMode) (string, error) {
	temp, f, err := d.createTemp(folder, mode)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := closing(f, err); err != nil {
		return "", d.discard(temp, writeFailure("write", err))
	}
	return temp, nil
}

// createTemp makes a new temporary file in folder, on the file system and in
// the folder where its last name will be.
func (d *Driver) createTemp(folder string, mode fs.FileMode) (string, *os.File, error) {
	if err := d.step("create temporary file"); err != nil {
		return "", nil, err
	}
	temp := path.Join(folder, tempPrefix+rand.Text())
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrNotExist) {
		// Somebody removed the folder; another attempt makes it again.
		d.forgetFolders()
		return "", nil, errkind.New(errkind.Unavailable, "the folder %s has gone", folder)
	}
	if err != nil {
		return "", nil, writeFailure("create temporary file", err)
	}
	return temp, f, nil
}

// discard removes a temporary file after err, which it returns.
func (d *Driver) discard(temp string, err error) error {
	_ = d.root.Remove(temp)
	return err
}
