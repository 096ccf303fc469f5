package index

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
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
)

// Store keeps tables in a folder, few and growing in size: what is added is
// merged with what is about as large. It is a cache: whatever is wrong with it is
// thrown away, and what it holds is added again. Several processes may use one folder.
// It may be used by many goroutines.
type Store struct {
	dir string

	mu     sync.Mutex // guards tables
	tables []stored   // the largest first
}

type stored struct {
	*Table
	path string // "" for one without a name
}

// OpenStore opens the tables in a folder, which is made if need be; "" keeps
// them in files without a name in the temporary folder. Damaged tables are removed.
func OpenStore(dir string) (*Store, error) {
	s := &Store{dir: dir}
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
		if !strings.HasPrefix(e.Name(), tablePrefix) || !strings.HasSuffix(e.Name(), tableSuffix) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		t, err := openFile(path)
		switch {
		case err == nil:
			s.tables = append(s.tables, stored{t, path})
		case errkind.Is(err, errkind.Damaged):
			_ = os.Remove(path) // it is made again
		case errors.Is(err, fs.ErrNotExist): // merged by another process
		default:
			return nil, err
		}
	}
	s.order()
	return s, nil
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
		t, err = OpenTable(f, info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	mapFile(t, f, info.Size())
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
		if t.path != "" {
			_ = os.Remove(t.path) // it is made again
		}
		return true
	})
	out := make([]*Table, len(s.tables))
	for i := range s.tables {
		out[i] = s.tables[i].Table
	}
	return out
}

// growth is how much larger than the next each table is.
const growth = 4

// Add takes segments, and merges tables until each is several times as large
// as the next.
func (s *Store) Add(segments ...Named) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var inputs []Input
	size := 0
	for _, seg := range segments {
		inputs = append(inputs, seg)
		size += seg.Len()
	}
	keep := len(s.tables)
	for keep > 0 && s.tables[keep-1].Len() < growth*size {
		keep--
		size += s.tables[keep].Len()
		inputs = append(inputs, s.tables[keep].Table)
	}
	made, err := s.make(inputs)
	if err != nil {
		return err
	}
	old := slices.Clone(s.tables[keep:])
	s.tables = append(s.tables[:keep], made)
	s.order()
	for _, t := range old {
		if t.path != "" {
			_ = os.Remove(t.path) // left over, it would only say the same
		}
	}
	return nil
}

// smallTable is up to where a table that nobody opens again stays in memory.
const smallTable = 4 << 20

// make writes a table. A crash leaves a file that is not opened.
func (s *Store) make(inputs []Input) (stored, error) {
	dir := s.dir
	if dir == "" {
		size := uint64(0)
		for _, in := range inputs {
			size += in.inputLen() * entrySize
		}
		if size <= smallTable {
			t, err := inMemory(inputs)
			return stored{t, ""}, err
		}
		dir = os.TempDir()
	}
	temp := filepath.Join(dir, tablePrefix+rand.Text()+".tmp")
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return stored{}, err
	}
	path := ""
	err = Merge(f, inputs...)
	if err == nil && s.dir != "" {
		path = strings.TrimSuffix(temp, ".tmp") + tableSuffix
		err = os.Rename(temp, path)
	} else {
		err = errors.Join(err, os.Remove(temp))
	}
	if err != nil {
		return stored{}, errors.Join(err, f.Close())
	}
	t, err := tableOf(f)
	return stored{t, path}, err
}

// InMemory makes a table of segments without a file.
func InMemory(segments ...Named) (*Table, error) {
	var inputs []Input
	for _, s := range segments {
		inputs = append(inputs, s)
	}
	return inMemory(inputs)
}

func inMemory(inputs []Input) (*Table, error) {
	b := &buffer{}
	if err := Merge(b, inputs...); err != nil {
		return nil, err
	}
	t, err := OpenTable(b, int64(len(b.data)))
	if err == nil {
		t.use(b.data)
	}
	return t, err
}

// buffer is a file in memory.
type buffer struct {
	data []byte
	at   int64
}

func (b *buffer) Seek(off int64, _ int) (int64, error) {
	b.at = off
	return off, nil
}

func (b *buffer) Write(p []byte) (int, error) {
	if end := int(b.at) + len(p); end > len(b.data) {
		b.data = append(b.data, make([]byte, end-len(b.data))...)
	}
	copy(b.data[b.at:], p)
	b.at += int64(len(p))
	return len(p), nil
}

func (b *buffer) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(b.data)) {
		return 0, io.EOF
	}
	n := copy(p, b.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
