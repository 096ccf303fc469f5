package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

const (
	pageSize     = 8192
	segmentPages = 1 << 17 // 1 GiB, where PostgreSQL begins the next file
	rowSize      = 128
	rowsPerPage  = 60
)

// synthetic has the layout of a PostgreSQL data directory and pages as
// pgbench's: full of rows of numbers and blanks. It has no write-ahead log, so
// its growth after changes is below that of a real one.
func (b *bench) synthetic(ctx context.Context) (corpus, error) {
	pages := b.scaled(float64(b.opts.sizeMB)*1e6/pageSize, 1)
	kept, err := b.kept(fmt.Sprintf("%s-%d", syntheticCorpus, pages), func(dir string) error {
		return fillSynthetic(ctx, dir, pages)
	})
	if err != nil {
		return corpus{}, err
	}
	path, err := b.workingCopy(ctx, syntheticCorpus, kept)
	if err != nil {
		return corpus{}, err
	}
	n := b.scaled(transactions, 1)
	return corpus{
		Name: syntheticCorpus, path: path,
		What:   fmt.Sprintf("made-up database directory of %d pages; changed: %d of them, at random", pages, n),
		change: func(context.Context) error { return changeSynthetic(path, pages, n) },
	}, nil
}

func segmentPath(dir string, segment int64) string {
	path := filepath.Join(dir, "base", "5", "16384")
	if segment == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, segment)
}

func fillSynthetic(ctx context.Context, dir string, pages int64) error {
	err := writeFile(filepath.Join(dir, "PG_VERSION"), func(f *os.File) error {
		_, err := io.WriteString(f, "15\n")
		return err
	})
	if err != nil {
		return err
	}
	page := make([]byte, pageSize)
	for first := int64(0); first < pages && ctx.Err() == nil; first += segmentPages {
		err := writeFile(segmentPath(dir, first/segmentPages), func(f *os.File) error {
			for n := first; n < min(first+segmentPages, pages); n++ {
				fillPage(page, n)
				if _, err := f.Write(page); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// fillPage writes a heap page: header, line pointers, rows from the end.
func fillPage(page []byte, n int64) {
	clear(page)
	le := binary.LittleEndian
	le.PutUint64(page, uint64(n)*pageSize+1<<24)
	le.PutUint16(page[12:], 24+4*rowsPerPage)
	le.PutUint16(page[14:], pageSize-rowSize*rowsPerPage)
	le.PutUint16(page[16:], pageSize)
	le.PutUint16(page[18:], pageSize|4)
	for i := range rowsPerPage {
		at := pageSize - rowSize*(i+1)
		le.PutUint32(page[24+4*i:], uint32(at)|1<<15|uint32(rowSize)<<17)
		row := page[at : at+rowSize]
		le.PutUint32(row, 738)
		le.PutUint32(row[12:], uint32(n))
		le.PutUint16(row[16:], uint16(i+1))
		le.PutUint32(row[24:], uint32(n*rowsPerPage)+uint32(i))
		for j := 40; j < 124; j++ {
			row[j] = ' '
		}
	}
}

// changeSynthetic changes one row and the header of n random pages.
func changeSynthetic(dir string, pages, n int64) error {
	random := rand.New(seeded(n))
	for range n {
		page := random.Int64N(pages)
		if err := changePage(segmentPath(dir, page/segmentPages), page%segmentPages, random); err != nil {
			return err
		}
	}
	return nil
}

func changePage(path string, page int64, random *rand.Rand) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], random.Uint64())
	_, err = f.WriteAt(word[:6], page*pageSize)
	if err == nil {
		row := int64(random.IntN(rowsPerPage))
		_, err = f.WriteAt(word[:4], page*pageSize+pageSize-rowSize*(row+1)+32)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
