// Package gate is the one turnstile that every change passes: permission, then
// the audit record, then the act, then its outcome.
//
// What must always be true: nothing that changes or opens contents happens
// without a grant from here, and no grant is issued before its record is written.
// Refusals and failures are recorded like successes. Approval by others has its
// place between permission and record; in this version the local owner acts
// alone, and no operation that weakens protection exists yet but removing a trial.
package gate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/audit"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Recorder writes audit events.
type Recorder interface {
	// Record puts the event where it cannot be lost and gives it an id.
	Record(ctx context.Context, e audit.Event) (audit.Event, error)
	// RecordStrict fails unless the event stands in the log itself.
	RecordStrict(ctx context.Context, e audit.Event) (audit.Event, error)
}

// Gate checks, records and grants.
type Gate struct {
	bindings []access.Binding
	log      Recorder
	now      func() time.Time
}

// New makes a gate over the bindings in force.
func New(bindings []access.Binding, log Recorder, now func() time.Time) *Gate {
	return &Gate{bindings: bindings, log: log, now: now}
}

// Request is one operation somebody asks for.
type Request struct {
	Actor  audit.Actor
	Action access.Action
	Target access.Target
	// Name is the target in the words of the audit log.
	Name   string
	Reason string
	// Payload is what was asked for in full; its digest is recorded.
	Payload any
	// Strict refuses the operation when its record cannot be integrated at
	// once: for what destroys or weakens.
	Strict bool
}

// Outcome is what an operation adds to its closing record.
type Outcome struct {
	// Incomplete marks work that was done but for some inputs.
	Incomplete bool
	Detail     map[string]string
}

// Do runs one operation: fn gets the grant and says how it went. The error is
// that of fn, or the refusal.
func (g *Gate) Do(ctx context.Context, r Request, fn func(ctx context.Context, grant access.Grant) (Outcome, error)) error {
	grant, err := g.Enter(ctx, r)
	if err != nil {
		return err
	}
	outcome, err := fn(ctx, grant)
	closing := g.event(r, audit.After, audit.Done)
	closing.Before = grant.Event()
	closing.Detail = outcome.Detail
	switch {
	case err != nil:
		closing.Result, closing.ErrorKind = audit.Failed, errkind.Of(err).String()
	case outcome.Incomplete:
		closing.Result = audit.Incomplete
	}
	// The work is done or has failed already; a cancelled caller must not keep that from the log.
	if _, recordErr := g.log.Record(context.WithoutCancel(ctx), closing); recordErr != nil && err == nil {
		return fmt.Errorf("record the outcome of %s, which was done: %w", r.Action, recordErr)
	}
	return err
}

// Enter checks permission and writes the record before the act. For work that
// has an outcome worth a record of its own use [Gate.Do].
func (g *Gate) Enter(ctx context.Context, r Request) (access.Grant, error) {
	now := g.now()
	if !access.Allowed(g.bindings, r.Actor.Subject, r.Action, r.Target, now) {
		refusal := errkind.New(errkind.NotAllowed, "%s may not do %s on %s: a role that allows it is needed", r.Actor.Subject, r.Action, r.Name)
		return access.Grant{}, g.Refuse(ctx, r, refusal)
	}
	record := g.log.Record
	if r.Strict {
		record = g.log.RecordStrict
	}
	e, err := record(ctx, g.event(r, audit.Before, audit.Allowed))
	if err != nil {
		return access.Grant{}, fmt.Errorf("record %s before doing it: %w", r.Action, err)
	}
	return access.Issue(r.Action, r.Name, r.Actor.Subject, e.ID, now), nil
}

// Note records an act that opens contents or was done, in one event.
func (g *Gate) Note(ctx context.Context, r Request) (access.Grant, error) {
	if !access.Allowed(g.bindings, r.Actor.Subject, r.Action, r.Target, g.now()) {
		return g.Enter(ctx, r) // refuses and records
	}
	e, err := g.log.Record(ctx, g.event(r, audit.Only, audit.Allowed))
	if err != nil {
		return access.Grant{}, fmt.Errorf("record %s before doing it: %w", r.Action, err)
	}
	return access.Issue(r.Action, r.Name, r.Actor.Subject, e.ID, g.now()), nil
}

// Refuse records that something permitted was refused for what was found about
// it, and gives the refusal back.
func (g *Gate) Refuse(ctx context.Context, r Request, refusal error) error {
	e := g.event(r, audit.Only, audit.Refused)
	e.ErrorKind = errkind.Of(refusal).String()
	if _, err := g.log.Record(ctx, e); err != nil {
		return fmt.Errorf("%w (and the refusal could not be recorded: %w)", refusal, err)
	}
	return refusal
}

func (g *Gate) event(r Request, phase audit.Phase, result audit.Result) audit.Event {
	e := audit.Event{Actor: r.Actor, Action: r.Action, Target: r.Name, Reason: r.Reason, Phase: phase, Result: result}
	if r.Payload != nil && phase != audit.After {
		if data, err := json.Marshal(r.Payload); err == nil {
			sum := sha256.Sum256(data)
			e.PayloadSHA256 = hex.EncodeToString(sum[:])
		}
	}
	return e
}

// LocalOwner is the person at the console of the embedded shape: the account
// that runs this process.
func LocalOwner() audit.Actor {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return audit.Actor{Subject: fmt.Sprintf("uid:%d", os.Getuid()), Kind: audit.Owner, Host: host}
}
