package vault

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/chunk"
	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/inventory"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// Sizes of the writing pipeline in bytes. What is in memory at once is bounded
// by the pack buffers and the frames in flight.
const (
	packTarget     = 32 << 20
	dataPackRoom   = 30 << 20 // frames; directory and padding come on top
	dataPackBuffer = 35 << 20
	treePackRoom   = 8 << 20
	treePackBuffer = 11 << 20
	packChunks     = 1 << 16

	packBufferStart = 2 << 20
	frameTarget     = 1 << 20
	frameChunks     = 1 << 13 // so that tiny chunks do not make a directory larger than its pack
	// provisional is how long fresh packs are locked before a point needs them.
	provisional = 72 * time.Hour
)

// SessionOptions say how a session writes.
type SessionOptions struct {
	// Lock is the mode in which objects are locked; blob.NoLock on a trial vault.
	Lock blob.Mode
	// Workers is the number of frames sealed at once, by default two.
	Workers int
}

// Session writes one point. Its storing methods may be called from many
// goroutines; a failure of any stage fails all later calls.
type Session struct {
	v       *Vault
	ctx     context.Context
	cancel  context.CancelFunc
	id      seal.ID
	key     seal.Secret
	opts    SessionOptions
	started time.Time
	cutter  *chunk.Cutter
	set     *inventory.Set
	reader  *Reader // of the trees of before
	work    *errgroup.Group
	coding  sync.WaitGroup // the encoders among work
	frames  chan *frame    // never closed: a late send must not panic
	drain   chan struct{}  // closed when no more frames come
	data    *packer
	tree    *packer
	framers [2]*framer
	spare   sync.Pool // *frame
	buffers sync.Pool // *streamBuffer
	mem     memory

	mu      sync.Mutex            // guards all below
	claimed map[index.ID]struct{} // by this session, and in no table yet
	spilled []*index.Table        // of what was claimed and is in full segments
	needed  map[pack.Name]seal.ChunkKind
	used    map[pack.Name]int64 // bytes of chunks found in packs of before, in a session that locks
	builder *index.Builder
	indexed bool // what no segment covered when the session began has one now

	spill spill

	end     sync.Once
	flushed error // what the end came to
	stats   SessionStats
}

// SessionStats count what a session did; read them with [Session.Stats].
type SessionStats struct {
	Chunks, NewChunks   atomic.Int64
	Read, New, Stored   atomic.Int64 // bytes: hashed, not known before, sent to the store
	Packs               atomic.Int64
	Compressed, Rejects atomic.Int64 // frames compressed, frames found wrong after encoding
}

// OpenSession begins a session. It finishes commits that a crash left with an
// intent, and refuses when another server owns the vault.
func (v *Vault) OpenSession(ctx context.Context, g access.Grant, opts SessionOptions) (*Session, error) {
	if err := g.Require(access.BackupRun); err != nil {
		return nil, err
	}
	if err := v.CheckOwner(ctx); err != nil {
		return nil, err
	}
	v.packs.Forget()
	if _, err := v.finishCommits(ctx, g); err != nil {
		return nil, err
	}
	return v.openSession(ctx, opts)
}

// openSession begins a session for whoever was allowed to. It is registered
// before it looks at the packs: what is condemned later is not deleted while it is open.
func (v *Vault) openSession(ctx context.Context, opts SessionOptions) (_ *Session, err error) {
	s := &Session{v: v, id: seal.NewID(), opts: opts, started: v.store.Now(), claimed: map[index.ID]struct{}{}, needed: map[pack.Name]seal.ChunkKind{}, used: map[pack.Name]int64{}, builder: index.NewBuilder(v.store.ChunkID)}
	if err := v.register(ctx, s); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			v.unregister(s)
		}
	}()
	v.packs.Forget()
	s.set, err = v.packs.Load(ctx)
	if err != nil {
		return nil, err
	}
	s.reader = v.reader(s.set)
	if s.cutter, err = chunk.New(v.header.Cutter, v.store.Domain.GearTable()); err != nil {
		return nil, err
	}
	s.frames, s.drain = make(chan *frame), make(chan struct{})
	if s.key, err = v.store.Ring.SessionKey(v.store.Ring.Current, s.id); err != nil {
		return nil, err
	}
	s.start(ctx)
	return s, nil
}

func (s *Session) start(ctx context.Context) {
	ctx, s.cancel = context.WithCancel(ctx)
	s.work, s.ctx = errgroup.WithContext(ctx)
	s.mem.init(inFlight)
	s.data = newPacker(s, seal.DataChunk, dataPackRoom, dataPackBuffer, dataPackBuffers)
	s.tree = newPacker(s, seal.TreeChunk, treePackRoom, treePackBuffer, treePackBuffers)
	s.framers = [2]*framer{{s: s, packer: s.data}, {s: s, packer: s.tree}}
	workers := s.opts.Workers
	if workers < 1 {
		workers = 2
	}
	for range workers {
		s.coding.Add(1)
		s.work.Go(func() error {
			defer s.coding.Done()
			return s.encode()
		})
	}
}

