package api

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"
)

// NewPolicy gives a policy to be looked at, or with Yes to be put in force.
type NewPolicy struct {
	// Document is the policy as JSON; its version may be left out.
	Document json.RawMessage `json:"document"`
	Yes      bool            `json:"yes,omitempty"`
}

// PolicyCheck is what is wrong with a policy, one sentence each.
type PolicyCheck struct {
	Policy   string   `json:"policy"`
	Mistakes []string `json:"mistakes"`
}

// SetSourcePolicy names the policy for a source, to be looked at or with Yes to
// be put in force.
type SetSourcePolicy struct {
	Policy string `json:"policy"`
	Yes    bool   `json:"yes,omitempty"`
}

// PolicyChange is what a change of policy does, or did.
type PolicyChange struct {
	Policy  string `json:"policy"`
	Version int    `json:"version"`
	Before  int    `json:"before,omitempty"` // the last version until now; none: a new policy
	// Action is what it is allowed as; a critical one weakens protection.
	Action   string         `json:"action"`
	Critical bool           `json:"critical"`
	Same     bool           `json:"same"` // in force already
	Applied  bool           `json:"applied"`
	Rules    []RuleChange   `json:"rules"`
	Sources  []PolicySource `json:"sources"`
	Warnings []string       `json:"warnings,omitempty"`
}

// RuleChange is how one rule changes for points to come.
type RuleChange struct {
	Rule      string `json:"rule"`
	Direction string `json:"direction"` // longer, shorter, added, gone, moved
	Before    string `json:"before,omitempty"`
	After     string `json:"after,omitempty"`
	Sentence  string `json:"sentence"`
}

// PolicySource is what a change of policy does to a source.
type PolicySource struct {
	Source  string       `json:"source"`
	Vault   string       `json:"vault"`
	Policy  string       `json:"policy"` // that it is under until now
	Version int          `json:"version"`
	Rules   []RuleChange `json:"rules"`
	// Longer are the points that are kept longer, Size and Stored their bytes
	// together: of the source, and what the vault grew by.
	Longer []LongerPoint `json:"longer"`
	Size   int64         `json:"size"`
	Stored int64         `json:"stored"`
	// GBMonths is how much is kept longer at most, in 10^9 bytes times months;
	// Endless counts the points that have no end any more and are not in it.
	GBMonths float64 `json:"gb_months"`
	Endless  int     `json:"endless"`
	// Spared counts points that the new rules would let go earlier and that keep
	// what they have; ShowsFrom is when a point first goes earlier.
	Spared     int        `json:"spared"`
	SparedSize int64      `json:"spared_size"`
	ShowsFrom  *time.Time `json:"shows_from,omitempty"`
}

// LongerPoint is a point that is kept longer. Before and After are dates, or
// unlimited or open-ended.
type LongerPoint struct {
	Point      string    `json:"point"`
	ReceivedAt time.Time `json:"received_at"`
	Size       int64     `json:"size"`
	Stored     int64     `json:"stored"`
	Before     string    `json:"before"`
	After      string    `json:"after"`
	Held       bool      `json:"held"`
	Why        []string  `json:"why"`
}

// CheckPolicy says what is wrong with a policy. What it finds is a result, not
// an error.
func (c *Client) CheckPolicy(ctx context.Context, in NewPolicy) (PolicyCheck, error) {
	return fetch[PolicyCheck](ctx, c, post(in, "policies", "check"))
}

// SetPolicy shows what a policy would do, or puts it in force.
func (c *Client) SetPolicy(ctx context.Context, in NewPolicy) (PolicyChange, error) {
	return fetch[PolicyChange](ctx, c, post(in, "policies"))
}

// SetSourcePolicy shows what another policy would do to a source, or puts the
// source under it.
func (c *Client) SetSourcePolicy(ctx context.Context, source string, in SetSourcePolicy) (PolicyChange, error) {
	return fetch[PolicyChange](ctx, c, post(in, "sources", source, "policy"))
}

// PolicyVersion shows one version of a policy.
func (c *Client) PolicyVersion(ctx context.Context, name string, version int) (Policy, error) {
	return fetch[Policy](ctx, c, get("policies", name).with(url.Values{"version": {strconv.Itoa(version)}}))
}

// Class shows a record class; in names its set, without which it is
// looked for in all.
func (c *Client) Class(ctx context.Context, id, in string) (Class, error) {
	query := url.Values{}
	set(query, "set", in)
	return fetch[Class](ctx, c, get("classes", id).with(query))
}
