package blob_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestParseURL_Accepted(t *testing.T) {
	for s, want := range map[string]blob.URL{
		"file:///srv/vault":                        {Scheme: "file", Path: "/srv/vault"},
		"FILE:///srv/vault/":                       {Scheme: "file", Path: "/srv/vault"},
		"file:///srv//./vault":                     {Scheme: "file", Path: "/srv/vault"},
		"file:////srv/vault":                       {Scheme: "file", Path: "/srv/vault"},
		"file:///my%20vaults/%C3%A4":               {Scheme: "file", Path: "/my vaults/ä"},
		"file:///a%3Fb%23c%25d%FF":                 {Scheme: "file", Path: "/a?b#c%d\xff"},
		"file:///a:b@c/...":                        {Scheme: "file", Path: "/a:b@c/..."},
		"file:///srv/a%3Fb?administered-by=others": {Scheme: "file", Path: "/srv/a?b", Query: "administered-by=others"},
		"file:///srv?immutable-flag=off":           {Scheme: "file", Path: "/srv", Query: "immutable-flag=off"},
		"mem://test-1":                             {Scheme: "mem", Path: "test-1"},
	} {
		got, err := blob.ParseURL(s)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", s, got, err, want)
			continue
		}
		if again, err := blob.ParseURL(got.String()); err != nil || again != got {
			t.Errorf("%s: its string %s is read as %+v, %v", s, got, again, err)
		}
	}
}

func TestParseURL_Refused(t *testing.T) {
	for _, s := range []string{
		"", "vault", "/srv/vault", "file:", "file:vault", "file:/srv/vault", "file://srv/vault", "file://localhost/srv",
		"file://./srv", "file:///", "file:///srv?x=1", "file:///srv?", "file:///srv?administered-by=me", "file:///srv?immutable-flag=off&immutable-flag=off",
		"file:///srv?administered-by=others&immutable-flag=off", "file:///srv?administered-by=others#x", "file:///srv?administered-by=", "file:///srv?%zz", "file:///srv?immutable-flag=off;", "file:///srv#top", "file:///srv#", "file:///../srv",
		"file:///srv/%2e%2e/etc", "file:///a%00b", "file:///%zz", "file:///a\x00b", "file://user@/srv", "http://example.com/x",
		"s3://", "s3://x", "S3://x?region=r", "s3://Books?region=r", "s3://books", "s3://books?secret_key=x", "s3://key:secret@books?region=r", "s3://books:9000?region=r",
		"s3://books/../x?region=r", "s3://books/A?region=r", "s3://books?region=", "s3://books?region=a&region=b", "s3://books?region=r&path-style=yes", "s3://books?region=r#x", "s3://books?region=%zz",
		"mem:", "mem://", "mem://a/b", "mem://A", "mem://a?b", "mem://a:1", "mem://../x", "mem://.a", "mem:a", "://x",
	} {
		got, err := blob.ParseURL(s)
		if !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%q: %+v, %v; want kind %v", s, got, err, errkind.Invalid)
		}
	}
	for _, s := range []string{"azblob://container"} {
		_, err := blob.ParseURL(s)
		if !errkind.Is(err, errkind.Unsupported) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v; want one sentence of kind %v", s, err, errkind.Unsupported)
		}
	}
}

func TestFromArg(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]string{
		"/srv/vault":          "/srv/vault",
		"/srv/../etc/":        "/etc",
		"./x":                 filepath.Join(here, "x"),
		"x":                   filepath.Join(here, "x"),
		"a:b":                 filepath.Join(here, "a:b"),
		"./file:x":            filepath.Join(here, "file:x"),
		"/a b?#%20\n":         "/a b?#%20\n",
		"file:///srv/va%20lt": "/srv/va lt",
	} {
		got, err := blob.FromArg(arg)
		if err != nil || got != (blob.URL{Scheme: "file", Path: want}) {
			t.Errorf("%q: %+v, %v; want %q", arg, got, err, want)
			continue
		}
		if again, err := blob.ParseURL(got.String()); err != nil || again != got {
			t.Errorf("%q: its URL %s is read as %+v, %v", arg, got, again, err)
		}
	}
	for arg, kind := range map[string]errkind.Kind{
		"": errkind.Invalid, "/": errkind.Invalid, "file:x": errkind.Invalid, "ftp://x/y": errkind.Invalid, "s3://b": errkind.Invalid, "azblob://c": errkind.Unsupported,
	} {
		if _, err := blob.FromArg(arg); !errkind.Is(err, kind) {
			t.Errorf("%q: %v, want kind %v", arg, err, kind)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"file:///srv/vault", "file:////a//b/", "file:///a%2fb%3f", "mem://x", "s3://b/p?endpoint=x", "file://h/x", "file:///a;b&c=d+e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := blob.ParseURL(s)
		if err != nil {
			if k := errkind.Of(err); k != errkind.Invalid && k != errkind.Unsupported {
				t.Fatalf("%q: kind %v", s, k)
			}
			return
		}
		if u.Scheme == blob.SchemeFile && (!filepath.IsAbs(u.Path) || filepath.Clean(u.Path) != u.Path || u.Path == "/") {
			t.Fatalf("%q: path %q", s, u.Path)
		}
		if again, err := blob.ParseURL(u.String()); err != nil || again != u {
			t.Fatalf("%q: its string %q is read as %+v, %v", s, u.String(), again, err)
		}
	})
}
