package s3blob

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

const (
	// batch is how many names of a listing are resolved at a time, fetches how
	// many requests are on the way for them.
	batch   = 512
	fetches = 16
)

// ReadAt implements [blob.Driver]. The first read of an object costs a request
// that lists; later ones of an object that was put once do not.
func (d *Driver) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	if err := ready(ctx, name, blob.Lock{}); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, errkind.New(errkind.Invalid, "offset %d", off)
	}
	if f, ok := d.known.of(name); ok && !f.replaced {
		n, once, err := d.read(ctx, name, f.version, p, off)
		switch {
		case errkind.Is(err, errkind.NotFound):
			d.known.forget(name)
		case err != nil && !errors.Is(err, io.EOF):
			return 0, err
		case f.once || once:
			d.known.learn(name, f.version, func(f *fact) { f.once = true })
			return n, err
		default:
			d.known.learn(name, f.version, func(f *fact) { f.replaced = true })
		}
	}
	for range looks {
		chosen, err := d.find(ctx, name)
		if err != nil {
			return 0, err
		}
		n, once, err := d.read(ctx, name, chosen.ID, p, off)
		if errkind.Is(err, errkind.NotFound) {
			continue
		}
		if chosen.alone || chosen.once {
			d.known.learn(name, chosen.ID, func(f *fact) { f.once = chosen.once || once; f.replaced = !f.once })
		}
		return n, err
	}
	return 0, errkind.New(errkind.Unavailable, "the object kept changing while it was read")
}

// read fills p from a version and tells whether that has the mark.
func (d *Driver) read(ctx context.Context, name, id string, p []byte, off int64) (n int, marked bool, err error) {
	opts := minio.GetObjectOptions{VersionID: id}
	if len(p) == 0 {
		_, marked, err := d.inspectVersion(ctx, name, id)
		return 0, marked, err
	}
	if err := opts.SetRange(off, off+int64(len(p))-1); err != nil {
		return 0, false, d.failure(ctx, err)
	}
	body, info, header, err := d.client.GetObject(ctx, d.cfg.Bucket, d.key(name), opts)
	if codeOf(err) == minio.InvalidRange {
		// Beyond the end, or of an empty object.
		_, marked, err := d.inspectVersion(ctx, name, id)
		if err != nil {
			return 0, false, err
		}
		return 0, marked, io.EOF
	}
	if err != nil {
		return 0, false, d.failure(ctx, err)
	}
	n, err = fill(body, p, off, info.Size, strings.HasPrefix(header.Get("Content-Range"), "bytes "))
	// Nothing was written: closing can only tell what reading has told.
	_ = body.Close()
	if err != nil && !errors.Is(err, io.EOF) {
		if ended := ctx.Err(); ended != nil {
			return 0, false, ended
		}
		return 0, false, errkind.Wrap(errkind.Unavailable, err, "read")
	}
	return n, isMarked(info), err
}

