package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestTransport_CancelInMidStreamReachesTheHandler(t *testing.T) {
	ended := make(chan error, 1)
	h := handle("POST /api/v1/quickstart", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"type":"progress"}`+"\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		ended <- r.Context().Err()
	})
	overBoth(t, h, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		_, err := c.Quickstart(ctx, Quickstart{}, func(Event) { cancel() })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the handler's context ended with %v", err)
		}
	})
}

func TestTransport_CancelBeforeTheAnswerBegins(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	h := handle("GET /api/v1/vaults", func(_ http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	})
	overBoth(t, h, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			<-begun
			cancel()
		}()
		if _, err := c.Vaults(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		<-ended
	})
}

func TestTransport_CancelBeforeTheCall(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	overBoth(t, http.NotFoundHandler(), func(t *testing.T, c *Client) {
		if _, err := c.Vaults(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

func TestTransport_PanicIsAnError(t *testing.T) {
	h := handle("GET /api/v1/vaults", func(http.ResponseWriter, *http.Request) { panic("broken invariant") })
	overBoth(t, h, func(t *testing.T, c *Client) {
		if _, err := c.Vaults(context.Background()); err == nil {
			t.Fatal("no error")
		}
	})
	late := handle("POST /api/v1/recover", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"type":"progress"}`+"\n")
		w.(http.Flusher).Flush()
		panic("broken invariant")
	})
	overBoth(t, late, func(t *testing.T, c *Client) {
		if _, err := c.Recover(context.Background(), Recover{}, nil); err == nil {
			t.Fatal("no error")
		}
	})
}

func TestInProcess_PanicSaysWhoseFaultItIs(t *testing.T) {
	c := New(SocketBase, Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "recover") {
			w.(http.Flusher).Flush()
		}
		panic("broken invariant")
	})))
	_, err := c.Vaults(context.Background())
	wantKind(t, err, errkind.Internal, "fault of its own: broken invariant")
	_, err = c.Recover(context.Background(), Recover{}, nil)
	wantKind(t, err, errkind.Internal, "fault of its own: broken invariant")
}

func TestInProcess_CloseWaitsForHandlersAndRefusesMore(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	ended := false
	transport := Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-release
		ended = true
	}))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-begun
		cancel()
	}()
	c := New(SocketBase, transport)
	if _, err := c.Vaults(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	go close(release)
	if err := transport.Close(); err != nil {
		t.Fatal(err)
	}
	if !ended {
		t.Error("closed before the handler returned")
	}
	_, err := c.Vaults(context.Background())
	wantKind(t, err, errkind.Unavailable, "")
}

func TestTransport_HeadersAndLengths(t *testing.T) {
	h := http.NewServeMux()
	h.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "abc")
	})
	h.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		if _, err := io.WriteString(w, "abcd"); !errors.Is(err, http.ErrContentLength) {
			t.Errorf("a write past the length gave %v", err)
		}
	})
	h.HandleFunc("/none", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h.HandleFunc("/late", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		w.WriteHeader(http.StatusOK)
		w.Header().Set("Late", "x")
		_, _ = io.WriteString(w, r.Host+r.RequestURI)
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"Unannounced", "y")
	})
	tests := map[string]struct {
		status int
		body   string
		err    error
	}{
		"/short":     {200, "abc", io.ErrUnexpectedEOF},
		"/long":      {200, "", io.ErrUnexpectedEOF},
		"/none":      {204, "", nil},
		"/late?a=%2": {202, "counterfoil/late?a=%2", nil},
	}
	overBoth(t, h, func(t *testing.T, c *Client) {
		for address, tt := range tests {
			req, err := http.NewRequest(http.MethodGet, SocketBase+address, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.http.Transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if !errors.Is(err, tt.err) || string(text) != tt.body || resp.StatusCode != tt.status {
				t.Errorf("%s: %d %q %v, want %+v", address, resp.StatusCode, text, err, tt)
			}
			if resp.Header.Get("Late") != "" {
				t.Errorf("%s: a header set after the answer began", address)
			}
			if late := strings.HasPrefix(address, "/late"); late && resp.Trailer.Get("Unannounced") != "y" {
				t.Errorf("%s: trailers %v", address, resp.Trailer)
			}
		}
	})
}