// Format keeps the session's key out of logs, whatever the verb.
func (s *Session) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "session %x", s.id[:]) }

// Stats gives the session's counters.
func (s *Session) Stats() *SessionStats { return &s.stats }

// Err tells why the session failed, nil while it has not.
func (s *Session) Err() error { return context.Cause(s.ctx) }

// Reader gives a reader of what the session stored and all that was there
// before. It comes after [Session.Flush]. What was stored is indexed for it, as
// the commit would do.
func (s *Session) Reader(ctx context.Context) (*Reader, error) {
	if err := s.putSegments(ctx); err != nil {
		return nil, err
	}
	set, err := s.v.packs.Read(ctx)
	if err != nil {
		return nil, err
	}
	return s.v.reader(set), nil
}

// Abort ends the session without a point. What was stored stays and is found
// again by the next session.
func (s *Session) Abort() {
	s.cancel()
	defer s.v.unregister(s)
	s.end.Do(func() {
		s.flushed = cmp.Or(s.finish(s.ctx), errkind.New(errkind.Internal, "the session was aborted"))
		s.v.packs.Forget()
	})
}

// claim says whether a chunk must be stored by the caller: true exactly once
// for each chunk that is in no healthy pack.
func (s *Session) claim(kind seal.ChunkKind, digest tree.Digest) bool {
	s.stats.Chunks.Add(1)
	id := index.ID(s.v.store.ChunkID(kind, digest))
	place, known := s.set.Usable(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if known {
		s.needed[place.Pack.Name] = place.Pack.Kind
		if s.opts.Lock != blob.NoLock {
			s.used[place.Pack.Name] += int64(place.Length)
		}
		return false
	}
	if _, ok := s.claimed[id]; ok || s.wasSpilled(id) {
		return false
	}
	s.claimed[id] = struct{}{}
	return true
}

// Known reports whether all chunks of a content are in healthy packs, and
// notes those packs as needed by the point.
func (s *Session) Known(ctx context.Context, c *Content) (bool, error) {
	known := true
	need, used := map[pack.Name]seal.ChunkKind{}, map[pack.Name]int64{}
	look := func(kind seal.ChunkKind, d Digest) {
		p, ok := s.set.Usable(index.ID(s.v.store.ChunkID(kind, d)))
		known = known && ok
		if ok {
			need[p.Pack.Name] = p.Pack.Kind
			used[p.Pack.Name] += int64(p.Length)
		}
	}
	err := tree.WalkContent(ctx, s.reader.Node, c,
		func(d Digest) bool { look(seal.TreeChunk, d); return true },
		func(it tree.ListItem) error { look(seal.DataChunk, it.Digest); return nil })
	if err != nil {
		return false, err
	}
	if known {
		s.mu.Lock()
		defer s.mu.Unlock()
		maps.Copy(s.needed, need)
		for n, bytes := range used {
			if s.opts.Lock != blob.NoLock {
				s.used[n] += bytes
			}
		}
	}
	return known, nil
}

func (s *Session) provisionalLock() blob.Lock {
	if s.opts.Lock == blob.NoLock {
		return blob.Lock{}
	}
	return blob.Lock{Mode: s.opts.Lock, Until: s.v.store.Now().Add(provisional)}
}

// register notes an open session and the last governance record before it.
func (v *Vault) register(ctx context.Context, s *Session) error {
	l, err := v.records.Ledger(ctx)
	if err != nil && !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NotFound) {
		return err // with damaged records nothing is collected
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sessions == nil {
		v.sessions = map[*Session]uint64{}
	}
	v.sessions[s] = 0
	if l != nil {
		v.sessions[s] = l.Last.Number
	}
	return nil
}

func (v *Vault) unregister(s *Session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.sessions, s)
}

// counts tells which packs the session stored or counts on.
func (s *Session) counts(on map[pack.Name]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.needed {
		on[n] = true
	}
}

// checkCondemned refuses to make a point that would need a condemned pack.
func (s *Session) checkCondemned(ctx context.Context) error {
	l, err := s.v.records.Ledger(ctx)
	if errkind.Is(err, errkind.Damaged) || errkind.Is(err, errkind.NotFound) {
		return nil // nothing is collected with damaged records
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.needed {
		if l.Spent(n) {
			return errkind.New(errkind.Busy, "pack %s, which this point counts on, was given up by a garbage collection meanwhile: run the backup again", n)
		}
	}
	return nil
}
