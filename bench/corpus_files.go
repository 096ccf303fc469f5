package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	smallFiles = 66_000
	smallBytes = 1_000_000_000
	rndFiles   = 8
	rndBytes   = 2_000_000_000
)

// small copies what every machine with Go has: its toolchain, the headers and
// the shared data of the system.
func (b *bench) small(ctx context.Context) (corpus, error) {
	files, most := b.scaled(smallFiles, 1), b.scaled(smallBytes, 1)
	path, err := b.kept(fmt.Sprintf("small-%d", files), func(dir string) error {
		c := copier{ctx: ctx, every: max(1, 1/b.opts.scale), files: files, bytes: most}
		for _, root := range []string{goRoot(), "/usr/include", "/usr/share"} {
			if err := c.copyTree(root, filepath.Join(dir, filepath.Base(root))); err != nil {
				return err
			}
		}
		return nil
	})
	return corpus{Name: smallCorpus, What: "copies of the Go toolchain, /usr/include and /usr/share", path: path}, err
}

// goRoot is the toolchain that `go run` uses, else its usual place.
func goRoot() string {
	if root := os.Getenv("GOROOT"); root != "" {
		return root
	}
	if root := runtime.GOROOT(); root != "" { //nolint:staticcheck // where the toolchain lies is the question
		return root
	}
	return "/usr/local/go"
}

// copier copies trees until enough is there. Below full scale it takes files
// evenly from all over, so that the mixture stays.
type copier struct {
	ctx          context.Context
	every        float64
	seen, taken  int64
	files, bytes int64 // still to be taken
}

func (c *copier) copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		switch {
		case c.ctx.Err() != nil:
			return c.ctx.Err()
		case c.files <= 0 || c.bytes <= 0:
			return fs.SkipAll
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			return nil // the corpus is what can be had
		case err != nil:
			return err
		case d.IsDir() || !c.take():
			return nil
		}
		return c.copyEntry(path, to+strings.TrimPrefix(path, from), d)
	})
}

func (c *copier) take() bool {
	c.seen++
	if float64(c.seen) < float64(c.taken)*c.every {
		return false
	}
	c.taken++
	return true
}

func (c *copier) copyEntry(from, to string, d fs.DirEntry) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if d.Type() == fs.ModeSymlink {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	if !d.Type().IsRegular() {
		return nil
	}
	n, err := copyFile(from, to)
	c.files--
	c.bytes -= n
	return err
}

func copyFile(from, to string) (n int64, err error) {
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrPermission) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	info, err := in.Stat()
	if err != nil {
		return 0, err
	}
	err = writeFile(to, func(out *os.File) error {
		n, err = io.Copy(out, in)
		return err
	})
	return n, errors.Join(err, os.Chmod(to, info.Mode().Perm()|0o400), os.Chtimes(to, info.ModTime(), info.ModTime()))
}

// random makes bytes that neither compress nor repeat.
func (b *bench) random(ctx context.Context) (corpus, error) {
	total := b.scaled(rndBytes, rndFiles)
	path, err := b.kept(fmt.Sprintf("rnd-%d", total), func(dir string) error {
		for i := range int64(rndFiles) {
			err := writeFile(filepath.Join(dir, fmt.Sprintf("random-%d", i)), func(f *os.File) error {
				return writeRandom(ctx, f, seeded(i), total/rndFiles)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return corpus{Name: rndCorpus, What: "random bytes in eight files", path: path}, err
}

// seeded is a source of bytes that are the same on every machine.
func seeded(n int64) *rand.ChaCha8 {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(n))
	copy(seed[8:], "counterfoil bench corpus")
	return rand.NewChaCha8(seed)
}

func writeRandom(ctx context.Context, w io.Writer, from io.Reader, n int64) error {
	buf := make([]byte, readSize)
	for n > 0 && ctx.Err() == nil {
		part := buf[:min(n, readSize)]
		if _, err := io.ReadFull(from, part); err != nil {
			return err
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
		n -= int64(len(part))
	}
	return ctx.Err()
}
