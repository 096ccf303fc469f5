// Package access says who may do what.
//
// An Action is named subject/verb. A Role is a list of action patterns with
// exclusions; a Binding gives a role to a subject at a scope, optionally until a
// date; a Grant is the gate's word that one operation may proceed. What must
// always be true: nothing is allowed that no binding allows, and an exclusion
// of a role always wins over its own patterns. Who the subject is, approval by
// others and the audit record are the gate's.
package access

import (
	"strings"
	"time"
)

// ScopeKind is what a binding reaches.
type ScopeKind string

// The scopes.
const (
	Everything  ScopeKind = "everything"
	VaultScope  ScopeKind = "vault"
	SourceScope ScopeKind = "source"
	ClassScope  ScopeKind = "class"
)

// Scope limits a binding to one vault, source or record class. The zero Scope
// reaches nothing.
type Scope struct {
	Kind ScopeKind `json:"kind"`
	ID   string    `json:"id,omitempty"`
}

// Target is what an action is done on. Fields that do not apply are empty.
type Target struct {
	Vault   string
	Source  string
	Classes []string
}

// Binding gives a role to a person or group.
type Binding struct {
	Subject string   `json:"subject"`
	Role    RoleName `json:"role"`
	Scope   Scope    `json:"scope"`
	// Until ends the binding; zero is no end.
	Until time.Time `json:"until,omitzero"`
}

// Allowed reports whether one of the subject's bindings in force at now allows
// the action on the target.
func Allowed(bindings []Binding, subject string, action Action, target Target, now time.Time) bool {
	for _, b := range bindings {
		if b.Subject != subject || subject == "" || !b.inForce(now) || !b.Scope.reaches(target) {
			continue
		}
		if r, ok := FindRole(b.Role); ok && r.Allows(action) {
			return true
		}
	}
	return false
}

// Owner binds every built-in role to one subject everywhere: the embedded shape,
// where the local owner is alone.
func Owner(subject string) []Binding {
	var out []Binding
	for _, r := range Roles() {
		out = append(out, Binding{Subject: subject, Role: r.Name, Scope: Scope{Kind: Everything}})
	}
	return out
}

func (b Binding) inForce(now time.Time) bool {
	return b.Until.IsZero() || now.Before(b.Until)
}

func (s Scope) reaches(t Target) bool {
	switch s.Kind {
	case Everything:
		return true
	case VaultScope:
		return s.ID != "" && s.ID == t.Vault
	case SourceScope:
		return s.ID != "" && s.ID == t.Source
	case ClassScope:
		// A target of several classes is reached only by all of them: a binding
		// on invoices does not open what also holds payroll.
		for _, c := range t.Classes {
			if c != s.ID {
				return false
			}
		}
		return s.ID != "" && len(t.Classes) > 0
	}
	return false
}

// Allows reports whether the role allows the action.
func (r Role) Allows(a Action) bool {
	for _, p := range r.Not {
		if p.matches(a) {
			return false
		}
	}
	for _, p := range r.Allow {
		if p.matches(a) {
			return true
		}
	}
	return false
}

// Pattern is an action in which subject, verb or both may be "*".
type Pattern string

func (p Pattern) matches(a Action) bool {
	ps, pv, ok := strings.Cut(string(p), "/")
	as, av, named := strings.Cut(string(a), "/")
	if !ok || !named || as == "" || av == "" {
		return false
	}
	return (ps == "*" || ps == as) && (pv == "*" || pv == av)
}
