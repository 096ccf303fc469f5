package clock

import "time"

// Status is all that the clock knows: what 'clock status' shows, and what the
// record of a deletion keeps of the times it relied on.
type Status struct {
	System  time.Time       `json:"system"`
	Sources []SourceReading `json:"sources"`
	// Observed is the receipt time at which the sources were read, zero if this
	// process has not read them.
	Observed time.Time `json:"observed,omitzero"`
	// Groups is how many independent groups answered, the system clock's
	// included.
	Groups   int          `json:"groups"`
	Receipt  time.Time    `json:"receipt"`
	Trusted  time.Time    `json:"trusted,omitzero"`
	Proven   time.Time    `json:"proven,omitzero"`
	Latch    *Latch       `json:"latch,omitempty"`
	Gap      *Gap         `json:"gap,omitempty"`
	Attested *Attestation `json:"attested,omitempty"`
	// Refusal is why nothing may be deleted from an immutable vault, empty if
	// proven time allows it.
	Refusal string `json:"refusal,omitempty"`
}
