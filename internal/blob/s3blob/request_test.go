package s3blob_test

import (
	"context"
	"crypto/md5" // what a service that knows nothing better is sent
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/s3blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// fake is a service with one object at most, which notes what it is sent.
type fake struct {
	// mu guards everything below.
	mu sync.Mutex
	// answer, if not nil, answers a request itself by returning true.
	answer func(w http.ResponseWriter, r *http.Request) bool
	puts   []*http.Request
	key    string
	data   string
	header http.Header
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.answer != nil && f.answer(w, r) {
		return
	}
	q := r.URL.Query()
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case r.Method == http.MethodPut && q.Has("retention"):
		body, _ := io.ReadAll(r.Body)
		r.Header.Set("Body", string(body))
		f.puts = append(f.puts, r)
	case r.Method == http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		f.puts, f.key, f.data, f.header = append(f.puts, r), key, string(body), r.Header
		w.Header().Set("X-Amz-Version-Id", "v1")
	case q.Has("versioning"):
		say(w, `<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`)
	case q.Has("object-lock"):
		say(w, `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`)
	case q.Has("versions"):
		say(w, `<ListVersionsResult><IsTruncated>false</IsTruncated>`)
		if f.key != "" {
			say(w, `<Version><Key>%s</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest><LastModified>2026-03-01T12:00:00.000Z</LastModified><Size>%d</Size></Version>`,
				f.key, len(f.data))
		}
		say(w, `</ListVersionsResult>`)
	case q.Has("retention"):
		if f.header.Get("X-Amz-Object-Lock-Mode") == "" {
			fail(w, http.StatusNotFound, "NoSuchObjectLockConfiguration", "none")
			return
		}
		say(w, `<Retention><Mode>%s</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>`,
			f.header.Get("X-Amz-Object-Lock-Mode"), f.header.Get("X-Amz-Object-Lock-Retain-Until-Date"))
	case key != "":
		w.Header().Set("Last-Modified", "Sun, 01 Mar 2026 12:00:00 GMT")
		w.Header().Set("X-Amz-Meta-Counterfoil", f.header.Get("X-Amz-Meta-Counterfoil"))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(f.data))
	}
}

func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

