package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// overBoth runs a test over each transport to the same handler. The handler's
// end is waited for, so that a test fails where one never returns.
func overBoth(t *testing.T, h http.Handler, test func(t *testing.T, c *Client)) {
	t.Helper()
	t.Run("in process", func(t *testing.T) {
		transport := Handler(h)
		test(t, New(SocketBase, transport))
		if err := transport.Close(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("socket", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(h)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.Listener.Close()
		server.Listener = listener
		server.Start()
		defer server.Close()
		transport := Socket(path)
		defer transport.CloseIdleConnections()
		test(t, New(SocketBase, transport))
	})
}

func handle(pattern string, fn http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(pattern, fn)
	return mux
}

func wantKind(t *testing.T, err error, kind errkind.Kind, text string) {
	t.Helper()
	if err == nil || errkind.Of(err) != kind || !strings.Contains(err.Error(), text) {
		t.Fatalf("error %v of kind %v, want %q of kind %v", err, errkind.Of(err), text, kind)
	}
}

func TestClient_WhatTheServerReceives(t *testing.T) {
	ctx := context.Background()
	day := time.Date(2026, 7, 17, 2, 0, 0, 0, time.FixedZone("", 7200))
	odd := "inv\xff/o"
	tests := []struct {
		call func(c *Client) error
		want string
	}{
		{func(c *Client) error { _, err := c.Version(ctx); return err }, "GET /api/v1/version"},
		{func(c *Client) error { _, err := c.Vaults(ctx); return err }, "GET /api/v1/vaults"},
		{func(c *Client) error { _, err := c.Vault(ctx, "a/b c%"); return err }, "GET /api/v1/vaults/a%2Fb%20c%25"},
		{func(c *Client) error { _, err := c.Vault(ctx, odd); return err }, "GET /api/v1/vaults/inv%FF%2Fo"},
		{func(c *Client) error { _, err := c.CreateVault(ctx, NewVault{Name: "v", URL: "file:///v"}); return err },
			`POST /api/v1/vaults {"name":"v","url":"file:///v"}`},
		{func(c *Client) error { _, err := c.VerifyVault(ctx, "v", Verify{Mode: "full"}, nil); return err },
			`POST /api/v1/vaults/v/verify {"mode":"full"}`},
		{func(c *Client) error { _, err := c.Recover(ctx, Recover{URL: "u", KeyFile: "k"}, nil); return err },
			`POST /api/v1/recover {"url":"u","key_file":"k"}`},
		{func(c *Client) error { _, err := c.Sources(ctx); return err }, "GET /api/v1/sources"},
		{func(c *Client) error { _, err := c.Source(ctx, "s"); return err }, "GET /api/v1/sources/s"},
		{func(c *Client) error { _, err := c.CreateSource(ctx, NewSource{Name: "s", Vault: "v"}); return err },
			`POST /api/v1/sources {"name":"s","vault":"v","paths":null}`},
		{func(c *Client) error { _, err := c.Backup(ctx, Backup{Source: "s", Rehash: true}, nil); return err },
			`POST /api/v1/backups {"source":"s","rehash":true}`},
		{func(c *Client) error { _, err := c.Points(ctx, PointFilter{}); return err }, "GET /api/v1/points"},
		{func(c *Client) error {
			_, err := c.Points(ctx, PointFilter{Source: "s&", Vault: "v", Limit: 3})
			return err
		}, "GET /api/v1/points?limit=3&source=s%26&vault=v"},
		{func(c *Client) error { _, err := c.Point(ctx, "latest:s"); return err }, "GET /api/v1/points/latest:s"},
		{func(c *Client) error { _, err := c.Explain(ctx, "p"); return err }, "GET /api/v1/points/p/explain"},
		{func(c *Client) error { return c.Entries(ctx, "p", "a b", func(Entry) error { return nil }) },
			"GET /api/v1/points/p/entries?path=a+b"},
		{func(c *Client) error { return c.AllEntries(ctx, "p", odd, func(Entry) error { return nil }) },
			"GET /api/v1/points/p/entries?path_raw=aW52_y9v&recursive=true"},
		{func(c *Client) error { return c.Content(ctx, "p", odd, io.Discard) }, "GET /api/v1/points/p/content?path_raw=aW52_y9v"},
		{func(c *Client) error { return c.Diff(ctx, "p", "q", func(Difference) error { return nil }) }, "GET /api/v1/diff?from=p&to=q"},
		{func(c *Client) error { _, err := c.Restore(ctx, Restore{Point: "p", To: "/t"}, nil); return err },
			`POST /api/v1/restores {"point":"p","to":"/t"}`},
		{func(c *Client) error {
			_, err := c.Audit(ctx, AuditFilter{Since: day, Action: "vault/*", Actor: "ana", Result: "done", Target: "t", Text: "x", Limit: 1})
			return err
		}, "GET /api/v1/audit?action=vault%2F%2A&actor=ana&limit=1&result=done&since=2026-07-17T00%3A00%3A00Z&target=t&text=x"},
		{func(c *Client) error { _, err := c.Audit(ctx, AuditFilter{Until: day}); return err },
			"GET /api/v1/audit?until=2026-07-17T00%3A00%3A00Z"},
		{func(c *Client) error { _, err := c.PolicyRuns(ctx, "p", RunFilter{}); return err }, "GET /api/v1/policies/p/runs"},
		{func(c *Client) error {
			_, err := c.PolicyRuns(ctx, "p", RunFilter{From: "2026-03-29", Count: 3})
			return err
		}, "GET /api/v1/policies/p/runs?count=3&from=2026-03-29"},
		{func(c *Client) error { _, err := c.VerifyAudit(ctx); return err }, "POST /api/v1/audit/verify"},
		{func(c *Client) error { _, err := c.Doctor(ctx); return err }, "GET /api/v1/doctor"},
		{func(c *Client) error { _, err := c.Quickstart(ctx, Quickstart{Path: "/p"}, nil); return err },
			`POST /api/v1/quickstart {"path":"/p"}`},
		{func(c *Client) error { _, err := c.PreviewRemoval(ctx); return err }, "POST /api/v1/quickstart/remove"},
		{func(c *Client) error { _, err := c.RemoveQuickstart(ctx); return err }, "POST /api/v1/quickstart/remove?yes=true"},
	}
	var got string
	record := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = strings.TrimSpace(r.Method + " " + r.URL.RequestURI() + " " + string(text))
		if len(text) > 0 && r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: content type %q", got, r.Header.Get("Content-Type"))
		}
		w.WriteHeader(http.StatusTeapot)
		_ = json.NewEncoder(w).Encode(NewProblem(errkind.New(errkind.Unsupported, "no tea")))
	})
	overBoth(t, record, func(t *testing.T, c *Client) {
		for _, tt := range tests {
			got = ""
			wantKind(t, tt.call(c), errkind.Unsupported, "no tea")
			if got != tt.want {
				t.Errorf("received %s\n    want %s", got, tt.want)
			}
		}
	})
}

