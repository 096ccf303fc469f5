// Package s3blob keeps the objects of a store in a bucket of an S3 service,
// locked by its Object Lock.
//
// A version is one state that a name has had in a bucket with versioning; a
// marker is the version by which S3 hides a name; the mark is the metadata that
// says that a version was put once, not to be replaced.
//
// Whoever may write to the bucket, by our credentials or by the service's own
// tools, can put versions and markers on top of every object, and cannot take
// away a locked version. So the newest version of a name means nothing. The
// object of a name is, markers never counting:
//
//   - the version that is alone; else
//   - where the name ends in the SHA-256 of the object's bytes, the oldest
//     version that the service stored with that SHA-256; else
//   - the oldest version, if it has the mark; else
//   - the newest, which is what replacing leaves.
//
// The mark of a version cannot be changed and nothing can become older than
// what is there, so an object that was put once is what is read until its
// version is deleted by its id, which its lock forbids. Every request names the
// version it means.
//
// What must always be true: a lock is set in the request that puts the object; a
// lock date is never before the one asked for; no request that could lift a lock
// is sent but as the officer, by [Driver.SetLock] and [Driver.Convert], which only
// raise, and by [Driver.Provoke], below canary/.
//
// Lock dates have a precision of a second and are rounded up. The package knows
// nothing of what is inside an object; retries are left to blob.Bucket.
package s3blob

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

var (
	_ blob.Driver      = (*Driver)(nil)
	_ blob.LegalHolder = (*Driver)(nil)
	_ blob.Versioned   = (*Driver)(nil)
)

// stripes is the number of groups into which names fall for exclusion within
// this process.
const stripes = 256

// Driver is a store in a bucket. Make one with [Open]; it may be used from many
// goroutines and several processes may use one bucket. Between processes two
// things are weaker than within one: of two that delete one object both may be
// told that they did, and a replacement may leave a version behind that the next
// one removes.
type Driver struct {
	cfg    Config
	client *minio.Core
	// disposer deletes and canary attacks; they are client where the configuration
	// has no credential for that. officer is nil then.
	disposer, canary, officer *minio.Core

	http *http.Client
	now  func() time.Time

	modes     []blob.Mode
	versioned bool

	known *knowledge
	// stripe excludes the goroutines of this process from each other while they
	// replace, delete or lock objects of one group of names. It guards no field.
	stripe [stripes]sync.Mutex
	// shown tells for which modes a lock was seen to be in force after a put.
	shown [2]atomic.Bool
	// mayNotDelete is set once the service has refused to delete a version that
	// was replaced: the credential is one that cannot, and is not tried again.
	mayNotDelete atomic.Bool
}

// Open opens the store in an existing bucket. Kinds: Invalid for a
// configuration or a bucket that cannot hold a store, with a sentence that says
// what to change; NotFound for no such bucket; NotAllowed; Unavailable.
func Open(ctx context.Context, cfg Config) (*Driver, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	transport, err := cfg.transport()
	if err != nil {
		return nil, err
	}
	d := &Driver{
		cfg:   cfg,
		http:  &http.Client{Transport: transport, CheckRedirect: noRedirect},
		now:   cfg.Now,
		known: newKnowledge(),
	}
	if d.now == nil {
		d.now = time.Now
	}
	if err := d.connect(); err != nil {
		return nil, err
	}
	if err := d.inspect(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// connect makes the clients, one for each credential.
func (d *Driver) connect() error {
	var err error
	if d.client, err = d.as(d.cfg.Credentials); err != nil {
		return err
	}
	d.disposer, d.canary = d.client, d.client
	for _, other := range []struct {
		creds  Credentials
		client **minio.Core
	}{{d.cfg.Dispose, &d.disposer}, {d.cfg.Canary, &d.canary}, {d.cfg.Officer, &d.officer}} {
		if other.creds.absent() {
			continue
		}
		if *other.client, err = d.as(other.creds); err != nil {
			return err
		}
	}
	return nil
}

// as makes a client with a credential.
func (d *Driver) as(creds Credentials) (*minio.Core, error) {
	return d.cfg.client(d.http.Transport, creds)
}

// Close ends the use of the store; nothing is pending.
func (d *Driver) Close() error {
	d.http.CloseIdleConnections()
	return nil
}

// Caps tells what the store can do.
func (d *Driver) Caps() blob.Caps {
	return blob.Caps{Modes: d.modes, Enforcer: "the object store", Assurance: 3, Versions: d.versioned, Holds: len(d.modes) > 0}
}

// inspect looks at the bucket's settings, which decide what the store can do.
func (d *Driver) inspect(ctx context.Context) error {
	bucket := d.cfg.Bucket
	there, err := d.client.BucketExists(ctx, bucket)
	if err != nil {
		return d.opening(ctx, err)
	}
	if !there {
		return errkind.New(errkind.NotFound, "there is no bucket %s; create it with Object Lock, which many services allow only at creation", bucket)
	}
	versioning, err := d.client.GetBucketVersioning(ctx, bucket)
	if err != nil && !errkind.Is(d.failure(ctx, err), errkind.Unsupported) {
		return d.opening(ctx, err)
	}
	if versioning.Suspended() {
		return errkind.New(errkind.Invalid, "versioning of bucket %s is suspended: what is put now would replace older versions; enable it or use another bucket", bucket)
	}
	d.versioned = versioning.Enabled()
	if len(versioning.ExcludedPrefixes) > 0 || versioning.ExcludeFolders {
		return errkind.New(errkind.Invalid, "versioning of bucket %s leaves out some prefixes, which could not be locked; take those exclusions away", bucket)
	}
	return d.inspectLocking(ctx)
}

// inspectLocking finds whether the bucket has Object Lock, and refuses one that
// locks by default.
func (d *Driver) inspectLocking(ctx context.Context) error {
	enabled, mode, validity, _, err := d.client.GetObjectLockConfig(ctx, d.cfg.Bucket)
	if err != nil {
		switch f := d.failure(ctx, err); {
		case codeOf(err) == "ObjectLockConfigurationNotFoundError", errkind.Is(f, errkind.Unsupported):
			return nil
		default:
			return d.opening(ctx, err)
		}
	}
	// Some services tell of an empty rule where there is none.
	if mode != nil && *mode != "" || validity != nil && *validity > 0 {
		return errkind.New(errkind.Invalid, "bucket %s has a default retention: it would lock everything that is put, for a time that no policy here decided, "+
			"what is only meant to be temporary too; remove the default retention, not Object Lock itself, and each object gets the lock that its policy asks for", d.cfg.Bucket)
	}
	if enabled == "Enabled" && d.versioned {
		d.modes = []blob.Mode{blob.Governance, blob.Compliance}
	}
	return nil
}

func (d *Driver) opening(ctx context.Context, err error) error {
	return errkind.Wrap(errkind.Of(d.failure(ctx, err)), d.failure(ctx, err), "open bucket %s", d.cfg.Bucket)
}

// key gives the key in the bucket of the object called name.
func (d *Driver) key(name string) string { return d.cfg.Prefix + name }

// exclude keeps the other goroutines of this process from changing name until
// release is called.
func (d *Driver) exclude(name string) (release func()) {
	hash := uint32(2166136261)
	for i := range len(name) {
		hash = (hash ^ uint32(name[i])) * 16777619
	}
	mu := &d.stripe[hash%stripes]
	mu.Lock()
	return mu.Unlock
}

// ready checks what every operation is given.
func ready(ctx context.Context, name string, lock blob.Lock) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := blob.CheckName(name); err != nil {
		return err
	}
	return lock.Check()
}
