package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// RawResult is a result not yet decoded.
type RawResult = json.RawMessage

// ProblemType is the media type of an error.
const ProblemType = "application/problem+json"

// ProblemTrailer is the HTTP trailer in which a problem met after the first
// byte of a body travels, as JSON. A body with one is not whole.
const ProblemTrailer = "X-Counterfoil-Problem"

// ListEnd is the last line of a list that ended early.
type ListEnd struct {
	Problem *ProblemDetails `json:"problem"`
}

// ProblemDetails is an error as it travels (RFC 9457).
type ProblemDetails struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Kind   string `json:"kind"`
	// Hint is what to do next, where that is known.
	Hint string `json:"hint,omitempty"`
}

// Error gives the sentence.
func (p *ProblemDetails) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Detail
}

// Err gives the problem as an error that carries its kind. errors.As finds the
// problem in it.
func (p *ProblemDetails) Err() error {
	return errkind.Wrap(errkind.Parse(p.Kind), p, "")
}

// NewProblem turns an error into a problem.
func NewProblem(err error) *ProblemDetails {
	k := errkind.Of(err)
	return &ProblemDetails{
		Type:   "https://counterfoil.dev/problems/" + k.String(),
		Title:  title(k),
		Status: status(k),
		Detail: err.Error(),
		Kind:   k.String(),
	}
}

// title is the kind in words.
func title(k errkind.Kind) string {
	words := strings.ReplaceAll(k.String(), "_", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

func status(k errkind.Kind) int {
	switch k {
	case errkind.Invalid:
		return http.StatusUnprocessableEntity
	case errkind.NotFound:
		return http.StatusNotFound
	case errkind.Exists, errkind.Busy:
		return http.StatusConflict
	case errkind.Refused:
		return http.StatusLocked
	case errkind.NeedsApproval, errkind.NotAllowed, errkind.WrongKey:
		return http.StatusForbidden
	case errkind.NewerFormat, errkind.Unsupported:
		return http.StatusNotImplemented
	case errkind.NoSpace, errkind.ReadOnly:
		return http.StatusInsufficientStorage
	case errkind.Unavailable, errkind.Cancelled:
		return http.StatusServiceUnavailable
	case errkind.Incomplete, errkind.Damaged, errkind.Internal:
		return http.StatusInternalServerError
	default:
		return http.StatusInternalServerError
	}
}
