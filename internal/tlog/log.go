package tlog

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"sync"

	merkle "golang.org/x/mod/sumdb/tlog"

	"golang.org/x/mod/sumdb/note"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Log is one log on one store. Its methods may be called from several
// goroutines. Only one process at a time may Append to a store; another learns
// of it with Refresh.
type Log struct {
	store    Store
	origin   string
	signer   note.Signer
	verifier note.Verifier

	mu sync.Mutex // guards state and unsure
	// state is what the last checkpoint that we read or wrote says.
	state state
	// unsure is set while the store may hold more than state knows, after a
	// write whose outcome is unknown.
	unsure bool
}

// state is a verified tree: nobody changes one, it is replaced as a whole.
type state struct {
	raw    []byte // the checkpoint as stored
	edge   frontier
	bundle []byte // the bundle that is not full yet
}

// tree is the state as package merkle wants it.
func (s state) tree() merkle.Tree { return merkle.Tree{N: s.edge.size, Hash: s.edge.root()} }

// Create starts an empty log by storing its first checkpoint. It fails with
// errkind.Exists where there is a log or what remains of one, because starting
// again would sign a smaller tree.
func Create(ctx context.Context, store Store, origin string, signer note.Signer) error {
	if err := checkOrigin(origin); err != nil {
		return err
	}
	traces := []string{checkpointName, tile{0, 0, tileWidth}.name()}
	for w := 1; w < tileWidth; w++ {
		traces = append(traces, tile{0, 0, w}.name())
	}
	for _, name := range traces {
		_, err := store.Read(ctx, name)
		if err == nil {
			return errkind.New(errkind.Exists, "create log %s: the store has %s already", origin, name)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	raw, err := signCheckpoint(Checkpoint{Origin: origin, Root: new(frontier).root()}, signer)
	if err != nil {
		return err
	}
	return store.Write(ctx, checkpointName, raw)
}

// Open reads the log called origin and verifies its checkpoint and the right
// edge of its tiles against each other. It fails with errkind.NotFound when
// the store has no checkpoint. The signer may be nil in a log only read.
func Open(ctx context.Context, store Store, origin string, signer note.Signer, verifier note.Verifier) (*Log, error) {
	l := &Log{store: store, origin: origin, signer: signer, verifier: verifier}
	raw, err := l.readCheckpoint(ctx)
	if err != nil {
		return nil, err
	}
	if l.state, err = l.load(ctx, raw); err != nil {
		return nil, err
	}
	return l, nil
}

// Size is the number of records.
func (l *Log) Size() int64 { return l.current().edge.size }

// Checkpoint gives the signed checkpoint as stored.
func (l *Log) Checkpoint() []byte { return bytes.Clone(l.current().raw) }

func (l *Log) current() state {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Refresh takes notice of what another process appended. A checkpoint that
// does not extend the one known is damage, and the log keeps what it knew.
func (l *Log) Refresh(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refresh(ctx)
}

func (l *Log) refresh(ctx context.Context) error {
	raw, err := l.readCheckpoint(ctx)
	if err != nil {
		return err
	}
	if !bytes.Equal(raw, l.state.raw) {
		next, err := l.load(ctx, raw)
		if err != nil {
			return err
		}
		if err := l.extends(ctx, next, l.state.tree()); err != nil {
			return err
		}
		l.state = next
	}
	l.unsure = false
	return nil
}

// extends requires that the tree old is a prefix of next.
func (l *Log) extends(ctx context.Context, next state, old merkle.Tree) error {
	if next.edge.size < old.N {
		return damaged(checkpointName, -1, "the store holds %d records where %d are known: it was rolled back", next.edge.size, old.N)
	}
	root, err := rootAt(ctx, l.store, next, old.N)
	if err != nil {
		return err
	}
	if root != old.Hash {
		return damaged(checkpointName, -1, "the first %d records are not the ones known: history was rewritten", old.N)
	}
	return nil
}

func (l *Log) readCheckpoint(ctx context.Context) ([]byte, error) {
	raw, err := l.store.Read(ctx, checkpointName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errkind.Wrap(errkind.NotFound, err, "log %s: no checkpoint on the store", l.origin)
	}
	return raw, err
}

// openCheckpoint checks signature and origin.
func (l *Log) openCheckpoint(raw []byte) (Checkpoint, error) {
	c, err := OpenCheckpoint(raw, l.verifier)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != l.origin {
		return Checkpoint{}, errkind.New(errkind.WrongKey, "checkpoint: of log %q, not of %q", c.Origin, l.origin)
	}
	return c, nil
}

// load reads the right edge of the tree that the checkpoint raw speaks of.
func (l *Log) load(ctx context.Context, raw []byte) (state, error) {
	c, err := l.openCheckpoint(raw)
	if err != nil {
		return state{}, err
	}
	s := state{raw: raw, edge: frontier{size: c.Size}}
	for level := 0; itemsAt(level, c.Size) > 0; level++ {
		s.edge.levels = append(s.edge.levels, nil)
		index := itemsAt(level, c.Size) >> tileHeight
		t := tile{level, index, widthOf(level, index, c.Size)}
		if t.width == 0 {
			continue
		}
		if s.edge.levels[level], _, err = readTile(ctx, l.store, t); err != nil {
			return state{}, err
		}
	}
	if s.edge.root() != c.Root {
		return state{}, damaged(checkpointName, -1, "the tiles at the right edge do not give the root of %d records", c.Size)
	}
	last := bundleOf(c.Size>>tileHeight, c.Size)
	if last.width == 0 {
		return s, nil
	}
	records, name, err := readBundle(ctx, l.store, last)
	if err != nil {
		return state{}, err
	}
	if err := checkLeaves(name, last.first(), records, s.edge.levels[0]); err != nil {
		return state{}, err
	}
	for _, r := range records {
		s.bundle = appendRecord(s.bundle, r)
	}
	return s, nil
}

// checkLeaves compares the records of a bundle with their leaf hashes.
func checkLeaves(name string, first int64, records [][]byte, leaves []Hash) error {
	for i, r := range records {
		if merkle.RecordHash(r) != leaves[i] {
			index := first + int64(i)
			return damaged(name, index, "does not have the hash that %s has for it", tile{0, index >> tileHeight, len(leaves)}.name())
		}
	}
	return nil
}
