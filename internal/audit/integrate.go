package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/tlog"
)

const (
	// maxBatch is how many records one append adds at most. After a crash the
	// unmarked ones are therefore among the last maxBatch of the log.
	maxBatch = 256
	// maxPending is how many events are read from the outbox at a time.
	maxPending = 4096
)

// Integrate moves all that waits in the outbox into the log. It returns nil
// only when everything that waited when it began is in the log under a signed
// checkpoint.
func (l *Log) Integrate(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastErr = l.locked(ctx)
	return l.lastErr
}

// locked integrates as the only process of the data directory that does.
func (l *Log) locked(ctx context.Context) (err error) {
	lock, err := durable.LockWait(ctx, filepath.Join(l.path, "write.lock"), "integrate audit log")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if err := l.tree.Refresh(ctx); err != nil {
		return err
	}
	for {
		pending, err := l.outbox.PendingEvents(ctx, maxPending)
		if err != nil {
			return err
		}
		if len(pending) == 0 {
			l.settled = l.tree.Checkpoint()
			return nil
		}
		if err := l.integrate(ctx, pending); err != nil {
			return err
		}
		if len(pending) < maxPending {
			return nil
		}
	}
}

// integrate appends pending events, in batches, each marked before the next.
func (l *Log) integrate(ctx context.Context, pending []Pending) error {
	if !bytes.Equal(l.settled, l.tree.Checkpoint()) {
		var err error
		if pending, err = l.settle(ctx, pending); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(pending, maxBatch) {
		// Crash before the append is durable: all still wait. Crash after it
		// but before the mark: settle finds them in the log.
		l.settled = nil
		since := l.tree.Size()
		first, err := l.tree.Append(ctx, bodies(batch))
		if err != nil {
			return err
		}
		if err := l.outbox.MarkIntegrated(ctx, seqs(batch), first); err != nil {
			return err
		}
		l.settled = l.tree.Checkpoint()
		// Superseded tiles only take space; the next time gets them too.
		_ = l.tree.Tidy(ctx, l.dir, since)
	}
	return nil
}

// settle is for when somebody, perhaps a process that has crashed, appended
// since we last knew the outbox and the log to agree. It marks the events that
// are in the log already, known by their bytes, and gives the others. Nothing
// may be appended before that has succeeded: it is what keeps events that are
// in the log and not marked among its last maxBatch.
func (l *Log) settle(ctx context.Context, pending []Pending) ([]Pending, error) {
	if err := l.tree.Sweep(ctx, l.dir); err != nil {
		return nil, err
	}
	size := l.tree.Size()
	at := map[[sha256.Size]byte]int64{}
	err := l.tree.Entries(ctx, max(0, size-maxBatch), size, func(i int64, record []byte) error {
		at[sha256.Sum256(record)] = i
		return nil
	})
	if err != nil {
		return nil, err
	}
	var rest []Pending
	for _, p := range pending {
		i, found := at[sha256.Sum256(body(p))]
		if !found {
			rest = append(rest, p)
			continue
		}
		if err := l.outbox.MarkIntegrated(ctx, []int64{p.Seq}, i); err != nil {
			return nil, err
		}
	}
	l.settled = l.tree.Checkpoint()
	return rest, nil
}

// body is what of an outbox entry goes into the log: the entry as it is, or an
// event with its digest if it is larger than the log takes. Such an entry was
// not made by Prepare, and must not stop all those behind it.
func body(p Pending) []byte {
	if len(p.Body) <= tlog.MaxRecord {
		return p.Body
	}
	e := Event{
		ID: p.ID, Actor: Actor{Subject: "counterfoil", Kind: System}, Action: "audit/oversize",
		Phase: Only, Result: Incomplete, ErrorKind: errkind.Invalid.String(),
		Detail: map[string]string{
			"body_bytes": fmt.Sprint(len(p.Body)), "body_sha256": fmt.Sprintf("%x", sha256.Sum256(p.Body)),
		},
	}
	e.Time = time.Unix(0, 0).UTC()
	if id, err := ulid.ParseStrict(p.ID); err == nil {
		e.Time = id.Timestamp().UTC()
	}
	_, b, err := fit(e.printable())
	if err != nil {
		return fmt.Appendf(nil, "event of %d bytes, sha256 %x", len(p.Body), sha256.Sum256(p.Body))
	}
	return b
}

func bodies(batch []Pending) [][]byte {
	out := make([][]byte, len(batch))
	for i, p := range batch {
		out[i] = body(p)
	}
	return out
}

func seqs(batch []Pending) []int64 {
	out := make([]int64, len(batch))
	for i, p := range batch {
		out[i] = p.Seq
	}
	return out
}
