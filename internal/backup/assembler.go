package backup

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/source/paged"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// maxListed bounds the problems and fuzzy paths listed in a point.
const maxListed = 10000

// settled is how old a change must be before its timestamps can tell it from
// a later one: file systems keep coarse times.
const settled = 2 * time.Second

// assembler builds the point's trees from the walk. The walk's calls come from
// one goroutine, files are finished by several.
type assembler struct {
	r       *Request
	session *vault.Session
	previous
	jobs    chan fileJob
	walking context.Context
	scanned time.Time
	stack   []*folder // the folders being walked, outermost first
	heads   sync.Pool // of *[paged.Head]byte

	mu         sync.Mutex // guards all below
	root       *vault.Entry
	rootDigest vault.Digest
	hints      vault.Hints
	problems   []vault.PointProblem
	problemN   int64
	fuzzy      [][]byte
	fuzzyN     int64
	excluded   int64
	files      int64
	dirs       int64
	entries    int64
	bytes      int64
	unchanged  int64
	classes    classCount
	warnings   []string
}

// previous is the last point of the source, if it can serve as parent.
type previous struct {
	reader *vault.Reader
	point  *vault.Point
	known  *vault.Hints
}

// folder is a directory on its way. Its entries are added in order as soon as
// those before them are done.
type folder struct {
	path   string
	entry  vault.Entry
	parent *folder
	slot   int // its own place in the parent
	dir    *vault.Directory
	before *cursor

	mu     sync.Mutex // guards all below
	slots  []*vault.Entry
	first  int // number of slots added and dropped
	count  int
	closed bool
	failed map[int]bool
}

type fileJob struct {
	path   string
	key    vault.HintKey
	in     *folder
	slot   int
	entry  vault.Entry
	hint   source.Hint
	open   func() (source.File, error)
	before *vault.Entry
}

func newAssembler(ctx context.Context, r *Request, s *vault.Session) (*assembler, error) {
	a := &assembler{r: r, session: s, jobs: make(chan fileJob, 256), scanned: r.HostNow(), classes: newClassCount(r),
		heads: sync.Pool{New: func() any { return new([paged.Head]byte) }}}
	if r.Rehash {
		return a, nil
	}
	err := r.Vault.EachPoint(ctx, r.Source.ID, func(p vault.Point) bool {
		if isRemnant(p) {
			return true // no state of the source
		}
		a.point = &p
		return false
	})
	if err != nil || a.point == nil {
		return a, err // without a parent everything is read
	}
	if a.reader, err = r.Vault.NewReader(ctx); err != nil {
		return nil, err
	}
	a.known, err = r.Vault.ReadHints(ctx, r.Source.ID, a.point.Envelope.Number)
	if err != nil && !errkind.Is(err, errkind.NotFound) && !errkind.Is(err, errkind.Damaged) {
		return nil, err
	}
	return a, nil
}

// EnterDir begins a folder.
func (a *assembler) EnterDir(p string, e vault.Entry, _ source.Hint) error {
	f := &folder{path: p, entry: e, dir: a.session.NewDirectory(), failed: map[int]bool{}}
	var before *vault.Entry
	if parent := a.top(); parent != nil {
		f.parent, f.slot = parent, parent.reserve()
		before = parent.before.find(e.Name)
	} else if a.point != nil {
		if root, err := a.reader.Root(a.walking, a.point.Envelope.Root); err == nil {
			before = &root
		}
	}
	f.before = a.cursor(before)
	a.stack = append(a.stack, f)
	return a.walking.Err()
}

func (a *assembler) top() *folder {
	if len(a.stack) == 0 {
		return nil
	}
	return a.stack[len(a.stack)-1]
}

// cursor walks the entries of the folder as it was in the last point.
type cursor struct{ entries []vault.Entry }

func (a *assembler) cursor(before *vault.Entry) *cursor {
	if before == nil || before.Tree == nil {
		return &cursor{}
	}
	c := &cursor{}
	err := a.reader.ReadDir(a.walking, *before.Tree, nil, func(e vault.Entry) error {
		c.entries = append(c.entries, e)
		return nil
	})
	if err != nil {
		return &cursor{} // what cannot be read of the last point is read from the source
	}
	return c
}

// find gives the entry of that name; names come in ascending order.
func (c *cursor) find(name []byte) *vault.Entry {
	for len(c.entries) > 0 && string(c.entries[0].Name) < string(name) {
		c.entries = c.entries[1:]
	}
	if len(c.entries) > 0 && string(c.entries[0].Name) == string(name) {
		return &c.entries[0]
	}
	return nil
}

// Entry takes anything but a folder.
func (a *assembler) Entry(p string, e vault.Entry, h source.Hint, open func() (source.File, error)) error {
	f := a.top()
	if f == nil {
		return errkind.New(errkind.Internal, "entry %q outside of any folder", p)
	}
	before := f.before.find(e.Name)
	slot := f.reserve()
	if e.Kind != vault.Regular {
		return a.done(f, slot, p, &e)
	}
	key := vault.HintKeyOf(p)
	if same, err := a.sameFile(key, e, h, before); err != nil {
		return err
	} else if same {
		e.Flags, e.Xattrs, e.Sparse, e.Extents, e.Content = before.Flags, before.Xattrs, before.Sparse, before.Extents, before.Content
		a.mu.Lock()
		a.unchanged++
		a.mu.Unlock()
		a.hint(key, h)
		return a.done(f, slot, p, &e)
	}
	select {
	case a.jobs <- fileJob{path: p, key: key, in: f, slot: slot, entry: e, hint: h, open: open, before: before}:
		return nil
	case <-a.walking.Done():
		return a.walking.Err()
	}
}

