package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/counterfoil/counterfoil/internal/durable"
)

// workDir is the folder that everything lies in. A mark in it says that it is
// the bench's own, so that a wrong --work never costs anybody their files.
type workDir struct{ path string }

const workMark = ".counterfoil-bench"

func (w workDir) corpora(name string) string { return filepath.Join(w.path, "corpora", name) }
func (w workDir) source(name string) string  { return filepath.Join(w.path, "sources", name) }
func (w workDir) logs() string               { return filepath.Join(w.path, "logs") }
func (w workDir) program(name string) string { return filepath.Join(w.path, "bin", name) }

// site is where one tool keeps all it needs in one run over one corpus.
func (w workDir) site(corpus, tool string, run int) string {
	return filepath.Join(w.path, "runs", corpus, fmt.Sprintf("%s-%d", fileName(tool), run))
}

// open makes the folder, if need be, and keeps others out until the lock is
// released: two benches at once would spoil each other's figures.
func (w workDir) open() (*durable.FileLock, error) {
	entries, err := os.ReadDir(w.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(entries) > 0 && !w.marked() {
		return nil, fmt.Errorf("work folder %s holds other things: name an empty one", w.path)
	}
	for _, dir := range []string{w.path, w.logs(), w.corpora(""), w.source(""), w.program("")} {
		// Others must get through: the database server runs as its own user.
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	return durable.Lock(filepath.Join(w.path, workMark), "benchmark")
}

func (w workDir) marked() bool {
	_, err := os.Lstat(filepath.Join(w.path, workMark))
	return err == nil
}

func (w workDir) remove() error {
	if _, err := os.Lstat(w.path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !w.marked() {
		return fmt.Errorf("work folder %s was not made here: not removed", w.path)
	}
	lock, err := durable.Lock(filepath.Join(w.path, workMark), "removal of the benchmark")
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(w.path), lock.Unlock())
}

// dropRuns removes all but the corpora, which are kept for the next time.
func (w workDir) dropRuns() error {
	return errors.Join(os.RemoveAll(filepath.Join(w.path, "runs")), os.RemoveAll(w.source("")), os.MkdirAll(w.source(""), 0o755))
}

// fileName makes the name of a tool one that every file system takes.
func fileName(tool string) string {
	b := []byte(tool)
	for i, c := range b {
		if c == ':' || c == '/' || c == ' ' {
			b[i] = '-'
		}
	}
	return string(b)
}
