package api

import (
	"context"
	"time"
)

// NewErasure asks for an erasure to be recorded.
type NewErasure struct {
	Sources  []string   `json:"sources,omitempty"` // names; none: every source of the vault
	Paths    []string   `json:"paths"`
	PathsRaw [][]byte   `json:"paths_raw,omitempty"`
	Until    *time.Time `json:"until,omitempty"` // points begun no later; now if left out
	Reason   string     `json:"reason"`
	// Subject is the id of a subject of an earlier erasure, left out for a new one.
	Subject string `json:"subject,omitempty"`
	// SubjectName is kept in the catalog alone, and can be forgotten.
	SubjectName string `json:"subject_name,omitempty"`
}

// Erasure is what was erased for a data subject.
type Erasure struct {
	ID         string     `json:"id"`
	Vault      string     `json:"vault"`
	Subject    string     `json:"subject"`
	Reason     string     `json:"reason"`
	RecordedBy string     `json:"recorded_by"`
	RecordedAt time.Time  `json:"recorded_at"`
	Sources    []string   `json:"sources"` // names; none: every source of the vault
	Paths      []string   `json:"paths"`
	PathsRaw   [][]byte   `json:"paths_raw,omitempty"`
	Until      time.Time  `json:"until"` // points begun no later are concerned
	Withdrawn  *time.Time `json:"withdrawn_at,omitempty"`
	// WithdrawnBy and WithdrawnFor say who ended it and why.
	WithdrawnBy  string `json:"withdrawn_by,omitempty"`
	WithdrawnFor string `json:"withdrawn_for,omitempty"`
	Points       int    `json:"points"` // kept ones that it concerns
}

// ErasureDetail is an erasure with what of it is kept beyond use.
type ErasureDetail struct {
	Erasure
	SubjectName string      `json:"subject_name,omitempty"` // left out where it is not known
	BeyondUse   []BeyondUse `json:"beyond_use"`
	Warnings    []string    `json:"warnings,omitempty"`
}

// BeyondUse is what a point still holds of an erasure.
type BeyondUse struct {
	Point       string     `json:"point"`
	Source      string     `json:"source"`
	ReceivedAt  time.Time  `json:"received_at"`
	Entries     int64      `json:"entries"`
	Files       int64      `json:"files"`
	Bytes       int64      `json:"bytes"`
	Linked      int64      `json:"linked,omitempty"` // files that may have further names
	RetainUntil *time.Time `json:"retain_until,omitempty"`
	Unlimited   bool       `json:"unlimited"`
	LockedUntil *time.Time `json:"locked_until,omitempty"`
	Holds       []string   `json:"holds,omitempty"`
	Problem     string     `json:"problem,omitempty"` // why not all could be looked at
}

// LeftOut counts what a restore left out because it was erased.
type LeftOut struct {
	Entries  int64    `json:"entries"`
	Files    int64    `json:"files"`
	Bytes    int64    `json:"bytes"`
	Erasures []string `json:"erasures"` // ids
}

// Forgotten says whether a subject's name was there to be forgotten.
type Forgotten struct {
	Vault   string `json:"vault"`
	Subject string `json:"subject"`
	Name    bool   `json:"name_was_known"`
}

// Erasures lists the erasures of a vault.
func (c *Client) Erasures(ctx context.Context, vault string) ([]Erasure, error) {
	return fetch[[]Erasure](ctx, c, get("vaults", vault, "erasures"))
}

// Erasure shows an erasure and what of it is kept beyond use.
func (c *Client) Erasure(ctx context.Context, vault, id string) (ErasureDetail, error) {
	return fetch[ErasureDetail](ctx, c, get("vaults", vault, "erasures", id))
}

// RecordErasure records what was erased for a data subject.
func (c *Client) RecordErasure(ctx context.Context, vault string, in NewErasure) (ErasureDetail, error) {
	return fetch[ErasureDetail](ctx, c, post(in, "vaults", vault, "erasures"))
}

// WithdrawErasure ends an erasure that was recorded by mistake.
func (c *Client) WithdrawErasure(ctx context.Context, vault, id string, in Why) (Erasure, error) {
	return fetch[Erasure](ctx, c, post(in, "vaults", vault, "erasures", id, "withdraw"))
}

// ForgetSubject removes the name of a data subject.
func (c *Client) ForgetSubject(ctx context.Context, vault, subject string) (Forgotten, error) {
	return fetch[Forgotten](ctx, c, post(struct{}{}, "vaults", vault, "subjects", subject, "forget"))
}
