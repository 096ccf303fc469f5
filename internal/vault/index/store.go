package index

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

const (
	tablePrefix = "table-"
	tableSuffix = ".cfi"
	tempSuffix  = ".tmp"
)

const (
	// growth is how much larger than all smaller ones together a table is.
	growth = 4
	// mergeAtOnce is up to how many entries tables are merged while the caller
	// waits; larger ones are merged behind its back.
	mergeAtOnce = 1 << 20
	// crowded is how many tables are too many to go on without merging.
	crowded = 32
	// smallTable is up to how many bytes a table that nobody opens again stays
	// in memory.
	smallTable = 4 << 20
)

// Store keeps tables in a folder, few and growing in size: what is added is
// merged with what is about as large. It is a cache: whatever is wrong with it is
// thrown away, and what it holds is added again. Several processes may use one folder.
// It may be used by many goroutines.
type Store struct {
	dir    string
	atOnce int // mergeAtOnce

	one sync.Mutex // held while segments become a table

	mu      sync.Mutex // guards all below
	tables  []stored   // the largest first
	adding  []*Table   // those that are about to be one with new segments
	merging []*Table   // those being merged behind the callers' backs
	merged  sync.Cond  // told when none are any more
}

type stored struct {
	*Table
	path string // "" for one without a name
}

// OpenStore opens the tables in a folder, which is made if need be; "" keeps
// them in files without a name in the temporary folder. Damaged tables are removed.
func OpenStore(dir string) (*Store, error) {
	s := &Store{dir: dir, atOnce: mergeAtOnce}
	s.merged.L = &s.mu
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tablePrefix) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		switch filepath.Ext(path) {
		case tempSuffix:
			removeAbandoned(path)
		case tableSuffix:
			if err := s.open(path); err != nil {
				return nil, err
			}
		}
	}
	s.order()
	return s, nil
}

func (s *Store) open(path string) error {
	t, err := openFile(path)
	switch {
	case err == nil:
		s.tables = append(s.tables, stored{t, path})
	case errkind.Is(err, errkind.Damaged):
		_ = os.Remove(path) // it is made again
	case errors.Is(err, fs.ErrNotExist): // merged by another process
	default:
		return err
	}
	return nil
}

// removeAbandoned removes the file of a table that was never finished, unless
// somebody is at it.
func removeAbandoned(path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	if lockFile(f) {
		_ = os.Remove(path) // tried again the next time
	}
	_ = f.Close() // nothing was written
}

func (s *Store) order() {
	slices.SortStableFunc(s.tables, func(a, b stored) int { return b.Len() - a.Len() })
}

// openFile opens a table; its file is closed when nobody refers to it any more.
func openFile(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return tableOf(f)
}