// sameFile reports whether a file need not be read.
func (a *assembler) sameFile(key vault.HintKey, e vault.Entry, h source.Hint, before *vault.Entry) (bool, error) {
	if before == nil || before.Kind != vault.Regular || before.Fuzzy || before.Size != e.Size || before.MTime != e.MTime {
		return false, nil
	}
	ctime, inode, ok := a.known.LookupKey(key)
	if !ok || ctime != h.CTime || inode != h.Inode {
		return false, nil
	}
	known, err := a.session.Known(a.walking, before.Content)
	if errkind.Is(err, errkind.Damaged) {
		return false, nil // its list cannot be read any more: the file is, and heals it
	}
	return known, err
}

// hint notes a file for the next run, unless it changed so lately that another
// change could carry the same time.
func (a *assembler) hint(key vault.HintKey, h source.Hint) {
	if a.scanned.Sub(h.CTime.Time()) < settled {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hints.AddKey(key, h.CTime, h.Inode)
}

// LeaveDir ends a folder's walk; it is stored when its last entry is.
func (a *assembler) LeaveDir(string) error {
	f := a.top()
	a.stack = a.stack[:len(a.stack)-1]
	f.mu.Lock()
	f.closed = true
	f.before = nil
	f.mu.Unlock()
	return a.settle(f)
}

// Problem notes an input that could not be taken.
func (a *assembler) Problem(p source.Problem) error {
	a.problem(p.Path, p.Op, p.Err)
	return a.walking.Err()
}

func (a *assembler) problem(p, op string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.problemN++
	if len(a.problems) < maxListed {
		a.problems = append(a.problems, vault.PointProblem{Path: []byte(p), Op: op, Message: err.Error()})
	}
}

// Excluded counts what was left out on purpose.
func (a *assembler) Excluded(string, string) error {
	a.mu.Lock()
	a.excluded++
	a.mu.Unlock()
	return a.walking.Err()
}

func (f *folder) reserve() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	f.slots = append(f.slots, nil)
	return f.count - 1
}

// done puts an entry in its place; nil means that it is left out.
func (a *assembler) done(f *folder, slot int, p string, e *vault.Entry) error {
	f.mu.Lock()
	if e == nil {
		f.failed[slot] = true
	} else {
		f.slots[slot-f.first] = e
	}
	f.mu.Unlock()
	if e != nil {
		a.count(p, e)
	}
	return a.settle(f)
}

func (a *assembler) count(p string, e *vault.Entry) {
	a.mu.Lock()
	a.entries++
	if e.Kind == vault.Regular {
		a.files++
		a.bytes += e.Size
		a.classes.add(p, e.Size)
		if e.Fuzzy {
			a.fuzzyN++
			if len(a.fuzzy) < maxListed {
				a.fuzzy = append(a.fuzzy, []byte(p))
			}
		}
	}
	if e.Kind == vault.Dir {
		a.dirs++
	}
	progress := Progress{Bytes: a.bytes, Entries: a.entries}
	a.mu.Unlock()
	if a.r.Progress != nil && progress.Entries%64 == 0 {
		if a.point != nil {
			progress.ExpectedBytes = a.point.Envelope.Size
		}
		a.r.Progress(progress)
	}
}

// settle adds the entries that are ready to the folder and, when it was the
// last, stores the folder and settles the one above.
func (a *assembler) settle(f *folder) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.slots) > 0 {
		e := f.slots[0]
		if e == nil && !f.failed[f.first] {
			return nil
		}
		if e != nil {
			if err := f.dir.Add(a.walking, *e); err != nil {
				return err
			}
		}
		delete(f.failed, f.first)
		f.slots[0] = nil
		f.slots = f.slots[1:]
		f.first++
	}
	if !f.closed || f.dir == nil {
		return nil
	}
	d, err := f.dir.Finish(a.walking)
	if err != nil {
		return err
	}
	f.dir = nil
	f.entry.Tree = &d
	if f.parent == nil {
		return a.finishRoot(f.entry)
	}
	return a.done(f.parent, f.slot, f.path, &f.entry)
}

func (a *assembler) finishRoot(e vault.Entry) error {
	d, err := a.session.PutRoot(a.walking, e)
	if err != nil {
		return err
	}
	a.count("", &e)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.root, a.rootDigest = &e, d
	return nil
}

// takeFile reads one file and stores it. An unreadable file is a problem of
// the point; an error ends the backup.
func (a *assembler) takeFile(ctx context.Context, j fileJob) error {
	e, h, err := a.readFile(ctx, j)
	var unreadable *unreadableError
	if errors.As(err, &unreadable) {
		a.problem(j.path, unreadable.op, unreadable.err)
		return a.done(j.in, j.slot, j.path, nil)
	}
	var partial *source.PartialError
	if errors.As(err, &partial) { // without a hint: the next run tries again
		a.problem(j.path, partial.Op, partial.Err)
		return a.done(j.in, j.slot, j.path, &e)
	}
	if err != nil {
		return err
	}
	if !e.Fuzzy {
		a.hint(j.key, h)
	}
	return a.done(j.in, j.slot, j.path, &e)
}