func TestClient_NamesThatCannotBe(t *testing.T) {
	c := New(SocketBase, Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("sent %s", r.URL)
	})))
	for _, name := range []string{"", ".", ".."} {
		_, err := c.Vault(context.Background(), name)
		wantKind(t, err, errkind.Invalid, "cannot be a name")
	}
}

func TestClient_EveryKindOfProblemComesBack(t *testing.T) {
	for k := errkind.Internal; k <= errkind.Unsupported; k++ {
		h := handle("GET /api/v1/doctor", func(w http.ResponseWriter, _ *http.Request) {
			p := NewProblem(errkind.New(k, "it is so"))
			p.Hint = "do this"
			w.Header().Set("Content-Type", ProblemType)
			w.WriteHeader(p.Status)
			_ = json.NewEncoder(w).Encode(p)
		})
		overBoth(t, h, func(t *testing.T, c *Client) {
			_, err := c.Doctor(context.Background())
			wantKind(t, err, k, "it is so")
			var p *ProblemDetails
			if err.Error() != "it is so" || !errors.As(err, &p) || p.Hint != "do this" {
				t.Errorf("text %q, problem %+v", err, p)
			}
		})
	}
}

func TestClient_AnswersThatMakeNoSense(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		kind   errkind.Kind
		text   string
	}{
		"error without a problem": {500, "oops", errkind.Internal, `answered "500 Internal Server Error"`},
		"overload":                {503, "", errkind.Unavailable, "503"},
		"redirect":                {301, "", errkind.Internal, "301"},
		"not JSON":                {200, "<html>", errkind.Internal, "understand"},
		"other type":              {200, `{"a":1}`, errkind.Internal, "understand"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := handle("GET /api/v1/vaults", func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			overBoth(t, h, func(t *testing.T, c *Client) {
				_, err := c.Vaults(context.Background())
				wantKind(t, err, tt.kind, tt.text)
			})
		})
	}
}

