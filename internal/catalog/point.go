package catalog

import (
	"database/sql"
	"encoding/json"
	"errors"
	"time"
)

// PointState is where a point stands on its way out.
type PointState string

// The states of points.
const (
	PointProtected   PointState = "protected"
	PointStopped     PointState = "stopped"
	PointSoftDeleted PointState = "soft-deleted"
	PointPurged      PointState = "purged"
)

// PointLevel is the evidence that a point can be used, each level more than
// the one before.
type PointLevel string

// The evidence levels.
const (
	LevelCaptured           PointLevel = "captured"
	LevelStored             PointLevel = "stored"
	LevelLocked             PointLevel = "locked"
	LevelVerified           PointLevel = "verified"
	LevelRestored           PointLevel = "restored"
	LevelApplicationChecked PointLevel = "application-checked"
)

func pointStates() []PointState {
	return []PointState{PointProtected, PointStopped, PointSoftDeleted, PointPurged}
}

func pointLevels() []PointLevel {
	return []PointLevel{LevelCaptured, LevelStored, LevelLocked, LevelVerified, LevelRestored, LevelApplicationChecked}
}

// RemnantTag is the tag of points that keep only records gone from their
// source. They are no state of it, so none of them is its latest point.
const RemnantTag = "remnant"

// Term is how long a point is kept and why.
type Term struct {
	// RetainUntil is nil while no date is known. It is stored rounded up.
	RetainUntil *time.Time
	// Unlimited is true for a point kept without a date.
	Unlimited bool
	// Tags are lower-case words such as daily or close.
	Tags []string
	// Reasons are those of package retention.
	Reasons json.RawMessage
}

// Point is what the catalog knows of a recovery point: its manifest and the
// fold of the governance records about it.
type Point struct {
	// ID is a ULID.
	ID       string
	VaultID  string
	SourceID string
	// Number counts the points of a source from 1.
	Number     int64
	ReceivedAt time.Time
	StartedAt  time.Time
	Term
	// Size counts the logical bytes, Stored those new in the vault.
	Size, Stored         int64
	Files, Dirs, Entries int64
	Complete             bool
	// Fuzzy counts the files that changed while read.
	Fuzzy    int64
	Problems int64
	State    PointState
	StateAt  time.Time
	Level    PointLevel
	LevelAt  time.Time
	// Root and ManifestSHA256 are hexadecimal.
	Root           string
	ManifestSHA256 string
	Detail         json.RawMessage
}

const pointColumns = "id, vault_id, source_id, number, received_at, started_at, retain_until, unlimited, size, stored, files, dirs, entries, " +
	"complete, fuzzy, problems, tags, reasons, state, state_at, level, level_at, root, manifest_sha256, detail"

func (t Term) check(c *checks) {
	for _, tag := range t.Tags {
		c.want(isWord(tag), "%q cannot be a tag: one is a lower-case word with dashes", tag)
	}
	c.want(t.RetainUntil == nil || !t.RetainUntil.IsZero(), "the point's retain-until is not set")
}

func (p Point) check() error {
	var c checks
	c.ulid("point", p.ID)
	c.vaultID(p.VaultID)
	c.ulid("source", p.SourceID)
	c.want(p.Number > 0, "a point's number counts from 1, so it cannot be %d", p.Number)
	c.instant("the receipt time of the point", p.ReceivedAt)
	c.instant("the start time of the point", p.StartedAt)
	p.Term.check(&c)
	for _, n := range []int64{p.Size, p.Stored, p.Files, p.Dirs, p.Entries, p.Fuzzy, p.Problems} {
		c.want(n >= 0, "a count of the point %s is below zero", p.ID)
	}
	oneOf(&c, "state of a point", p.State, pointStates())
	oneOf(&c, "evidence level", p.Level, pointLevels())
	c.digest("the point's root", p.Root)
	c.digest("the point's manifest digest", p.ManifestSHA256)
	return c.err
}

// filled gives p with the state and level that a new point has.
func (p Point) filled() Point {
	if p.State == "" {
		p.State, p.StateAt = PointProtected, p.ReceivedAt
	}
	if p.Level == "" {
		p.Level, p.LevelAt = LevelStored, p.ReceivedAt
	}
	return p
}

func (p Point) values() ([]any, error) {
	tags, err1 := listText("the tags", p.Tags)
	reasons, err2 := rawText("the point's reasons", p.Reasons)
	detail, err3 := rawText("the point's detail", p.Detail)
	return []any{
		p.ID, p.VaultID, p.SourceID, p.Number, micros(p.ReceivedAt), micros(p.StartedAt), optionalMicros(p.RetainUntil),
		truth(p.Unlimited), p.Size, p.Stored, p.Files, p.Dirs, p.Entries, truth(p.Complete), p.Fuzzy, p.Problems,
		tags, reasons, string(p.State), micros(p.StateAt), string(p.Level), micros(p.LevelAt), p.Root, p.ManifestSHA256, detail,
	}, errors.Join(p.check(), err1, err2, err3)
}

func scanPoint(r row) (Point, error) {
	var p Point
	var received, started, unlimited, complete, stateAt, levelAt int64
	var until sql.NullInt64
	var tags, reasons, detail string
	err := r.Scan(&p.ID, &p.VaultID, &p.SourceID, &p.Number, &received, &started, &until, &unlimited, &p.Size, &p.Stored,
		&p.Files, &p.Dirs, &p.Entries, &complete, &p.Fuzzy, &p.Problems, &tags, &reasons, &p.State, &stateAt,
		&p.Level, &levelAt, &p.Root, &p.ManifestSHA256, &detail)
	if err != nil {
		return p, err
	}
	p.ReceivedAt, p.StartedAt, p.RetainUntil = timeOf(received), timeOf(started), optionalTime(until)
	p.StateAt, p.LevelAt = timeOf(stateAt), timeOf(levelAt)
	p.Unlimited, p.Complete = unlimited != 0, complete != 0
	p.Reasons, p.Detail = rawOf(reasons), rawOf(detail)
	p.Tags, err = listOf(tags)
	return p, err
}

// outlasts reports whether t keeps a point longer than u does.
func (t Term) outlasts(u Term) bool {
	if t.Unlimited || u.Unlimited {
		return t.Unlimited && !u.Unlimited
	}
	if t.RetainUntil == nil || u.RetainUntil == nil {
		return t.RetainUntil != nil && u.RetainUntil == nil
	}
	return t.RetainUntil.After(*u.RetainUntil)
}
