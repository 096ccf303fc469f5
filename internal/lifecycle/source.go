package lifecycle

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Retain says what becomes of the points of a source that is stopped.
type Retain string

// The ways to stop.
const (
	// ByPolicy lets points expire as they were to.
	ByPolicy Retain = "policy"
	// ForEver stops their expiry until the source is resumed.
	ForEver Retain = "for-ever"
)

// stoppedFreeze is the freeze of a source that is stopped and kept for ever.
const stoppedFreeze = "stopped-for-ever"

// SourceChange is a source whose state changed.
type SourceChange struct {
	Source, Vault string
	State         vault.SourceState
	// Points is how many points it concerns.
	Points int
	// PurgeAfter is until when a deletion can be undone, else zero.
	PurgeAfter time.Time
}

// StopSource ends the backups of a source. Its points stay as the policy says,
// or for ever.
func (l *Lifecycle) StopSource(ctx context.Context, g access.Grant, name string, retain Retain, why string) (SourceChange, error) {
	if err := g.Require(access.SourceStop); err != nil {
		return SourceChange{}, err
	}
	if retain != ByPolicy && retain != ForEver {
		return SourceChange{}, errkind.New(errkind.Invalid, "a stopped source retains its points by %q or %q, not %q", ByPolicy, ForEver, retain)
	}
	s, w, record, err := l.recordOf(ctx, g, name)
	if err != nil {
		return SourceChange{}, err
	}
	to, now := vault.SourceStopped, l.cfg.Clock.Receipt()
	var facts []retention.Fact
	if retain == ForEver {
		to = vault.SourceStoppedForEver
		facts = append(facts, retention.Fact{Kind: retention.Frozen, At: now, By: g.Subject(), Why: why, FreezeID: stoppedFreeze, Selector: ofSource(s)})
	}
	switch record.State {
	case to:
		return SourceChange{}, errkind.New(errkind.Exists, "source %q is stopped that way already", name)
	case vault.SourceStoppedForEver:
		return SourceChange{}, errkind.New(errkind.Refused, "source %q is stopped and its points are kept for ever: 'source resume %s' takes that back", name, name)
	case vault.SourceDeleted, vault.SourcePurged:
		return SourceChange{}, deletedSource(name)
	case vault.SourceProtected, vault.SourceStopped:
	}
	record.State = to
	return l.changeSource(ctx, g, w, s, record, facts)
}

// ResumeSource takes the backups of a stopped source up again. Points that were
// kept for ever follow their policy again.
func (l *Lifecycle) ResumeSource(ctx context.Context, g access.Grant, name string) (SourceChange, error) {
	if err := g.Require(access.SourceResume); err != nil {
		return SourceChange{}, err
	}
	s, w, record, err := l.recordOf(ctx, g, name)
	if err != nil {
		return SourceChange{}, err
	}
	var facts []retention.Fact
	switch record.State {
	case vault.SourceProtected:
		return SourceChange{}, errkind.New(errkind.Exists, "source %q is not stopped", name)
	case vault.SourceDeleted, vault.SourcePurged:
		return SourceChange{}, deletedSource(name)
	case vault.SourceStoppedForEver:
		if _, err := l.cfg.Clock.MayDelete(w.immutable()); err != nil {
			return SourceChange{}, err // what lets go needs proof of the time
		}
		facts = append(facts, l.unstopped(g, s))
	case vault.SourceStopped:
	}
	record.State = vault.SourceProtected
	return l.changeSource(ctx, g, w, s, record, facts)
}

// unstopped ends what keeps the points of a stopped source for ever.
func (l *Lifecycle) unstopped(g access.Grant, s catalog.Source) retention.Fact {
	return retention.Fact{Kind: retention.Unfrozen, At: l.cfg.Clock.Receipt(), By: g.Subject(), FreezeID: stoppedFreeze, Selector: ofSource(s)}
}

// DeleteSource deletes a source softly with all its points, or nothing of it: a
// single point that may not be deleted is errkind.Refused.
func (l *Lifecycle) DeleteSource(ctx context.Context, g access.Grant, name, why string) (SourceChange, error) {
	if err := g.Require(access.SourceDelete); err != nil {
		return SourceChange{}, err
	}
	s, w, record, err := l.recordOf(ctx, g, name)
	if err != nil {
		return SourceChange{}, err
	}
	if record.State == vault.SourceDeleted || record.State == vault.SourcePurged {
		return SourceChange{}, deletedSource(name)
	}
	points, err := l.deletable(ctx, w, func(p standing) bool { return p.row.SourceID == s.ID })
	if err != nil {
		return SourceChange{}, errkind.Wrap(errkind.Of(err), err, "source %q is not deleted, and nothing of it; 'source stop %s' ends its backups and lets its points run out", name, name)
	}
	d := w.deletion(l.cfg.Clock.Receipt(), g.Subject())
	facts := d.facts(points, why)
	if record.State == vault.SourceStoppedForEver {
		facts = append(facts, l.unstopped(g, s)) // to be deleted is not to be kept for ever
	}
	record.State, record.Deleted = vault.SourceDeleted, (*vault.SoftDeletion)(&d)
	return l.changeSource(ctx, g, w, s, record, facts)
}

