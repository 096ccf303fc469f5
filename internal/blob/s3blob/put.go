package s3blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// maxObject is the most that S3 takes in one request. Objects are not put in
// parts: one request either stores all, locked, or nothing.
const maxObject = 5 << 30

// Put implements [blob.Driver]. It costs one request that writes and one that
// lists, which sees to it that this version is the object: a name that somebody
// hid under a marker counts as there. Replacing costs one to three more, and the
// right to delete versions where the object replaced was put once.
func (d *Driver) Put(ctx context.Context, name string, data []byte, opts blob.PutOptions) (blob.Info, error) {
	if err := ready(ctx, name, opts.Lock); err != nil {
		return blob.Info{}, err
	}
	switch {
	case len(data) > maxObject:
		return blob.Info{}, errkind.New(errkind.Invalid, "%d bytes, where %d are the most for an object in S3", len(data), int64(maxObject))
	case opts.Lock.Mode != blob.NoLock && len(d.modes) == 0:
		return blob.Info{}, d.noLocks()
	}
	sum := opts.SHA256
	if !opts.Hashed || sum == [32]byte{} {
		sum = sha256.Sum256(data)
		if opts.SHA256 != [32]byte{} && opts.SHA256 != sum {
			return blob.Info{}, errkind.New(errkind.Damaged, "the bytes do not have the SHA-256 announced")
		}
	}
	opts.SHA256, opts.Lock = sum, whole(opts.Lock)
	if opts.Replace {
		return d.replace(ctx, name, data, opts)
	}
	return d.putOnce(ctx, name, data, opts)
}

// putOnce stores an object under a name that has none.
func (d *Driver) putOnce(ctx context.Context, name string, data []byte, opts blob.PutOptions) (blob.Info, error) {
	id, err := d.upload(ctx, name, data, opts)
	if err != nil {
		return blob.Info{}, err
	}
	chosen, err := d.find(ctx, name)
	if err != nil {
		return blob.Info{}, gone(err)
	}
	if chosen.ID != id {
		// The name only seemed to be free. What was put now is no object; it stays
		// where it may not be deleted.
		_ = d.remove(ctx, d.client, name, id)
		return blob.Info{}, errkind.New(errkind.Exists, "an object of that name exists, hidden under a delete marker")
	}
	d.known.learn(name, id, func(f *fact) { f.once = true })
	return d.described(ctx, name, chosen, opts.Lock)
}

// replace stores an object in the place of one that has no lock and no legal
// hold. A crash leaves
// the old object, or the new one with an old version beneath it.
func (d *Driver) replace(ctx context.Context, name string, data []byte, opts blob.PutOptions) (blob.Info, error) {
	defer d.exclude(name)()
	old, chosen, err := d.look(ctx, name)
	there := err == nil
	if err != nil && !errkind.Is(err, errkind.NotFound) {
		return blob.Info{}, err
	}
	if there {
		if err := d.free(ctx, name, chosen.ID); err != nil {
			return blob.Info{}, gone(err)
		}
	}
	id, err := d.upload(ctx, name, data, opts)
	if err != nil {
		return blob.Info{}, err
	}
	d.known.forget(name)
	if err := d.supersede(ctx, name, old, chosen, there); err != nil {
		_ = d.remove(ctx, d.client, name, id)
		return blob.Info{}, err
	}
	now, err := d.find(ctx, name)
	if err != nil {
		return blob.Info{}, gone(err)
	}
	if now.ID != id {
		return blob.Info{}, errkind.New(errkind.Unavailable, "another version came in its place while it was put")
	}
	return d.described(ctx, name, now, opts.Lock)
}

// supersede deletes the versions that a new one replaces. That of an object that
// was put once must go, and goes last: until then it is what is read. The others
// only take room.
func (d *Driver) supersede(ctx context.Context, name string, old []Version, chosen choice, there bool) error {
	if !d.versioned {
		return nil
	}
	for _, v := range old {
		if there && v.ID == chosen.ID || d.mayNotDelete.Load() {
			continue
		}
		if err := d.remove(ctx, d.client, name, v.ID); errkind.Is(err, errkind.NotAllowed) {
			d.mayNotDelete.Store(true)
		}
	}
	if !there {
		return nil
	}
	err := d.remove(ctx, d.client, name, chosen.ID)
	if err == nil || errkind.Is(err, errkind.NotFound) {
		return nil
	}
	once := chosen.once
	if chosen.alone {
		_, marked, failed := d.inspectVersion(ctx, name, chosen.ID)
		if failed != nil {
			return failed
		}
		once = marked
	}
	if !once {
		return nil
	}
	return d.why(ctx, name, chosen.ID, err)
}

