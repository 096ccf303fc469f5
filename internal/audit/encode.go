package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/tlog"
)

// version is the format of the records written.
const version = 1

// timeLayout is RFC 3339 in UTC with all nine digits, so that text sorts as
// time does.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// wireEvent is an event as stored. The order of the fields is the format.
type wireEvent struct {
	V             int               `json:"v"`
	ID            string            `json:"id"`
	Time          string            `json:"time"`
	Actor         wireActor         `json:"actor"`
	Action        string            `json:"action"`
	Target        string            `json:"target,omitempty"`
	PayloadSHA256 string            `json:"payload_sha256,omitempty"`
	Reason        string            `json:"reason,omitempty"`
	Ticket        string            `json:"ticket,omitempty"`
	Phase         string            `json:"phase"`
	Before        string            `json:"before,omitempty"`
	Result        string            `json:"result"`
	ErrorKind     string            `json:"error_kind,omitempty"`
	Detail        map[string]string `json:"detail,omitempty"`
}

type wireActor struct {
	Subject string `json:"subject"`
	Kind    string `json:"kind"`
	Session string `json:"session,omitempty"`
	Host    string `json:"host,omitempty"`
}

// Encode gives the one spelling of an event: one line of JSON, fields in
// order, the keys of detail sorted, nothing escaped that need not be.
func Encode(e Event) ([]byte, error) {
	w := wireEvent{
		V: version, ID: e.ID, Time: e.Time.UTC().Format(timeLayout),
		Actor:  wireActor{e.Actor.Subject, string(e.Actor.Kind), e.Actor.Session, e.Actor.Host},
		Action: string(e.Action), Target: e.Target, PayloadSHA256: e.PayloadSHA256,
		Reason: e.Reason, Ticket: e.Ticket, Phase: string(e.Phase), Before: e.Before,
		Result: string(e.Result), ErrorKind: e.ErrorKind, Detail: e.Detail,
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(w); err != nil {
		return nil, errkind.Wrap(errkind.Internal, err, "encode audit event")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Decode reads a record of the log. It accepts only what this version would
// have written, byte for byte; errkind.NewerFormat for a later version.
func Decode(record []byte) (Event, error) {
	var w wireEvent
	if err := json.Unmarshal(record, &w); err != nil {
		return Event{}, errkind.Wrap(errkind.Damaged, err, "not an event")
	}
	if w.V > version {
		return Event{}, errkind.New(errkind.NewerFormat, "event of format %d, this program knows %d", w.V, version)
	}
	at, err := time.Parse(timeLayout, w.Time)
	if err != nil {
		return Event{}, errkind.Wrap(errkind.Damaged, err, "not an event")
	}
	e := Event{
		ID: w.ID, Time: at, Actor: Actor{w.Actor.Subject, ActorKind(w.Actor.Kind), w.Actor.Session, w.Actor.Host},
		Action: access.Action(w.Action), Target: w.Target, PayloadSHA256: w.PayloadSHA256,
		Reason: w.Reason, Ticket: w.Ticket, Phase: Phase(w.Phase), Before: w.Before,
		Result: Result(w.Result), ErrorKind: w.ErrorKind, Detail: w.Detail,
	}
	if err := e.check(); err != nil {
		return Event{}, errkind.Wrap(errkind.Damaged, err, "not an event")
	}
	again, err := Encode(e)
	if err != nil {
		return Event{}, err
	}
	if !bytes.Equal(again, record) {
		return Event{}, errkind.New(errkind.Damaged, "an event in another spelling than ours")
	}
	return e, nil
}

// cutTo is how much of a long text stays when an event is too large. JSON may
// need six bytes for one, so seven texts of this size still fit.
const cutTo = 512

// fit encodes an event; one too large for the log goes in with digests for
// its detail and, if that is not enough, for the ends of its long texts.
func fit(e Event) (Event, []byte, error) {
	body, err := Encode(e)
	if err != nil || len(body) <= tlog.MaxRecord {
		return e, body, err
	}
	if len(e.Detail) > 0 {
		detail, err := json.Marshal(e.Detail)
		if err != nil {
			return Event{}, nil, errkind.Wrap(errkind.Internal, err, "encode audit event")
		}
		e.Detail = map[string]string{
			"detail_bytes": strconv.Itoa(len(detail)), "detail_sha256": fmt.Sprintf("%x", sha256.Sum256(detail)),
		}
	}
	if body, err = Encode(e); err != nil || len(body) <= tlog.MaxRecord {
		return e, body, err
	}
	for _, s := range []*string{
		&e.Actor.Subject, &e.Actor.Session, &e.Actor.Host, (*string)(&e.Action), &e.Target, &e.Reason, &e.Ticket,
	} {
		*s = cut(*s)
	}
	body, err = Encode(e)
	return e, body, err
}

// cut shortens a text and says what it was.
func cut(s string) string {
	if len(s) <= cutTo {
		return s
	}
	end := cutTo
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return fmt.Sprintf("%s... [%d bytes, sha256 %x]", strings.Clone(s[:end]), len(s), sha256.Sum256([]byte(s)))
}
