package catalog

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// latest is the word for the newest point.
const latest = "latest"

// Order is the order of a list of points or runs.
type Order int

// The orders. Points of the same instant follow their number, then their id.
const (
	NewestFirst Order = iota
	OldestFirst
)

// PointFilter chooses points; its zero value chooses all, newest first.
type PointFilter struct {
	// SourceID and VaultID are ids; empty means any.
	SourceID, VaultID string
	// Since is the earliest receipt time, Until the first that is too late.
	Since, Until time.Time
	// States are those wanted; none means any.
	States []PointState
	// Without is a tag that they do not have; empty means any.
	Without string
	Order   Order
	// Limit bounds the list; 0 means no limit.
	Limit int
}

// Points gives the points that the filter chooses, by receipt time.
func (r reads) Points(ctx context.Context, f PointFilter) ([]Point, error) {
	var w where
	if f.SourceID != "" {
		w.add("source_id = ?", f.SourceID)
	}
	if f.VaultID != "" {
		w.add("vault_id = ?", f.VaultID)
	}
	if !f.Since.IsZero() {
		w.add("received_at >= ?", microsUp(f.Since))
	}
	if !f.Until.IsZero() {
		w.add("received_at < ?", microsUp(f.Until))
	}
	if len(f.States) > 0 {
		var states []any
		for _, s := range f.States {
			states = append(states, string(s))
		}
		w.add("state IN (?"+strings.Repeat(", ?", len(states)-1)+")", states...)
	}
	if f.Without != "" {
		w.add("tags NOT LIKE ?", `%"`+f.Without+`"%`) // a list of words in JSON
	}
	order := " ORDER BY received_at DESC, number DESC, id DESC"
	if f.Order == OldestFirst {
		order = " ORDER BY received_at, number, id"
	}
	query := "SELECT " + pointColumns + " FROM points" + w.String() + order + w.limit(f.Limit)
	return list(ctx, r, "list points", scanPoint, query, w.args...)
}

// Kept gives the states of points that are in their vault still.
func Kept() []PointState { return []PointState{PointProtected, PointStopped, PointSoftDeleted} }

// History gives the points of a source that retention has to decide about,
// oldest first: all but those purged.
func (r reads) History(ctx context.Context, sourceID string) ([]Point, error) {
	return r.Points(ctx, PointFilter{
		SourceID: sourceID,
		States:   Kept(),
		Order:    OldestFirst,
	})
}

// Point gives the point that ref means: an id, the beginning of one, "latest",
// or "latest:" with the name or id of a source. The latest point is the newest
// by receipt time, complete or not, that is neither a remnant nor soft-deleted or purged.
// The beginning of several ids is errkind.Invalid.
func (r reads) Point(ctx context.Context, ref string) (Point, error) {
	if ref == latest {
		return r.latestPoint(ctx, "", "there is no recovery point yet; `counterfoil backup run SOURCE` makes one")
	}
	if source, ok := strings.CutPrefix(ref, latest+":"); ok {
		return r.latestOf(ctx, source)
	}
	prefix := strings.ToUpper(ref)
	if prefix == "" || len(prefix) > 26 || strings.Trim(prefix, ulidDigits) != "" {
		return Point{}, errkind.New(errkind.Invalid,
			"%q does not name a recovery point: give an id, the beginning of one, latest or latest:SOURCE", ref)
	}
	// "Z" is the greatest digit, so "[" follows every id that begins so.
	found, err := list(ctx, r, "find the point "+ref, scanPoint,
		"SELECT "+pointColumns+" FROM points WHERE id >= ? AND id < ? ORDER BY id LIMIT 4", prefix, prefix+"[")
	switch {
	case err != nil:
		return Point{}, err
	case len(found) == 0:
		return Point{}, errkind.New(errkind.NotFound, "there is no recovery point %q; `counterfoil point list` shows those there are", ref)
	case len(found) > 1:
		return Point{}, errkind.New(errkind.Invalid, "%q is the beginning of several recovery points: %s; give more of the id", ref, someIDs(found))
	}
	return found[0], nil
}

// latestOf finds the newest point of a source, also of one that only its
// points still name.
func (r reads) latestOf(ctx context.Context, source string) (Point, error) {
	s, err := r.Source(ctx, source)
	if missing(err) && isULID(source) {
		return r.latestPoint(ctx, source, noSource(source))
	}
	if err != nil {
		return Point{}, err
	}
	return r.latestPoint(ctx, s.ID,
		fmt.Sprintf("the source %q has no recovery point yet; `counterfoil backup run %s` makes one", s.Name, s.Name))
}

func (r reads) latestPoint(ctx context.Context, sourceID, sentence string) (Point, error) {
	found, err := r.Points(ctx, PointFilter{
		SourceID: sourceID, States: []PointState{PointProtected, PointStopped}, Without: RemnantTag, Limit: 1,
	})
	if err != nil {
		return Point{}, err
	}
	if len(found) == 0 {
		return Point{}, errkind.New(errkind.NotFound, "%s", sentence)
	}
	return found[0], nil
}

// someIDs names up to three points.
func someIDs(points []Point) string {
	var ids []string
	for _, p := range points[:min(3, len(points))] {
		ids = append(ids, p.ID)
	}
	if len(points) > 3 {
		ids = append(ids, "...")
	}
	return strings.Join(ids, ", ")
}