func TestClient_NobodyListens(t *testing.T) {
	c := New(SocketBase, Socket(filepath.Join(t.TempDir(), "none")))
	_, err := c.Vaults(context.Background())
	wantKind(t, err, errkind.Unavailable, "reach the server")
}

func TestFollow_EventsComeAsTheyHappen(t *testing.T) {
	seen := make(chan struct{})
	h := handle("POST /api/v1/backups", func(w http.ResponseWriter, r *http.Request) {
		send := json.NewEncoder(w)
		_ = send.Encode(Event{Type: EventProgress, Progress: &Progress{Done: 1, Total: 2}})
		w.(http.Flusher).Flush()
		select {
		case <-seen:
			_ = send.Encode(Event{Type: EventResult, Result: RawResult(`{"id":"p","complete":false}`)})
		case <-r.Context().Done():
			t.Error("the client did not see the first event")
		}
	})
	overBoth(t, h, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		p, err := c.Backup(ctx, Backup{Source: "s"}, func(e Event) { seen <- struct{}{} })
		if err != nil || p.ID != "p" {
			t.Fatalf("point %+v, %v", p, err)
		}
	})
}

func TestFollow_HowAStreamEnds(t *testing.T) {
	problem := `{"type":"problem","problem":{"detail":"disk full","kind":"no_space"}}`
	tests := map[string]struct {
		body  string
		abort bool
		kind  errkind.Kind
		text  string
	}{
		"nothing":          {"", false, errkind.Unavailable, "the server ended before the work did"},
		"only progress":    {`{"type":"progress"}` + "\n", false, errkind.Unavailable, "the server ended before the work did"},
		"cut in a line":    {`{"type":"pro`, false, errkind.Unavailable, "the server ended before the work did"},
		"lost":             {`{"type":"progress"}` + "\n", true, errkind.Unavailable, "the server ended before the work did"},
		"problem":          {`{"type":"note","message":"m"}` + "\n" + problem + "\n", false, errkind.NoSpace, "disk full"},
		"empty problem":    {`{"type":"problem"}`, false, errkind.Internal, "empty problem"},
		"empty result":     {`{"type":"result"}`, false, errkind.Internal, "empty result"},
		"senseless":        {"<html>", false, errkind.Internal, "understand"},
		"senseless result": {`{"type":"result","result":[1]}`, false, errkind.Internal, "understand"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := handle("POST /api/v1/restores", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, tt.body)
				w.(http.Flusher).Flush()
				if tt.abort {
					panic(http.ErrAbortHandler)
				}
			})
			overBoth(t, h, func(t *testing.T, c *Client) {
				_, err := c.Restore(context.Background(), Restore{Point: "p"}, nil)
				wantKind(t, err, tt.kind, tt.text)
			})
		})
	}
}

