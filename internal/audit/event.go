package audit

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Event is one thing done, refused or failed.
type Event struct {
	// ID is a ULID, unique; Time is trusted time, UTC. Both are assigned when
	// recorded, if empty.
	ID   string
	Time time.Time
	// Actor is who did it, Action what it was, Target on what.
	Actor  Actor
	Action access.Action
	Target string
	// PayloadSHA256 is the digest, in hex, of what was asked for in full.
	PayloadSHA256 string
	// Reason and Ticket say why, in the words of whoever asked.
	Reason string
	Ticket string
	// Phase is whether the record was made before or after the act; Before is
	// then the ID of the record made before.
	Phase  Phase
	Before string
	Result Result
	// ErrorKind is the kind of the error that stopped it, see errkind.
	ErrorKind string
	// Detail holds a few more facts, small ones and never secrets.
	Detail map[string]string
}

// Actor is who acts.
type Actor struct {
	Subject string
	Kind    ActorKind
	Session string
	Host    string
}

// ActorKind is what kind of actor one is.
type ActorKind string

// The kinds of actors.
const (
	Owner  ActorKind = "owner"
	Person ActorKind = "person"
	Agent  ActorKind = "agent"
	System ActorKind = "system"
)

// Phase is when, relative to the act, its record was made.
type Phase string

// The phases: destructive and weakening acts have a record before and one
// after, others only one.
const (
	Before Phase = "before"
	After  Phase = "after"
	Only   Phase = "only"
)

// Result is how it went.
type Result string

// The results.
const (
	Allowed    Result = "allowed"
	Refused    Result = "refused"
	Failed     Result = "failed"
	Done       Result = "done"
	Incomplete Result = "incomplete"
)

// check requires what every reader of the log may rely on.
func (e Event) check() error {
	bad := func(field, value string) error {
		return errkind.New(errkind.Invalid, "audit event %s: %s cannot be %q", e.Action, field, value)
	}
	if _, err := ulid.ParseStrict(e.ID); err != nil {
		return bad("id", e.ID)
	}
	if y := e.Time.Year(); y < 1 || y > 9999 {
		return bad("time", e.Time.String())
	}
	switch e.Actor.Kind {
	case Owner, Person, Agent, System:
	default:
		return bad("actor kind", string(e.Actor.Kind))
	}
	if e.Action == "" {
		return bad("action", "")
	}
	switch e.Phase {
	case Before, After, Only:
	default:
		return bad("phase", string(e.Phase))
	}
	if _, err := ulid.ParseStrict(e.Before); e.Before != "" && (err != nil || e.Phase != After) {
		return bad("before", e.Before)
	}
	if !validDigest(e.PayloadSHA256) {
		return bad("payload digest", e.PayloadSHA256)
	}
	switch e.Result {
	case Allowed, Refused, Failed, Done, Incomplete:
	default:
		return bad("result", string(e.Result))
	}
	if e.ErrorKind != "" && errkind.Parse(e.ErrorKind).String() != e.ErrorKind {
		return bad("error kind", e.ErrorKind)
	}
	return nil
}

// validDigest accepts a SHA-256 in lower-case hex or nothing.
func validDigest(s string) bool {
	return s == "" || len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// printable writes bytes that are not UTF-8, as paths may have, as \xNN: JSON
// would lose them.
func (e Event) printable() Event {
	for _, s := range []*string{
		&e.Actor.Subject, &e.Actor.Session, &e.Actor.Host, (*string)(&e.Action), &e.Target, &e.Reason, &e.Ticket,
	} {
		*s = validUTF8(*s)
	}
	if e.Detail == nil {
		return e
	}
	detail := make(map[string]string, len(e.Detail))
	for k, v := range e.Detail {
		detail[validUTF8(k)] = validUTF8(v)
	}
	e.Detail = detail
	return e
}

func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[0])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}
