package api

import (
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestPath_BytesSurviveTheWay(t *testing.T) {
	for _, path := range []string{"", "a/b", "tab\tnewline\n", "größe", "\xff", "a\xc3", "\xed\xa0\x80", "\uFFFD"} {
		text, raw := EncodePath(path)
		if got := DecodePath(text, raw); got != path || !utf8.ValidString(text) || (raw == nil) != utf8.ValidString(path) {
			t.Errorf("%q came back as %q over %q and %q", path, got, text, raw)
		}
		query := url.Values{}
		SetPath(query, path)
		if got, err := QueryPath(query); err != nil || got != path {
			t.Errorf("%q came back as %q, %v over %v", path, got, err, query)
		}
	}
	for _, paths := range [][]string{nil, {"a", "b"}, {"a", "b\xff"}} {
		if diff := cmp.Diff(paths, DecodePaths(EncodePaths(paths))); diff != "" {
			t.Error(diff)
		}
	}
	if got, err := QueryPath(url.Values{"path_raw": {"YQ=="}}); err != nil || got != "a" {
		t.Errorf("with padding: %q, %v", got, err)
	}
	if _, err := QueryPath(url.Values{"path_raw": {"/+"}}); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("not base64url: %v", err)
	}
}
