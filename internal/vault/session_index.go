package vault

import (
	"context"
	"sync"

	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/inventory"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
)

// spill takes claims out of a session's memory.
type spill struct {
	mu    sync.Mutex // guards store
	store *index.Store
}

// packStored notes a pack that is durable. When the packs make a full segment,
// that is stored.
func (s *Session) packStored(info pack.Info) error {
	s.stats.Packs.Add(1)
	s.stats.Stored.Add(info.Size)
	s.mu.Lock()
	s.needed[info.Name] = info.Kind
	s.builder.Add(info)
	var full *index.Segment
	if s.builder.Len() >= inventory.SegmentSize {
		full = s.builder.Segment()
		s.builder = index.NewBuilder(s.v.store.ChunkID)
	}
	s.mu.Unlock()
	if full == nil {
		return nil
	}
	s.moveClaims(full)
	_, err := s.v.packs.PutSegment(s.ctx, full, s.provisionalLock())
	return err
}

// moveClaims moves the claims on a segment's chunks from memory to a table, so
// that a session's memory does not grow with what it stores. Where that fails, they
// stay where they are.
func (s *Session) moveClaims(full *index.Segment) {
	store, err := s.spill.add(full)
	if err != nil {
		s.v.store.Warn("what was stored is kept in memory: %v", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spilled = store.Tables()
	full.IDs(func(id index.ID) { delete(s.claimed, id) })
}

func (p *spill) add(full *index.Segment) (_ *index.Store, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.store == nil {
		if p.store, err = index.OpenStore(""); err != nil {
			return nil, err
		}
	}
	return p.store, p.store.Add(index.Named{Segment: full})
}

// wasSpilled tells whether a chunk was claimed and its claim moved. The caller
// holds mu.
func (s *Session) wasSpilled(id index.ID) bool {
	for _, t := range s.spilled {
		if !t.MayHold(id) {
			continue
		}
		if _, count := t.Find(id); count > 0 {
			return true
		}
	}
	return false
}

// putSegments stores the index segments of the session that are not stored
// yet, and those of packs that no segment covered, so that the next reader need not open
// their directories. It can be called again for what was stored since.
func (s *Session) putSegments(ctx context.Context) error {
	s.mu.Lock()
	builder := s.builder
	s.builder = index.NewBuilder(s.v.store.ChunkID)
	before := s.set.Unindexed
	if s.indexed {
		before = nil
	}
	s.indexed = true
	s.mu.Unlock()
	var own []*index.Segment
	if builder.Packs() > 0 {
		own = append(own, builder.Segment())
	}
	for _, t := range before {
		seg, err := t.Segment()
		if err != nil {
			return err
		}
		if len(own) > 0 && own[0].Len()+seg.Len() <= inventory.SegmentSize/index.EntrySize {
			seg = index.Combine([]*index.Segment{own[0], seg}, func(pack.Name) bool { return true })
			own = nil
		}
		if _, err := s.v.packs.PutSegment(ctx, seg, s.provisionalLock()); err != nil {
			return err
		}
	}
	for _, seg := range own {
		if _, err := s.v.packs.PutSegment(ctx, seg, s.provisionalLock()); err != nil {
			return err
		}
	}
	return nil
}