// fill fills p from a body of size bytes, which begins at off if the service
// answered with a range and at the object's beginning otherwise.
func fill(body io.Reader, p []byte, off, size int64, ranged bool) (int, error) {
	if !ranged && off > 0 {
		if off >= size {
			return 0, io.EOF
		}
		if _, err := io.CopyN(io.Discard, body, off); err != nil {
			return 0, errors.New("the answer ended early")
		}
		size -= off
	}
	want := min(size, int64(len(p)))
	if want < 0 {
		return 0, errors.New("the answer has no length")
	}
	n, err := io.ReadFull(body, p[:want])
	if err != nil {
		return 0, errors.New("the answer ended early")
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Stat implements [blob.Driver]. It costs a request that lists and, in a bucket
// with Object Lock, one for the lock.
func (d *Driver) Stat(ctx context.Context, name string) (blob.Info, error) {
	if err := ready(ctx, name, blob.Lock{}); err != nil {
		return blob.Info{}, err
	}
	for range looks {
		chosen, err := d.find(ctx, name)
		if err != nil {
			return blob.Info{}, err
		}
		lock, err := d.retention(ctx, name, chosen.ID)
		if errkind.Is(err, errkind.NotFound) {
			continue
		}
		if err != nil {
			return blob.Info{}, err
		}
		return d.describe(name, chosen, lock), nil
	}
	return blob.Info{}, errkind.New(errkind.Unavailable, "the object kept changing while it was looked at")
}

// describe gives a version as an object, and remembers it if no other version
// can be meant.
func (d *Driver) describe(name string, v choice, lock blob.Lock) blob.Info {
	if v.alone || v.once {
		d.known.learn(name, v.ID, func(f *fact) {
			f.once = f.once || v.once
			f.lock, f.read = lock, d.now()
		})
	}
	return blob.Info{Name: name, Size: v.Size, Modified: v.Modified, Version: v.ID, Lock: lock}
}

// List implements [blob.Driver]. A listing costs one request for a thousand
// versions, and in a bucket with Object Lock one for each object whose lock was
// not read of late: within a day for one in compliance mode, else within ten
// minutes. Names with several versions cost at least one more each.
func (d *Driver) List(ctx context.Context, prefix string, fn func(blob.Info) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := blob.CheckPrefix(prefix); err != nil {
		return err
	}
	var last string
	var names []named
	opts := minio.ListObjectsOptions{Prefix: d.key(prefix), WithVersions: d.versioned, Recursive: true}
	for o := range d.client.ListObjectsIter(ctx, d.cfg.Bucket, opts) {
		switch {
		case o.Err != nil:
			return d.failure(ctx, o.Err)
		case o.Key < last:
			return errkind.New(errkind.Damaged, "the service lists %q after %q: listings out of order cannot be relied on", o.Key, last)
		case o.Key != last && len(names) >= batch:
			if err := d.tell(ctx, names, fn); err != nil {
				return err
			}
			names = names[:0]
		}
		name := strings.TrimPrefix(o.Key, d.cfg.Prefix)
		if last != o.Key {
			last = o.Key
			// What is no object's name is not ours.
			if blob.CheckName(name) != nil {
				continue
			}
			names = append(names, named{name: name})
		}
		if i := len(names) - 1; i >= 0 && names[i].name == name {
			names[i].history = append(names[i].history, versionOf(o))
		}
	}
	return d.tell(ctx, names, fn)
}

// named is one name of a listing, with its versions and what came of them.
type named struct {
	name    string
	history []Version
	info    blob.Info
	there   bool
}

// tell finds the object of each name, several at a time, and then calls fn for
// them in order.
func (d *Driver) tell(ctx context.Context, names []named, fn func(blob.Info) error) error {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(fetches)
	for i := range names {
		n := &names[i]
		group.Go(func() error { return d.resolve(within, n) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !n.there {
			continue
		}
		if err := fn(n.info); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// resolve finds the object of one name, if there is one still.
func (d *Driver) resolve(ctx context.Context, n *named) error {
	chosen, gone, err := d.choose(ctx, n.name, n.history)
	if err == nil {
		lock, fresh := d.known.lockOf(n.name, chosen.ID, d.now())
		if fresh {
			n.info, n.there = blob.Info{Name: n.name, Size: chosen.Size, Modified: chosen.Modified, Version: chosen.ID, Lock: lock}, true
			return nil
		}
		if lock, err = d.retention(ctx, n.name, chosen.ID); err == nil {
			n.info, n.there = d.describe(n.name, chosen, lock), true
			return nil
		}
		gone = errkind.Is(err, errkind.NotFound)
	}
	if gone {
		// It changed since it was listed, and may be another version now.
		n.info, err = d.Stat(ctx, n.name)
		n.there = err == nil
	}
	if errkind.Is(err, errkind.NotFound) {
		return nil
	}
	return err
}
