package s3blob

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"slices"

	"github.com/minio/minio-go/v7"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

const (
	// markName and markOnce are the metadata of a version that was put once.
	markName = "X-Amz-Meta-Counterfoil"
	markOnce = "once"
	// page is how many versions one look at a single name asks for.
	page = 100
	// looks is how often a name is looked at that changes meanwhile.
	looks = 10
)

// Version is one state that a name has had, as the service tells it.
type Version = blob.Version

// choice is the version that is the object of a name.
type choice struct {
	Version
	// alone tells that there is no other version, markers aside.
	alone bool
	// once tells that no later version can take its place.
	once bool
}

// ListVersions implements [blob.Versioned]. On a name that was put once anything
// beside the object was put there by somebody else.
func (d *Driver) ListVersions(ctx context.Context, name string) ([]Version, error) {
	if err := ready(ctx, name, blob.Lock{}); err != nil {
		return nil, err
	}
	history, chosen, err := d.look(ctx, name)
	switch {
	case err != nil && (len(history) == 0 || ctx.Err() != nil || errkind.Is(err, errkind.Unavailable)):
		return nil, err
	case err != nil:
		// All are markers; or a version of somebody else's, under a key of his own,
		// cannot be looked at, which must not hide the others.
		return history, nil
	}
	for i := range history {
		history[i].Current = history[i].ID == chosen.ID
	}
	return history, nil
}

// ReadVersionAt implements [blob.Versioned].
func (d *Driver) ReadVersionAt(ctx context.Context, name, version string, p []byte, off int64) (int, error) {
	if err := ready(ctx, name, blob.Lock{}); err != nil {
		return 0, err
	}
	n, _, err := d.read(ctx, name, version, p, off)
	return n, err
}

// find gives the version that is the object called name.
func (d *Driver) find(ctx context.Context, name string) (choice, error) {
	_, chosen, err := d.look(ctx, name)
	return chosen, err
}

// look gives all versions of name, newest first, and the one that is the object.
// The versions come with NotFound too, where all are markers.
func (d *Driver) look(ctx context.Context, name string) ([]Version, choice, error) {
	for range looks {
		history, err := d.history(ctx, name)
		if err != nil {
			return nil, choice{}, err
		}
		chosen, gone, err := d.choose(ctx, name, history)
		if !gone {
			return history, chosen, err
		}
	}
	return nil, choice{}, errkind.New(errkind.Unavailable, "the versions of the object kept changing while they were looked at")
}

// history lists all versions of exactly one name, newest first.
func (d *Driver) history(ctx context.Context, name string) ([]Version, error) {
	key := d.key(name)
	opts := minio.ListObjectsOptions{Prefix: key, WithVersions: d.versioned, Recursive: true, MaxKeys: page}
	var history []Version
	for o := range d.client.ListObjectsIter(ctx, d.cfg.Bucket, opts) {
		if o.Err != nil {
			return nil, d.failure(ctx, o.Err)
		}
		// The name itself comes before all longer ones that begin with it.
		if o.Key != key {
			break
		}
		history = append(history, versionOf(o))
	}
	// A listing that is cancelled just ends.
	return history, ctx.Err()
}

func versionOf(o minio.ObjectInfo) Version {
	return Version{ID: o.VersionID, Marker: o.IsDeleteMarker, Size: o.Size, Modified: o.LastModified.UTC()}
}

// choose finds the object of name among its versions, newest first, by the rule
// of the package. gone tells that a version went while it was looked at.
func (d *Driver) choose(ctx context.Context, name string, history []Version) (chosen choice, gone bool, err error) {
	live := slices.DeleteFunc(slices.Clone(history), func(v Version) bool { return v.Marker })
	switch len(live) {
	case 0:
		return choice{}, false, errkind.New(errkind.NotFound, "no object of that name")
	case 1:
		return choice{Version: live[0], alone: true}, false, nil
	}
	slices.Reverse(live)
	named, isNamed := namedSum(name)
	for i, v := range live {
		sum, marked, err := d.inspectVersion(ctx, name, v.ID)
		if err != nil {
			return choice{}, errkind.Is(err, errkind.NotFound), err
		}
		if isNamed && sum == named {
			return choice{Version: v, once: true}, false, nil
		}
		if i > 0 {
			continue
		}
		if chosen = (choice{Version: v, once: true}); !marked {
			chosen = choice{Version: live[len(live)-1]}
		}
		if !isNamed {
			break
		}
	}
	return chosen, false, nil
}

// namedSum gives the SHA-256 in which a name ends, if it does.
func namedSum(name string) (sum string, ok bool) {
	const digits = 64
	if len(name) < digits {
		return "", false
	}
	raw, err := hex.DecodeString(name[len(name)-digits:])
	if err != nil {
		return "", false
	}
	return base64.StdEncoding.EncodeToString(raw), true
}

// inspectVersion gives the SHA-256 with which a version was stored, in base 64,
// and whether it has the mark.
func (d *Driver) inspectVersion(ctx context.Context, name, id string) (sum string, marked bool, err error) {
	info, err := d.client.StatObject(ctx, d.cfg.Bucket, d.key(name), minio.StatObjectOptions{VersionID: id, Checksum: true})
	if err != nil {
		return "", false, d.failure(ctx, err)
	}
	return info.ChecksumSHA256, isMarked(info), nil
}

func isMarked(info minio.ObjectInfo) bool { return info.Metadata.Get(markName) == markOnce }

// remove deletes one version for good, or a marker, by client.
func (d *Driver) remove(ctx context.Context, client *minio.Core, name, id string) error {
	err := client.RemoveObject(ctx, d.cfg.Bucket, d.key(name), minio.RemoveObjectOptions{VersionID: id})
	return d.failure(ctx, err)
}