// upload sends one request that stores data as a new version of name, with its
// lock and a checksum, and gives the version's id.
func (d *Driver) upload(ctx context.Context, name string, data []byte, opts blob.PutOptions) (id string, err error) {
	put := minio.PutObjectOptions{
		ContentType:  "application/octet-stream",
		StorageClass: d.cfg.StorageClass,
		UserMetadata: map[string]string{},
		// The SHA-256 of the whole is signed; a signature of each piece between the
		// pieces is what some services have stored as content.
		DisableContentSha256: true,
		DisableMultipart:     true,
	}
	if !opts.Replace {
		put.SetMatchETagExcept("*")
		put.UserMetadata[markName] = markOnce
	}
	if opts.Lock.Mode != blob.NoLock {
		put.Mode, put.RetainUntilDate = modeOf(opts.Lock.Mode), opts.Lock.Until
	}
	info, err := d.send(ctx, d.key(name), data, opts.SHA256, put)
	if err == nil {
		return info.VersionID, nil
	}
	failed := d.failure(ctx, err)
	// A conflict with another request says nothing of an object: only one that is
	// there is reported as there.
	if errkind.Is(failed, errkind.Unavailable) && !opts.Replace && isConflict(err) {
		if _, err := d.find(ctx, name); err == nil {
			return "", errkind.New(errkind.Exists, "an object of that name exists")
		}
	}
	return "", d.late(ctx, opts.Lock, failed)
}

func isConflict(err error) bool {
	code := codeOf(err)
	return code == "ConditionalRequestConflict" || code == "OperationAborted" || code == minio.Conflict
}

// send sends the request with the checksum that the configuration asks for.
func (d *Driver) send(ctx context.Context, key string, data []byte, sum [32]byte, put minio.PutObjectOptions) (minio.UploadInfo, error) {
	size := int64(len(data))
	switch d.cfg.Checksum {
	case MD5:
		put.SendContentMd5 = true
		return d.client.Client.PutObject(ctx, d.cfg.Bucket, key, bytes.NewReader(data), size, put)
	case CRC32C:
		crc := binary.BigEndian.AppendUint32(nil, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
		put.UserMetadata["X-Amz-Checksum-Crc32c"] = base64.StdEncoding.EncodeToString(crc)
	default:
		put.UserMetadata["X-Amz-Checksum-Sha256"] = base64.StdEncoding.EncodeToString(sum[:])
	}
	return d.client.PutObject(ctx, d.cfg.Bucket, key, bytes.NewReader(data), size, "", hex.EncodeToString(sum[:]), put)
}

// described gives what was put, once a lock was seen to be in force: some
// services have taken the request and left out the lock.
func (d *Driver) described(ctx context.Context, name string, v choice, lock blob.Lock) (blob.Info, error) {
	if err := d.proveLocking(ctx, name, v.ID, lock); err != nil {
		return blob.Info{}, err
	}
	d.known.learn(name, v.ID, func(f *fact) { f.lock, f.read = lock, d.now() })
	return blob.Info{Name: name, Size: v.Size, Modified: v.Modified, Version: v.ID, Lock: lock}, nil
}

// proveLocking reads back the first lock of each mode that was put.
func (d *Driver) proveLocking(ctx context.Context, name, id string, lock blob.Lock) error {
	if lock.Mode == blob.NoLock {
		return nil
	}
	shown := &d.shown[0]
	if lock.Mode == blob.Compliance {
		shown = &d.shown[1]
	}
	if shown.Load() {
		return nil
	}
	is, err := d.retention(ctx, name, id)
	if err != nil {
		return gone(err)
	}
	if is.Mode != lock.Mode || is.Until.Before(lock.Until) {
		return errkind.New(errkind.Unsupported, "the service stored the object and not its lock: its Object Lock cannot be relied on")
	}
	shown.Store(true)
	return nil
}

// gone gives an object that went while it was put the kind that lets the caller
// try again.
func gone(err error) error {
	if errkind.Is(err, errkind.NotFound) {
		return errkind.New(errkind.Unavailable, "it was deleted while it was put")
	}
	return err
}

// whole gives the lock with its date rounded up to the precision of S3.
func whole(l blob.Lock) blob.Lock {
	l = l.Normal()
	if down := l.Until.Truncate(time.Second); down.Before(l.Until) {
		l.Until = down.Add(time.Second)
	}
	return l
}

func modeOf(m blob.Mode) minio.RetentionMode {
	if m == blob.Compliance {
		return minio.Compliance
	}
	return minio.Governance
}

func (d *Driver) noLocks() error {
	return errkind.New(errkind.Unsupported, "bucket %s has no Object Lock, so that nothing in it can be locked", d.cfg.Bucket)
}
