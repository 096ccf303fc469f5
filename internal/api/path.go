package api

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// EncodePath gives the two forms in which a path travels: text to read and,
// only where the text is not the path exactly, its bytes.
func EncodePath(path string) (text string, raw []byte) {
	if utf8.ValidString(path) {
		return path, nil
	}
	return strings.ToValidUTF8(path, "\uFFFD"), []byte(path)
}

// DecodePath gives the path of its two forms.
func DecodePath(text string, raw []byte) string {
	if len(raw) > 0 {
		return string(raw)
	}
	return text
}

// EncodePaths is EncodePath for a list: raw is nil, or holds every path.
func EncodePaths(paths []string) (text []string, raw [][]byte) {
	exact := true
	for _, p := range paths {
		t, r := EncodePath(p)
		text = append(text, t)
		exact = exact && r == nil
	}
	if exact {
		return text, nil
	}
	for _, p := range paths {
		raw = append(raw, []byte(p))
	}
	return text, raw
}

// DecodePaths gives the paths of their two forms.
func DecodePaths(text []string, raw [][]byte) []string {
	if len(raw) == 0 {
		return text
	}
	paths := make([]string, len(raw))
	for i, r := range raw {
		paths[i] = string(r)
	}
	return paths
}

// SetPath puts a path into a query, as path or, where it is not UTF-8, as
// path_raw.
func SetPath(query url.Values, path string) {
	if utf8.ValidString(path) {
		query.Set("path", path)
		return
	}
	query.Set("path_raw", base64.RawURLEncoding.EncodeToString([]byte(path)))
}

// QueryPath reads what SetPath wrote; base64 may have its padding.
func QueryPath(query url.Values) (string, error) {
	raw := query.Get("path_raw")
	if raw == "" {
		return query.Get("path"), nil
	}
	path, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(raw, "="))
	if err != nil {
		return "", errkind.New(errkind.Invalid, "path_raw %q is not base64url", raw)
	}
	return string(path), nil
}
