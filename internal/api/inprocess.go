package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// InProcess is a transport that calls a handler of the same process, with the
// semantics of a connection: bodies stream as they are written, trailers come
// after them, and the handler's context ends with the request's, or when the
// body is closed. Make one with [Handler].
type InProcess struct {
	handler http.Handler

	mu      sync.Mutex // guards closed and adding to running
	closed  bool
	running sync.WaitGroup
}

var _ http.RoundTripper = (*InProcess)(nil)

// Handler makes a transport to h.
func Handler(h http.Handler) *InProcess { return &InProcess{handler: h} }

// Close refuses further requests and waits for the handlers at work to return,
// so that what they use can be closed after it.
func (t *InProcess) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.running.Wait()
	return nil
}

// RoundTrip calls the handler and returns when its answer begins.
func (t *InProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.begin(); err != nil {
		closeBody(req)
		return nil, err
	}
	ctx, cancel := context.WithCancel(req.Context())
	reader, writer := io.Pipe()
	answer := newAnswer(req, writer)
	go t.serve(ctx, cancel, answer, received(ctx, req))
	// Wins over what the handler does after the context has ended.
	context.AfterFunc(ctx, func() { writer.CloseWithError(ctx.Err()) })

	select {
	case <-answer.begun:
	case <-ctx.Done():
		// The handler may have ended with the context it ended itself.
		select {
		case <-answer.begun:
		default:
			return nil, ctx.Err()
		}
	}
	if answer.fault != nil {
		return nil, answer.fault
	}
	resp := answer.response()
	resp.Body = &body{Reader: reader, pipe: reader, cancel: cancel, answer: answer, resp: resp}
	return resp, nil
}

func (t *InProcess) begin() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return http.ErrServerClosed
	}
	t.running.Add(1)
	return nil
}

// received is the request as a server gives it to its handler.
func received(ctx context.Context, req *http.Request) *http.Request {
	r := req.Clone(ctx)
	r.RequestURI = req.URL.RequestURI()
	r.URL = &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.RemoteAddr = "in-process"
	if r.Host == "" {
		r.Host = req.URL.Host
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	return r
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		drop(r.Body)
	}
}

// serve runs the handler to its end. A panic ends the answer as a lost
// connection would.
func (t *InProcess) serve(ctx context.Context, cancel context.CancelFunc, a *answer, r *http.Request) {
	defer t.running.Done()
	defer cancel()
	defer closeBody(r)
	defer func() {
		switch p := recover(); {
		case ctx.Err() != nil:
			a.abort(ctx.Err())
		case p == http.ErrAbortHandler: //nolint:errorlint // a panic's value is compared as net/http does
			a.abort(io.ErrUnexpectedEOF)
		case p != nil:
			a.abort(fmt.Errorf("%w: %v", errServerFault, p))
		default:
			a.finish()
		}
	}()
	t.handler.ServeHTTP(a, r)
}

// body is the answer's body as the client reads it.
type body struct {
	io.Reader
	pipe   *io.PipeReader
	cancel context.CancelFunc
	answer *answer
	resp   *http.Response
}

// Read fills in the trailers when it meets the end, whole or not.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil {
		for key, values := range b.answer.trailers() {
			if b.resp.Trailer == nil {
				b.resp.Trailer = http.Header{}
			}
			b.resp.Trailer[key] = values
		}
	}
	return n, err
}

// Close tells the handler that nobody reads any more.
func (b *body) Close() error {
	b.cancel()
	return b.pipe.Close()
}

// splitTrailers reads the names that a Trailer header announces.
func splitTrailers(values []string) (keys []string) {
	for _, v := range values {
		for key := range strings.SplitSeq(v, ",") {
			if key = http.CanonicalHeaderKey(strings.TrimSpace(key)); key != "" {
				keys = append(keys, key)
			}
		}
	}
	return keys
}
