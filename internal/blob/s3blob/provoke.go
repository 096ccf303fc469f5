package s3blob

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

var _ blob.Prober = (*Driver)(nil)

// Provoke attacks an object below canary/ that is under a lock, with the
// credential for canaries, to see that the service itself refuses: nothing is
// decided here before. An attempt that is not refused destroys the object or its
// lock. Kinds: Invalid for an object that is elsewhere or under no lock;
// NotFound; Unavailable.
func (d *Driver) Provoke(ctx context.Context, name string) ([]blob.Attempt, error) {
	if err := ready(ctx, name, blob.Lock{}); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(name, canaryPrefix) {
		return nil, errkind.New(errkind.Invalid, "%s is not below %s, where the objects are that may be attacked", name, canaryPrefix)
	}
	defer d.exclude(name)()
	chosen, err := d.find(ctx, name)
	if err != nil {
		return nil, err
	}
	lock, err := d.retention(ctx, name, chosen.ID)
	if err != nil {
		return nil, err
	}
	if !lock.Holds(d.now()) {
		return nil, errkind.New(errkind.Invalid, "%s is under no lock that could be tried", name)
	}
	d.known.forget(name)
	var attempts []blob.Attempt
	for _, attack := range d.attacks(name, chosen.ID, lock) {
		err := attack.run(ctx)
		if ended := ctx.Err(); ended != nil {
			return attempts, ended
		}
		attempts = append(attempts, blob.Attempt{Name: attack.name, Err: d.verdict(ctx, err)})
	}
	return attempts, nil
}

// attack is one request that a lock must stop.
type attack struct {
	name string
	run  func(ctx context.Context) error
}

// attacks lists the requests that must not come through on a version under lock,
// the one that destroys most last. Bypassing is tried on compliance locks only,
// which it must not lift; governance ones it may.
func (d *Driver) attacks(name, id string, lock blob.Lock) []attack {
	bucket, key := d.cfg.Bucket, d.key(name)
	retain := func(mode minio.RetentionMode, until time.Time, bypass bool) func(context.Context) error {
		return func(ctx context.Context) error {
			opts := minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &until, VersionID: id, GovernanceBypass: bypass}
			return d.canary.PutObjectRetention(ctx, bucket, key, opts)
		}
	}
	remove := func(bypass bool) func(context.Context) error {
		return func(ctx context.Context) error {
			return d.canary.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{VersionID: id, GovernanceBypass: bypass})
		}
	}
	mode, strict := modeOf(lock.Mode), lock.Mode == blob.Compliance
	sooner := lock.Until.Add(-d.untilEnd(lock) / 2).Truncate(time.Second)
	list := []attack{{"shorten", retain(mode, sooner, false)}}
	if strict {
		list = append(list,
			attack{"shorten with bypass", retain(mode, sooner, true)},
			attack{"weaken", retain(minio.Governance, lock.Until, false)},
			attack{"weaken with bypass", retain(minio.Governance, lock.Until, true)})
	}
	list = append(list, attack{"overwrite in place", func(ctx context.Context) error {
		data := []byte("overwritten\n")
		opts := minio.PutObjectOptions{DisableContentSha256: true, Internal: minio.AdvancedPutOptions{SourceVersionID: id}}
		_, err := d.canary.PutObject(ctx, bucket, key, bytes.NewReader(data), int64(len(data)), "", "", opts)
		return err
	}}, attack{"delete", remove(false)})
	if strict {
		list = append(list, attack{"delete with bypass", remove(true)})
	}
	return list
}

func (d *Driver) untilEnd(lock blob.Lock) time.Duration { return lock.Until.Sub(d.now()) }

// verdict gives the answer to an attack its kind.
func (d *Driver) verdict(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	failed := d.failure(ctx, err)
	if !denied(failed) && !errkind.Is(failed, errkind.Unsupported) {
		return failed
	}
	var answer minio.ErrorResponse
	if errors.As(err, &answer) && namesLock(answer) {
		return errkind.Wrap(errkind.Refused, failed, "refused by the lock")
	}
	if codeOf(err) == minio.AccessDenied {
		return failed
	}
	// What the service does not offer at all cannot be done to the object either.
	return errkind.Wrap(errkind.Refused, failed, "not offered")
}

// namesLock reports whether a service gave the lock as its reason.
func namesLock(answer minio.ErrorResponse) bool {
	text := strings.ToLower(answer.Code + " " + answer.Message)
	for _, word := range []string{"worm", "object lock", "objectlock", "retention", "locked", "immutab"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
