package access

import (
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Action names what is done, as subject/verb: "vault/create", "restore/run".
type Action string

// Grant is the gate's word that one operation may proceed. Only package gate
// fills one (a law test says so); its zero value permits nothing. Mutating
// methods take a Grant and call [Grant.Require] first.
type Grant struct {
	action  Action
	target  string
	subject string
	// event is the number of the audit record that allowed the operation.
	event string
	at    time.Time
}

// Issue fills a grant. It is for package gate alone.
func Issue(action Action, target, subject, event string, at time.Time) Grant {
	return Grant{action: action, target: target, subject: subject, event: event, at: at}
}

// Require fails with errkind.NotAllowed unless the grant is for one of the
// actions given.
func (g Grant) Require(actions ...Action) error {
	for _, a := range actions {
		if g.action == a && a != "" {
			return nil
		}
	}
	if g.action == "" {
		return errkind.New(errkind.NotAllowed, "no grant: every change passes the gate first")
	}
	return errkind.New(errkind.NotAllowed, "the grant for %s does not cover %v", g.action, actions)
}

// Subject is who was allowed.
func (g Grant) Subject() string { return g.subject }

// Action is what was allowed.
func (g Grant) Action() Action { return g.action }

// Target is what it was allowed on.
func (g Grant) Target() string { return g.target }

// Event identifies the audit record written before the operation.
func (g Grant) Event() string { return g.event }

// At is when it was allowed, by trusted time.
func (g Grant) At() time.Time { return g.at }