// UndeleteSource brings a deleted source back, stopped, with the points that
// were deleted with it.
func (l *Lifecycle) UndeleteSource(ctx context.Context, g access.Grant, name string) (SourceChange, error) {
	if err := g.Require(access.SourceUndelete); err != nil {
		return SourceChange{}, err
	}
	s, w, record, err := l.recordOf(ctx, g, name)
	if err != nil {
		return SourceChange{}, err
	}
	if record.State != vault.SourceDeleted || record.Deleted == nil {
		return SourceChange{}, errkind.New(errkind.Invalid, "source %q is not deleted, or purged already", name)
	}
	facts := w.undeletion(*record.Deleted, l.cfg.Clock.Receipt(), g.Subject())
	record.State, record.Deleted = vault.SourceStopped, nil
	return l.changeSource(ctx, g, w, s, record, facts)
}

// purgeSources records of deleted sources that nothing of them is left.
func (l *Lifecycle) purgeSources(ctx context.Context, g access.Grant, w *view, proven time.Time) error {
	over := func(r vault.SourceRecord) bool {
		return r.State == vault.SourceDeleted && r.Deleted != nil && r.Deleted.PurgeAfter.Time().Before(proven)
	}
	if !slices.ContainsFunc(custody.SourcesOf(w.records), over) {
		return nil
	}
	w, err := l.view(ctx, w.row.ID) // with the records of what was removed
	if err != nil {
		return err
	}
	if _, _, err := w.manifests(ctx); err != nil { // lists what is there
		return err
	}
	for _, record := range custody.SourcesOf(w.records) {
		if !over(record) {
			continue
		}
		s, err := l.cfg.Catalog.Source(ctx, upper(record.ID.String()))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(w.refs, func(r vault.PointRef) bool { return r.Source == record.ID }) {
			continue
		}
		record.State = vault.SourcePurged
		if _, err := l.changeSource(ctx, g, w, s, record, nil); err != nil {
			return err
		}
	}
	return nil
}

// recordOf gives a source with its record as the vault has it, which decides over
// the catalog. A catalog that lags behind, as after a change that was interrupted,
// is brought in line first.
func (l *Lifecycle) recordOf(ctx context.Context, g access.Grant, name string) (catalog.Source, *view, vault.SourceRecord, error) {
	s, w, err := l.ofSource(ctx, name)
	if err != nil {
		return s, w, vault.SourceRecord{}, err
	}
	r, ok := custody.RecordedSource(w.records, sourceID(s))
	if !ok {
		r, _, err = custody.SourceRecord(s)
		return s, w, r, err
	}
	row, err := sourceRow(r, s)
	if err == nil && string(row.Detail) != string(s.Detail) {
		err = errors.Join(l.cfg.Catalog.UpdateSource(ctx, g, row), l.reindex(ctx, g, w))
	}
	return s, w, r, err
}

// sourceID is a source's id as records have it.
func sourceID(s catalog.Source) vault.SourceID {
	id, _ := vault.ParseSourceID(s.ID) // the catalog takes no other
	return id
}

// changeSource records a source with facts about its points, and then has the
// catalog follow.
func (l *Lifecycle) changeSource(ctx context.Context, g access.Grant, w *view, s catalog.Source, to vault.SourceRecord, facts []retention.Fact) (SourceChange, error) {
	f, err := vault.NewFact(vault.FactSource, to)
	if err != nil {
		return SourceChange{}, err
	}
	if _, err := l.recordWith(ctx, g, w, []vault.Fact{f}, facts...); err != nil {
		return SourceChange{}, err
	}
	out := SourceChange{Source: s.Name, Vault: w.row.Name, State: to.State, Points: w.count(s.ID)}
	if to.Deleted != nil {
		out.PurgeAfter = to.Deleted.PurgeAfter.Time()
	}
	row, err := sourceRow(to, s)
	if err != nil {
		return out, err
	}
	return out, l.cfg.Catalog.UpdateSource(ctx, g, row)
}

// sourceRow is a source's row as its record has it, under the policy that the
// catalog has: one that was recorded and has not got there is put there by
// repeating its change.
func sourceRow(r vault.SourceRecord, s catalog.Source) (catalog.Source, error) {
	row, err := custody.SourceRow(r, s.VaultID)
	row.Policy, row.PolicyVersion = s.Policy, s.PolicyVersion
	return row, err
}

func ofSource(s catalog.Source) retention.Selector {
	return retention.Selector{Sources: []string{lower(s.ID)}}
}

func deletedSource(name string) error {
	return errkind.New(errkind.Refused, "source %q is deleted; 'source undelete %s' brings it back while its time lasts", name, name)
}
