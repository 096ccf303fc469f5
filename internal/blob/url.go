package blob

import (
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// The schemes of stores that this version has.
const (
	// SchemeFile is a folder of a local file system.
	SchemeFile = "file"
	// SchemeS3 is a bucket of an S3 service.
	SchemeS3 = "s3"
	// SchemeMem is a store in memory, for tests.
	SchemeMem = "mem"
)

// schemeAzure is known but not in this version.
const schemeAzure = "azblob"

// URL names a store. Make one with [ParseURL] or [FromArg].
type URL struct {
	// Scheme is the kind of store: SchemeFile, SchemeS3 or SchemeMem.
	Scheme string
	// Path is the clean, absolute path of a file store's folder, the bucket and
	// prefix of an S3 store (books or books/prod), or the name of a store in memory.
	Path string
	// Query has the settings of a file or an S3 store, sorted and escaped.
	Query string
}

// String gives the URL in the form that [ParseURL] reads back to the same URL.
func (u URL) String() string {
	if u.Scheme == SchemeFile {
		// A path with a colon in front must not look like a scheme or a host,
		// so that the authority is always written and always empty.
		return u.asked("file://" + (&url.URL{Path: u.Path}).EscapedPath())
	}
	return u.asked(u.Scheme + "://" + u.Path)
}

// asked adds the settings to a URL.
func (u URL) asked(s string) string {
	if u.Query == "" {
		return s
	}
	return s + "?" + u.Query
}

// ParseURL reads the URL of a store, such as file:///srv/vault. It fails with
// errkind.Invalid for what cannot be a store's URL and with
// errkind.Unsupported for a kind of store that this version does not have.
func ParseURL(s string) (URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return URL{}, errkind.New(errkind.Invalid, "%q is not a URL", s)
	}
	switch u.Scheme {
	case SchemeFile:
		return parseFile(s, u)
	case SchemeMem:
		return parseMem(s, u)
	case SchemeS3:
		return parseS3(s, u)
	case schemeAzure:
		return URL{}, errkind.New(errkind.Unsupported, "%s: this version cannot keep vaults in Azure Blob containers; use a folder or an S3 bucket, as in file:///srv/vault or s3://books?region=eu-central-1", s)
	case "":
		return URL{}, errkind.New(errkind.Invalid, "%q has no scheme; a store's URL looks like file:///srv/vault", s)
	default:
		return URL{}, errkind.New(errkind.Invalid, "%q: the scheme %s names no kind of store; a store's URL looks like file:///srv/vault", s, u.Scheme)
	}
}

// fileURL makes a URL of an absolute path; shown is what the user wrote.
func fileURL(shown, folder string) (URL, error) {
	for part := range strings.SplitSeq(folder, "/") {
		if part == ".." {
			return URL{}, errkind.New(errkind.Invalid, "%q: a file URL has no .. in its path", shown)
		}
	}
	if strings.ContainsRune(folder, 0) {
		return URL{}, errkind.New(errkind.Invalid, "%q: a path cannot have a zero byte", shown)
	}
	folder = path.Clean(folder)
	if folder == "/" {
		return URL{}, errkind.New(errkind.Invalid, "%q: the root of the file system cannot be a store", shown)
	}
	return URL{Scheme: SchemeFile, Path: folder}, nil
}

func parseMem(s string, u *url.URL) (URL, error) {
	name := strings.TrimPrefix(s[len(SchemeMem):], "://")
	if name != u.Host || name == "" || name[0] == '.' || !plain(name) {
		return URL{}, errkind.New(errkind.Invalid, "%q: a store in memory is named as in mem://name", s)
	}
	return URL{Scheme: SchemeMem, Path: name}, nil
}

// FromArg reads what a user may write for a store: a URL, or the path of a
// folder, which a relative one has from the current directory.
func FromArg(arg string) (URL, error) {
	if arg == "" {
		return URL{}, errkind.New(errkind.Invalid, "no store given; name one by its path or URL, as in file:///srv/vault")
	}
	if looksLikeURL(arg) {
		return ParseURL(arg)
	}
	folder, err := filepath.Abs(arg)
	if err != nil {
		return URL{}, errkind.Wrap(errkind.Invalid, err, "path %q", arg)
	}
	return fileURL(arg, filepath.ToSlash(folder))
}

// looksLikeURL tells a URL from a path: any scheme with slashes, or one of
// ours without them, so that a slip gets a sentence and not a strange folder.
func looksLikeURL(arg string) bool {
	scheme, rest, found := strings.Cut(arg, ":")
	if !found || !schemePattern().MatchString(scheme) {
		return false
	}
	switch strings.ToLower(scheme) {
	case SchemeFile, SchemeMem, SchemeS3, schemeAzure:
		return true
	}
	return strings.HasPrefix(rest, "//")
}

func schemePattern() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*$`) }