func tableOf(f *os.File) (*Table, error) {
	info, err := f.Stat()
	var t *Table
	if err == nil {
		t, err = openMapped(f, info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return t, nil
}

// Tables gives the tables as they are now. Damaged ones are dropped first.
func (s *Store) Tables() []*Table {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables = slices.DeleteFunc(s.tables, func(t stored) bool {
		if t.Err() == nil {
			return false
		}
		t.remove()
		return true
	})
	out := make([]*Table, len(s.tables))
	for i := range s.tables {
		out[i] = s.tables[i].Table
	}
	return out
}

// remove deletes the table's file. One that is left over would only say again
// what is said elsewhere, or be found damaged.
func (t stored) remove() {
	if t.path != "" {
		_ = os.Remove(t.path)
	}
}

// Add takes segments. Tables are merged so that each is several times as large
// as the next; where that takes long or fails, it is done later.
func (s *Store) Add(segments ...Named) error {
	s.one.Lock()
	defer s.one.Unlock()
	var inputs []Input
	size := 0
	for _, seg := range segments {
		inputs = append(inputs, seg)
		size += seg.Len()
	}
	along := s.along(size)
	all := slices.Clone(inputs)
	for _, t := range along {
		all = append(all, t)
	}
	made, err := s.make(all)
	if err != nil && len(along) > 0 {
		along = nil
		made, err = s.make(inputs)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adding = nil
	if err != nil {
		return err
	}
	s.replace(along, made)
	s.tidy()
	return nil
}

// along takes the tables to merge at once with new entries.
func (s *Store) along(size int) []*Table {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adding = s.due(size, s.atOnce, s.merging)
	return s.adding
}

// due gives the smallest tables that should become one with size new entries:
// at most so many together, and none that is busy. The caller holds mu.
func (s *Store) due(size, most int, busy []*Table) []*Table {
	keep := len(s.tables)
	for i := len(s.tables) - 1; i >= 0; i-- {
		n := s.tables[i].Len()
		if size+n > most || slices.Contains(busy, s.tables[i].Table) {
			break
		}
		if n < growth*size {
			keep = i
		}
		size += n
	}
	var out []*Table
	for _, t := range s.tables[keep:] {
		out = append(out, t.Table)
	}
	return out
}

// replace puts a table in the place of those that went into it. The caller
// holds mu.
func (s *Store) replace(old []*Table, made stored) {
	s.tables = slices.DeleteFunc(s.tables, func(t stored) bool {
		gone := slices.Contains(old, t.Table)
		if gone {
			t.remove()
		}
		return gone
	})
	s.tables = append(s.tables, made)
	s.order()
}

// tidy begins to merge what is due, unless that is going on. Where there are
// too many tables, it waits for the end. The caller holds mu.
func (s *Store) tidy() {
	if s.merging == nil {
		if s.merging = s.due(0, math.MaxInt, s.adding); s.merging != nil {
			go s.mergeDue(s.merging)
		}
	}
	if len(s.tables) > crowded {
		s.wait()
	}
}

// Wait waits until no tables are being merged.
func (s *Store) Wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait()
}

func (s *Store) wait() {
	for s.merging != nil {
		s.merged.Wait()
	}
}

// mergeDue merges until nothing is due. What fails is tried again after the
// next addition.
func (s *Store) mergeDue(old []*Table) {
	for old != nil {
		var inputs []Input
		for _, t := range old {
			inputs = append(inputs, t)
		}
		made, err := s.make(inputs)
		s.mu.Lock()
		s.merging = nil
		if err == nil {
			s.replace(old, made)
			s.merging = s.due(0, math.MaxInt, s.adding)
		}
		old = s.merging
		s.mu.Unlock()
	}
	s.merged.Broadcast()
}

// Prune makes a table anew without the packs that keep does not want. It is a
// matter of room only, so a failure is passed over.
func (s *Store) Prune(t *Table, keep func(number uint32) bool) {
	s.mu.Lock()
	if s.merging != nil || slices.Contains(s.adding, t) || !slices.ContainsFunc(s.tables, func(x stored) bool { return x.Table == t }) {
		s.mu.Unlock()
		return
	}
	s.merging = []*Table{t}
	s.mu.Unlock()
	go func() {
		made, err := s.make([]Input{pruned{t, keep}})
		s.mu.Lock()
		defer s.mu.Unlock()
		if err == nil {
			s.replace([]*Table{t}, made)
		}
		s.merging = nil
		s.merged.Broadcast()
	}()
}

// make writes a table. A crash leaves a file that is not opened.
func (s *Store) make(inputs []Input) (stored, error) {
	dir := s.dir
	if dir == "" {
		size := uint64(0)
		for _, in := range inputs {
			size += in.inputLen() * EntrySize
		}
		if size <= smallTable {
			t, err := inMemory(inputs)
			return stored{t, ""}, err
		}
		dir = os.TempDir()
	}
	temp := filepath.Join(dir, tablePrefix+rand.Text()+tempSuffix)
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return stored{}, err
	}
	lockFile(f) // until it is closed, so that no other process takes it for abandoned
	if err := Merge(f, inputs...); err != nil {
		return stored{}, errors.Join(err, f.Close(), os.Remove(temp))
	}
	if s.dir == "" {
		_ = os.Remove(temp) // where an open file cannot be removed, it stays in the temporary folder
		t, err := tableOf(f)
		return stored{t, ""}, err
	}
	path := strings.TrimSuffix(temp, tempSuffix) + tableSuffix
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return stored{}, errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, path); err != nil {
		return stored{}, errors.Join(err, os.Remove(temp))
	}
	t, err := openFile(path)
	return stored{t, path}, err
}
