package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Policy is one version of a policy. A version never changes; package policy
// says what its body means.
type Policy struct {
	Name string
	// Version counts from 1.
	Version   int
	Body      json.RawMessage
	CreatedAt time.Time
}

const policyColumns = "name, version, body, created_at"

func (p Policy) values() ([]any, error) {
	var c checks
	c.name("policy", p.Name)
	c.want(p.Version > 0, "a policy's version counts from 1, so it cannot be %d", p.Version)
	c.want(len(p.Body) > 0, "the policy %q has no body", p.Name)
	c.instant("the creation time of the policy", p.CreatedAt)
	body, err := rawText("the policy's body", p.Body)
	return []any{p.Name, p.Version, body, micros(p.CreatedAt)}, errors.Join(c.err, err)
}

func scanPolicy(r row) (Policy, error) {
	var p Policy
	var body string
	var created int64
	err := r.Scan(&p.Name, &p.Version, &body, &created)
	p.Body, p.CreatedAt = rawOf(body), timeOf(created)
	return p, err
}

// Policy gives a version of a policy; version 0 is the latest.
func (r reads) Policy(ctx context.Context, name string, version int) (Policy, error) {
	if version == 0 {
		return one(ctx, r, fmt.Sprintf("there is no policy %q", name), scanPolicy,
			"SELECT "+policyColumns+" FROM policies WHERE name = ? ORDER BY version DESC LIMIT 1", name)
	}
	return one(ctx, r, fmt.Sprintf("there is no version %d of a policy %q", version, name), scanPolicy,
		"SELECT "+policyColumns+" FROM policies WHERE name = ? AND version = ?", name, version)
}

// Policies gives every version of every policy, by name, then oldest first.
func (r reads) Policies(ctx context.Context) ([]Policy, error) {
	return list(ctx, r, "list policies", scanPolicy, "SELECT "+policyColumns+" FROM policies ORDER BY name, version")
}

// CreatePolicy adds a policy or a new version of one, which must be the last
// one plus 1: a version that is there is errkind.Exists, one that leaves a gap
// errkind.Invalid.
func (t *Tx) CreatePolicy(ctx context.Context, g access.Grant, p Policy) error {
	if err := g.Require(access.PolicyCreate, access.VaultCreate, access.PolicyUpdate, access.PolicyShorten, access.VaultRecover); err != nil {
		return err
	}
	values, err := p.values()
	if err != nil {
		return err
	}
	last, err := t.Policy(ctx, p.Name, 0)
	switch {
	case err != nil && !missing(err):
		return err
	case p.Version <= last.Version:
		return errkind.New(errkind.Exists, "the policy %q has version %d already; the next is %d", p.Name, p.Version, last.Version+1)
	case p.Version > last.Version+1:
		return errkind.New(errkind.Invalid, "the next version of the policy %q is %d, not %d", p.Name, last.Version+1, p.Version)
	}
	_, err = t.exec(ctx, "create the policy "+p.Name, insert("policies", policyColumns), values...)
	return err
}

// ReplacePolicy writes a version of a policy as recover found it in storage,
// in any order.
func (t *Tx) ReplacePolicy(ctx context.Context, g access.Grant, p Policy) error {
	if err := g.Require(access.VaultRecover); err != nil {
		return err
	}
	values, err := p.values()
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "write the policy "+p.Name, upsert("policies", policyColumns, "name, version"), values...)
	return err
}

// CreatePolicy is [Tx.CreatePolicy] in a transaction of its own.
func (c *Catalog) CreatePolicy(ctx context.Context, g access.Grant, p Policy) error {
	return c.change(ctx, func(tx *Tx) error { return tx.CreatePolicy(ctx, g, p) })
}

// ReplacePolicy is [Tx.ReplacePolicy] in a transaction of its own.
func (c *Catalog) ReplacePolicy(ctx context.Context, g access.Grant, p Policy) error {
	return c.change(ctx, func(tx *Tx) error { return tx.ReplacePolicy(ctx, g, p) })
}
