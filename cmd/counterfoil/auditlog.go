package main

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/counterfoil/counterfoil/internal/audit"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/durable"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/tlog"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// auditLog is the audit log of a data directory, opened when it is first used.
type auditLog struct {
	dir     string
	keyFile string
	origin  string
	outbox  audit.Outbox
	now     func() time.Time

	// copies compares the log with the copies in the vaults.
	copies func(ctx context.Context, here custody.LogHere) ([]custody.LogCopy, error)

	mu  sync.Mutex // guards log, compared and fork
	log *audit.Log
	// compared says that the log was found to extend its copies, after which this
	// process alone cannot fall behind them; fork is why it must not be extended.
	compared bool
	fork     error
}

// secret gives the log's signing key, made at the first use.
func (a *auditLog) secret(ctx context.Context) ([]byte, error) {
	data, err := os.ReadFile(a.keyFile)
	if err == nil {
		return []byte(strings.TrimSpace(string(data))), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, errkind.Wrap(errkind.Unavailable, err, "read the audit log's key")
	}
	if _, err := os.Stat(filepath.Join(a.dir, "checkpoint")); err == nil {
		return nil, errkind.New(errkind.NotFound, "the audit log's key %s is gone, so nothing can be recorded: 'vault recover' brings it back from a vault", a.keyFile)
	}
	if err := a.unpublished(ctx); err != nil {
		return nil, err
	}
	secret, _, err := tlog.NewKey(a.origin, rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(filepath.Dir(a.keyFile), 0o700); err != nil {
		return nil, err
	}
	err = durable.WriteFileExclusive(a.keyFile, []byte(secret+"\n"), 0o600)
	if errkind.Is(err, errkind.Exists) {
		return a.secret(ctx) // another process was first
	}
	return []byte(secret), err
}

// open gives the log, made where there is none.
func (a *auditLog) open(ctx context.Context) (*audit.Log, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.log != nil {
		return a.log, nil
	}
	secret, err := a.secret(ctx)
	if err != nil {
		return nil, err
	}
	key, err := tlog.ParseSigner(string(secret))
	if err != nil {
		return nil, errkind.Wrap(errkind.Damaged, err, "the audit log's key in %s", a.keyFile)
	}
	cfg := audit.Config{Dir: a.dir, Origin: key.Verifier.Name(), Key: key, Outbox: a.outbox, Now: a.now}
	log, err := audit.Open(ctx, cfg)
	if errkind.Is(err, errkind.NotFound) {
		if err := a.unpublished(ctx); err != nil {
			return nil, err
		}
		if err := audit.Create(ctx, cfg); err != nil && !errkind.Is(err, errkind.Exists) {
			return nil, err
		}
		log, err = audit.Open(ctx, cfg)
	}
	a.log = log
	return log, err
}

// unpublished refuses to begin a log where a vault holds the copy of one that
// was here: beginning anew would sign a smaller tree.
func (a *auditLog) unpublished(ctx context.Context) error {
	copies, err := a.copies(ctx, noLog{})
	if err != nil {
		return err
	}
	return custody.RolledBack(copies)
}

// noLog is the log of an installation that has none.
type noLog struct{}

// Extends implements [custody.LogHere]: nothing is extended.
func (noLog) Extends(_ context.Context, raw []byte) (int64, error) {
	c, err := tlog.ParseCheckpoint(raw)
	if err == nil && c.Size > 0 {
		err = errkind.New(errkind.Refused, "it has %d records, and the log here is gone", c.Size)
	}
	return c.Size, err
}

// Covers implements [custody.LogHere].
func (noLog) Covers(_ context.Context, size int64) error {
	if size > 0 {
		return errkind.New(errkind.Refused, "%d records were written into the log, and it is gone", size)
	}
	return nil
}

// extendable gives the log when it may be extended: not while a vault's copy
// has records that it lacks. That is looked at once, and at each publication.
func (a *auditLog) extendable(ctx context.Context) (log *audit.Log, fork, err error) {
	log, err = a.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.compared {
		copies, err := a.copies(ctx, log)
		if err != nil {
			return nil, nil, err
		}
		a.compared, a.fork = true, custody.RolledBack(copies)
	}
	return log, a.fork, nil
}

// Record puts an event into the log. While the log cannot be written it waits
// in the outbox, so that backups and restores go on.
func (a *auditLog) Record(ctx context.Context, e audit.Event) (audit.Event, error) {
	log, fork, err := a.extendable(ctx)
	switch {
	case err == nil && fork == nil:
		return log.Record(ctx, e)
	case err == nil:
		return log.Keep(ctx, e)
	}
	e.ID, e.Time = ulid.Make().String(), a.now()
	body, encodeErr := audit.Encode(e)
	if encodeErr != nil {
		return e, errors.Join(err, encodeErr)
	}
	return e, a.outbox.AddEvent(ctx, e.ID, e.Time, body)
}

// RecordStrict fails unless the event stands in the log.
func (a *auditLog) RecordStrict(ctx context.Context, e audit.Event) (audit.Event, error) {
	log, fork, err := a.extendable(ctx)
	if err == nil {
		err = fork
	}
	if err != nil {
		return e, errkind.Wrap(errkind.Of(err), err, "the audit log cannot be written, so nothing is destroyed or weakened")
	}
	return log.RecordStrict(ctx, e)
}

// publish brings a vault's copy of the log up to date.
func (a *auditLog) publish(ctx context.Context, v *vault.Vault) error {
	a.mu.Lock()
	a.compared = false // another process may have changed either since
	a.mu.Unlock()
	log, fork, err := a.extendable(ctx)
	if err == nil {
		err = fork
	}
	if err != nil {
		return err
	}
	_, err = log.Publish(ctx, blob.NewLogStore(v.Bucket(), "log/"))
	return err
}

// outbox is the catalog's outbox in the audit log's words.
type outbox struct{ *catalog.Catalog }

// PendingEvents gives the events that wait for the log.
func (o outbox) PendingEvents(ctx context.Context, limit int) ([]audit.Pending, error) {
	rows, err := o.Catalog.PendingEvents(ctx, limit)
	out := make([]audit.Pending, 0, len(rows))
	for _, r := range rows {
		out = append(out, audit.Pending{Seq: r.Seq, ID: r.ID, Body: r.Body})
	}
	return out, err
}
