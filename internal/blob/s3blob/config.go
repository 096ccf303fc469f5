package s3blob

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Checksum is what a put carries for the service to compare the bytes with.
type Checksum string

// The checksums. Amazon refuses a put with a lock that has none.
const (
	// SHA256 is what Amazon, MinIO and most others take; the default.
	SHA256 Checksum = "sha256"
	// CRC32C is for services that have no SHA-256.
	CRC32C Checksum = "crc32c"
	// MD5 is for services that have neither. It is not allowed in FIPS-only mode.
	MD5 Checksum = "md5"
)

// Credentials identify whoever uses the bucket. The caller reads them from a
// file or from the environment; they are shown in no text.
type Credentials struct {
	AccessKey    string
	SecretKey    string
	SessionToken string
}

// String hides the credentials.
func (Credentials) String() string { return "[credentials]" }

// GoString hides the credentials.
func (Credentials) GoString() string { return "[credentials]" }

// absent reports that there are none.
func (c Credentials) absent() bool { return c == Credentials{} }

// whole reports whether there is what signing takes.
func (c Credentials) whole() bool { return c.AccessKey != "" && c.SecretKey != "" }

// Config says where a bucket is and how it is used. Bucket, Endpoint and
// Credentials must be there; the zero values of the others will do.
type Config struct {
	// Endpoint is the service's host, with a port if it is not the usual one.
	Endpoint string
	// Region is the bucket's region; without one the service is asked, which
	// takes the permission to.
	Region string
	Bucket string
	// Prefix begins the key of every object; it is empty or ends with a slash.
	Prefix string
	// PathStyle puts the bucket into the path instead of the host's name, as
	// services on one's own machines mostly need it.
	PathStyle bool
	// PlainHTTP goes without TLS.
	PlainHTTP bool
	// CAFile has the certificates, in PEM, that the service's must be signed by,
	// instead of those of the system.
	CAFile       string
	Checksum     Checksum
	StorageClass string
	// Credentials read, put and lock, and do what the others below are absent for.
	Credentials Credentials
	// Dispose deletes objects: it is used by Delete only. Without it Credentials do.
	Dispose Credentials
	// Canary attacks objects below canary/: it is used by Provoke only. Without it
	// Credentials do.
	Canary Credentials
	// Officer makes governance locks compliance locks, and sets and takes away legal
	// holds, where the service does not allow it to Credentials; it is used for
	// nothing else. Without it that fails.
	Officer Credentials
	// Now is the clock by which locks are taken to end before the service is
	// asked; nil stands for the system clock.
	Now func() time.Time
}

// checked gives the configuration with its defaults.
func (c Config) checked() (Config, error) {
	if c.Checksum == "" {
		c.Checksum = SHA256
	}
	switch {
	case c.Endpoint == "" || c.Bucket == "":
		return c, errkind.New(errkind.Invalid, "an S3 store needs an endpoint and a bucket")
	case strings.ContainsAny(c.Endpoint, "/@ "):
		return c, errkind.New(errkind.Invalid, "endpoint %q: give the host alone, with its port if need be, as in s3.example.com:9000", c.Endpoint)
	case !c.Credentials.whole():
		return c, errkind.New(errkind.Invalid, "bucket %s: an access key and a secret key are needed", c.Bucket)
	case c.Prefix != "" && (!strings.HasSuffix(c.Prefix, "/") || blob.CheckPrefix(c.Prefix) != nil):
		return c, errkind.New(errkind.Invalid, "prefix %q: it must be parts of a-z, 0-9, dot, underscore and hyphen, each with a slash behind it", c.Prefix)
	case c.Checksum != SHA256 && c.Checksum != CRC32C && c.Checksum != MD5:
		return c, errkind.New(errkind.Invalid, "checksum %q: it must be %s, %s or %s", c.Checksum, SHA256, CRC32C, MD5)
	}
	for _, creds := range []Credentials{c.Dispose, c.Canary, c.Officer} {
		if !creds.absent() && !creds.whole() {
			return c, errkind.New(errkind.Invalid, "bucket %s: an access key and a secret key are needed of each credential that is not left out", c.Bucket)
		}
	}
	switch strings.ToUpper(c.StorageClass) {
	case "GLACIER", "DEEP_ARCHIVE":
		return c, errkind.New(errkind.Invalid, "storage class %s: its objects cannot be read before they were restored, so nothing could be verified; GLACIER_IR can be read at once", c.StorageClass)
	}
	return c, nil
}

// transport makes the way by which requests go to the service.
func (c Config) transport() (*http.Transport, error) {
	t, err := minio.DefaultTransport(!c.PlainHTTP)
	if err != nil {
		return nil, errkind.Wrap(errkind.Invalid, err, "connect to %s", c.Endpoint)
	}
	if c.CAFile == "" || c.PlainHTTP {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, errkind.Wrap(errkind.Invalid, err, "read CA file")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errkind.New(errkind.Invalid, "CA file %s has no certificate in PEM", c.CAFile)
	}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	return t, nil
}

// client makes a client for creds. It repeats nothing: a put whose first attempt
// had come through would be told that the object exists. The bucket above
// repeats, and knows that it did.
func (c Config) client(transport http.RoundTripper, creds Credentials) (*minio.Core, error) {
	lookup := minio.BucketLookupDNS
	if c.PathStyle {
		lookup = minio.BucketLookupPath
	}
	client, err := minio.NewCore(c.Endpoint, &minio.Options{
		Creds:        credentials.NewStaticV4(creds.AccessKey, creds.SecretKey, creds.SessionToken),
		Secure:       !c.PlainHTTP,
		Transport:    transport,
		Region:       c.Region,
		BucketLookup: lookup,
		MaxRetries:   1,
	})
	if err != nil {
		return nil, errkind.New(errkind.Invalid, "endpoint %q: %v", c.Endpoint, err)
	}
	return client, nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
