// Package hold says which points a legal hold covers.
//
// A hold has a matter and a scope, is placed by somebody for a reason, and
// stops every deletion in its scope until it is released. Many holds may cover
// one point; it is free only when none does. In doubt a hold covers: an empty
// scope is everything, a point whose paths are not known matches any path, and a
// remnant may hold records from before any date.
// Placing and releasing (who may, who must agree) is left to the gate.
package hold

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Hold is one legal hold. ReleasedAt is zero while it is in force.
type Hold struct {
	ID         string    `json:"id" cbor:"1,keyasint"`
	Matter     string    `json:"matter" cbor:"2,keyasint,omitempty"`
	Scope      Scope     `json:"scope" cbor:"3,keyasint,omitzero"`
	PlacedBy   string    `json:"placed_by" cbor:"4,keyasint,omitempty"`
	PlacedAt   time.Time `json:"placed_at" cbor:"5,keyasint,omitzero"`
	Reason     string    `json:"reason" cbor:"6,keyasint,omitempty"`
	ReleasedBy string    `json:"released_by,omitempty" cbor:"7,keyasint,omitempty"`
	ReleasedAt time.Time `json:"released_at,omitzero" cbor:"8,keyasint,omitzero"`
}

// Scope is what a hold covers: the points listed, and the points that match
// every other field that is set. With nothing set it covers everything.
type Scope struct {
	Sources []string `json:"sources,omitempty" cbor:"1,keyasint,omitempty"`
	Classes []string `json:"classes,omitempty" cbor:"2,keyasint,omitempty"`
	// From and To bound the receipt time, To excluded; zero is open. To does not
	// bound remnants.
	From  time.Time `json:"from,omitzero" cbor:"3,keyasint,omitzero"`
	To    time.Time `json:"to,omitzero" cbor:"4,keyasint,omitzero"`
	Paths []string  `json:"paths,omitempty" cbor:"5,keyasint,omitempty"`
	// Points are covered whatever the other fields say.
	Points []string `json:"points,omitempty" cbor:"6,keyasint,omitempty"`
	// Query is the search that found Points, kept for the record.
	Query string `json:"query,omitempty" cbor:"7,keyasint,omitempty"`
}

// Point is what a hold needs to know of a recovery point.
type Point struct {
	ID         string
	Source     string
	Classes    []string
	Paths      []string
	ReceivedAt time.Time
	// Remnant marks a point of records that had vanished when it was received: they
	// are from before.
	Remnant bool
}

// Active reports whether the hold is in force, that is, not released.
func (h Hold) Active() bool { return h.ReleasedAt.IsZero() }

// Covers reports whether the point lies in the hold's scope, in force or not.
func (h Hold) Covers(p Point) bool { return h.Scope.covers(p) }

// Validate refuses a hold that could not be explained in court.
func (h Hold) Validate() error {
	for _, f := range []struct{ key, value string }{
		{"id", h.ID}, {"matter", h.Matter}, {"placed_by", h.PlacedBy}, {"reason", h.Reason},
	} {
		if strings.TrimSpace(f.value) == "" {
			return errkind.New(errkind.Invalid, "hold %q: %s must be given", h.ID, f.key)
		}
	}
	if h.PlacedAt.IsZero() {
		return errkind.New(errkind.Invalid, "hold %q: placed_at must be given", h.ID)
	}
	if !h.Scope.From.IsZero() && !h.Scope.To.IsZero() && !h.Scope.From.Before(h.Scope.To) {
		return errkind.New(errkind.Invalid, "hold %q: scope.from must lie before scope.to", h.ID)
	}
	return nil
}

// Covering gives the holds in force over the point, ordered by id.
func Covering(holds []Hold, p Point) []Hold {
	var out []Hold
	for _, h := range holds {
		if h.Active() && h.Covers(p) {
			out = append(out, h)
		}
	}
	slices.SortStableFunc(out, func(a, b Hold) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (s Scope) covers(p Point) bool {
	if slices.Contains(s.Points, p.ID) {
		return true
	}
	rest := len(s.Sources)+len(s.Classes)+len(s.Paths) > 0 || !s.From.IsZero() || !s.To.IsZero()
	if !rest {
		return len(s.Points) == 0
	}
	if len(s.Sources) > 0 && !slices.Contains(s.Sources, p.Source) {
		return false
	}
	if len(s.Classes) > 0 && !meet(s.Classes, p.Classes) {
		return false
	}
	if !s.From.IsZero() && p.ReceivedAt.Before(s.From) || !s.To.IsZero() && !p.Remnant && !p.ReceivedAt.Before(s.To) {
		return false
	}
	return len(s.Paths) == 0 || len(p.Paths) == 0 || slices.ContainsFunc(s.Paths, func(a string) bool {
		return slices.ContainsFunc(p.Paths, func(b string) bool { return overlap(a, b) })
	})
}

func meet(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// overlap reports whether one path is the other or lies below it.
func overlap(a, b string) bool {
	a, b = path.Clean("/"+a), path.Clean("/"+b)
	return under(a, b) || under(b, a)
}

func under(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}
