package s3blob

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// saysUnlocked reports whether err is how a service says that a version has no
// lock, or no legal hold.
func saysUnlocked(err error) bool {
	code := codeOf(err)
	return code == "NoSuchObjectLockConfiguration" || code == "ObjectLockConfigurationNotFoundError"
}

// retention reads the lock of one version from the service.
func (d *Driver) retention(ctx context.Context, name, id string) (blob.Lock, error) {
	if len(d.modes) == 0 {
		return blob.Lock{}, nil
	}
	mode, until, err := d.client.GetObjectRetention(ctx, d.cfg.Bucket, d.key(name), id)
	if saysUnlocked(err) {
		return blob.Lock{}, nil
	}
	if _, misnamed := errors.AsType[xml.UnmarshalError](err); misnamed {
		return d.retentionInHeaders(ctx, name, id)
	}
	if err != nil {
		return blob.Lock{}, d.failure(ctx, err)
	}
	return lockOf(mode, until), nil
}

// retentionInHeaders reads the lock of a version from a service that has just
// told it in a document of another name. Asking only so would not do: who lacks
// the permission to see locks is shown an object without one.
func (d *Driver) retentionInHeaders(ctx context.Context, name, id string) (blob.Lock, error) {
	info, err := d.client.StatObject(ctx, d.cfg.Bucket, d.key(name), minio.StatObjectOptions{VersionID: id})
	if err != nil {
		return blob.Lock{}, d.failure(ctx, err)
	}
	mode := minio.RetentionMode(info.Headers.Get("X-Amz-Object-Lock-Mode"))
	until, err := time.Parse(time.RFC3339, info.Headers.Get("X-Amz-Object-Lock-Retain-Until-Date"))
	if err != nil || !mode.IsValid() {
		return blob.Lock{Mode: blob.Compliance, Until: blob.Forever()}, nil
	}
	return lockOf(&mode, &until), nil
}

// lockOf gives the lock that a service told. One that cannot be understood
// counts as one for ever.
func lockOf(mode *minio.RetentionMode, until *time.Time) blob.Lock {
	if mode == nil || *mode == "" {
		return blob.Lock{}
	}
	l := blob.Lock{Mode: blob.Compliance, Until: blob.Forever()}
	if *mode == minio.Governance {
		l.Mode = blob.Governance
	}
	if until != nil && mode.IsValid() {
		l.Until = *until
	}
	return l.Normal()
}

// SetLock implements [blob.Driver]. The date is rounded up to a second. S3
// services do not let governance become compliance but for a credential that may
// bypass governance: while a governance lock holds that is NotAllowed here unless
// the configuration has an officer, and [Driver.Convert] does it.
func (d *Driver) SetLock(ctx context.Context, name string, lock blob.Lock) error {
	err := d.raise(ctx, name, lock, d.client, false)
	if lock.Mode == blob.Compliance && errkind.Is(err, errkind.NotAllowed) && d.officer != nil {
		return d.raise(ctx, name, lock, d.officer, true)
	}
	return err
}

// Convert raises a lock as SetLock does, with an officer's credential that may
// bypass governance, so that governance can become compliance. It lowers nothing.
func (d *Driver) Convert(ctx context.Context, officer Credentials, name string, lock blob.Lock) error {
	client, err := d.as(officer)
	if err != nil {
		return err
	}
	return d.raise(ctx, name, lock, client, true)
}

// raise raises the lock of an object by client.
func (d *Driver) raise(ctx context.Context, name string, lock blob.Lock, client *minio.Core, bypass bool) error {
	if err := ready(ctx, name, lock); err != nil {
		return err
	}
	defer d.exclude(name)()
	chosen, err := d.find(ctx, name)
	if err != nil {
		return err
	}
	if len(d.modes) == 0 {
		return d.noLocks()
	}
	old, err := d.retention(ctx, name, chosen.ID)
	if err != nil {
		return err
	}
	to, err := old.Raise(whole(lock), d.now())
	if err != nil || to == old {
		return err
	}
	if !bypass && old.Holds(d.now()) && to.Mode != old.Mode {
		return errkind.New(errkind.NotAllowed, "locked in %s mode: the object store lets only a credential that may bypass governance make it %s", old.Mode, to.Mode)
	}
	mode := modeOf(to.Mode)
	opts := minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &to.Until, VersionID: chosen.ID, GovernanceBypass: bypass}
	if err := d.failure(ctx, client.PutObjectRetention(ctx, d.cfg.Bucket, d.key(name), opts)); err != nil {
		return d.whyNotRaised(ctx, name, chosen.ID, to, err)
	}
	d.describe(name, chosen, to)
	return nil
}

