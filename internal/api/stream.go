package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// follow makes a call that is answered with a stream of events, passes
// progress and notes to fn, which may be nil, and returns the result.
func follow[T any](ctx context.Context, c *Client, r request, fn func(Event)) (T, error) {
	var out T
	resp, err := c.open(ctx, r)
	if err != nil {
		return out, err
	}
	defer drop(resp.Body)
	last, err := lastEvent(ctx, resp, fn)
	if err != nil {
		return out, err
	}
	if last.Type == EventProblem {
		return out, last.Problem.Err()
	}
	if err := json.Unmarshal(last.Result, &out); err != nil {
		return out, errkind.Wrap(errkind.Internal, err, "understand the server's result")
	}
	return out, nil
}

// lastEvent reads a stream to its one result or problem. A stream without one
// says nothing about what was done, so it is an error.
func lastEvent(ctx context.Context, resp *http.Response, fn func(Event)) (Event, error) {
	lines := json.NewDecoder(resp.Body)
	for {
		var e Event
		if err := lines.Decode(&e); err != nil {
			return e, endedEarly(ctx, resp, err)
		}
		switch {
		case e.Type == EventResult && len(e.Result) > 0, e.Type == EventProblem && e.Problem != nil:
			return e, nil
		case e.Type == EventResult, e.Type == EventProblem:
			return e, errkind.New(errkind.Internal, "the server ended its answer with an empty %s", e.Type)
		case fn != nil:
			fn(e)
		}
	}
}

func endedEarly(ctx context.Context, resp *http.Response, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case trailing(resp) != nil:
		return trailing(resp).Err()
	case errors.Is(err, errServerFault):
		return errkind.Wrap(errkind.Internal, err, "")
	case isSyntax(err):
		return errkind.Wrap(errkind.Internal, err, "understand the server's answer")
	}
	return errkind.New(errkind.Unavailable, "the server ended before the work did")
}

// each makes a call that is answered with one JSON value a line, and passes
// every one to fn as it comes. An error of fn ends it.
func each[T any](ctx context.Context, c *Client, r request, fn func(T) error) error {
	resp, err := c.open(ctx, r)
	if err != nil {
		return err
	}
	defer drop(resp.Body)
	lines := json.NewDecoder(resp.Body)
	for {
		var line json.RawMessage
		err := lines.Decode(&line)
		switch {
		case errors.Is(err, io.EOF):
			if p := trailing(resp); p != nil {
				return p.Err()
			}
			return nil
		case isSyntax(err):
			return errkind.Wrap(errkind.Internal, err, "understand the server's answer")
		case err != nil:
			return cutShort(ctx, resp, err)
		}
		if err := takeLine(line, fn); err != nil {
			return err
		}
	}
}

// takeLine passes on one element of a list, unless the line is its early end.
func takeLine[T any](line json.RawMessage, fn func(T) error) error {
	if bytes.Contains(line, []byte(`"problem"`)) {
		var end ListEnd
		if json.Unmarshal(line, &end) == nil && end.Problem != nil {
			return end.Problem.Err()
		}
	}
	var element T
	if err := json.Unmarshal(line, &element); err != nil {
		return errkind.Wrap(errkind.Internal, err, "understand the server's answer")
	}
	return fn(element)
}

func isSyntax(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &kind)
}
