package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// PendingEvent is an audit event that is committed but not yet in the log.
type PendingEvent struct {
	// Seq is the order in which events were committed; the outbox gives it.
	Seq int64
	ID  string
	At  time.Time
	// Body is the event's encoding; the outbox never looks inside.
	Body []byte
}

// AddEvent puts an event into the outbox, where it is durable on return. The
// same id with the same body again changes nothing; with another body it is
// errkind.Exists. It takes no grant: what was refused is recorded as well.
func (t *Tx) AddEvent(ctx context.Context, id string, at time.Time, body []byte) error {
	var c checks
	c.want(id != "", "an event needs an id")
	c.instant("the time of the event", at)
	c.want(len(body) > 0, "the event %s is empty", id)
	if c.err != nil {
		return c.err
	}
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	n, err := t.exec(ctx, "add the event "+id,
		insert("outbox", "id, at, body, digest")+" ON CONFLICT (id) DO NOTHING", id, micros(at), body, digest)
	if err != nil || n == 1 {
		return err
	}
	there, err := one(ctx, t.reads, "the event "+id+" is gone", scanText, "SELECT digest FROM outbox WHERE id = ?", id)
	if err != nil {
		return err
	}
	if there != digest {
		return errkind.New(errkind.Exists, "there is another event %s already", id)
	}
	return nil
}

// AddEvent is [Tx.AddEvent] in a transaction of its own.
func (c *Catalog) AddEvent(ctx context.Context, id string, at time.Time, body []byte) error {
	return c.change(ctx, func(tx *Tx) error { return tx.AddEvent(ctx, id, at, body) })
}

// PendingEvents gives up to limit events that are not in the log, in the order
// in which they were committed.
func (r reads) PendingEvents(ctx context.Context, limit int) ([]PendingEvent, error) {
	if limit <= 0 {
		return nil, errkind.New(errkind.Invalid, "the number of events asked for is %d", limit)
	}
	return list(ctx, r, "list pending events", scanEvent,
		"SELECT seq, id, at, body FROM outbox WHERE log_index IS NULL ORDER BY seq LIMIT ?", limit)
}

func scanEvent(r row) (PendingEvent, error) {
	var e PendingEvent
	var at int64
	err := r.Scan(&e.Seq, &e.ID, &at, &e.Body)
	e.At = timeOf(at)
	return e, err
}

func scanText(r row) (string, error) {
	var s string
	err := r.Scan(&s)
	return s, err
}

// LogSize is how many records the log must have, by what was marked as
// integrated.
func (r reads) LogSize(ctx context.Context) (int64, error) {
	return one(ctx, r, "the outbox cannot be counted", scanInt, "SELECT coalesce(max(log_index) + 1, 0) FROM outbox")
}

func scanInt(r row) (int64, error) {
	var n int64
	err := r.Scan(&n)
	return n, err
}

// ForgetEvents drops the marks of events that stood in the log from index size
// on, for when that part of it is lost and a copy without it was taken up. It
// gives how many there were; their bodies are gone with the log.
func (c *Catalog) ForgetEvents(ctx context.Context, size int64) (int64, error) {
	var n int64
	err := c.change(ctx, func(tx *Tx) error {
		var err error
		n, err = tx.exec(ctx, "forget events that the log lost", "DELETE FROM outbox WHERE log_index >= ?", size)
		return err
	})
	return n, err
}

// MarkIntegrated records that the log holds the events durably, the first at
// firstIndex and each following one behind it, and drops their bodies. Marking
// them again alike changes nothing. An event that is not in the outbox, stands
// elsewhere in the log or whose place is taken is an error, and none is marked.
func (c *Catalog) MarkIntegrated(ctx context.Context, seqs []int64, firstIndex int64) error {
	return c.change(ctx, func(tx *Tx) error {
		for i, seq := range seqs {
			if err := tx.markIntegrated(ctx, seq, firstIndex+int64(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *Tx) markIntegrated(ctx context.Context, seq, index int64) error {
	n, err := t.exec(ctx, "mark an event as integrated",
		"UPDATE outbox SET log_index = ?, body = NULL WHERE seq = ? AND (log_index IS NULL OR log_index = ?)", index, seq, index)
	if err == nil && n == 0 {
		return errkind.New(errkind.Internal, "the event %d is not in the outbox or not at %d in the log", seq, index)
	}
	return err
}
