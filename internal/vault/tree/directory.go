package tree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
)

// Builder makes the node of one directory from its entries, given in ascending
// bytewise order of their names. It holds at most one piece of a huge
// directory at a time, not all of it.
type Builder struct {
	put     Putter
	entries []canon.Raw // encoded, not yet stored
	names   [][]byte    // of entries
	size    int         // of entries together
	last    []byte
	refs    []branchItem
	huge    bool
}

// NewBuilder makes a builder that stores nodes through put.
func NewBuilder(put Putter) *Builder { return &Builder{put: put} }

// Add takes the next entry.
func (b *Builder) Add(ctx context.Context, e Entry) error {
	if err := CheckEntry(&e, false); err != nil {
		return err
	}
	if b.last != nil && bytes.Compare(e.Name, b.last) <= 0 {
		return errkind.New(errkind.Internal, "entry %q does not come after %q", e.Name, b.last)
	}
	raw, err := encodeEntry(&e)
	if err != nil {
		return err
	}
	b.last = bytes.Clone(e.Name)
	b.hold(b.last, raw)
	if b.huge {
		return b.endPiece(ctx)
	}
	if len(b.entries) <= leafEntries && b.size < pieceBytes {
		return nil
	}
	return b.becomeHuge(ctx)
}

func (b *Builder) hold(name []byte, raw canon.Raw) {
	b.entries = append(b.entries, raw)
	b.names = append(b.names, name)
	b.size += len(raw)
}

// becomeHuge cuts what was held so far into pieces.
func (b *Builder) becomeHuge(ctx context.Context) error {
	entries, names := b.entries, b.names
	b.entries, b.names, b.size, b.huge = nil, nil, 0, true
	for i := range entries {
		b.hold(names[i], entries[i])
		if err := b.endPiece(ctx); err != nil {
			return err
		}
	}
	return nil
}

// endPiece stores the piece if it ends with the entry taken last.
func (b *Builder) endPiece(ctx context.Context) error {
	n := len(b.entries)
	if n < pieceEntries && b.size < pieceBytes && !endsPiece(b.names[n-1]) {
		return nil
	}
	return b.piece(ctx)
}

func endsPiece(name []byte) bool {
	sum := sha256.Sum256(name)
	return binary.BigEndian.Uint16(sum[:])&pieceBits == 0
}

func (b *Builder) piece(ctx context.Context) error {
	d, err := putNode(ctx, b.put, typeDirectory, b.entries)
	if err != nil {
		return err
	}
	b.refs = append(b.refs, branchItem{First: b.names[0], Digest: d, Count: uint64(len(b.entries))})
	b.entries, b.names, b.size = b.entries[:0], b.names[:0], 0
	return nil
}

// encodeEntry refuses an entry that could make its node longer than a chunk.
func encodeEntry(e *Entry) (canon.Raw, error) {
	raw, err := canon.Marshal(e)
	if err == nil && len(raw) > MaxEntry {
		err = errkind.New(errkind.Unsupported, "entry %q takes %d bytes, more than the %d that a directory can hold for one", e.Name, len(raw), MaxEntry)
	}
	return raw, err
}

// Finish stores what is left and gives the directory's digest.
func (b *Builder) Finish(ctx context.Context) (Digest, error) {
	if !b.huge {
		if b.entries == nil {
			b.entries = []canon.Raw{}
		}
		return putNode(ctx, b.put, typeDirectory, b.entries)
	}
	if len(b.entries) > 0 {
		if err := b.piece(ctx); err != nil {
			return Digest{}, err
		}
	}
	refs := b.refs
	for {
		var err error
		if refs, err = b.branches(ctx, refs); err != nil {
			return Digest{}, err
		}
		if len(refs) == 1 {
			return refs[0].Digest, nil
		}
	}
}

