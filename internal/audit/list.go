package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Filter chooses records; the zero value chooses all. A record that cannot be
// read matches every filter: what it says is not known.
type Filter struct {
	// Since and Until bound the event's time: Since <= time < Until.
	Since, Until time.Time
	// Action is an action or, ending in "/*", a subject: "vault/*".
	Action access.Action
	// Actor is the actor's subject.
	Actor  string
	Result Result
	Target string
	// Text is looked for anywhere in the record, whatever its case.
	Text string
	// Limit keeps the newest so many; 0 keeps all.
	Limit int
}

// Entry is one record of the log.
type Entry struct {
	Index int64
	Event Event
	// Raw is the record as it lies in the log, nil when it could not be read.
	Raw []byte
	// Problem says why Event is empty, if it is.
	Problem string
}

// listStep is how many records are read at a time, one bundle.
const listStep = 256

// List gives the records that match, in the order of the log, the newest last.
// Every record is checked against the signed root. Where the log is damaged an
// Entry with a Problem stands for what could not be read.
func (l *Log) List(ctx context.Context, f Filter) ([]Entry, error) {
	if err := l.tree.Refresh(ctx); err != nil {
		return nil, err
	}
	var found []Entry // newest first
	for end := l.tree.Size(); end > 0 && (f.Limit <= 0 || len(found) < f.Limit); {
		start := (end - 1) / listStep * listStep
		entries, err := l.read(ctx, start, end)
		if err != nil {
			return nil, err
		}
		for _, e := range slices.Backward(entries) {
			if f.match(e) && (f.Limit <= 0 || len(found) < f.Limit) {
				found = append(found, e)
			}
		}
		end = start
	}
	slices.Reverse(found)
	return found, nil
}

// Newest gives the newest record from an index on that matches, and the size of
// the log as it was searched; without one, Entry.Index is -1. A record that is
// under the signed root and cannot be decoded is passed over; where the log itself
// cannot be read, that is the entry.
func (l *Log) Newest(ctx context.Context, f Filter, from int64) (Entry, int64, error) {
	none := Entry{Index: -1}
	if err := l.tree.Refresh(ctx); err != nil {
		return none, 0, err
	}
	size := l.tree.Size()
	for end := size; end > from; {
		start := max(from, (end-1)/listStep*listStep)
		entries, err := l.read(ctx, start, end)
		if err != nil {
			return none, size, err
		}
		for _, e := range slices.Backward(entries) {
			if decoded := e.Problem == "" || e.Raw == nil; decoded && f.match(e) {
				return e, size, nil
			}
		}
		end = start
	}
	return none, size, nil
}

// read gives the records of one bundle, or one entry that says why not.
func (l *Log) read(ctx context.Context, start, end int64) ([]Entry, error) {
	var entries []Entry
	err := l.tree.Entries(ctx, start, end, func(i int64, record []byte) error {
		e := Entry{Index: i, Raw: slices.Clone(record)}
		var err error
		if e.Event, err = Decode(record); err != nil {
			e.Problem = err.Error()
		}
		entries = append(entries, e)
		return nil
	})
	if errkind.Is(err, errkind.Damaged) {
		problem := fmt.Sprintf("records %d to %d cannot be read: %v", start, end-1, err)
		return []Entry{{Index: start, Problem: problem}}, nil
	}
	return entries, err
}

func (f Filter) match(e Entry) bool {
	if e.Problem != "" {
		return true
	}
	ev := e.Event
	switch {
	case !f.Since.IsZero() && ev.Time.Before(f.Since),
		!f.Until.IsZero() && !ev.Time.Before(f.Until),
		f.Action != "" && !matchAction(f.Action, ev.Action),
		f.Actor != "" && f.Actor != ev.Actor.Subject,
		f.Result != "" && f.Result != ev.Result,
		f.Target != "" && f.Target != ev.Target:
		return false
	}
	return f.Text == "" || strings.Contains(strings.ToLower(string(e.Raw)), strings.ToLower(f.Text))
}

func matchAction(want, got access.Action) bool {
	if subject, ok := strings.CutSuffix(string(want), "*"); ok {
		return strings.HasPrefix(string(got), subject)
	}
	return want == got
}
