package tlog

import (
	"context"
	"errors"
	"io/fs"

	merkle "golang.org/x/mod/sumdb/tlog"

	"golang.org/x/mod/sumdb/note"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// VerifyOptions narrows and observes a verification. The zero value is good.
type VerifyOptions struct {
	// Origin is the name the log must have, "" for any.
	Origin string
	// Anchor is a checkpoint kept elsewhere, of which the log must be a
	// continuation.
	Anchor *Checkpoint
	// Each is called with every record whose hash fits its tile, before the
	// root is known to be right. It must not keep the record.
	Each func(index int64, record []byte) error
}

// Report is what a verification found.
type Report struct {
	// Checkpoint is the one stored with the log.
	Checkpoint Checkpoint
	// Signed is true when a verifier was given and its signature holds.
	Signed bool
}

// Verify checks a whole log: every record against its leaf hash, every hash
// against the tiles above it, the root against the checkpoint, the checkpoint
// against the verifier (nil: the signature is not checked), and all of it
// against the anchor. It stops at the first thing wrong, a *Damage.
func Verify(ctx context.Context, store Store, verifier note.Verifier, opts VerifyOptions) (Report, error) {
	c, err := storedCheckpoint(ctx, store, verifier)
	if err != nil {
		return Report{}, err
	}
	report := Report{Checkpoint: c, Signed: verifier != nil}
	if opts.Origin != "" && c.Origin != opts.Origin {
		return report, errkind.New(errkind.WrongKey, "checkpoint: of log %q, not of %q", c.Origin, opts.Origin)
	}
	if err := checkAnchor(c, opts.Anchor, verifier != nil); err != nil {
		return report, err
	}
	w := walker{store: store, opts: opts, size: c.Size, root: c.Root}
	if err := w.atAnchor(); err != nil {
		return report, err
	}
	for w.edge.size < c.Size {
		if err := w.bundle(ctx); err != nil {
			return report, err
		}
	}
	check := func(t tile, hashes []Hash) error { return w.compare(ctx, t, hashes) }
	if err := w.edge.partials(check); err != nil {
		return report, err
	}
	if w.edge.root() != c.Root {
		return report, damaged(checkpointName, -1, "the %d records do not give the root stated", c.Size)
	}
	return report, nil
}

func storedCheckpoint(ctx context.Context, store Store, verifier note.Verifier) (Checkpoint, error) {
	raw, err := store.Read(ctx, checkpointName)
	if errors.Is(err, fs.ErrNotExist) {
		return Checkpoint{}, damaged(checkpointName, -1, "missing")
	}
	if err != nil {
		return Checkpoint{}, err
	}
	if verifier == nil {
		return ParseCheckpoint(raw)
	}
	return OpenCheckpoint(raw, verifier)
}

// checkAnchor compares what two checkpoints say of themselves. A signature
// that cannot be checked must at least claim a key that the anchor had.
func checkAnchor(c Checkpoint, anchor *Checkpoint, signed bool) error {
	if anchor == nil {
		return nil
	}
	if c.Origin != anchor.Origin {
		return errkind.New(errkind.WrongKey, "checkpoint: of log %q, the one kept is of %q", c.Origin, anchor.Origin)
	}
	if c.Size < anchor.Size {
		return damaged(checkpointName, -1, "the log has %d records, the checkpoint kept has %d: records were removed", c.Size, anchor.Size)
	}
	if signed {
		return nil
	}
	for _, k := range c.Keys {
		for _, a := range anchor.Keys {
			if k == a {
				return nil
			}
		}
	}
	return errkind.New(errkind.WrongKey, "checkpoint: signed by %s, the one kept by %s", joinKeys(c.Keys), joinKeys(anchor.Keys))
}

// walker goes through a log from the first record, building the tree anew.
type walker struct {
	store Store
	opts  VerifyOptions
	size  int64
	root  Hash // as signed
	edge  frontier
}

// bundle checks the next bundle and what it completes.
func (w *walker) bundle(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b := bundleOf(w.edge.size>>tileHeight, w.size)
	records, name, err := readBundle(ctx, w.store, b)
	if err != nil {
		return err
	}
	leaves, _, err := readTile(ctx, w.store, tile{0, b.index, b.width})
	if err != nil {
		return err
	}
	if err := checkLeaves(name, b.first(), records, leaves); err != nil {
		return w.blame(ctx, b, err)
	}
	above := func(t tile, hashes []Hash) error {
		if t.level == 0 {
			return nil // compared just now
		}
		return w.compare(ctx, t, hashes)
	}
	for i, r := range records {
		if w.opts.Each != nil {
			if err := w.opts.Each(b.first()+int64(i), r); err != nil {
				return err
			}
		}
		if err := w.edge.push(merkle.RecordHash(r), above); err != nil {
			return err
		}
		if err := w.atAnchor(); err != nil {
			return err
		}
	}
	return nil
}

// blame decides which of the two is wrong where a bundle and its hashes differ:
// when all records together give the signed root, the hashes are.
func (w *walker) blame(ctx context.Context, b tile, differs error) error {
	var whole frontier
	unchecked := func(tile, []Hash) error { return nil }
	for whole.size < w.size {
		records, _, err := readBundle(ctx, w.store, bundleOf(whole.size>>tileHeight, w.size))
		if err != nil {
			return differs // damaged as well: no telling
		}
		for _, r := range records {
			if err := whole.push(merkle.RecordHash(r), unchecked); err != nil {
				return err
			}
		}
	}
	if whole.root() != w.root {
		return differs
	}
	var d *Damage
	if !errors.As(differs, &d) {
		return differs
	}
	return damaged(tile{0, b.index, b.width}.name(), d.Record, "its hash is not that of the record, which is whole")
}

// compare requires that the stored tile is the one computed.
func (w *walker) compare(ctx context.Context, t tile, want []Hash) error {
	got, name, err := readTile(ctx, w.store, t)
	if err != nil {
		return err
	}
	for i := range want {
		if got[i] == want[i] {
			continue
		}
		span := int64(1) << (tileHeight * t.level)
		first := (t.index<<tileHeight + int64(i)) * span
		return damaged(name, -1, "hash %d is not that of records %d to %d", i, first, first+span-1)
	}
	return nil
}

// atAnchor compares roots when the walk has reached the anchor's size.
func (w *walker) atAnchor() error {
	a := w.opts.Anchor
	if a == nil || a.Size != w.edge.size || a.Root == w.edge.root() {
		return nil
	}
	return damaged(checkpointName, -1, "the first %d records are not those of the checkpoint kept: history was rewritten", a.Size)
}
