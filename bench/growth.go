package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// The kinds of growth.
const (
	growFiles = "files"
	growBytes = "bytes"
)

var growthKinds = []string{growFiles, growBytes}

const (
	filesPerDir = 500
	// diskPerFile is what a tiny file takes from the disk, with its entry.
	diskPerFile = 5 << 10
	keptFree    = 2 << 30 // never filled
	partBytes   = 1_000_000_000
)

// growthSize is one corpus of growing ones: n entries or bytes.
type growthSize struct {
	kind   string
	corpus string
	n      int64
}

func growthSizes(kind string, scale float64) (sizes []growthSize) {
	of := []float64{1e4, 1e5, 1e6}
	if kind == growBytes {
		of = []float64{1e9, 1e10, 3e10}
	}
	for _, n := range of {
		scaled := max(1, int64(n*scale))
		sizes = append(sizes, growthSize{kind, fmt.Sprintf("%s-%d", kind, scaled), scaled})
	}
	return sizes
}

// need is the disk that making, storing and restoring a corpus takes.
func (g growthSize) need() (source, restored int64) {
	if g.kind == growFiles {
		return 2 * g.n * diskPerFile, g.n * diskPerFile
	}
	return g.n + g.n*2/3, g.n // two thirds: what of it does not compress, and room
}

// measureGrowth measures this engine alone on ever larger corpora. Each is
// removed at once: together they would fill a disk.
func (b *bench) measureGrowth(ctx context.Context) error {
	for _, kind := range b.opts.growth {
		for _, size := range growthSizes(kind, b.opts.scale) {
			err := b.measureSize(ctx, size)
			if errors.Is(context.Cause(ctx), errLimit) {
				b.say("%v: stopped in %s", errLimit, size.corpus)
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) measureSize(ctx context.Context, g growthSize) (err error) {
	source, restored := g.need()
	free, err := freeSpace(b.work.path)
	if err != nil {
		return err
	}
	if free-keptFree < source {
		b.say("%s left out: it needs %s and %s are free", g.corpus, megabytes(source+keptFree), megabytes(free))
		return nil
	}
	steps := []step{stepFirst, stepUnchanged, stepRestore, stepVerify}
	if free-keptFree < source+restored {
		b.say("%s: no room to restore it, that step is left out", g.corpus)
		steps = []step{stepFirst, stepUnchanged, stepVerify}
	}
	dir := b.work.source(g.corpus)
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b.say("making corpus %s", g.corpus)
	if err := fillGrowth(ctx, dir, g); err != nil {
		return err
	}
	c := corpus{Name: g.corpus, What: "made up, " + g.kind, path: dir}
	if c.Size, err = walkTree(dir); err != nil {
		return err
	}
	b.corpora = append(b.corpora, c)
	for run := 1; run <= b.opts.runs; run++ {
		if err := errors.Join(b.measureRun(ctx, c, run, steps), b.dropRun(ctx, c, run)); err != nil {
			return err
		}
	}
	return nil
}

func fillGrowth(ctx context.Context, dir string, g growthSize) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if g.kind == growFiles {
		return fillFiles(ctx, dir, g.n)
	}
	for i := int64(0); i*partBytes < g.n; i++ {
		err := writeFile(filepath.Join(dir, fmt.Sprintf("part-%03d", i)), func(f *os.File) error {
			return writeMixed(ctx, f, seeded(i), min(partBytes, g.n-i*partBytes))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fillFiles makes n files of some hundred bytes, no two of them alike.
func fillFiles(ctx context.Context, dir string, n int64) error {
	random := rand.New(seeded(n))
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(dir, fmt.Sprintf("%04d", i/filesPerDir), fmt.Sprintf("entry-%07d", i))
		if i%filesPerDir == 0 {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
		}
		text := fmt.Sprintf("entry %d\namount %d\n", i, random.Int64()) + strings.Repeat("posted to the ledger\n", 1+random.IntN(20))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeMixed writes n bytes of which about half compress well, none repeat.
func writeMixed(ctx context.Context, f *os.File, from *rand.ChaCha8, n int64) error {
	const plain, every = 64 << 10, 16
	buf := make([]byte, 2*plain)
	for n > 0 && ctx.Err() == nil {
		if _, err := from.Read(buf[:plain]); err != nil {
			return err
		}
		for i := plain; i < len(buf); i++ {
			buf[i] = ' '
		}
		for i := plain; i < len(buf); i += every {
			copy(buf[i:], buf[i-plain:i-plain+2])
		}
		part := buf[:min(n, int64(len(buf)))]
		if _, err := f.Write(part); err != nil {
			return err
		}
		n -= int64(len(part))
	}
	return ctx.Err()
}