func fail(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	say(w, `<Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
}

// answering sets how requests are answered from now on.
func (f *fake) answering(answer func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// last gives the last request that put something.
func (f *fake) last(t *testing.T) http.Header {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.puts) == 0 {
		t.Fatal("nothing was put")
	}
	return f.puts[len(f.puts)-1].Header
}

const secret = "a-secret-that-nobody-may-see"

// against opens a store in a fake service.
func against(t *testing.T, f *fake, change func(*s3blob.Config)) *s3blob.Driver {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := s3blob.Config{
		Endpoint: strings.TrimPrefix(server.URL, "http://"), Region: "eu-west-1", Bucket: "books", Prefix: "acme/", PathStyle: true, PlainHTTP: true,
		Credentials: s3blob.Credentials{AccessKey: "key", SecretKey: secret, SessionToken: "token-" + secret},
	}
	if change != nil {
		change(&cfg)
	}
	return open(t, cfg)
}

// Servers let a put through that Amazon refuses, or that leaves a moment without
// a lock, so that only the request itself can show that it is right.
func TestPut_SaysEverythingInOneRequest(t *testing.T) {
	until := time.Date(2036, 12, 31, 23, 59, 58, 1, time.UTC)
	for _, data := range []string{"ours", ""} {
		sum := sha256.Sum256([]byte(data))
		for _, hashed := range []bool{true, false} {
			f := &fake{}
			d := against(t, f, func(c *s3blob.Config) { c.StorageClass = "STANDARD_IA" })
			info := mustPut(t, d, "packs/1", data, blob.PutOptions{SHA256: sum, Hashed: hashed, Lock: blob.Lock{Mode: blob.Compliance, Until: until}})
			if len(f.puts) != 1 || f.data != data || f.key != "acme/packs/1" {
				t.Fatalf("%d requests put %q under %s", len(f.puts), f.data, f.key)
			}
			wantHeaders(t, f.last(t), map[string]string{
				"If-None-Match":                       "*",
				"X-Amz-Checksum-Sha256":               base64.StdEncoding.EncodeToString(sum[:]),
				"X-Amz-Content-Sha256":                fmt.Sprintf("%x", sum),
				"X-Amz-Object-Lock-Mode":              "COMPLIANCE",
				"X-Amz-Object-Lock-Retain-Until-Date": "2036-12-31T23:59:59Z",
				"X-Amz-Meta-Counterfoil":              "once",
				"X-Amz-Storage-Class":                 "STANDARD_IA",
				"X-Amz-Bypass-Governance-Retention":   "",
				"Content-Encoding":                    "",
			})
			if want := until.Truncate(time.Second).Add(time.Second); !info.Lock.Until.Equal(want) {
				t.Errorf("told the lock %v, want %v", info.Lock.Until, want)
			}
		}
	}
}

func wantHeaders(t *testing.T, got http.Header, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got.Get(name) != value {
			t.Errorf("%s: %q, want %q", name, got.Get(name), value)
		}
	}
}

func TestPut_ReplacingHasNoConditionAndNoMark(t *testing.T) {
	f := &fake{}
	d := against(t, f, nil)
	mustPut(t, d, "log/checkpoint", "ours", blob.PutOptions{Replace: true})
	sum := sha256.Sum256([]byte("ours"))
	wantHeaders(t, f.last(t), map[string]string{
		"If-None-Match": "", "X-Amz-Meta-Counterfoil": "", "X-Amz-Object-Lock-Mode": "", "X-Amz-Checksum-Sha256": base64.StdEncoding.EncodeToString(sum[:]),
	})
}

func TestPut_OtherChecksums(t *testing.T) {
	md := md5.Sum([]byte("ours"))
	crc := binary.BigEndian.AppendUint32(nil, crc32.Checksum([]byte("ours"), crc32.MakeTable(crc32.Castagnoli)))
	for checksum, want := range map[s3blob.Checksum]map[string]string{
		s3blob.CRC32C: {"X-Amz-Checksum-Crc32c": base64.StdEncoding.EncodeToString(crc), "X-Amz-Checksum-Sha256": ""},
		s3blob.MD5:    {"Content-Md5": base64.StdEncoding.EncodeToString(md[:]), "X-Amz-Checksum-Sha256": ""},
	} {
		f := &fake{}
		d := against(t, f, func(c *s3blob.Config) { c.Checksum = checksum })
		mustPut(t, d, "packs/1", "ours", blob.PutOptions{Lock: lockFor(blob.Governance, time.Hour)})
		want["If-None-Match"], want["X-Amz-Object-Lock-Mode"] = "*", "GOVERNANCE"
		wantHeaders(t, f.last(t), want)
		if f.data != "ours" {
			t.Errorf("%s: stored %q", checksum, f.data)
		}
	}
}

func TestPut_ALockLeftOutIsFound(t *testing.T) {
	f := &fake{}
	f.answering(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && r.URL.Query().Has("retention") {
			fail(w, http.StatusNotFound, "NoSuchObjectLockConfiguration", "none")
			return true
		}
		return false
	})
	d := against(t, f, nil)
	_, err := d.Put(t.Context(), "packs/1", []byte("ours"), blob.PutOptions{Lock: lockFor(blob.Compliance, time.Hour)})
	wantKind(t, "put", err, errkind.Unsupported)
}

func TestSetLock_NamesTheVersionAndNeverBypasses(t *testing.T) {
	f := &fake{}
	d := against(t, f, nil)
	mustPut(t, d, "packs/1", "ours", blob.PutOptions{})
	until := time.Now().Add(time.Hour)
	if err := d.SetLock(t.Context(), "packs/1", blob.Lock{Mode: blob.Compliance, Until: until}); err != nil {
		t.Fatal(err)
	}
	put := f.puts[len(f.puts)-1]
	if put.URL.Query().Get("versionId") != "v1" {
		t.Errorf("asked for %s", put.URL)
	}
	want := until.UTC().Truncate(time.Second).Add(time.Second).Format(time.RFC3339)
	if body := put.Header.Get("Body"); !strings.Contains(body, want) || !strings.Contains(body, "COMPLIANCE") {
		t.Errorf("sent %s, want %s", body, want)
	}
	wantHeaders(t, put.Header, map[string]string{"X-Amz-Bypass-Governance-Retention": ""})
}

// An answer without a version that is ours must not be taken for an object that
// is there: a writer relies on what exists already.
func TestPut_AConflictIsNoObject(t *testing.T) {
	f := &fake{}
	f.answering(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			fail(w, http.StatusConflict, "ConditionalRequestConflict", "try again")
			return true
		}
		return false
	})
	d := against(t, f, nil)
	_, err := d.Put(t.Context(), "packs/1", []byte("ours"), blob.PutOptions{})
	wantKind(t, "conflict without an object", err, errkind.Unavailable)
	f.mu.Lock()
	f.key = "acme/packs/1"
	f.mu.Unlock()
	_, err = d.Put(t.Context(), "packs/1", []byte("ours"), blob.PutOptions{})
	wantKind(t, "conflict with an object", err, errkind.Exists)
}

func TestFailures_HaveTheirKinds(t *testing.T) {
	for _, tt := range []struct {
		status int
		code   string
		want   errkind.Kind
	}{
		{404, "NoSuchKey", errkind.NotFound},
		{404, "NoSuchVersion", errkind.NotFound},
		{404, "NoSuchBucket", errkind.NotFound},
		{403, "AccessDenied", errkind.NotAllowed},
		{403, "SignatureDoesNotMatch", errkind.NotAllowed},
		{400, "ExpiredToken", errkind.NotAllowed},
		{403, "RequestTimeTooSkewed", errkind.NotAllowed},
		{400, "BadDigest", errkind.Damaged},
		{400, "XAmzContentSHA256Mismatch", errkind.Damaged},
		{400, "XAmzContentChecksumMismatch", errkind.Damaged},
		{400, "RequestTimeout", errkind.Unavailable},
		{500, "InternalError", errkind.Unavailable},
		{503, "SlowDown", errkind.Unavailable},
		{502, "", errkind.Unavailable},
		{429, "Whatever", errkind.Unavailable},
		{507, "", errkind.NoSpace},
		{403, "QuotaExceeded", errkind.NoSpace},
		{501, "NotImplemented", errkind.Unsupported},
		{405, "MethodNotAllowed", errkind.Unsupported},
		{403, "InvalidObjectState", errkind.Unsupported},
		{400, "InvalidArgument", errkind.Invalid},
		{301, "PermanentRedirect", errkind.Invalid},
	} {
		f := &fake{}
		d := against(t, f, nil)
		f.answering(func(w http.ResponseWriter, r *http.Request) bool {
			fail(w, tt.status, tt.code, "you sent "+secret+" and "+r.Header.Get("X-Amz-Security-Token"))
			return true
		})
		_, err := d.Stat(t.Context(), "packs/1")
		wantKind(t, fmt.Sprint(tt.status, " ", tt.code), err, tt.want)
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the secret is in the error: %v", tt.code, err)
		}
		_, err = d.Put(t.Context(), "packs/1", []byte("ours"), blob.PutOptions{})
		wantKind(t, fmt.Sprint("put ", tt.status, " ", tt.code), err, tt.want)
	}
}

func TestRead_WhatBreaksOffIsUnavailable(t *testing.T) {
	f := &fake{}
	d := against(t, f, nil)
	mustPut(t, d, "packs/1", "0123456789", blob.PutOptions{})
	f.answering(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/packs/1") {
			return false
		}
		w.Header().Set("Content-Length", "10")
		w.Header().Set("Last-Modified", "Sun, 01 Mar 2026 12:00:00 GMT")
		say(w, "01234")
		panic(http.ErrAbortHandler)
	})
	n, err := d.ReadAt(t.Context(), "packs/1", make([]byte, 10), 0)
	wantKind(t, "read", err, errkind.Unavailable)
	if n != 0 {
		t.Errorf("%d bytes", n)
	}
}

// Some services answer with the whole object to a request for a part.
func TestRead_AWholeAnswerToARange(t *testing.T) {
	f := &fake{}
	d := against(t, f, nil)
	mustPut(t, d, "packs/1", "0123456789", blob.PutOptions{})
	f.answering(func(w http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		return false
	})
	for _, tt := range []struct {
		off  int64
		size int
		want string
		err  error
	}{
		{0, 4, "0123", nil}, {3, 4, "3456", nil}, {8, 4, "89", io.EOF}, {10, 1, "", io.EOF}, {90, 1, "", io.EOF},
	} {
		p := make([]byte, tt.size)
		n, err := d.ReadAt(t.Context(), "packs/1", p, tt.off)
		if string(p[:n]) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%d at %d: %q, %v", tt.size, tt.off, p[:n], err)
		}
	}
}

// A listing out of order would let the caller miss objects.
func TestList_OutOfOrderIsDamaged(t *testing.T) {
	f := &fake{}
	d := against(t, f, nil)
	f.answering(func(w http.ResponseWriter, r *http.Request) bool {
		say(w, `<ListVersionsResult><IsTruncated>false</IsTruncated>
<Version><Key>acme/b</Key><VersionId>v1</VersionId></Version><Version><Key>acme/a</Key><VersionId>v2</VersionId></Version></ListVersionsResult>`)
		return true
	})
	err := d.List(t.Context(), "", func(blob.Info) error { return nil })
	wantKind(t, "list", err, errkind.Damaged)
}

// What the object of a name is among its versions, newest first.
func TestVersions_TheObject(t *testing.T) {
	sum := sha256.Sum256([]byte("ours"))
	hashed := fmt.Sprintf("packs/data/%x", sum)
	right := base64.StdEncoding.EncodeToString(sum[:])
	type version struct {
		id, mark, sum string
		marker        bool
	}
	for name, tt := range map[string]struct {
		name     string
		versions []version
		want     string
	}{
		"alone":                          {"points/1", []version{{id: "v1"}}, "v1"},
		"alone under a marker":           {"points/1", []version{{id: "m", marker: true}, {id: "v1"}}, "v1"},
		"put once":                       {"points/1", []version{{id: "v2"}, {id: "v1", mark: "once"}}, "v1"},
		"put once, forgery above":        {"points/1", []version{{id: "v2", mark: "once"}, {id: "m", marker: true}, {id: "v1", mark: "once"}}, "v1"},
		"replaced":                       {"log/checkpoint", []version{{id: "v3"}, {id: "v2"}, {id: "v1"}}, "v3"},
		"replaced, hidden":               {"log/checkpoint", []version{{id: "m", marker: true}, {id: "v2"}, {id: "v1"}}, "v2"},
		"replaced, mark above":           {"log/checkpoint", []version{{id: "v2", mark: "once"}, {id: "v1"}}, "v2"},
		"another mark":                   {"points/1", []version{{id: "v2"}, {id: "v1", mark: "twice"}}, "v2"},
		"named by its hash":              {hashed, []version{{id: "v3"}, {id: "v2", sum: right}, {id: "v1", mark: "once", sum: "other"}}, "v2"},
		"named by its hash, copies":      {hashed, []version{{id: "v3", sum: right}, {id: "v2", mark: "once", sum: right}, {id: "v1", mark: "once"}}, "v2"},
		"named by a hash that none has":  {hashed, []version{{id: "v2"}, {id: "v1", mark: "once"}}, "v1"},
		"named by a hash, none and mark": {hashed, []version{{id: "v2"}, {id: "v1"}}, "v2"},
		"only markers":                   {"points/1", []version{{id: "m2", marker: true}, {id: "m1", marker: true}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{}
			d := against(t, f, nil)
			f.answering(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Query().Has("versions") {
					say(w, `<ListVersionsResult><IsTruncated>false</IsTruncated>`)
					for _, v := range tt.versions {
						kind := "Version"
						if v.marker {
							kind = "DeleteMarker"
						}
						say(w, `<%s><Key>acme/%s</Key><VersionId>%s</VersionId></%s>`, kind, tt.name, v.id, kind)
					}
					say(w, `</ListVersionsResult>`)
					return true
				}
				for _, v := range tt.versions {
					if r.Method == http.MethodHead && v.id == r.URL.Query().Get("versionId") {
						w.Header().Set("Last-Modified", "Sun, 01 Mar 2026 12:00:00 GMT")
						w.Header().Set("X-Amz-Meta-Counterfoil", v.mark)
						w.Header().Set("X-Amz-Checksum-Sha256", v.sum)
					}
				}
				return r.Method == http.MethodHead
			})
			infos := listAll(t, d)
			info, err := d.Stat(t.Context(), tt.name)
			if tt.want == "" {
				wantKind(t, "stat", err, errkind.NotFound)
				if len(infos) != 0 {
					t.Errorf("listed %+v", infos)
				}
				return
			}
			if err != nil || info.Version != tt.want {
				t.Errorf("stat: version %q, %v; want %q", info.Version, err, tt.want)
			}
			if len(infos) != 1 || infos[0] != info {
				t.Errorf("listed %+v, stat tells %+v", infos, info)
			}
		})
	}
}

// A version that somebody has put under a key of his own cannot be looked at. It
// does not hide ours from whoever can tell it by its bytes.
func TestReadVersions_AroundWhatCannotBeRead(t *testing.T) {
	f := &fake{}
	d := against(t, f, nil)
	f.answering(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Has("versions") {
			say(w, `<ListVersionsResult><IsTruncated>false</IsTruncated>`)
			for _, id := range []string{"top", "ours", "theirs"} {
				say(w, `<Version><Key>acme/points/1</Key><VersionId>%s</VersionId><Size>4</Size></Version>`, id)
			}
			say(w, `</ListVersionsResult>`)
			return true
		}
		if r.URL.Query().Get("versionId") == "theirs" {
			fail(w, http.StatusBadRequest, "InvalidRequest", "the object was stored with a key")
			return true
		}
		if r.Method == http.MethodGet && r.URL.Query().Has("versionId") {
			w.Header().Set("Last-Modified", "Sun, 01 Mar 2026 12:00:00 GMT")
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader((r.URL.Query().Get("versionId") + "ours")[:4]))
			return true
		}
		return false
	})
	b := blob.New(d, blob.Options{})
	var seen []string
	ours := func(data []byte) bool {
		seen = append(seen, string(data))
		return string(data) == "ours"
	}
	if err := b.ReadVersions(t.Context(), "points/1", 10, ours); err != nil || len(seen) != 1 {
		t.Errorf("seen %q, %v", seen, err)
	}
	err := b.ReadVersions(t.Context(), "points/1", 10, func([]byte) bool { return false })
	wantKind(t, "none, and one that cannot be read", err, errkind.Invalid)
}

// What a lock's date has to do with an error is told by the service's clock alone.
func TestPut_AnErrorThatIsNotOfItsDateStays(t *testing.T) {
	f := &fake{}
	d := against(t, f, nil)
	f.answering(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			fail(w, http.StatusBadRequest, "InvalidRequest", "something else")
			return true
		}
		return false
	})
	for term, want := range map[time.Duration]errkind.Kind{time.Hour: errkind.Invalid, -time.Hour: errkind.Refused} {
		_, err := d.Put(t.Context(), "packs/1", []byte("ours"), blob.PutOptions{Lock: lockFor(blob.Compliance, term)})
		wantKind(t, "put with a lock for "+term.String(), err, want)
	}
	_, err := d.Put(t.Context(), "packs/1", []byte("ours"), blob.PutOptions{})
	wantKind(t, "put without a lock", err, errkind.Invalid)
}

// Each credential signs what it is for, and no other request.
func TestCredentials_EachSignsItsOwn(t *testing.T) {
	for _, optional := range []bool{true, false} {
		f := &fake{}
		d := against(t, f, func(c *s3blob.Config) {
			if optional {
				c.Dispose = s3blob.Credentials{AccessKey: "disposer", SecretKey: secret}
				c.Canary = s3blob.Credentials{AccessKey: "bird", SecretKey: secret}
				c.Officer = s3blob.Credentials{AccessKey: "officer", SecretKey: secret}
			}
		})
		mustPut(t, d, "canary/1", "ours", blob.PutOptions{Lock: lockFor(blob.Compliance, time.Hour)})
		signed := map[string]string{}
		f.answering(func(w http.ResponseWriter, r *http.Request) bool {
			q := r.URL.Query()
			changes := r.Method == http.MethodPut || r.Method == http.MethodDelete
			doing := r.Method
			if q.Has("legal-hold") {
				doing += " hold"
			}
			if q.Has("retention") {
				doing += " lock"
			}
			if changes || q.Has("legal-hold") {
				_, key, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
				signed[doing], _, _ = strings.Cut(key, "/")
			}
			switch {
			case changes && q.Has("legal-hold") && signed[doing] == "key":
				fail(w, http.StatusForbidden, "AccessDenied", "no")
			case q.Has("legal-hold") && !changes:
				fail(w, http.StatusNotFound, "NoSuchObjectLockConfiguration", "none")
			case r.Method == http.MethodDelete:
				w.WriteHeader(http.StatusNoContent)
			default:
				return changes
			}
			return true
		})
		who := func(name string) string {
			if !optional {
				return "key"
			}
			return name
		}
		wantSigned := func(what string, want map[string]string) {
			t.Helper()
			if diff := cmp.Diff(want, signed); diff != "" {
				t.Errorf("%s, signed by (-want +got)\n%s", what, diff)
			}
			clear(signed)
		}
		if _, err := d.Provoke(t.Context(), "canary/1"); err != nil {
			t.Fatal(err)
		}
		wantSigned("provoke", map[string]string{"PUT lock": who("bird"), "DELETE": who("bird")})
		err := d.SetLegalHold(t.Context(), "canary/1", true)
		wantSigned("hold", map[string]string{"PUT hold": who("officer")})
		if optional && err != nil {
			t.Error(err)
		}
		if !optional {
			wantKind(t, "hold without an officer", err, errkind.NotAllowed)
		}
		f.mu.Lock()
		f.header = http.Header{}
		f.mu.Unlock()
		if err := d.Delete(t.Context(), "canary/1"); err != nil {
			t.Fatal(err)
		}
		wantSigned("delete", map[string]string{"DELETE": who("disposer"), "GET hold": "key"})
		if err := d.SetLock(t.Context(), "canary/1", lockFor(blob.Governance, time.Hour)); err != nil {
			t.Fatal(err)
		}
		wantSigned("lock", map[string]string{"PUT lock": "key"})
	}
}

// Locks are shown from memory only for a while.
func TestList_AsksForLocksAgain(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for mode, age := range map[blob.Mode]time.Duration{blob.Governance: 10 * time.Minute, blob.Compliance: 24 * time.Hour} {
		f := &fake{}
		clock := now
		d := against(t, f, func(c *s3blob.Config) { c.Now = func() time.Time { return clock } })
		asked := 0
		mustPut(t, d, "packs/1", "ours", blob.PutOptions{Lock: blob.Lock{Mode: mode, Until: now.AddDate(1, 0, 0)}})
		f.answering(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Has("retention") {
				asked++
			}
			return false
		})
		for _, step := range []struct {
			at   time.Duration
			want int
		}{{0, 0}, {age - time.Second, 0}, {age, 1}, {age + time.Second, 1}, {-time.Hour, 2}} {
			clock = now.Add(step.at)
			if infos := listAll(t, d); len(infos) != 1 || infos[0].Lock.Mode != mode {
				t.Fatalf("listed %+v", infos)
			}
			if asked != step.want {
				t.Errorf("%s: asked %d times at %v, want %d", mode, asked, step.at, step.want)
			}
		}
	}
}

func TestConfig_Refused(t *testing.T) {
	good := s3blob.Config{Endpoint: "s3.example.com", Bucket: "books", Credentials: s3blob.Credentials{AccessKey: "key", SecretKey: secret}}
	for name, change := range map[string]func(*s3blob.Config){
		"no endpoint":       func(c *s3blob.Config) { c.Endpoint = "" },
		"endpoint is a URL": func(c *s3blob.Config) { c.Endpoint = "https://s3.example.com" },
		"no bucket":         func(c *s3blob.Config) { c.Bucket = "" },
		"no secret":         func(c *s3blob.Config) { c.Credentials.SecretKey = "" },
		"half a disposer":   func(c *s3blob.Config) { c.Dispose.AccessKey = "key" },
		"half a canary":     func(c *s3blob.Config) { c.Canary.SecretKey = secret },
		"half an officer":   func(c *s3blob.Config) { c.Officer.SessionToken = secret },
		"prefix":            func(c *s3blob.Config) { c.Prefix = "acme" },
		"prefix goes up":    func(c *s3blob.Config) { c.Prefix = "../" },
		"checksum":          func(c *s3blob.Config) { c.Checksum = "sha1" },
		"archive":           func(c *s3blob.Config) { c.StorageClass = "deep_archive" },
		"CA file":           func(c *s3blob.Config) { c.CAFile = "testdata/policies.txt" },
		"CA file missing":   func(c *s3blob.Config) { c.CAFile = "testdata/none" },
	} {
		cfg := good
		change(&cfg)
		_, err := s3blob.Open(context.Background(), cfg)
		wantKind(t, name, err, errkind.Invalid)
	}
	good.Dispose, good.Canary, good.Officer = good.Credentials, good.Credentials, good.Credentials
	if text := fmt.Sprintf("%v %+v %#v", good, good, good); strings.Contains(text, secret) {
		t.Errorf("a configuration shows its secret: %s", text)
	}
}

func TestTLS_NeedsATrustedCertificate(t *testing.T) {
	server := httptest.NewTLSServer(&fake{})
	t.Cleanup(server.Close)
	cfg := s3blob.Config{
		Endpoint: strings.TrimPrefix(server.URL, "https://"), Region: "eu-west-1", Bucket: "books", PathStyle: true,
		Credentials: s3blob.Credentials{AccessKey: "key", SecretKey: secret},
	}
	_, err := s3blob.Open(t.Context(), cfg)
	wantKind(t, "without its CA", err, errkind.Invalid)
	cfg.CAFile = writeCA(t, server)
	d := open(t, cfg)
	mustPut(t, d, "packs/1", "ours", blob.PutOptions{})
	if _, err := d.ServerTime(t.Context()); err != nil {
		t.Error(err)
	}
}
