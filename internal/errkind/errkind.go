// Package errkind is the closed list of error kinds of Counterfoil.
//
// A kind says what an error means to the person who asked, not where it arose.
// Packages attach a kind where the meaning is known and ask for it with [Is];
// nobody reads error text. Only the doors (server, console, cli) turn kinds
// into a status, a page or an exit code.
package errkind

import (
	"context"
	"errors"
	"fmt"
)

// Kind classifies an error. The zero value, [Internal], is what an error
// without a kind counts as.
type Kind int

// The kinds, in no particular order of severity.
const (
	// Internal is a fault of ours or an unknown one; in GC, locks, holds,
	// expiry and audit it means: stop and keep the data.
	Internal Kind = iota
	// Invalid is input that cannot be right as it stands.
	Invalid
	// NotFound names something that is not there.
	NotFound
	// Exists names something that is there already and must not be replaced.
	Exists
	// Busy means that somebody else is at work on the same thing.
	Busy
	// Refused means that retention, a hold or a lock forbids it.
	Refused
	// NeedsApproval means that others must agree first.
	NeedsApproval
	// NotAllowed means that the caller lacks the permission.
	NotAllowed
	// Damaged means that stored bytes are not what was stored.
	Damaged
	// NewerFormat means data written by a later version of the format.
	NewerFormat
	// WrongKey means that the key given does not open the vault.
	WrongKey
	// NoSpace means that the store or disk is full.
	NoSpace
	// ReadOnly means that the store does not accept writes.
	ReadOnly
	// Incomplete means that the work was done but for some inputs.
	Incomplete
	// Unavailable means that a store, key service or host is out of reach;
	// trying again later can help.
	Unavailable
	// Unsupported means that this system, driver or build cannot do it.
	Unsupported
	// Cancelled means that whoever asked, or who runs the server, stopped the
	// work before its end, or that its time ran out.
	Cancelled
)

var names = map[Kind]string{
	Internal: "internal", Invalid: "invalid", NotFound: "not_found", Exists: "exists", Busy: "busy",
	Refused: "refused", NeedsApproval: "needs_approval", NotAllowed: "not_allowed", Damaged: "damaged",
	NewerFormat: "newer_format", WrongKey: "wrong_key", NoSpace: "no_space", ReadOnly: "read_only",
	Incomplete: "incomplete", Unavailable: "unavailable", Unsupported: "unsupported", Cancelled: "cancelled",
}

// String gives the kind's stable snake_case name, as used in API problem types.
func (k Kind) String() string {
	if s, ok := names[k]; ok {
		return s
	}
	return "internal"
}

// Parse gives the kind with that name, [Internal] for a name not in the list.
func Parse(name string) Kind {
	for k, s := range names {
		if s == name {
			return k
		}
	}
	return Internal
}

type kindError struct {
	kind Kind
	msg  string
	err  error
}

func (e *kindError) Error() string {
	if e.err == nil {
		return e.msg
	}
	if e.msg == "" {
		return e.err.Error()
	}
	return e.msg + ": " + e.err.Error()
}

func (e *kindError) Unwrap() error { return e.err }

// New makes an error of kind k.
func New(k Kind, format string, args ...any) error {
	return &kindError{kind: k, msg: fmt.Sprintf(format, args...)}
}

// Wrap gives err the kind k and a context; it returns nil for a nil err.
func Wrap(k Kind, err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &kindError{kind: k, msg: fmt.Sprintf(format, args...), err: err}
}

// Of gives the outermost kind attached to err. What has none is [Cancelled]
// where a context ended, else [Internal]. Whoever wraps an error as Internal
// does not know what it means, so that kind hides no cancellation.
func Of(err error) Kind {
	var e *kindError
	if errors.As(err, &e) && e.kind != Internal {
		return e.kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Cancelled
	}
	return Internal
}

// Is reports whether err carries the kind k as its outermost kind.
func Is(err error, k Kind) bool { return err != nil && Of(err) == k }
