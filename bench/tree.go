package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

const readSize = 1 << 20

// treeSize is how much lies below a folder.
type treeSize struct {
	Entries int64 `json:"entries"`
	Files   int64 `json:"files"`
	Bytes   int64 `json:"bytes"`
}

// walkTree looks at every entry below root with as many workers as there are
// processors, as a backup that finds nothing changed has to at least.
func walkTree(root string) (treeSize, error) {
	w := walker{more: sync.NewCond(new(sync.Mutex)), dirs: []string{root}, open: 1}
	var group sync.WaitGroup
	for range max(2, runtime.NumCPU()) {
		group.Go(w.work)
	}
	group.Wait()
	return w.size, w.err
}

// walker hands folders to workers; the lock of more guards every field.
type walker struct {
	more *sync.Cond
	dirs []string // to be read
	open int      // folders to be read or being read
	size treeSize
	err  error
}

func (w *walker) work() {
	w.more.L.Lock()
	defer w.more.L.Unlock()
	for {
		for len(w.dirs) == 0 && w.open > 0 {
			w.more.Wait()
		}
		if w.open == 0 {
			return
		}
		dir := w.dirs[len(w.dirs)-1]
		w.dirs = w.dirs[:len(w.dirs)-1]
		w.more.L.Unlock()
		below, size, err := readDir(dir)
		w.more.L.Lock()
		w.dirs = append(w.dirs, below...)
		w.open += len(below) - 1
		w.size.Entries += size.Entries
		w.size.Files += size.Files
		w.size.Bytes += size.Bytes
		if w.err == nil {
			w.err = err
		}
		w.more.Broadcast()
	}
}

func readDir(dir string) (below []string, size treeSize, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, size, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, size, err
	}
	for _, name := range names {
		path := dir + "/" + name
		info, err := os.Lstat(path)
		if err != nil {
			return nil, size, err
		}
		size.Entries++
		if info.IsDir() {
			below = append(below, path)
		}
		if info.Mode().IsRegular() {
			size.Files++
			size.Bytes += info.Size()
		}
	}
	return below, size, nil
}

// warm reads every file below root, so that the next reader finds it in memory.
func warm(ctx context.Context, root string) error {
	buf := make([]byte, readSize)
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return errors.Join(err, ctx.Err())
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		for err == nil && ctx.Err() == nil {
			_, err = f.Read(buf)
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return errors.Join(err, f.Close(), ctx.Err())
	})
}

// restoredRoot finds the source's copy below the folder that a tool restored
// into: some repeat its whole path there, some its last name, some neither.
func restoredRoot(to, source string) string {
	for _, path := range []string{filepath.Join(to, source), filepath.Join(to, filepath.Base(source))} {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path
		}
	}
	return to
}

// sameTree compares kinds, links and sizes, and every byte too if asked for.
func sameTree(ctx context.Context, want, got string, contents bool) error {
	a, err := walkTree(want)
	if err != nil {
		return err
	}
	b, err := walkTree(got)
	if err != nil {
		return err
	}
	if a != b {
		return fmt.Errorf("restored %d entries, %d files, %d bytes; the source has %d, %d, %d", b.Entries, b.Files, b.Bytes, a.Entries, a.Files, a.Bytes)
	}
	return filepath.WalkDir(want, func(path string, d fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil || path == want {
			return err
		}
		return sameEntry(path, got+strings.TrimPrefix(path, want), d, contents)
	})
}

func sameEntry(want, got string, d fs.DirEntry, contents bool) error {
	info, err := os.Lstat(got)
	switch {
	case err != nil:
		return err
	case info.Mode().Type() != d.Type():
		return fmt.Errorf("restored %s is of another kind", got)
	case d.Type() == fs.ModeSymlink:
		a, err1 := os.Readlink(want)
		b, err2 := os.Readlink(got)
		if a != b {
			return fmt.Errorf("restored link %s leads to %q, not %q", got, b, a)
		}
		return errors.Join(err1, err2)
	case d.Type().IsRegular() && contents:
		return sameFile(want, got)
	}
	return nil
}

func sameFile(want, got string) (err error) {
	a, err := os.Open(want)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	b, err := os.Open(got)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	bufA, bufB := make([]byte, readSize), make([]byte, readSize)
	for {
		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)
		if n != m || !bytes.Equal(bufA[:n], bufB[:m]) {
			return fmt.Errorf("restored %s differs", got)
		}
		if errA != nil || errB != nil {
			return errors.Join(noEnd(errA), noEnd(errB))
		}
	}
}

func noEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
