package api

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// answer is the http.ResponseWriter of an in-process request. What the handler
// writes goes through a pipe: a write returns when the client has read it.
type answer struct {
	req    *http.Request
	pipe   *io.PipeWriter
	header http.Header // the handler's

	// Set before begun is closed, read after.
	begun  chan struct{}
	status int
	sent   http.Header // header as it was when the answer began
	length int64       // -1: not announced
	fault  error       // the handler failed before it answered

	started bool  // the handler's own
	written int64 // the handler's own; counts what it tried

	mu   sync.Mutex // guards tail
	tail http.Header
}

var (
	_ http.ResponseWriter = (*answer)(nil)
	_ http.Flusher        = (*answer)(nil)
)

func newAnswer(req *http.Request, pipe *io.PipeWriter) *answer {
	return &answer{req: req, pipe: pipe, header: http.Header{}, begun: make(chan struct{}), length: -1}
}

// Header gives the headers; after the answer began, only trailers count.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader begins the answer, once.
func (a *answer) WriteHeader(status int) {
	if a.started || status < http.StatusOK {
		return
	}
	a.started = true
	a.status = status
	a.sent = a.header.Clone()
	for key := range a.sent {
		if strings.HasPrefix(key, http.TrailerPrefix) {
			delete(a.sent, key)
		}
	}
	if n, err := strconv.ParseInt(a.sent.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		a.length = n
	}
	close(a.begun)
}

// Write passes b to the client and waits until it is read.
func (a *answer) Write(b []byte) (int, error) {
	if !a.started {
		if a.header.Get("Content-Type") == "" {
			a.header.Set("Content-Type", http.DetectContentType(b))
		}
		a.WriteHeader(http.StatusOK)
	}
	a.written += int64(len(b))
	switch {
	case !a.hasBody():
		return 0, http.ErrBodyNotAllowed
	case a.length >= 0 && a.written > a.length:
		return 0, http.ErrContentLength
	case len(b) == 0:
		return 0, nil
	}
	return a.pipe.Write(b)
}

// Flush begins the answer; what was written is with the client already.
func (a *answer) Flush() { a.WriteHeader(http.StatusOK) }

// SetReadDeadline accepts any deadline: nobody is slow on the other side but
// the caller, who has a context.
func (a *answer) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline accepts any deadline, as SetReadDeadline does.
func (a *answer) SetWriteDeadline(time.Time) error { return nil }

func (a *answer) hasBody() bool {
	return a.req.Method != http.MethodHead && a.status != http.StatusNoContent && a.status != http.StatusNotModified
}

// finish ends the answer after the handler returned.
func (a *answer) finish() {
	a.WriteHeader(http.StatusOK)
	a.keepTrailers()
	end := io.EOF
	if a.hasBody() && a.length >= 0 && a.length != a.written {
		end = io.ErrUnexpectedEOF
	}
	a.pipe.CloseWithError(end)
}

// abort ends the answer with an error in place of its end.
func (a *answer) abort(err error) {
	if !a.started {
		a.started = true
		a.fault = err
		close(a.begun)
	}
	a.keepTrailers()
	a.pipe.CloseWithError(err)
}

// keepTrailers takes from the headers what was announced as a trailer.
func (a *answer) keepTrailers() {
	tail := http.Header{}
	for _, key := range splitTrailers(a.sent.Values("Trailer")) {
		if values, ok := a.header[key]; ok {
			tail[key] = values
		}
	}
	for key, values := range a.header {
		if name, ok := strings.CutPrefix(key, http.TrailerPrefix); ok {
			tail[http.CanonicalHeaderKey(name)] = values
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tail = tail
}

// trailers gives the trailers, none before the answer's end.
func (a *answer) trailers() http.Header {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tail
}

// response is the answer's head as a client gets it.
func (a *answer) response() *http.Response {
	resp := &http.Response{
		Status:     strconv.Itoa(a.status) + " " + http.StatusText(a.status),
		StatusCode: a.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        a.sent.Clone(),
		ContentLength: a.length,
		Request:       a.req,
	}
	for _, key := range splitTrailers(resp.Header.Values("Trailer")) {
		if resp.Trailer == nil {
			resp.Trailer = http.Header{}
		}
		resp.Trailer[key] = nil
	}
	resp.Header.Del("Trailer")
	return resp
}
