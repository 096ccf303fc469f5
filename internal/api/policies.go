package api

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"
)

// Policy is a version of a policy.
type Policy struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	// Schedule says in words when backups run.
	Schedule string `json:"schedule"`
	// Keep says in words how long points are kept, by tag.
	Keep []PolicyKeep `json:"keep"`
	// Classes says in words which paths hold records of which class.
	Classes []string `json:"classes"`
	// Fiscal says in words how the financial year runs, "" without one.
	Fiscal string `json:"fiscal,omitempty"`
	// Document is the policy whole.
	Document json.RawMessage `json:"document"`
	// Sources are those under this version, by name.
	Sources []string `json:"sources"`
}

// PolicyKeep is how long the points with a tag are kept.
type PolicyKeep struct {
	Tag string `json:"tag"`
	For string `json:"for"`
	Due string `json:"due,omitempty"`
}

// PolicyRuns are runs of a policy's schedule.
type PolicyRuns struct {
	Policy   string `json:"policy"`
	Version  int    `json:"version"`
	Zone     string `json:"zone"`
	Schedule string `json:"schedule"`
	// Runs is empty if only people start it.
	Runs []PolicyRun `json:"runs"`
}

// PolicyRun is one run of a schedule.
type PolicyRun struct {
	At time.Time `json:"at"`
	// Local is what the clocks of the policy's zone show, with their offset.
	Local string `json:"local"`
}

// RunFilter chooses runs; the zero value chooses the next few.
type RunFilter struct {
	// From is the first day, 2006-01-02 in the policy's zone; empty is now.
	From  string
	Count int
}

// Class is a record class.
type Class struct {
	ID         string `json:"id"`
	Title      string `json:"title"`
	Minimum    string `json:"minimum"`
	Maximum    string `json:"maximum,omitempty"`
	ClockStart string `json:"clock_start"` // received, or an event
	Basis      string `json:"basis"`
	Citation   string `json:"citation"`
	Personal   bool   `json:"personal_data,omitempty"`
	// Set, Note of the set and how long records must be readable at once are only
	// in show.
	Set        string `json:"set,omitempty"`
	SetNote    string `json:"set_note,omitempty"`
	Accessible string `json:"accessible,omitempty"`
}

// Freeze is a stop of expiry for a source.
type Freeze struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Vault  string `json:"vault"`
	Points int    `json:"points"`
	Frozen bool   `json:"frozen"`
}

// Policies lists the policies, every version.
func (c *Client) Policies(ctx context.Context) ([]Policy, error) {
	return fetch[[]Policy](ctx, c, get("policies"))
}

// Policy shows the last version of a policy.
func (c *Client) Policy(ctx context.Context, name string) (Policy, error) {
	return fetch[Policy](ctx, c, get("policies", name))
}

// PolicyRuns lists runs of a policy's schedule.
func (c *Client) PolicyRuns(ctx context.Context, name string, f RunFilter) (PolicyRuns, error) {
	query := url.Values{}
	set(query, "from", f.From)
	if f.Count > 0 {
		query.Set("count", strconv.Itoa(f.Count))
	}
	return fetch[PolicyRuns](ctx, c, get("policies", name, "runs").with(query))
}

// Classes lists the record classes of a set.
func (c *Client) Classes(ctx context.Context, set string) ([]Class, error) {
	return fetch[[]Class](ctx, c, get("classes").with(url.Values{"set": {set}}))
}

// FreezeSource stops the expiry of a source's points.
func (c *Client) FreezeSource(ctx context.Context, source string, in Why) (Freeze, error) {
	return fetch[Freeze](ctx, c, post(in, "sources", source, "freeze"))
}

// UnfreezeSource lets the expiry of a source's points go on.
func (c *Client) UnfreezeSource(ctx context.Context, source, id string, in Why) (Freeze, error) {
	return fetch[Freeze](ctx, c, post(in, "sources", source, "freezes", id, "release"))
}
