package main

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/audit"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// recordKept is the event that a governance record was written into a vault.
const recordKept access.Action = "vault/record"

// heads keeps in the audit log what the newest governance record of each vault
// is.
type heads struct {
	log *auditLog

	mu    sync.Mutex // guards known
	known map[vault.ID]head
}

// head is the newest record of a vault among the first so many events.
type head struct {
	events int64
	number uint64
	digest [32]byte
}

var _ vault.Heads = (*heads)(nil)

// Keep implements [vault.Heads].
func (h *heads) Keep(ctx context.Context, id vault.ID, r vault.Record) error {
	_, err := h.log.Record(ctx, audit.Event{
		Actor: audit.Actor{Subject: r.Actor, Kind: audit.System}, Action: recordKept, Target: target(id), Phase: audit.Only, Result: audit.Done,
		Detail: map[string]string{"record": strconv.FormatUint(r.Number, 10), "sha256": hex.EncodeToString(r.Digest[:]), "for": r.Event},
	})
	return err
}

// Newest implements [vault.Heads]. A log that is not there yet, as before a
// recovery, knows none.
func (h *heads) Newest(ctx context.Context, id vault.ID) (uint64, [32]byte, error) {
	if _, err := os.Stat(filepath.Join(h.log.dir, "checkpoint")); err != nil {
		return 0, [32]byte{}, nil //nolint:nilerr // what is wrong with the log is told by whoever writes it
	}
	log, err := h.log.open(ctx)
	if err != nil {
		return 0, [32]byte{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.known[id]
	e, size, err := log.Newest(ctx, audit.Filter{Action: recordKept, Target: target(id)}, at.events)
	if err != nil {
		return 0, [32]byte{}, err
	}
	at.events = size
	if e.Index >= 0 {
		if at, err = headOf(e, size); err != nil {
			return 0, [32]byte{}, err
		}
	}
	if h.known == nil {
		h.known = map[vault.ID]head{}
	}
	h.known[id] = at
	return at.number, at.digest, nil
}

func headOf(e audit.Entry, size int64) (head, error) {
	number, err := strconv.ParseUint(e.Event.Detail["record"], 10, 64)
	digest, hexErr := hex.DecodeString(e.Event.Detail["sha256"])
	if e.Problem != "" || err != nil || hexErr != nil || len(digest) != len(head{}.digest) {
		return head{}, errkind.New(errkind.Damaged, "audit record %d does not say which governance record was written", e.Index)
	}
	return head{events: size, number: number, digest: [32]byte(digest)}, nil
}

func target(id vault.ID) string { return "vault " + hex.EncodeToString(id[:]) }
