package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	dbCorpus    = "db"
	smallCorpus = "small"
	rndCorpus   = "rnd"
	// syntheticCorpus stands in for db where PostgreSQL is missing.
	syntheticCorpus = "db-synthetic"
)

var corpusNames = []string{dbCorpus, smallCorpus, rndCorpus}

// corpus is a tree to back up.
type corpus struct {
	Name string   `json:"name"`
	What string   `json:"what"`
	Size treeSize `json:"size"`

	path string
	// change makes a little work happen in the corpus; nil: it stays as it is.
	change func(context.Context) error
}

// corpusNamed makes a corpus, or takes it when an earlier run made it.
func (b *bench) corpusNamed(ctx context.Context, name string) (corpus, error) {
	var c corpus
	var err error
	switch name {
	case dbCorpus:
		c, err = b.database(ctx)
	case syntheticCorpus:
		c, err = b.synthetic(ctx)
	case smallCorpus:
		c, err = b.small(ctx)
	default:
		c, err = b.random(ctx)
	}
	if err != nil {
		return c, fmt.Errorf("make corpus %s: %w", name, err)
	}
	if c.Size, err = walkTree(c.path); err != nil {
		return c, err
	}
	return c, syncFS(b.work.path)
}

// kept gives the folder of a corpus, made by fill unless it is there. It gets
// its name when it is whole, so an interrupted making is begun anew.
func (b *bench) kept(name string, fill func(dir string) error) (string, error) {
	path := b.work.corpora(name)
	if _, err := os.Lstat(path); err == nil {
		return path, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	b.say("making corpus %s", name)
	partial := path + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	if err := os.Mkdir(partial, 0o755); err != nil {
		return "", err
	}
	if err := fill(partial); err != nil {
		return "", err
	}
	return path, os.Rename(partial, path)
}

// workingCopy copies a corpus that is going to change.
func (b *bench) workingCopy(ctx context.Context, name, kept string) (string, error) {
	path := b.work.source(name)
	if err := os.RemoveAll(path); err != nil {
		return "", err
	}
	_, _, err := b.launch.run(ctx, command{args: []string{"cp", "-a", kept, path}, env: os.Environ()})
	return path, err
}

// scaled is n at the scale asked for, at least least.
func (b *bench) scaled(n float64, least int64) int64 {
	return max(least, int64(n*b.opts.scale))
}

// writeFile makes a file and fills it; write must not keep the file.
func writeFile(path string, write func(f *os.File) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f)
}
