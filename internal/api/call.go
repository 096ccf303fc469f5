package api

import (
	"context"
	"io"
	"net/url"
	"strconv"
	"time"
)

// Version asks which version the server is.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return fetch[Version](ctx, c, get("version"))
}

// Vaults lists the vaults.
func (c *Client) Vaults(ctx context.Context) ([]Vault, error) {
	return fetch[[]Vault](ctx, c, get("vaults"))
}

// Vault shows a vault.
func (c *Client) Vault(ctx context.Context, name string) (Vault, error) {
	return fetch[Vault](ctx, c, get("vaults", name))
}

// CreateVault makes a vault.
func (c *Client) CreateVault(ctx context.Context, in NewVault) (Vault, error) {
	return fetch[Vault](ctx, c, post(in, "vaults"))
}

// VerifyVault verifies a vault. What it finds wrong is a result, not an error.
func (c *Client) VerifyVault(ctx context.Context, name string, in Verify, fn func(Event)) (Verification, error) {
	return follow[Verification](ctx, c, post(in, "vaults", name, "verify"), fn)
}

// CollectGarbage plans a garbage collection, or does what a plan says.
func (c *Client) CollectGarbage(ctx context.Context, name string, in Collect, fn func(Event)) (Garbage, error) {
	return follow[Garbage](ctx, c, post(in, "vaults", name, "gc"), fn)
}

// Recover rebuilds what is known from a store and a key.
func (c *Client) Recover(ctx context.Context, in Recover, fn func(Event)) (Recovered, error) {
	return follow[Recovered](ctx, c, post(in, "recover"), fn)
}

// Sources lists the sources.
func (c *Client) Sources(ctx context.Context) ([]Source, error) {
	return fetch[[]Source](ctx, c, get("sources"))
}

// Source shows a source.
func (c *Client) Source(ctx context.Context, name string) (Source, error) {
	return fetch[Source](ctx, c, get("sources", name))
}

// CreateSource makes a source.
func (c *Client) CreateSource(ctx context.Context, in NewSource) (Source, error) {
	return fetch[Source](ctx, c, post(in, "sources"))
}

// Backup backs up a source. A point that is not complete is a result, not an
// error.
func (c *Client) Backup(ctx context.Context, in Backup, fn func(Event)) (Point, error) {
	return follow[Point](ctx, c, post(in, "backups"), fn)
}

// PointFilter chooses points; the zero value chooses all.
type PointFilter struct {
	Source, Vault string
	Limit         int // the newest so many; 0: all
}

// Points lists points.
func (c *Client) Points(ctx context.Context, f PointFilter) ([]Point, error) {
	query := url.Values{}
	set(query, "source", f.Source)
	set(query, "vault", f.Vault)
	setLimit(query, f.Limit)
	return fetch[[]Point](ctx, c, get("points").with(query))
}

// Point shows a point, named by its ID, the beginning of one, "latest" or
// "latest:" and a source, as everywhere.
func (c *Client) Point(ctx context.Context, id string) (Point, error) {
	return fetch[Point](ctx, c, get("points", id))
}

// Explain says why a point is kept.
func (c *Client) Explain(ctx context.Context, id string) (Explanation, error) {
	return fetch[Explanation](ctx, c, get("points", id, "explain"))
}

// Entries passes the entries directly under path to fn, in the order of the
// walk.
func (c *Client) Entries(ctx context.Context, id, path string, fn func(Entry) error) error {
	query := url.Values{}
	SetPath(query, path)
	return each(ctx, c, get("points", id, "entries").with(query), fn)
}

// AllEntries passes every entry below path to fn, in the order of the walk.
func (c *Client) AllEntries(ctx context.Context, id, path string, fn func(Entry) error) error {
	query := url.Values{"recursive": {"true"}}
	SetPath(query, path)
	return each(ctx, c, get("points", id, "entries").with(query), fn)
}

// Content writes the content of a file to w. Unless it returns nil, what was
// written is only the beginning.
func (c *Client) Content(ctx context.Context, id, path string, w io.Writer) error {
	query := url.Values{}
	SetPath(query, path)
	resp, err := c.open(ctx, get("points", id, "content").with(query))
	if err != nil {
		return err
	}
	defer drop(resp.Body)
	sink := &sink{w: w}
	_, err = io.Copy(sink, resp.Body)
	if sink.err != nil {
		return sink.err
	}
	if err != nil {
		return cutShort(ctx, resp, err)
	}
	if p := trailing(resp); p != nil {
		return p.Err()
	}
	return nil
}

// sink remembers an error of the writer, to tell it from the server's.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	s.err = err
	return n, err
}

// Diff passes every difference between two points to fn, by path.
func (c *Client) Diff(ctx context.Context, from, to string, fn func(Difference) error) error {
	query := url.Values{"from": {from}, "to": {to}}
	return each(ctx, c, get("diff").with(query), fn)
}

// Restore restores a point or a part of it. Files lost to damage and what
// could not be restored as it was are a result, not an error.
func (c *Client) Restore(ctx context.Context, in Restore, fn func(Event)) (Restored, error) {
	return follow[Restored](ctx, c, post(in, "restores"), fn)
}

// AuditFilter chooses records of the audit log; the zero value chooses all.
type AuditFilter struct {
	Since, Until                        time.Time // Since <= time < Until
	Action, Actor, Result, Target, Text string
	Limit                               int // the newest so many; 0: all
}

// Audit lists records of the audit log, the newest last.
func (c *Client) Audit(ctx context.Context, f AuditFilter) ([]AuditEntry, error) {
	query := url.Values{}
	setTime(query, "since", f.Since)
	setTime(query, "until", f.Until)
	set(query, "action", f.Action)
	set(query, "actor", f.Actor)
	set(query, "result", f.Result)
	set(query, "target", f.Target)
	set(query, "text", f.Text)
	setLimit(query, f.Limit)
	return fetch[[]AuditEntry](ctx, c, get("audit").with(query))
}

// VerifyAudit checks the audit log. What it finds wrong is a result.
func (c *Client) VerifyAudit(ctx context.Context) (AuditVerification, error) {
	return fetch[AuditVerification](ctx, c, post(nil, "audit", "verify"))
}

// Doctor says what is wrong with the installation.
func (c *Client) Doctor(ctx context.Context) ([]Finding, error) {
	return fetch[[]Finding](ctx, c, get("doctor"))
}

// Quickstart protects a folder from beginning to end.
func (c *Client) Quickstart(ctx context.Context, in Quickstart, fn func(Event)) (QuickstartResult, error) {
	return follow[QuickstartResult](ctx, c, post(in, "quickstart"), fn)
}

// PreviewRemoval says what RemoveQuickstart would remove.
func (c *Client) PreviewRemoval(ctx context.Context) (Removal, error) {
	return fetch[Removal](ctx, c, post(nil, "quickstart", "remove"))
}

// RemoveQuickstart removes what the quickstart made.
func (c *Client) RemoveQuickstart(ctx context.Context) (Removal, error) {
	query := url.Values{"yes": {"true"}}
	return fetch[Removal](ctx, c, post(nil, "quickstart", "remove").with(query))
}

func set(query url.Values, key, value string) {
	if value != "" {
		query.Set(key, value)
	}
}

func setTime(query url.Values, key string, t time.Time) {
	if !t.IsZero() {
		query.Set(key, t.UTC().Format(time.RFC3339Nano))
	}
}

func setLimit(query url.Values, n int) {
	if n > 0 {
		query.Set("limit", strconv.Itoa(n))
	}
}
