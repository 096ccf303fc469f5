package blob

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// The settings of an S3 store in its URL.
const (
	// S3Endpoint is the service's host, with a port if it is not the usual one;
	// without it, Amazon's.
	S3Endpoint = "endpoint"
	S3Region   = "region"
	// S3PathStyle, S3PlainHTTP and S3Offsite are "true" or absent. An off-site
	// service is run by others than this server is: its clock is a witness.
	S3PathStyle = "path-style"
	S3PlainHTTP = "plain-http"
	S3Offsite   = "offsite"
	// S3CAFile has the certificates that the service's must be signed by.
	S3CAFile       = "ca-file"
	S3Checksum     = "checksum"
	S3StorageClass = "storage-class"
)

func s3Settings() []string {
	return []string{S3Endpoint, S3Region, S3PathStyle, S3PlainHTTP, S3Offsite, S3CAFile, S3Checksum, S3StorageClass}
}

func bucketPattern() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`) }

// parseS3 reads s3://BUCKET[/PREFIX][?SETTING=VALUE&...].
func parseS3(s string, u *url.URL) (URL, error) {
	switch {
	case u.User != nil || strings.Contains(u.Host, ":"):
		return URL{}, errkind.New(errkind.Invalid, "an S3 URL has no user, key or port before the bucket; credentials come from the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), and a service's host is given as in s3://books?endpoint=s3.example.com:9000")
	case !bucketPattern().MatchString(u.Host):
		return URL{}, errkind.New(errkind.Invalid, "%q: %q cannot be a bucket; an S3 URL looks like s3://books?region=eu-central-1", s, u.Host)
	case u.Fragment != "":
		return URL{}, errkind.New(errkind.Invalid, "%q: an S3 URL has no #", s)
	}
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		if err := CheckName(prefix); err != nil {
			return URL{}, errkind.New(errkind.Invalid, "%q: the prefix %q must be parts of a-z, 0-9, dot, underscore and hyphen", s, prefix)
		}
		prefix = "/" + prefix
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return URL{}, errkind.New(errkind.Invalid, "%q: what follows ? cannot be read; settings look like region=eu-central-1&path-style=true", s)
	}
	if err := checkS3(values); err != nil {
		return URL{}, err
	}
	return URL{Scheme: SchemeS3, Path: u.Host + prefix, Query: values.Encode()}, nil
}

// checkS3 refuses settings that are not known. What was given is not quoted: it
// may be a secret in the wrong place.
func checkS3(values url.Values) error {
	for key, list := range values {
		known := false
		for _, name := range s3Settings() {
			known = known || name == key
		}
		switch {
		case !known:
			return errkind.New(errkind.Invalid, "an S3 URL has no setting %q; there are %s, and credentials come from the environment", key, strings.Join(s3Settings(), ", "))
		case len(list) != 1 || list[0] == "":
			return errkind.New(errkind.Invalid, "the setting %s of an S3 URL needs one value", key)
		case (key == S3PathStyle || key == S3PlainHTTP || key == S3Offsite) && list[0] != "true":
			return errkind.New(errkind.Invalid, "the setting %s of an S3 URL is true, or left out", key)
		}
	}
	if values.Get(S3Endpoint) == "" && values.Get(S3Region) == "" {
		return errkind.New(errkind.Invalid, "an S3 URL needs endpoint=HOST, or region=REGION for Amazon's service")
	}
	return nil
}

// Setting gives a setting of a store, "" if it has none.
func (u URL) Setting(name string) string {
	values, err := url.ParseQuery(u.Query)
	if err != nil {
		return ""
	}
	return values.Get(name)
}

// Bucket gives the bucket of an S3 store and the prefix of its keys, which is
// empty or ends with a slash.
func (u URL) Bucket() (bucket, prefix string) {
	bucket, prefix, found := strings.Cut(u.Path, "/")
	if found {
		prefix += "/"
	}
	return bucket, prefix
}
