package files

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// The operations that a problem of a walk names.
const (
	opStat      = "stat"      // the object's metadata could not be read
	opList      = "list"      // a directory's names could not be read; what is in it is missing
	opXattr     = "xattr"     // some extended attributes could not be read
	opVanished  = "vanished"  // listed, but gone a moment later
	opProtected = "protected" // asked for, but it is our own data
	opKind      = "kind"      // an object of a kind we do not know
)

// walk is one walk over all roots of a reader.
type walk struct {
	ctx     context.Context
	reader  *Reader
	v       source.Visitor
	owners  *owners
	links   *links
	protect map[objectID]bool
	scratch *sync.Pool // shared with the files opened
	xattrs  []byte     // scratch of the walk itself
	listing []byte
}

// Walk implements [source.Reader]. A root that cannot be read is a problem; if
// it is the only one, that problem is all there is.
func (r *Reader) Walk(ctx context.Context, v source.Visitor) error {
	if err := needProc(); err != nil {
		return err
	}
	w := &walk{
		ctx: ctx, reader: r, v: v, owners: newOwners(), links: newLinks(), protect: map[objectID]bool{},
		scratch: &sync.Pool{New: func() any { b := make([]byte, maxXattr); return &b }},
		xattrs:  make([]byte, maxXattr), listing: make([]byte, 64<<10),
	}
	for _, p := range r.cfg.Protect {
		var st unix.Stat_t
		if err := unix.Stat(p, &st); err == nil { // what is not there yet cannot be read either
			id, _ := hintOf(&st)
			w.protect[id] = true
		}
	}
	return w.node(r.root)
}

// node walks a root, or a directory that leads to roots.
func (w *walk) node(n *node) error {
	if n.root {
		return w.root(n)
	}
	e, h, err := w.above(n.abs, n.name)
	if err != nil {
		for _, root := range n.roots() {
			if err := w.problem(root.path, opStat, err); err != nil {
				return err
			}
		}
		return nil
	}
	if err := w.v.EnterDir(n.path, e, h); err != nil {
		return err
	}
	for _, c := range n.children {
		if err := w.node(c); err != nil {
			return err
		}
	}
	return w.v.LeaveDir(n.path)
}

// above gives the metadata of a directory that only leads to roots.
func (w *walk) above(abs, name string) (vault.Entry, source.Hint, error) {
	fd, err := openAt(unix.AT_FDCWD, abs, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return vault.Entry{}, source.Hint{}, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return vault.Entry{}, source.Hint{}, err
	}
	e := entryOf(name, vault.Dir, &st, w.owners)
	if readable, err := openDirAt(fd, "."); err == nil {
		e.Flags = getFlags(readable)
		// Attributes above the roots are a courtesy, not asked for: what of
		// them cannot be read is no gap in what was.
		e.Xattrs, _ = xattrsOfOpen(readable).read(w.xattrs)
		unix.Close(readable)
	}
	return e, hint(&st), nil
}

// root walks one root path.
func (w *walk) root(n *node) error {
	real, err := filepath.EvalSymlinks(n.abs)
	if err != nil {
		return w.problem(n.path, opStat, cause(err))
	}
	var st unix.Stat_t
	if err := unix.Lstat(real, &st); err != nil {
		return w.problem(n.path, opStat, err)
	}
	id, _ := hintOf(&st)
	if w.protect[id] || w.ownData(real) {
		return w.problem(n.path, opProtected, errkind.New(errkind.Invalid, "%q is Counterfoil's own data", real))
	}
	dir := real
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		dir = path.Dir(real)
	}
	base, err := openRoot(dir)
	if err != nil {
		return w.problem(n.path, opStat, err)
	}
	t := &treeWalk{walk: w, base: n.path, device: id.device, dirs: dirStack{root: base}}
	defer t.dirs.closeAll()
	if dir == real {
		return t.top(n.name)
	}
	if n.path == "" {
		return t.loneFile(path.Dir(n.abs), path.Base(n.abs), path.Base(real))
	}
	return t.leaf(leaf{dir: int(base.file.Fd()), real: path.Base(real), name: n.name, full: n.path}, &st)
}

// ownData tells whether a real path lies in a protected one.
func (w *walk) ownData(real string) bool {
	for _, own := range w.reader.cfg.Protect {
		if beneath(real, own) {
			return true
		}
	}
	return false
}

// problem reports an input that could not be taken.
func (w *walk) problem(path, op string, err error) error {
	if op != opProtected && errors.Is(err, unix.ENOENT) {
		err = errkind.Wrap(errkind.NotFound, err, "")
	}
	return w.v.Problem(source.Problem{Path: path, Op: op, Err: err})
}

// hint gives what shows, with size and mtime, that an object did not change.
func hint(st *unix.Stat_t) source.Hint {
	id, ctime := hintOf(st)
	return source.Hint{CTime: ctime, Inode: id.inode, Device: id.device}
}

// cause drops the path that the standard library puts into its errors; a
// problem names its path itself.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
