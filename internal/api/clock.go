package api

import (
	"context"
	"time"
)

// Clock is what the trusted clock knows.
type Clock struct {
	System  time.Time     `json:"system"`
	Receipt time.Time     `json:"receipt"`          // dates points and records
	Proven  *time.Time    `json:"proven,omitempty"` // has passed for certain
	Groups  int           `json:"groups"`           // independent groups of sources that answered
	Sources []ClockSource `json:"sources"`
	// Latched says why and since when nothing may be deleted, until somebody attests the time.
	Latched      string     `json:"latched,omitempty"`
	LatchedSince *time.Time `json:"latched_since,omitempty"`
	// Refusal is why immutable vaults delete nothing now.
	Refusal  string `json:"refusal,omitempty"`
	Attested string `json:"attested,omitempty"` // who attested last, when and why
}

// ClockSource is what a source of time said.
type ClockSource struct {
	Name  string     `json:"name"`
	Group string     `json:"group"`
	At    *time.Time `json:"at,omitempty"`
	Error string     `json:"error,omitempty"`
}

// Attest says that the time is right; without At, that it is what the system
// clock says.
type Attest struct {
	At     *time.Time `json:"at,omitempty"`
	Reason string     `json:"reason"`
}

// Clock shows the trusted clock.
func (c *Client) Clock(ctx context.Context) (Clock, error) {
	return fetch[Clock](ctx, c, get("clock"))
}

// AttestClock attests the time.
func (c *Client) AttestClock(ctx context.Context, in Attest) (Clock, error) {
	return fetch[Clock](ctx, c, post(in, "clock", "attest"))
}