func TestEach_HowAListEnds(t *testing.T) {
	two := `{"path":"a"}` + "\n" + `{"path":"\"problem\""}` + "\n"
	tests := map[string]struct {
		body  string
		abort bool
		kind  errkind.Kind
		text  string
		want  []string
	}{
		"empty":    {"", false, 0, "", nil},
		"whole":    {two, false, 0, "", []string{"a", `"problem"`}},
		"problem":  {two + `{"problem":{"detail":"tree 9f2c","kind":"damaged"}}`, false, errkind.Damaged, "tree 9f2c", []string{"a", `"problem"`}},
		"cut":      {two + `{"pa`, false, errkind.Unavailable, "the server ended before the answer did", []string{"a", `"problem"`}},
		"lost":     {two, true, errkind.Unavailable, "the server ended before the answer did", []string{"a", `"problem"`}},
		"nonsense": {"nonsense", false, errkind.Internal, "understand", nil},
		"other":    {"[1]", false, errkind.Internal, "understand", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := handle("GET /api/v1/diff", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, tt.body)
				w.(http.Flusher).Flush()
				if tt.abort {
					panic(http.ErrAbortHandler)
				}
			})
			overBoth(t, h, func(t *testing.T, c *Client) {
				var got []string
				err := c.Diff(context.Background(), "p", "q", func(d Difference) error {
					got = append(got, d.Path)
					return nil
				})
				if tt.text == "" && err != nil {
					t.Fatal(err)
				} else if tt.text != "" {
					wantKind(t, err, tt.kind, tt.text)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestEach_AnErrorOfTheReaderEndsTheHandler(t *testing.T) {
	ended := make(chan struct{}, 1)
	h := handle("GET /api/v1/diff", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"path":"a"}`+"\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		ended <- struct{}{}
	})
	overBoth(t, h, func(t *testing.T, c *Client) {
		enough := errors.New("enough")
		if err := c.Diff(context.Background(), "p", "q", func(Difference) error { return enough }); !errors.Is(err, enough) {
			t.Fatal(err)
		}
		<-ended
	})
}

func TestContent_DamageIsAnError(t *testing.T) {
	text, err := json.Marshal(NewProblem(errkind.New(errkind.Damaged, "chunk 9f2c of ledger.csv is damaged")))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		ending func(w http.ResponseWriter)
		kind   errkind.Kind
		text   string
	}{
		"whole":             {func(http.ResponseWriter) {}, 0, ""},
		"trailer":           {func(w http.ResponseWriter) { w.Header().Set(ProblemTrailer, string(text)) }, errkind.Damaged, "chunk 9f2c"},
		"senseless trailer": {func(w http.ResponseWriter) { w.Header().Set(ProblemTrailer, "?") }, errkind.Internal, "?"},
		"lost":              {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, errkind.Unavailable, "ended before the answer"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := handle("GET /api/v1/points/{id}/content", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Trailer", ProblemTrailer)
				path, err := QueryPath(r.URL.Query())
				if err != nil {
					t.Error(err)
				}
				_, _ = io.WriteString(w, path)
				w.(http.Flusher).Flush()
				tt.ending(w)
			})
			overBoth(t, h, func(t *testing.T, c *Client) {
				var b bytes.Buffer
				err := c.Content(context.Background(), "p", "a\xfe\nb", &b)
				if tt.text == "" && err != nil {
					t.Fatal(err)
				} else if tt.text != "" {
					wantKind(t, err, tt.kind, tt.text)
				}
				if b.String() != "a\xfe\nb" {
					t.Errorf("content %q", b.String())
				}
			})
		})
	}
}

// full is a writer whose disk is full.
type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestContent_TheWritersErrorIsNotTheServers(t *testing.T) {
	h := handle("GET /api/v1/points/{id}/content", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") })
	overBoth(t, h, func(t *testing.T, c *Client) {
		if err := c.Content(context.Background(), "p", "a", full{}); !errors.Is(err, errFull) || errkind.Is(err, errkind.Unavailable) {
			t.Fatal(err)
		}
	})
}
