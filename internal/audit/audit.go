// Package audit records who did what, when and with what result, as typed
// events in a Merkle log.
//
// Its words: an event is one thing done, refused or failed; the outbox is a
// table beside the catalog that an event enters in the same transaction as the
// change it describes; to integrate is to move events from the outbox into the
// log, after which they cannot be changed unnoticed; lag is what still waits.
//
// What must always be true: an event that entered the outbox reaches the log
// exactly once, whatever crashes and however many processes share the data
// directory; the log is never rewritten; nothing in it is skipped when it is
// shown, readable or not.
//
// It leaves to the gate which operations need an event, and to callers whether
// an operation may go on when the log cannot be written ([Log.Record] and
// [Log.RecordStrict]). Events hold no secrets and no file contents. It
// implements docs/format/audit-log.md.
package audit

import (
	"context"
	"crypto/rand"
	"io"
	"path/filepath"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/tlog"
)

// Pending is an event that waits in the outbox.
type Pending struct {
	// Seq orders the outbox and names the row.
	Seq  int64
	ID   string
	Body []byte
}

// Outbox keeps events until they are in the log. It must be durable, shared by
// all processes on one data directory, and give bodies back byte for byte.
//
// AddEvent stores an event. PendingEvents gives up to max events not marked
// yet, ascending by Seq. MarkIntegrated notes that the events seqs have the
// indexes firstIndex, firstIndex+1, ... in the log; repeating it is harmless.
type Outbox interface {
	AddEvent(ctx context.Context, id string, at time.Time, body []byte) error
	PendingEvents(ctx context.Context, max int) ([]Pending, error)
	MarkIntegrated(ctx context.Context, seqs []int64, firstIndex int64) error
}

// Config says where a log is and what it is made with.
type Config struct {
	// Dir is the folder of the log, shared by the processes that record.
	Dir string
	// Origin names the log in its checkpoints; the key's name is the same.
	Origin string
	Key    tlog.Key
	Outbox Outbox
	// Now gives trusted time; the zero value means the system's clock.
	Now func() time.Time
	// Rand makes event ids and may be read by several goroutines; the zero
	// value means crypto/rand.
	Rand io.Reader
}

// Log is the audit log of one data directory. Its methods may be called from
// several goroutines and processes at once.
type Log struct {
	dir    *tlog.Dir
	path   string
	origin string
	key    tlog.Key
	tree   *tlog.Log
	outbox Outbox
	now    func() time.Time
	rand   io.Reader

	// mu is held while this process integrates; it guards settled and lastErr.
	mu sync.Mutex
	// settled is the checkpoint up to which no event of the log is still
	// pending, nil when that is not known.
	settled []byte
	lastErr error
}

// Create starts an empty log; errkind.Exists when there is one already.
func Create(ctx context.Context, c Config) error {
	return tlog.Create(ctx, tlog.DirStore(c.Dir), c.Origin, c.Key.Signer)
}

// Open opens the log in c.Dir; errkind.NotFound when it was never created.
func Open(ctx context.Context, c Config) (*Log, error) {
	return open(ctx, c, tlog.DirStore(c.Dir))
}

