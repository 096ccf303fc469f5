package custody

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// PointDetail is what the catalog keeps of a point beyond its columns.
type PointDetail struct {
	Object string               `json:"object"`
	Facts  retention.PointFacts `json:"facts"`
	Trial  bool                 `json:"trial,omitempty"`
	// LockUntil is when the locks taken at commit end, zero for none.
	LockUntil time.Time `json:"lock_until,omitzero"`
}

// Facts gives the rules' view of a point as its manifest has it.
func Facts(p vault.Point) retention.PointFacts {
	f := p.Body.Retention
	f.ID, f.Source = p.Envelope.ID.String(), p.Envelope.Source.String()
	f.ReceivedAt = p.Envelope.Received.Time()
	return f
}

// PointRow makes the catalog's row of a point from its manifest and the facts
// recorded since.
func PointRow(p vault.Point, facts []retention.Fact) (catalog.Point, error) {
	e := p.Envelope
	initial := Facts(p)
	state := retention.Fold(initial, facts)
	detail, err := json.Marshal(PointDetail{Object: p.Object, Facts: initial, Trial: e.Trial})
	if err != nil {
		return catalog.Point{}, err
	}
	row := catalog.Point{
		ID: strings.ToUpper(e.ID.String()), VaultID: idText(e.Vault), SourceID: strings.ToUpper(e.Source.String()), Number: int64(e.Number),
		ReceivedAt: e.Received.Time(), StartedAt: e.Started.Time(), Size: e.Size, Stored: p.Body.Statistics["stored"],
		Files: p.Body.Statistics["files"], Dirs: p.Body.Statistics["dirs"], Entries: e.Entries, Complete: e.Complete,
		Fuzzy: p.Body.FuzzyCount, Problems: p.Body.ProblemCount, State: PointState(state), StateAt: e.Received.Time(),
		Level: pointLevel(state.Level), LevelAt: e.Received.Time(), Root: e.Root.String(), ManifestSHA256: hex.EncodeToString(p.Digest[:]), Detail: detail,
	}
	row.Term, err = Term(state)
	return row, err
}

// SetLock notes in a point's row until when it is locked, or would be in a
// vault with locks. held says that storage holds the lock, which is a level of
// evidence of its own.
func SetLock(row *catalog.Point, until time.Time, held bool) error {
	d, err := Detail(*row)
	if err != nil {
		return err
	}
	d.LockUntil = until
	if row.Detail, err = json.Marshal(d); err != nil {
		return err
	}
	if held && !retention.Level(strings.ReplaceAll(string(row.Level), "-", "_")).AtLeast(retention.Locked) {
		row.Level = catalog.LevelLocked
	}
	return nil
}

// Term gives the catalog's columns of how long a point is kept.
func Term(state retention.PointState) (catalog.Term, error) {
	reasons, err := json.Marshal(state.Reasons)
	if err != nil {
		return catalog.Term{}, err
	}
	t := catalog.Term{Reasons: reasons, Unlimited: state.RetainUntil.Unlimited}
	if !t.Unlimited && !state.RetainUntil.Time.IsZero() {
		until := state.RetainUntil.Time
		t.RetainUntil = &until
	}
	for _, tag := range state.Tags {
		if text := TagText(tag); !slices.Contains(t.Tags, text) { // a close may be taken again
			t.Tags = append(t.Tags, text)
		}
	}
	if state.Trigger == retention.Remnant {
		t.Tags = append(t.Tags, catalog.RemnantTag)
	}
	return t, nil
}

// TagText writes a tag as the catalog and the API have it.
func TagText(t retention.Tag) string {
	return strings.ReplaceAll(string(t.Name), "_", "-")
}

// PointState gives the catalog's state of a point.
func PointState(s retention.PointState) catalog.PointState {
	switch {
	case s.Disposed:
		return catalog.PointPurged
	case s.SoftDeleted != nil:
		return catalog.PointSoftDeleted
	default:
		return catalog.PointProtected
	}
}

func pointLevel(l retention.Level) catalog.PointLevel {
	if l == "" {
		l = retention.Stored
	}
	return catalog.PointLevel(strings.ReplaceAll(string(l), "_", "-"))
}

// Detail reads the catalog's detail of a point.
func Detail(row catalog.Point) (PointDetail, error) {
	var d PointDetail
	if err := json.Unmarshal(row.Detail, &d); err != nil {
		return d, fmt.Errorf("catalog row of point %s: %w", row.ID, err)
	}
	return d, nil
}

// Gone says of a remnant, in a sentence for each class, what it is for; of any
// other point nothing.
func Gone(state retention.PointState) []string {
	if state.Trigger != retention.Remnant {
		return nil
	}
	var out []string
	for _, id := range slices.Compact(slices.Sorted(slices.Values(state.Classes))) {
		out = append(out, fmt.Sprintf("Is a remnant: it keeps records of class %s that are gone from the source, as the point before them had them.", id))
	}
	return out
}

// Uncarried says, a sentence for each, of which classes a point has records
// without carrying their period: by default close and yearly points do.
func Uncarried(state retention.PointState) []string {
	var out []string
	for _, id := range state.Classes {
		if slices.ContainsFunc(state.Reasons, func(r retention.Reason) bool { return r.Class == id }) {
			continue
		}
		found, err := Classes([]policy.ClassRule{{Class: id}})
		class := found[id]
		if err != nil || class.Minimum.IsZero() {
			continue // nothing known asks for a period
		}
		start := ""
		if !class.FromReceipt() {
			start = " from " + class.ClockStart
		}
		out = append(out, fmt.Sprintf("Has records of class %s (%s%s): yearly and close points carry its period, and this is none.", id, class.Minimum.Words(), start))
	}
	return out
}

// History gives the earlier points of a source as the rules see them, after the
// facts recorded of them.
func History(rows []catalog.Point, facts []retention.Fact) ([]retention.PastPoint, error) {
	out := make([]retention.PastPoint, 0, len(rows))
	for _, row := range rows {
		d, err := Detail(row)
		if err != nil {
			return nil, err
		}
		state := retention.Fold(d.Facts, facts)
		out = append(out, state.Past(row.Complete, row.Entries, row.Size))
	}
	return out, nil
}
