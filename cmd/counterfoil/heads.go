package main

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/audit"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// recordKept is the event that a governance record was written into a vault.
const recordKept access.Action = "vault/record"

// heads keeps in the audit log what the newest governance record of each vault
// is.
type heads struct {
	log     *auditLog
	catalog *catalog.Catalog

	mu    sync.Mutex // guards known
	known map[vault.ID]head
}

// head is the newest record of a vault among the first so many events.
type head struct {
	events int64
	vault.Record
}

var _ vault.Heads = (*heads)(nil)

// farBack is how many events may have come since a head was entered before it is
// entered again, so that nobody has to search long for it.
const farBack = 2048

// Keep implements [vault.Heads].
func (h *heads) Keep(ctx context.Context, id vault.ID, r vault.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at, err := h.newest(ctx, id); err == nil && at.Number > r.Number {
		return nil // somebody else was faster with the next
	}
	return h.enter(ctx, id, r)
}

// Accept implements [vault.Heads].
func (h *heads) Accept(ctx context.Context, id vault.ID, r vault.Record) error {
	return h.enter(ctx, id, r)
}

func (h *heads) enter(ctx context.Context, id vault.ID, r vault.Record) error {
	_, err := h.log.Record(ctx, audit.Event{
		Actor: audit.Actor{Subject: r.Actor, Kind: audit.System}, Action: recordKept, Target: target(id), Phase: audit.Only, Result: audit.Done,
		Detail: map[string]string{"record": strconv.FormatUint(r.Number, 10), "sha256": hex.EncodeToString(r.Digest[:]), "for": r.Event},
	})
	return err
}

// Newest implements [vault.Heads]. A log that is not there yet, as before a
// recovery, knows none; one that is gone is an error.
func (h *heads) Newest(ctx context.Context, id vault.ID) (uint64, [32]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, err := h.newest(ctx, id)
	return at.Number, at.Digest, err
}

// newest is Newest for callers that hold mu.
func (h *heads) newest(ctx context.Context, id vault.ID) (head, error) {
	_, err := os.Stat(filepath.Join(h.log.dir, "checkpoint"))
	if errors.Is(err, fs.ErrNotExist) {
		if size, err := h.catalog.LogSize(ctx); err != nil || size > 0 {
			return head{}, errors.Join(err, errkind.New(errkind.Damaged, "the audit log is gone, of %d records", size))
		}
		return head{}, nil
	}
	if err != nil {
		return head{}, errkind.Wrap(errkind.Unavailable, err, "look for the audit log")
	}
	log, err := h.log.open(ctx)
	if err != nil {
		return head{}, err
	}
	at := h.known[id]
	e, size, err := log.Newest(ctx, audit.Filter{Action: recordKept, Target: target(id)}, at.events)
	if err != nil {
		return head{}, err
	}
	far := at.events > 0 && size-at.events > farBack
	at.events = size
	if e.Index >= 0 {
		if at, err = headOf(e, size); err != nil {
			return head{}, err
		}
		far = size-e.Index > farBack
	}
	if far && at.Number > 0 {
		if err := h.enter(ctx, id, at.Record); err != nil {
			return head{}, err
		}
	}
	if h.known == nil {
		h.known = map[vault.ID]head{}
	}
	h.known[id] = at
	return at, nil
}

func headOf(e audit.Entry, size int64) (head, error) {
	number, err := strconv.ParseUint(e.Event.Detail["record"], 10, 64)
	digest, hexErr := hex.DecodeString(e.Event.Detail["sha256"])
	at := head{events: size, Record: vault.Record{Number: number, Actor: e.Event.Actor.Subject, Event: e.Event.Detail["for"]}}
	if e.Problem != "" || err != nil || hexErr != nil || len(digest) != len(at.Digest) {
		return head{}, errkind.New(errkind.Damaged, "audit record %d does not say which governance record was written", e.Index)
	}
	at.Digest = [32]byte(digest)
	return at, nil
}

func target(id vault.ID) string { return "vault " + hex.EncodeToString(id[:]) }