// open lets tests put a failing store before the folder.
func open(ctx context.Context, c Config, store tlog.Store) (*Log, error) {
	tree, err := tlog.Open(ctx, store, c.Origin, c.Key.Signer, c.Key.Verifier)
	if err != nil {
		return nil, errkind.Wrap(errkind.Of(err), err, "open audit log")
	}
	l := &Log{
		dir: tlog.DirStore(c.Dir), path: c.Dir, origin: c.Origin, key: c.Key,
		tree: tree, outbox: c.Outbox, now: c.Now, rand: c.Rand,
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.rand == nil {
		l.rand = rand.Reader
	}
	return l, nil
}

// Prepare completes an event with id and time, unless it has them, checks it
// and gives the body to put into the outbox. It is for callers that add the
// event in their own transaction and call [Log.Integrate] afterwards.
func (l *Log) Prepare(e Event) (Event, []byte, error) {
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	e.Time = e.Time.UTC().Round(0)
	if e.ID == "" {
		id, err := ulid.New(ulid.Timestamp(e.Time), l.rand)
		if err != nil {
			return Event{}, nil, errkind.Wrap(errkind.Internal, err, "make event id")
		}
		e.ID = id.String()
	}
	if err := e.check(); err != nil {
		return Event{}, nil, err
	}
	return fit(e.printable())
}

// Record puts an event into the outbox and tries to integrate what waits
// there. It fails only if the event is not kept at all: when it is in the
// outbox and the log cannot be written, Record returns nil and [Log.Lag] tells.
func (l *Log) Record(ctx context.Context, e Event) (Event, error) {
	e, err := l.add(ctx, e)
	if err != nil {
		return Event{}, err
	}
	_ = l.Integrate(ctx) // kept for Lag; the next Record tries again
	return e, nil
}

// RecordStrict is Record for operations that must not happen unlogged: it
// fails unless the event is in the log, under a signed checkpoint. The event
// stays in the outbox all the same.
func (l *Log) RecordStrict(ctx context.Context, e Event) (Event, error) {
	e, err := l.add(ctx, e)
	if err != nil {
		return Event{}, err
	}
	if err := l.Integrate(ctx); err != nil {
		return e, errkind.Wrap(errkind.Of(err), err, "record %s in the audit log", e.Action)
	}
	return e, nil
}

// Keep puts an event into the outbox and leaves it there: for when the log must
// not be extended.
func (l *Log) Keep(ctx context.Context, e Event) (Event, error) { return l.add(ctx, e) }

func (l *Log) add(ctx context.Context, e Event) (Event, error) {
	e, body, err := l.Prepare(e)
	if err != nil {
		return Event{}, err
	}
	if err := l.outbox.AddEvent(ctx, e.ID, e.Time, body); err != nil {
		return Event{}, errkind.Wrap(errkind.Of(err), err, "keep event %s", e.Action)
	}
	return e, nil
}

// Lag is what the log still lacks.
type Lag struct {
	// Pending is how many events wait (counting stops at 4096), Oldest the time
	// of the first of them.
	Pending int
	Oldest  time.Time
	// Err is why the last attempt of this process to integrate failed.
	Err error
}

// Lag tells how far the log is behind the outbox.
func (l *Log) Lag(ctx context.Context) (Lag, error) {
	pending, err := l.outbox.PendingEvents(ctx, maxPending)
	if err != nil {
		return Lag{}, err
	}
	lag := Lag{Pending: len(pending)}
	if len(pending) > 0 {
		if id, err := ulid.ParseStrict(pending[0].ID); err == nil {
			lag.Oldest = id.Timestamp().UTC()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	lag.Err = l.lastErr
	return lag, nil
}

// Size is the number of records in the log as last seen.
func (l *Log) Size() int64 { return l.tree.Size() }

// Checkpoint is the signed checkpoint as last seen: what to keep elsewhere.
func (l *Log) Checkpoint() []byte { return l.tree.Checkpoint() }

// Extends compares the log with a checkpoint of it that is kept elsewhere, and
// gives the number of records there. It fails with errkind.Refused when the
// checkpoint knows more records than the log has, or others: the log here is not
// the one that was published, and must not be extended. A checkpoint that this
// log's key did not sign proves nothing of it: errkind.WrongKey or Damaged.
func (l *Log) Extends(ctx context.Context, checkpoint []byte) (int64, error) {
	c, err := tlog.OpenCheckpoint(checkpoint, l.key.Verifier)
	if err != nil {
		return 0, err
	}
	if c.Origin != l.origin {
		return 0, errkind.New(errkind.WrongKey, "checkpoint of log %q, not of %q", c.Origin, l.origin)
	}
	// What another process appended and published meanwhile counts.
	if err := l.tree.Refresh(ctx); err != nil {
		return c.Size, err
	}
	if size := l.tree.Size(); c.Size > size {
		return c.Size, errkind.New(errkind.Refused, "it has %d records, the log here %d: the log here was rolled back or replaced", c.Size, size)
	}
	err = l.tree.CheckPrefix(ctx, c)
	if errkind.Is(err, errkind.Damaged) {
		err = errkind.Wrap(errkind.Refused, err, "the log here was replaced")
	}
	return c.Size, err
}

// Covers requires that the log has at least size records, because so many are
// known to have been in it: errkind.Refused otherwise.
func (l *Log) Covers(ctx context.Context, size int64) error {
	if l.tree.Size() < size {
		if err := l.tree.Refresh(ctx); err != nil {
			return err
		}
	}
	if n := l.tree.Size(); n < size {
		return errkind.New(errkind.Refused, "%d records were written into the log, the log here has %d: it was rolled back or replaced", size, n)
	}
	return nil
}

// Public is the public key of the log as text: what an auditor needs to have
// beforehand.
func (l *Log) Public() string { return l.key.Public }

// Verify checks every record, tile and signature of the log, and the files
// that lie about in its folder.
func (l *Log) Verify(ctx context.Context) (tlog.Report, error) {
	report, err := tlog.Verify(ctx, l.dir, l.key.Verifier, tlog.VerifyOptions{Origin: l.origin})
	if err != nil {
		return report, err
	}
	_, err = l.dir.Strays(ctx, report.Checkpoint.Size)
	return report, err
}

// Publish copies what is integrated to another store and gives the number of
// records there. Processes take turns; recording goes on meanwhile.
func (l *Log) Publish(ctx context.Context, dst tlog.Store) (int64, error) {
	lock, err := durable.LockWait(ctx, filepath.Join(l.path, "publish.lock"), "publish audit log")
	if err != nil {
		return 0, err
	}
	defer lock.Unlock() //nolint:errcheck // closing a lock file loses nothing
	if err := l.tree.Refresh(ctx); err != nil {
		return 0, err
	}
	return l.tree.Publish(ctx, dst)
}
