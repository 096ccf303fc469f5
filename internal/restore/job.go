package restore

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/counterfoil/counterfoil/internal/erasure"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// job is one restore. One goroutine walks the tree, makes folders and decides
// about files; another one fetches the batches it collects, with the reader's
// own goroutines writing what arrives.
type job struct {
	reader   *vault.Reader
	opts     Options
	root     vault.Entry
	wanted   *selection
	withRoot bool // the target gets the metadata of the root
	target   *files.Target
	tally    tally

	batch   *batch // being collected; the walking goroutine's
	batches chan *batch

	mu     sync.Mutex // guards what follows
	open   map[*output]struct{}
	groups map[groupKey]*group
	again  []named // to be tried as files of their own
	aside  pathSet // what is not verified, because it is not from this point or only a further name
}

// named is an entry with its path.
type named struct {
	path  string
	entry vault.Entry
}

// write makes everything but the metadata of folders.
func (j *job) write(ctx context.Context) error {
	err := j.round(ctx, j.walkTree)
	for err == nil && j.wantsAnother() {
		err = j.round(ctx, j.tryAgain)
	}
	return err
}

// round collects batches with feed and fetches them at the same time.
func (j *job) round(ctx context.Context, feed func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	j.batch, j.batches = newBatch(), make(chan *batch)
	g.Go(func() error {
		defer close(j.batches)
		if err := feed(ctx); err != nil {
			return err
		}
		return j.flush(ctx)
	})
	g.Go(func() error {
		for b := range j.batches {
			if err := j.fetch(ctx, b); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

func (j *job) walkTree(ctx context.Context) error {
	w := walk{
		reader: j.reader,
		enter:  func(path string, e vault.Entry, _ *selection) (bool, error) { return j.folder(path, e) },
		entry:  func(path string, e vault.Entry) error { return j.object(ctx, path, e) },
		lost:   func(path string, err error) { j.tally.damaged(path, "read", err) },
		erased: j.opts.Erased,
		leftOut: func(path string, e vault.Entry, s *selection, by erasure.Erasure) error {
			return j.leaveOut(ctx, path, e, s, by)
		},
	}
	return w.dir(ctx, "", j.root, j.wanted)
}

// folder makes a folder and tells whether anything can be put into it.
func (j *job) folder(path string, e vault.Entry) (bool, error) {
	if path == "" && !j.withRoot {
		return true, nil
	}
	err := j.target.MkDir(path, e)
	switch {
	case err == nil:
		j.tally.entry()
		return true, nil
	case path != "" && concernsOne(err):
		j.setAside(path)
		j.tally.problem(source.Problem{Path: path, Op: "make", Err: err})
		return false, nil
	}
	return false, err
}

// object restores anything but a folder.
func (j *job) object(ctx context.Context, path string, e vault.Entry) error {
	if e.Kind != vault.Regular {
		return j.special(ctx, path, e)
	}
	if err := j.tryAgain(ctx); err != nil {
		return err
	}
	return j.file(ctx, path, e)
}

// special restores what is neither folder nor file.
func (j *job) special(ctx context.Context, path string, e vault.Entry) error {
	done, err := j.asLink(ctx, path, e)
	if done || err != nil {
		return err
	}
	if err := j.target.MakeSpecial(path, e); err != nil {
		return j.refused(named{path, e}, "make", err)
	}
	j.tally.entry()
	// The target may have kept something else: that must get no further names.
	if len(e.LinkGroup) > 0 && isThere(j.opts.To, path, e) {
		j.setGroup(e, &group{state: groupThere, path: path})
	}
	return nil
}

// file decides about a regular file.
func (j *job) file(ctx context.Context, path string, e vault.Entry) error {
	done, err := j.asLink(ctx, path, e)
	if done || err != nil {
		return err
	}
	action, err := j.target.Prepare(path, e)
	if err != nil {
		return j.refused(named{path, e}, "create", err)
	}
	switch action {
	case files.Write:
		return j.fill(ctx, path, e)
	case files.SkipSame:
		j.setGroup(e, &group{state: groupThere, path: path})
	case files.SkipExisting:
		j.setAside(path)
	}
	j.tally.skipped()
	j.tally.advance(e.Size, 1, 0)
	return nil
}

// refused notes that the target did not take one entry; errors that concern
// more than that are given back.
func (j *job) refused(n named, op string, err error) error {
	if !concernsOne(err) {
		return err
	}
	j.setAside(n.path)
	j.tally.problem(source.Problem{Path: n.path, Op: op, Err: err})
	if n.entry.Kind == vault.Regular {
		j.tally.advance(n.entry.Size, 1, 0)
	}
	return nil
}

// concernsOne tells whether an error of the target says something about one
// entry only, so that the others can still be restored.
func concernsOne(err error) bool {
	switch errkind.Of(err) {
	case errkind.Invalid, errkind.Exists, errkind.NotAllowed, errkind.NotFound, errkind.Unsupported:
		return true
	case errkind.Internal:
		// What file systems say of names, sizes and links they cannot have.
		for _, errno := range []syscall.Errno{syscall.EINVAL, syscall.EILSEQ, syscall.EFBIG, syscall.EMLINK, syscall.EXDEV} {
			if errors.Is(err, errno) {
				return true
			}
		}
	default:
	}
	return false
}

// tryAgain restores as files what could not be a link.
func (j *job) tryAgain(ctx context.Context) error {
	j.mu.Lock()
	list := j.again
	j.again = nil
	j.mu.Unlock()
	for _, n := range list {
		if err := j.file(ctx, n.path, n.entry); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) wantsAnother() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.again) > 0
}

func (j *job) setAside(path string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.opts.Verify {
		j.aside.add(path)
	}
}

func (j *job) isAside(path string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.aside.has(path)
}

// pathSet is a set of paths by their hashes, to be small. The zero value is empty.
type pathSet struct {
	seed   maphash.Seed
	hashes map[uint64]struct{}
}

func (s *pathSet) add(path string) {
	if s.hashes == nil {
		s.seed, s.hashes = maphash.MakeSeed(), map[uint64]struct{}{}
	}
	s.hashes[maphash.String(s.seed, path)] = struct{}{}
}

func (s *pathSet) has(path string) bool {
	if s.hashes == nil {
		return false
	}
	_, ok := s.hashes[maphash.String(s.seed, path)]
	return ok
}
