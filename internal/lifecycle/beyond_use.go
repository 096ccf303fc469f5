package lifecycle

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/erasure"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// BeyondUse is what a point still holds of an erasure: kept because it must be,
// and given out by nothing but a restore that says so.
type BeyondUse struct {
	Point, Source string
	Received      time.Time
	Held
	// Kept is until when the point is retained, Locked until when its store locks
	// it, zero for no lock.
	Kept   retention.Until
	Locked time.Time
	// Holds are the ids of the legal holds on the point.
	Holds []string
	// Problem says why not all of the point could be looked at.
	Problem string
}

// Held counts what of a tree is erased.
type Held struct {
	Entries, Files, Bytes int64
	// Linked counts the files that may have further names, which the erasure need
	// not match.
	Linked int64
}

func (h *Held) add(o Held) {
	h.Entries += o.Entries
	h.Files += o.Files
	h.Bytes += o.Bytes
	h.Linked += o.Linked
}

// beyondUse looks through the points that an erasure concerns, and gives those
// that hold anything of it or could not be read.
func (w *view) beyondUse(ctx context.Context, e erasure.Erasure) ([]BeyondUse, error) {
	out := []BeyondUse{}
	reader, err := w.vault.NewReader(ctx)
	if err != nil {
		return nil, err
	}
	c := counter{reader: reader, erased: erasure.List{e}, seen: map[counted]Held{}}
	for _, p := range w.concerned(e) {
		b, err := w.heldBy(ctx, c, p)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			b.Problem = err.Error()
		}
		if b.Entries > 0 || b.Problem != "" {
			out = append(out, b)
		}
	}
	return out, nil
}

func (w *view) heldBy(ctx context.Context, c counter, p standing) (BeyondUse, error) {
	b := BeyondUse{Point: p.row.ID, Source: p.name, Received: p.row.ReceivedAt, Kept: p.state.RetainUntil}
	m, state, err := w.fromStorage(ctx, p)
	if err != nil {
		return b, err
	}
	b.Kept = state.RetainUntil
	for _, h := range state.Holds {
		b.Holds = append(b.Holds, h.ID)
	}
	info, err := w.vault.Bucket().Stat(ctx, p.object)
	if err != nil {
		return b, err
	}
	if info.Lock.Mode != blob.NoLock {
		b.Locked = info.Lock.Until
	}
	if len(c.erased.Of(custody.ErasedPoint(m))) == 0 {
		return b, nil
	}
	root, err := c.reader.Root(ctx, m.Envelope.Root)
	if err == nil {
		b.Held, err = c.below(ctx, "", root)
	}
	return b, err
}

// counter counts what is erased in trees. A folder that does not change from
// point to point is gone through once.
type counter struct {
	reader *vault.Reader
	erased erasure.List
	seen   map[counted]Held
}

type counted struct {
	path string
	tree vault.Digest
}

// below counts what is erased below a folder.
func (c counter) below(ctx context.Context, path string, folder vault.Entry) (Held, error) {
	var sum Held
	if folder.Kind != vault.Dir || folder.Tree == nil || !c.erased.Below(path) {
		return sum, nil
	}
	key := counted{path, *folder.Tree}
	if h, ok := c.seen[key]; ok {
		return h, nil
	}
	_, within := c.erased.Match(path)
	err := c.reader.ReadDir(ctx, *folder.Tree, nil, func(e vault.Entry) error {
		at := string(e.Name)
		if path != "" {
			at = path + "/" + at
		}
		if _, named := c.erased.At(at); within || named {
			sum.add(heldIn(e))
		}
		h, err := c.below(ctx, at, e)
		sum.add(h)
		return err
	})
	if err == nil {
		c.seen[key] = sum
	}
	return sum, err
}

func heldIn(e vault.Entry) Held {
	h := Held{Entries: 1}
	if e.Kind == vault.Regular {
		h.Files, h.Bytes = 1, e.Size
		if len(e.LinkGroup) > 0 {
			h.Linked = 1
		}
	}
	return h
}