func (b *Builder) branches(ctx context.Context, refs []branchItem) ([]branchItem, error) {
	var up []branchItem
	start := 0
	for i, r := range refs {
		ends := binary.BigEndian.Uint16(r.Digest[:])&pieceBits == 0 && i > start
		if !ends && i-start+1 < pieceEntries && i+1 < len(refs) {
			continue
		}
		part := refs[start : i+1]
		d, err := putNode(ctx, b.put, typeBranch, part)
		if err != nil {
			return nil, err
		}
		total := uint64(0)
		for _, p := range part {
			total += p.Count
		}
		up = append(up, branchItem{First: part[0].First, Digest: d, Count: total})
		start = i + 1
	}
	return up, nil
}

// PutRoot stores the root node of a point: one entry without a name.
func PutRoot(ctx context.Context, put Putter, e Entry) (Digest, error) {
	e.Name = []byte{}
	if err := CheckEntry(&e, true); err != nil {
		return Digest{}, err
	}
	raw, err := encodeEntry(&e)
	if err != nil {
		return Digest{}, err
	}
	return putNode(ctx, put, typeDirectory, []canon.Raw{raw})
}

// GetRoot fetches the entry in a point's root node.
func GetRoot(ctx context.Context, get Getter, d Digest) (Entry, error) {
	plain, err := get(ctx, d)
	if err != nil {
		return Entry{}, err
	}
	entries, err := parseNode[Entry](plain, typeDirectory)
	if err != nil {
		return Entry{}, err
	}
	if len(entries) != 1 || len(entries[0].Name) != 0 {
		return Entry{}, errkind.New(errkind.Damaged, "root node %s is not one entry without a name", d)
	}
	return entries[0], CheckEntry(&entries[0], true)
}

// Nodes tells a walker which nodes make up a directory.
type Nodes struct {
	// Node is called with each node's digest before it is fetched; false
	// skips it and all below. It may be nil.
	Node func(d Digest) bool
	// Broken is called when a node cannot be had; nil error goes on with the
	// next node. A nil Broken ends the walk with the error.
	Broken func(d Digest, err error) error
}

// Walk calls fn for each entry of a directory, in order, fetching pieces as it
// goes.
func Walk(ctx context.Context, get Getter, d Digest, nodes Nodes, fn func(Entry) error) error {
	w := dirWalk{get: get, nodes: nodes, fn: fn}
	return w.node(ctx, d, 0)
}

type dirWalk struct {
	get   Getter
	nodes Nodes
	fn    func(Entry) error
	last  []byte
}

func (w *dirWalk) node(ctx context.Context, d Digest, level int) error {
	if w.nodes.Node != nil && !w.nodes.Node(d) {
		return nil
	}
	entries, refs, err := w.fetch(ctx, d, level)
	if err != nil {
		if w.nodes.Broken == nil || ctx.Err() != nil {
			return err
		}
		return w.nodes.Broken(d, err)
	}
	for i := range entries {
		if err := w.fn(entries[i]); err != nil {
			return err
		}
	}
	for _, r := range refs {
		if err := w.node(ctx, r.Digest, level+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *dirWalk) fetch(ctx context.Context, d Digest, level int) ([]Entry, []branchItem, error) {
	if level > maxDepth {
		return nil, nil, errkind.New(errkind.Damaged, "directory node %s lies more than %d levels deep", d, maxDepth)
	}
	plain, err := w.get(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	if typeOf(plain) == typeBranch {
		refs, err := parseNode[branchItem](plain, typeBranch)
		return nil, refs, err
	}
	entries, err := parseNode[Entry](plain, typeDirectory)
	if err != nil {
		return nil, nil, err
	}
	for i := range entries {
		if err := CheckEntry(&entries[i], false); err != nil {
			return nil, nil, err
		}
		if w.last != nil && bytes.Compare(entries[i].Name, w.last) <= 0 {
			return nil, nil, errkind.New(errkind.Damaged, "entry %q out of order in directory node %s", entries[i].Name, d)
		}
		w.last = entries[i].Name
	}
	return entries, nil, nil
}
