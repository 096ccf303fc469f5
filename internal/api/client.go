package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// root is where every address begins.
const root = "/api/v1"

// errorLimit bounds how much of an error's body is read.
const errorLimit = 1 << 20

// errServerFault marks a fault of the server itself that a transport met.
var errServerFault = errors.New("the server met a fault of its own")

// Client calls a server. Its methods return errors with the kind that the
// server gave, with errkind.Unavailable where it cannot be reached or ends
// early, and with the context's error when the context ended first. It may be
// used by several goroutines.
type Client struct {
	base string
	http http.Client
}

// New makes a client of the server at base, such as http://127.0.0.1:8080,
// which it reaches through rt: [Handler], [Socket] or http.DefaultTransport.
func New(base string, rt http.RoundTripper) *Client {
	return &Client{
		base: strings.TrimRight(base, "/") + root,
		http: http.Client{
			Transport:     rt,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// request is one call: in is sent as JSON unless nil.
type request struct {
	method string
	path   []string // segments, escaped when sent
	query  url.Values
	in     any
}

func get(path ...string) request { return request{method: http.MethodGet, path: path} }

func post(in any, path ...string) request {
	return request{method: http.MethodPost, path: path, in: in}
}

func (r request) with(query url.Values) request {
	r.query = query
	return r
}

// address gives the URL's part after the root. A name that is empty or that
// servers take for a step in the path cannot be any object's.
func (r request) address() (string, error) {
	var b strings.Builder
	for _, segment := range r.path {
		switch segment {
		case "", ".", "..":
			return "", errkind.New(errkind.Invalid, "%q cannot be a name", segment)
		}
		b.WriteString("/" + url.PathEscape(segment))
	}
	if len(r.query) > 0 {
		b.WriteString("?" + r.query.Encode())
	}
	return b.String(), nil
}

// open sends a request and returns an answer that is not an error; the caller
// closes its body.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	address, err := r.address()
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if r.in != nil {
		text, err := json.Marshal(r.in)
		if err != nil {
			return nil, errkind.Wrap(errkind.Invalid, err, "encode the request")
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+address, body)
	if err != nil {
		return nil, errkind.Wrap(errkind.Invalid, err, "make the request")
	}
	if r.in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unreached(ctx, err)
	}
	if resp.StatusCode/100 != 2 {
		defer drop(resp.Body)
		return nil, refusal(ctx, resp)
	}
	return resp, nil
}

// drop closes a body of which no more is wanted; nothing depends on how.
func drop(body io.Closer) { _ = body.Close() }

// unreached turns the transport's error into ours.
func unreached(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(err, errServerFault) {
		return errkind.Wrap(errkind.Internal, err, "")
	}
	return errkind.Wrap(errkind.Unavailable, err, "reach the server")
}

// refusal reads the problem that an answer with an error status carries.
func refusal(ctx context.Context, resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, errorLimit))
	if err != nil {
		return cutShort(ctx, resp, err)
	}
	var p ProblemDetails
	if json.Unmarshal(text, &p) == nil && p.Kind != "" {
		return p.Err()
	}
	kind := errkind.Internal
	if resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusBadGateway {
		kind = errkind.Unavailable
	}
	return errkind.New(kind, "the server answered %q without saying why", resp.Status)
}

// cutShort turns an error met while reading a body into ours. The server may
// have said in the trailer why it stopped.
func cutShort(ctx context.Context, resp *http.Response, err error) error {
	if p := trailing(resp); p != nil {
		return p.Err()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, errServerFault) {
		return errkind.Wrap(errkind.Internal, err, "")
	}
	return errkind.Wrap(errkind.Unavailable, err, "the server ended before the answer did")
}

// trailing reads the problem of a body that was read to its end, nil if none.
// One that cannot be understood is still a problem.
func trailing(resp *http.Response) *ProblemDetails {
	text := resp.Trailer.Get(ProblemTrailer)
	if text == "" {
		return nil
	}
	var p ProblemDetails
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.Error() == "" {
		return NewProblem(errkind.New(errkind.Internal, "the server ended the answer with a problem: %s", text))
	}
	return &p
}

// fetch makes a call that is answered with one JSON value.
func fetch[T any](ctx context.Context, c *Client, r request) (T, error) {
	var out T
	resp, err := c.open(ctx, r)
	if err != nil {
		return out, err
	}
	defer drop(resp.Body)
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return out, cutShort(ctx, resp, err)
	}
	if p := trailing(resp); p != nil {
		return out, p.Err()
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return out, errkind.Wrap(errkind.Internal, err, "understand the server's answer")
	}
	return out, nil
}
