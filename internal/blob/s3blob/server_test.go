package s3blob_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/blobtest"
	"github.com/counterfoil/counterfoil/internal/blob/s3blob"
	"github.com/counterfoil/counterfoil/internal/blob/s3blob/servertest"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// prefixes numbers the stores that tests make in one bucket.
var prefixes atomic.Int64

// config gives the configuration of a fresh store in a bucket.
func config(s *servertest.Server, bucket string) s3blob.Config {
	return s3blob.Config{
		Endpoint:    s.Endpoint,
		Region:      s.Region,
		Bucket:      bucket,
		Prefix:      fmt.Sprintf("store-%d/", prefixes.Add(1)),
		PathStyle:   true,
		PlainHTTP:   true,
		Credentials: s3blob.Credentials{AccessKey: s.AccessKey, SecretKey: s.SecretKey},
	}
}

func open(t *testing.T, cfg s3blob.Config) *s3blob.Driver {
	t.Helper()
	d, err := s3blob.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// harness gives a fresh store in a bucket to the conformance suite.
func harness(t *testing.T, cfg s3blob.Config) blobtest.Harness {
	t.Helper()
	return blobtest.Harness{
		Driver:    open(t, cfg),
		Clock:     blobtest.NewSystemClock(),
		RealTime:  true,
		Precision: time.Second,
		ModeFixed: true,
		Reopen:    func(t *testing.T) blob.Driver { return open(t, cfg) },
	}
}

func TestMinIO_Conformance(t *testing.T) {
	s := servertest.MinIO(t)
	bucket := s.LockBucket(t)
	blobtest.Run(t, func(t *testing.T) blobtest.Harness { return harness(t, config(s, bucket)) })
}

func TestMinIO_ConformanceWithoutVersions(t *testing.T) {
	s := servertest.MinIO(t)
	bucket := s.PlainBucket(t)
	blobtest.Run(t, func(t *testing.T) blobtest.Harness { return harness(t, config(s, bucket)) })
}

// The gateway answers with errors of its own where a folder changes under it, so
// it is asked again, as blob.Bucket does.
func TestVersityGW_Conformance(t *testing.T) {
	s := servertest.VersityGW(t)
	bucket := s.LockBucket(t)
	blobtest.Run(t, func(t *testing.T) blobtest.Harness {
		cfg := config(s, bucket)
		h := harness(t, cfg)
		h.ReplaceGap = true // seen in one of some ten runs
		h.Driver = newPatient(open(t, cfg))
		h.Reopen = func(t *testing.T) blob.Driver { return newPatient(open(t, cfg)) }
		return h
	})
}

// patient repeats what fails because the store is out of reach.
type patient struct {
	*s3blob.Driver
	bucket *blob.Bucket
}

func newPatient(d *s3blob.Driver) *patient {
	return &patient{Driver: d, bucket: blob.New(d, blob.Options{})}
}

func (p *patient) Put(ctx context.Context, name string, data []byte, opts blob.PutOptions) (blob.Info, error) {
	return p.bucket.Put(ctx, name, data, opts)
}

func (p *patient) ReadAt(ctx context.Context, name string, b []byte, off int64) (int, error) {
	return p.bucket.ReadAt(ctx, name, b, off)
}

func (p *patient) Stat(ctx context.Context, name string) (blob.Info, error) {
	return p.bucket.Stat(ctx, name)
}

func (p *patient) List(ctx context.Context, prefix string, fn func(blob.Info) error) error {
	return p.bucket.List(ctx, prefix, fn)
}

func (p *patient) Delete(ctx context.Context, name string) error {
	for {
		if err := p.Driver.Delete(ctx, name); !errkind.Is(err, errkind.Unavailable) {
			return err
		}
	}
}