// whyNotRaised explains a refused raise: another process may have raised the
// lock further meanwhile, or our clock be ahead.
func (d *Driver) whyNotRaised(ctx context.Context, name, id string, to blob.Lock, err error) error {
	if !denied(err) {
		return err
	}
	is, failed := d.retention(ctx, name, id)
	if failed != nil {
		return err
	}
	at := d.now()
	if is.Mode != blob.NoLock && !is.Holds(at) {
		// Locks end by the service's clock.
		if theirs, failed := d.ServerTime(ctx); failed == nil {
			at = theirs
		}
	}
	if _, refused := is.Raise(to, at); refused != nil {
		return refused
	}
	return d.late(ctx, to, err)
}

// late explains how the service refused a lock whose date is past by its clock:
// the time by which the date was made lags. Services say so in words of their
// own, as of any request that cannot be right, so that their clock is asked.
func (d *Driver) late(ctx context.Context, lock blob.Lock, err error) error {
	if lock.Mode == blob.NoLock || !errkind.Is(err, errkind.Invalid) {
		return err
	}
	at, failed := d.ServerTime(ctx)
	if failed != nil || at.Before(lock.Until) {
		return err
	}
	return errkind.New(errkind.Refused, "the store's clock is at %s, later than the lock's date: it takes no lock until %s, and the time by which that date was made may be behind",
		at.Format(time.RFC3339), lock.Until.UTC().Format(time.RFC3339))
}

// SetLegalHold implements [blob.LegalHolder]. Where the service does not allow it
// to the credential that writes, the officer's is tried.
func (d *Driver) SetLegalHold(ctx context.Context, name string, on bool) error {
	if err := ready(ctx, name, blob.Lock{}); err != nil {
		return err
	}
	defer d.exclude(name)()
	chosen, err := d.find(ctx, name)
	if err != nil {
		return err
	}
	if len(d.modes) == 0 {
		return d.noLocks()
	}
	status := minio.LegalHoldDisabled
	if on {
		status = minio.LegalHoldEnabled
	}
	opts := minio.PutObjectLegalHoldOptions{VersionID: chosen.ID, Status: &status}
	err = d.failure(ctx, d.client.PutObjectLegalHold(ctx, d.cfg.Bucket, d.key(name), opts))
	if errkind.Is(err, errkind.NotAllowed) && d.officer != nil {
		err = d.failure(ctx, d.officer.PutObjectLegalHold(ctx, d.cfg.Bucket, d.key(name), opts))
	}
	return err
}

// LegalHold implements [blob.LegalHolder].
func (d *Driver) LegalHold(ctx context.Context, name string) (bool, error) {
	if err := ready(ctx, name, blob.Lock{}); err != nil {
		return false, err
	}
	chosen, err := d.find(ctx, name)
	if err != nil {
		return false, err
	}
	return d.held(ctx, name, chosen.ID)
}

// held tells whether a version is under a legal hold; where the service has none,
// it is not.
func (d *Driver) held(ctx context.Context, name, id string) (bool, error) {
	if len(d.modes) == 0 {
		return false, nil
	}
	status, err := d.client.GetObjectLegalHold(ctx, d.cfg.Bucket, d.key(name), minio.GetObjectLegalHoldOptions{VersionID: id})
	if saysUnlocked(err) {
		return false, nil
	}
	if err := d.failure(ctx, err); err != nil {
		if errkind.Is(err, errkind.Unsupported) {
			return false, nil
		}
		return false, err
	}
	return status != nil && *status == minio.LegalHoldEnabled, nil
}

// ServerTime gives the service's clock, as its answers tell it, to the second.
// The request carries no credentials and any answer will do. Kinds: Unavailable,
// Unsupported for a service that tells no time.
func (d *Driver) ServerTime(ctx context.Context) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, d.client.EndpointURL().String(), nil)
	if err != nil {
		return time.Time{}, errkind.Wrap(errkind.Invalid, err, "ask the object store for its time")
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return time.Time{}, d.failure(ctx, err)
	}
	_ = resp.Body.Close()
	t, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return time.Time{}, errkind.New(errkind.Unsupported, "the object store tells no time in its answers")
	}
	return t.UTC(), nil
}
