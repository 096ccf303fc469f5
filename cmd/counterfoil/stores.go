package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/diskblob"
	"github.com/counterfoil/counterfoil/internal/blob/s3blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/clock"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// stores opens the stores of vaults; only here are drivers named.
type stores struct{ now func() time.Time }

func (s stores) Open(ctx context.Context, url blob.URL) (*blob.Bucket, func() error, error) {
	if url.Scheme == blob.SchemeS3 {
		return s.bucket(ctx, url)
	}
	return s.folder(url, diskblob.Open)
}

func (s stores) Create(ctx context.Context, url blob.URL) (*blob.Bucket, func() error, error) {
	if url.Scheme == blob.SchemeS3 {
		return s.bucket(ctx, url)
	}
	return s.folder(url, diskblob.Create)
}

func (s stores) folder(url blob.URL, open func(string, diskblob.Options) (*diskblob.Driver, error)) (*blob.Bucket, func() error, error) {
	if url.Scheme != blob.SchemeFile {
		return nil, nil, errkind.New(errkind.Unsupported, "this version keeps vaults in folders and S3 buckets, not at %s", url)
	}
	driver, err := open(url.Path, diskblob.Options{
		Now: s.now, ImmutableFlag: url.Setting(blob.FileImmutableFlag) != blob.ImmutableFlagOff,
		AdministeredByOthers: url.Setting(blob.FileAdministeredBy) == blob.AdministeredByOthers,
	})
	if err != nil {
		return nil, nil, err
	}
	return blob.New(driver, blob.Options{}), driver.Close, nil
}

func (s stores) bucket(ctx context.Context, url blob.URL) (*blob.Bucket, func() error, error) {
	bucket, prefix := url.Bucket()
	cfg := s3blob.Config{
		Endpoint: endpoint(url), Region: url.Setting(blob.S3Region), Bucket: bucket, Prefix: prefix, PathStyle: url.Setting(blob.S3PathStyle) != "", PlainHTTP: url.Setting(blob.S3PlainHTTP) != "",
		CAFile: url.Setting(blob.S3CAFile), Checksum: s3blob.Checksum(url.Setting(blob.S3Checksum)), StorageClass: url.Setting(blob.S3StorageClass), Now: s.now,
	}
	for _, from := range []struct {
		prefix string
		creds  *s3blob.Credentials
	}{{"AWS_", &cfg.Credentials}, {"COUNTERFOIL_S3_DISPOSE_", &cfg.Dispose}, {"COUNTERFOIL_S3_CANARY_", &cfg.Canary}, {"COUNTERFOIL_S3_OFFICER_", &cfg.Officer}} {
		var err error
		if *from.creds, err = credentials(from.prefix); err != nil {
			return nil, nil, err
		}
	}
	if cfg.Credentials.AccessKey == "" {
		return nil, nil, errkind.New(errkind.Invalid, "the bucket %s needs credentials in the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or their names with _FILE for files that hold them", bucket)
	}
	driver, err := s3blob.Open(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	return blob.New(driver, blob.Options{}), driver.Close, nil
}

// endpoint is the host of an S3 store's service.
func endpoint(url blob.URL) string {
	if host := url.Setting(blob.S3Endpoint); host != "" {
		return host
	}
	return "s3." + url.Setting(blob.S3Region) + ".amazonaws.com"
}

// credentials reads those whose variables begin so; none is no error. Each may be
// in a file, which the variable with _FILE behind it names.
func credentials(prefix string) (s3blob.Credentials, error) {
	var creds s3blob.Credentials
	for _, part := range []struct {
		name  string
		value *string
	}{{"ACCESS_KEY_ID", &creds.AccessKey}, {"SECRET_ACCESS_KEY", &creds.SecretKey}, {"SESSION_TOKEN", &creds.SessionToken}} {
		var err error
		if *part.value, err = secret(prefix + part.name); err != nil {
			return s3blob.Credentials{}, err
		}
	}
	// One that is half there must not be taken for one that is absent, for which
	// another is used.
	if (creds.AccessKey == "") != (creds.SecretKey == "") {
		return s3blob.Credentials{}, errkind.New(errkind.Invalid, "%[1]sACCESS_KEY_ID and %[1]sSECRET_ACCESS_KEY go together, and only one of them is in the environment", prefix)
	}
	if creds.AccessKey == "" {
		return s3blob.Credentials{}, nil
	}
	return creds, nil
}

func secret(name string) (string, error) {
	path := os.Getenv(name + "_FILE")
	if path == "" {
		return os.Getenv(name), nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", errkind.Wrap(errkind.Invalid, err, "read the file that %s_FILE names", name)
	}
	value := strings.TrimSpace(string(data))
	if value == "" {
		return "", errkind.New(errkind.Invalid, "the file that %s_FILE names is empty", name)
	}
	return value, nil
}

// timeSources are the clocks of the off-site services in which vaults lie: of
// people who do not administer this host.
func timeSources(ctx context.Context, index *catalog.Catalog) ([]clock.Source, error) {
	rows, err := index.Vaults(ctx)
	if err != nil {
		return nil, err
	}
	var out []clock.Source
	seen := map[string]bool{}
	for _, row := range rows {
		url, err := blob.ParseURL(row.URL)
		if err != nil || url.Scheme != blob.SchemeS3 || url.Setting(blob.S3PlainHTTP) != "" {
			continue
		}
		host := endpoint(url)
		if offsite := url.Setting(blob.S3Offsite) != "" || strings.HasSuffix(host, ".amazonaws.com"); !offsite || seen[host] {
			continue
		}
		seen[host] = true
		source, err := clock.NewHTTPDate("store at "+host, "store "+host, "https://"+host+"/", nil)
		if err != nil {
			return nil, err
		}
		out = append(out, source)
	}
	return out, nil
}
