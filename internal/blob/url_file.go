package blob

import (
	"net/url"
	"slices"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// The settings of a folder in its URL, as in
// file:///srv/vault?administered-by=others.
const (
	// FileAdministeredBy is "others", or absent: a declaration that nobody who
	// administers the vault has root's rights on the host.
	FileAdministeredBy = "administered-by"
	// FileImmutableFlag is "off", or absent: files do not bear the immutable flag,
	// even where they could.
	FileImmutableFlag = "immutable-flag"
)

// The values of those settings.
const (
	AdministeredByOthers = "others"
	ImmutableFlagOff     = "off"
)

// parseFile reads file:///FOLDER[?SETTING=VALUE&...].
func parseFile(s string, u *url.URL) (URL, error) {
	switch {
	case strings.Contains(s, "#"):
		return URL{}, errkind.New(errkind.Invalid, "%q: a file URL has no fragment; write # as %%23", s)
	case u.Host != "" || u.User != nil:
		return URL{}, errkind.New(errkind.Invalid, "%q: a file URL names no host and its path begins with a slash, as in file:///srv/vault", s)
	case !strings.HasPrefix(s[len(SchemeFile)+1:], "///"):
		return URL{}, errkind.New(errkind.Invalid, "%q: a file URL has an absolute path, as in file:///srv/vault", s)
	}
	settings, err := fileSettings(s)
	if err != nil {
		return URL{}, err
	}
	folder, err := fileURL(s, u.Path)
	if err != nil {
		return URL{}, err
	}
	folder.Query = settings.Encode()
	return folder, nil
}

// fileSettings reads what follows the path of a file URL. A ? that belongs to
// the path, and was not escaped, is not taken for settings.
func fileSettings(s string) (url.Values, error) {
	_, query, found := strings.Cut(s, "?")
	if !found {
		return nil, nil
	}
	known := map[string]string{FileAdministeredBy: AdministeredByOthers, FileImmutableFlag: ImmutableFlagOff}
	values, err := url.ParseQuery(query)
	if err != nil || len(values) == 0 {
		return nil, errkind.New(errkind.Invalid, "%q: what follows ? in a file URL are settings, as in %s=%s; write a ? of the path as %%3F", s, FileAdministeredBy, AdministeredByOthers)
	}
	for key, list := range values {
		want, ok := known[key]
		switch {
		case !ok:
			return nil, errkind.New(errkind.Invalid, "%q: a file URL has no setting %q; there are %s and %s, and a ? of the path is written %%3F", s, key, FileAdministeredBy, FileImmutableFlag)
		case !slices.Equal(list, []string{want}):
			return nil, errkind.New(errkind.Invalid, "%q: the setting %s of a file URL is %s, or left out", s, key, want)
		}
	}
	if len(values) > 1 {
		return nil, errkind.New(errkind.Invalid, "%q: %s=%s counts only with the immutable flag, which %s=%s forgoes: leave one of them out", s, FileAdministeredBy, AdministeredByOthers, FileImmutableFlag, ImmutableFlagOff)
	}
	return values, nil
}
