package index

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/bits"
	"runtime/debug"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Layout of a table's file. All of it is checked by CRC-32C: filter, firsts
// and segments when the table is opened, entries, packs and frames when they are read.
//
//	header    one block: magic, counts, CRC
//	entries   blocks of perBlock entries and a CRC
//	filter    lines of 64 bytes
//	firsts    the first 8 bytes of each entry block's first id
//	packs     64 bytes each, ascending by name
//	frames    13 bytes each, by pack
//	segments  32-byte names of the segments that the table holds
//	tail      CRC of filter, firsts and segments
const (
	tableMagic = "CFTABLE\x02"
	blockSize  = 4096
	perBlock   = (blockSize - 4) / EntrySize
	packRecord = 64
	spanRecord = 13
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Table is a sorted, immutable part of the index on disk. Its file is mapped:
// what memory it takes is the system's to take back. It may be used by many
// goroutines.
type Table struct {
	from     io.ReaderAt
	counts   tableCounts
	filter   filter
	firsts   []byte
	segments map[[32]byte]struct{}
	fault    atomic.Pointer[error]

	// mapped is the whole file in memory, or nil where it cannot be mapped;
	// checked has a bit for each of its blocks that passed its checksum.
	mapped  []byte
	checked []atomic.Uint64

	mu    sync.Mutex // guards packs
	packs map[uint32]*Pack
}

// tableCounts say how long the parts of a table are.
type tableCounts struct {
	Entries, Packs, Frames, Segments, FilterLines uint64
}

func (c tableCounts) blocks() int64     { return int64((c.Entries + perBlock - 1) / perBlock) }
func (c tableCounts) filterAt() int64   { return blockSize + c.blocks()*blockSize }
func (c tableCounts) firstsAt() int64   { return c.filterAt() + int64(c.FilterLines)*lineSize }
func (c tableCounts) packsAt() int64    { return c.firstsAt() + 8*c.blocks() }
func (c tableCounts) framesAt() int64   { return c.packsAt() + int64(c.Packs)*packRecord }
func (c tableCounts) segmentsAt() int64 { return c.framesAt() + int64(c.Frames)*spanRecord }
func (c tableCounts) tailAt() int64     { return c.segmentsAt() + 32*int64(c.Segments) }
func (c tableCounts) size() int64       { return c.tailAt() + 4 }

func (c tableCounts) header() []byte {
	out := make([]byte, 0, blockSize)
	out = append(out, tableMagic...)
	for _, n := range []uint64{c.Entries, c.Packs, c.Frames, c.Segments, c.FilterLines} {
		out = binary.BigEndian.AppendUint64(out, n)
	}
	out = binary.BigEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
	return out[:blockSize]
}

// maxTable bounds each count, so that no sum of lengths overflows.
const maxTable = 1 << 40

func parseHeader(head []byte, size int64) (c tableCounts, err error) {
	if len(head) < blockSize || string(head[:8]) != tableMagic || crc32.Checksum(head[:48], castagnoli) != binary.BigEndian.Uint32(head[48:]) {
		return c, errkind.New(errkind.Damaged, "not an index table")
	}
	for i, n := range []*uint64{&c.Entries, &c.Packs, &c.Frames, &c.Segments, &c.FilterLines} {
		if *n = binary.BigEndian.Uint64(head[8+8*i:]); *n > maxTable {
			return c, errkind.New(errkind.Damaged, "index table with an impossible count")
		}
	}
	if c.size() != size || c.Packs > 1<<32 {
		return c, errkind.New(errkind.Damaged, "index table of %d bytes where %d belong", size, c.size())
	}
	return c, nil
}

// OpenTable opens a table that is not mapped. Anything wrong is of kind
// Damaged: the table is of no use and can be made again.
func OpenTable(from io.ReaderAt, size int64) (*Table, error) { return openTable(from, size, nil) }

// openTable opens a table; mapped holds its whole file or is nil.
func openTable(from io.ReaderAt, size int64, mapped []byte) (*Table, error) {
	head := make([]byte, blockSize)
	if _, err := from.ReadAt(head, 0); err != nil {
		return nil, errkind.Wrap(errkind.Damaged, err, "read index table")
	}
	c, err := parseHeader(head, size)
	if err != nil {
		return nil, err
	}
	t := &Table{from: from, counts: c, packs: map[uint32]*Pack{}, segments: make(map[[32]byte]struct{}, c.Segments)}
	sum := crc32.New(castagnoli)
	lookup := io.NewSectionReader(from, c.filterAt(), c.packsAt()-c.filterAt())
	var held []byte
	if mapped != nil {
		t.mapped, t.checked = mapped, make([]atomic.Uint64, c.blocks()/64+1)
		held = mapped[c.filterAt():c.packsAt()]
		_, err = io.Copy(sum, lookup) // rather than through the mapping: reading ahead is wanted here
	} else {
		held = make([]byte, lookup.Size())
		_, err = io.ReadFull(lookup, held)
		_, _ = sum.Write(held) // never fails
	}
	tail := make([]byte, c.size()-c.segmentsAt())
	if err == nil {
		_, err = from.ReadAt(tail, c.segmentsAt())
	}
	if err != nil {
		return nil, errkind.Wrap(errkind.Damaged, err, "read index table")
	}
	names := tail[:len(tail)-4]
	_, _ = sum.Write(names) // never fails
	if sum.Sum32() != binary.BigEndian.Uint32(tail[len(names):]) {
		return nil, errkind.New(errkind.Damaged, "index table fails its checksum")
	}
	t.filter, t.firsts = held[:c.firstsAt()-c.filterAt()], held[c.firstsAt()-c.filterAt():]
	for ; len(names) > 0; names = names[32:] {
		t.segments[[32]byte(names[:32])] = struct{}{}
	}
	return t, nil
}

// Err tells whether something read from the table was damaged; what was looked
// up since may have been missed.
func (t *Table) Err() error {
	if err := t.fault.Load(); err != nil {
		return *err
	}
	return nil
}

func (t *Table) fail(err error) {
	err = errkind.Wrap(errkind.Damaged, err, "index table")
	t.fault.CompareAndSwap(nil, &err)
}

// Len is the number of entries.
func (t *Table) Len() int { return int(t.counts.Entries) }

// Packs is the number of packs.
func (t *Table) Packs() int { return int(t.counts.Packs) }

// Holds tells whether a segment of that name went into the table.
func (t *Table) Holds(segment [32]byte) bool {
	_, ok := t.segments[segment]
	return ok
}

// block is a checked block of entries.
type block struct {
	data []byte
	n    int // entries in it
}

func (b *block) at(i int) []byte { return b.data[i*EntrySize : (i+1)*EntrySize] }

// before gives how many entries have ids that begin lower than the prefix.
func (b *block) before(prefix uint64) int {
	from, to := 0, b.n
	for from < to {
		if mid := (from + to) / 2; binary.BigEndian.Uint64(b.at(mid)) < prefix {
			from = mid + 1
		} else {
			to = mid
		}
	}
	return from
}

// block gives a block of entries; ok is false when it is damaged.
func (t *Table) block(number int64) (b block, ok bool) {
	if t.mapped == nil {
		b.data = make([]byte, blockSize)
		if err := t.readBlock(&b, number); err != nil {
			t.fail(err)
			return b, false
		}
		return b, true
	}
	at := blockSize * (1 + number)
	b.data = t.mapped[at : at+blockSize]
	word, bit := &t.checked[number/64], uint64(1)<<(number%64)
	if word.Load()&bit == 0 {
		if err := checkBlock(b.data, number); err != nil {
			t.fail(err)
			return b, false
		}
		word.Or(bit)
	}
	b.n = t.entriesOf(number)
	return b, true
}

func (t *Table) entriesOf(number int64) int { return min(perBlock, t.Len()-int(number)*perBlock) }

func (t *Table) readBlock(b *block, number int64) error {
	if _, err := t.from.ReadAt(b.data, blockSize*(1+number)); err != nil {
		return err
	}
	b.n = t.entriesOf(number)
	return checkBlock(b.data, number)
}

func checkBlock(data []byte, number int64) error {
	const sumAt = blockSize - 4
	if crc32.Checksum(data[:sumAt], castagnoli) != binary.BigEndian.Uint32(data[sumAt:]) {
		return errkind.New(errkind.Damaged, "block %d fails its checksum", number)
	}
	return nil
}

// guard ends the reading of mapped memory: where that failed, because the disk
// did or the file was cut short, the table is damaged. Callers defer it with
// debug.SetPanicOnFault(true) as its argument.
func (t *Table) guard(before bool) {
	debug.SetPanicOnFault(before)
	r := recover()
	if r == nil {
		return
	}
	if _, fault := r.(interface{ Addr() uintptr }); !fault || t.mapped == nil {
		panic(r)
	}
	t.fail(errkind.New(errkind.Damaged, "its file cannot be read"))
}

// readAt fills p from the file. What could not be read fails its checksum.
func (t *Table) readAt(p []byte, at int64) error {
	if t.mapped == nil || at < 0 || at > int64(len(t.mapped))-int64(len(p)) {
		_, err := t.from.ReadAt(p, at)
		return err
	}
	defer t.guard(debug.SetPanicOnFault(true))
	copy(p, t.mapped[at:])
	return nil
}

// MayHold is false for nearly all ids that are not in the table.
func (t *Table) MayHold(id ID) bool {
	defer t.guard(debug.SetPanicOnFault(true))
	return t.filter.has(id)
}

func (t *Table) firstOf(block int) uint64 { return binary.BigEndian.Uint64(t.firsts[8*block:]) }

// before gives the last block that begins before the prefix, or the first one.
// Ids are as good as random, so the search begins near to where it ends.
func (t *Table) before(prefix uint64) int {
	const step = 16
	blocks := len(t.firsts) / 8
	guess, _ := bits.Mul64(prefix, uint64(blocks))
	from, to := int(guess), int(guess)
	for n := step; from > 0 && t.firstOf(from) >= prefix; n *= 2 {
		from = max(from-n, 0)
	}
	for n := step; to < blocks && t.firstOf(to) < prefix; n *= 2 {
		to = min(to+n, blocks)
	}
	return max(from+sort.Search(to-from, func(i int) bool { return t.firstOf(from+i) >= prefix })-1, 0)
}

// Find gives the number of the first entry of id and how many there are.
func (t *Table) Find(id ID) (first, count int) {
	defer t.guard(debug.SetPanicOnFault(true))
	prefix := binary.BigEndian.Uint64(id[:])
	blocks := len(t.firsts) / 8
	// The last block that begins before the prefix may hold it, and those after.
	for number := t.before(prefix); number < blocks && t.firstOf(number) <= prefix; number++ {
		b, ok := t.block(int64(number))
		if !ok {
			return first, count
		}
		i := b.before(prefix)
		for i < b.n && bytes.Compare(b.at(i)[:32], id[:]) < 0 {
			i++ // few ids have the same first bytes
		}
		if i == b.n {
			continue
		}
		if count == 0 {
			first = number*perBlock + i
		}
		for ; i < b.n && bytes.Equal(b.at(i)[:32], id[:]); i++ {
			count++
		}
		if i < b.n {
			break
		}
	}
	return first, count
}

// Lookup calls fn for each place of id, until it returns false; the result is
// false if fn did.
func (t *Table) Lookup(id ID, fn func(Place) bool) bool {
	first, count := t.Find(id)
	for i := first; i < first+count; i++ {
		if _, p, ok := t.At(i); ok && !fn(p) {
			return false
		}
	}
	return true
}

// At gives the entry of a number from 0 to Len-1; ok is false when it is damaged.
func (t *Table) At(i int) (id ID, p Place, ok bool) {
	defer t.guard(debug.SetPanicOnFault(true))
	b, ok := t.block(int64(i / perBlock))
	if !ok {
		return id, p, false
	}
	return t.entry(b.at(i % perBlock))
}

func (t *Table) entry(e []byte) (id ID, p Place, ok bool) {
	id = ID(e[:32])
	p = Place{Number: binary.BigEndian.Uint32(e[32:]), Frame: binary.BigEndian.Uint32(e[36:]), Offset: binary.BigEndian.Uint32(e[40:]), Length: binary.BigEndian.Uint32(e[44:])}
	var err error
	if p.Pack, err = t.Pack(p.Number); err != nil {
		t.fail(err)
		return id, p, false
	}
	if int64(p.Frame) >= int64(len(p.Pack.Frames)) {
		t.fail(errkind.New(errkind.Damaged, "an entry points outside its pack"))
		return id, p, false
	}
	return id, p, true
}

// Each calls fn for every entry in order, with its number.
func (t *Table) Each(fn func(i int, id ID, p Place) error) error {
	b := &block{data: make([]byte, blockSize)}
	for number := range t.counts.blocks() {
		if err := t.readBlock(b, number); err != nil {
			t.fail(err)
			return t.Err()
		}
		for i := range b.n {
			id, p, ok := t.entry(b.at(i))
			if !ok {
				return t.Err()
			}
			if err := fn(int(number)*perBlock+i, id, p); err != nil {
				return err
			}
		}
	}
	return nil
}
