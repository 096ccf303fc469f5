package index

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// Layout of a table's file. All of it is checked by CRC-32C: what is kept in
// memory when the table is opened, entries and frames when they are read.
//
//	header    one block: magic, counts, CRC
//	entries   blocks of perBlock entries and a CRC
//	packs     64 bytes each, ascending by name
//	frames    13 bytes each, by pack
//	firsts    the first 8 bytes of each entry block's first id
//	filter
//	segments  32-byte names of the segments that the table holds
//	tail      CRC of firsts, filter and segments
const (
	tableMagic = "CFTABLE\x01"
	blockSize  = 4096
	perBlock   = (blockSize - 4) / entrySize
	packRecord = 64
	spanRecord = 13
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Table is a sorted, immutable part of the index on disk. In memory it keeps
// its filter and eight bytes for each block. It may be used by many goroutines.
type Table struct {
	from     io.ReaderAt
	counts   tableCounts
	firsts   []uint64
	filter   filter
	segments map[[32]byte]struct{}
	fault    atomic.Pointer[error]

	// mapped is the whole file in memory, or nil; checked has a bit for each of
	// its blocks that passed its checksum.
	mapped  []byte
	checked []atomic.Uint64

	mu    sync.Mutex // guards packs
	packs map[uint32]*Pack
}

// tableCounts say how long the parts of a table are.
type tableCounts struct {
	Entries, Packs, Frames, Segments, FilterWords uint64
}

func (c tableCounts) blocks() int64     { return int64((c.Entries + perBlock - 1) / perBlock) }
func (c tableCounts) packsAt() int64    { return blockSize + c.blocks()*blockSize }
func (c tableCounts) framesAt() int64   { return c.packsAt() + int64(c.Packs)*packRecord }
func (c tableCounts) firstsAt() int64   { return c.framesAt() + int64(c.Frames)*spanRecord }
func (c tableCounts) filterAt() int64   { return c.firstsAt() + 8*c.blocks() }
func (c tableCounts) segmentsAt() int64 { return c.filterAt() + 8*int64(c.FilterWords) }
func (c tableCounts) tailAt() int64     { return c.segmentsAt() + 32*int64(c.Segments) }
func (c tableCounts) size() int64       { return c.tailAt() + 4 }

func (c tableCounts) header() []byte {
	out := make([]byte, 0, blockSize)
	out = append(out, tableMagic...)
	for _, n := range []uint64{c.Entries, c.Packs, c.Frames, c.Segments, c.FilterWords} {
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
	for i, n := range []*uint64{&c.Entries, &c.Packs, &c.Frames, &c.Segments, &c.FilterWords} {
		if *n = binary.BigEndian.Uint64(head[8+8*i:]); *n > maxTable {
			return c, errkind.New(errkind.Damaged, "index table with an impossible count")
		}
	}
	if c.size() != size || c.Packs > 1<<32 {
		return c, errkind.New(errkind.Damaged, "index table of %d bytes where %d belong", size, c.size())
	}
	return c, nil
}

// OpenTable reads the parts of a table that stay in memory. Anything wrong is
// of kind Damaged: the table is of no use and can be made again.
func OpenTable(from io.ReaderAt, size int64) (*Table, error) {
	head := make([]byte, blockSize)
	if _, err := from.ReadAt(head, 0); err != nil {
		return nil, errkind.Wrap(errkind.Damaged, err, "read index table")
	}
	c, err := parseHeader(head, size)
	if err != nil {
		return nil, err
	}
	t := &Table{from: from, counts: c, packs: map[uint32]*Pack{}, segments: make(map[[32]byte]struct{}, c.Segments)}
	rest := make([]byte, c.size()-c.firstsAt())
	if _, err := from.ReadAt(rest, c.firstsAt()); err != nil {
		return nil, errkind.Wrap(errkind.Damaged, err, "read index table")
	}
	body := rest[:len(rest)-4]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(rest[len(body):]) {
		return nil, errkind.New(errkind.Damaged, "index table fails its checksum")
	}
	words := func(n int64) []uint64 {
		out := make([]uint64, n)
		for i := range out {
			out[i] = binary.BigEndian.Uint64(body[8*i:])
		}
		body = body[8*n:]
		return out
	}
	t.firsts = words(c.blocks())
	t.filter = words(int64(c.FilterWords))
	for ; len(body) >= 32; body = body[32:] {
		t.segments[[32]byte(body[:32])] = struct{}{}
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

func (b *block) at(i int) []byte { return b.data[i*entrySize : (i+1)*entrySize] }

// maxPacks bounds the packs that a table keeps in memory.
const maxPacks = 4096

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

// use makes the table read its entries from memory, which holds the whole
// file.
func (t *Table) use(mapped []byte) {
	t.mapped, t.checked = mapped, make([]atomic.Uint64, t.counts.blocks()/64+1)
}

// MayHold is false for nearly all ids that are not in the table.
func (t *Table) MayHold(id ID) bool { return t.filter.has(id) }

// Find gives the number of the first entry of id and how many there are.
func (t *Table) Find(id ID) (first, count int) {
	prefix := binary.BigEndian.Uint64(id[:])
	// The last block that begins before the prefix may hold it, and those after.
	number := max(sort.Search(len(t.firsts), func(i int) bool { return t.firsts[i] >= prefix })-1, 0)
	for ; number < len(t.firsts) && t.firsts[number] <= prefix; number++ {
		b, ok := t.block(int64(number))
		if !ok {
			return first, count
		}
		i := sort.Search(b.n, func(i int) bool { return bytes.Compare(b.at(i)[:32], id[:]) >= 0 })
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
	runtime.KeepAlive(t) // and with it what is mapped
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

// Pack gives the pack of a number from 0 to Packs-1.
func (t *Table) Pack(number uint32) (*Pack, error) {
	t.mu.Lock()
	p := t.packs[number]
	t.mu.Unlock()
	if p != nil {
		return p, nil
	}
	r, err := t.record(number)
	if err != nil {
		return nil, err
	}
	p = &Pack{Kind: r.kind, Name: r.name, Size: r.size, Frames: make([]Span, r.frames)}
	raw := make([]byte, int64(r.frames)*spanRecord)
	if _, err := t.from.ReadAt(raw, t.counts.framesAt()+int64(r.first)*spanRecord); err != nil {
		return nil, err
	}
	if crc32.Checksum(raw, castagnoli) != r.sum {
		return nil, errkind.New(errkind.Damaged, "the frames of pack %s fail their checksum", r.name)
	}
	for i := range p.Frames {
		f := raw[i*spanRecord:]
		p.Frames[i] = Span{Compression: seal.Compression(f[0]), Offset: binary.BigEndian.Uint32(f[1:]), Sealed: binary.BigEndian.Uint32(f[5:]), Plain: binary.BigEndian.Uint32(f[9:])}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if have := t.packs[number]; have != nil {
		return have, nil
	}
	if len(t.packs) >= maxPacks {
		clear(t.packs)
	}
	t.packs[number] = p
	return p, nil
}

// packHeader is a pack's record but for its frames.
type packHeader struct {
	name   pack.Name
	kind   seal.ChunkKind
	size   int64
	frames uint32
	first  uint64 // of its frames among all
	sum    uint32 // CRC of its frames
}

func (h packHeader) append(dst []byte) []byte {
	from := len(dst)
	dst = append(dst, h.name[:]...)
	dst = append(dst, byte(h.kind))
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.size))
	dst = binary.BigEndian.AppendUint32(dst, h.frames)
	dst = binary.BigEndian.AppendUint64(dst, h.first)
	dst = binary.BigEndian.AppendUint32(dst, h.sum)
	dst = append(dst, 0, 0, 0)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[from:], castagnoli))
}

// record reads a pack's record.
func (t *Table) record(number uint32) (h packHeader, err error) {
	var raw [packRecord]byte
	if uint64(number) >= t.counts.Packs {
		return h, errkind.New(errkind.Damaged, "an entry names pack %d of %d", number, t.counts.Packs)
	}
	if _, err := t.from.ReadAt(raw[:], t.counts.packsAt()+int64(number)*packRecord); err != nil {
		return h, err
	}
	if crc32.Checksum(raw[:60], castagnoli) != binary.BigEndian.Uint32(raw[60:]) {
		return h, errkind.New(errkind.Damaged, "pack %d fails its checksum", number)
	}
	h = packHeader{name: pack.Name(raw[:32]), kind: seal.ChunkKind(raw[32]), size: int64(binary.BigEndian.Uint64(raw[33:])),
		frames: binary.BigEndian.Uint32(raw[41:]), first: binary.BigEndian.Uint64(raw[45:]), sum: binary.BigEndian.Uint32(raw[53:])}
	if uint64(h.frames) > t.counts.Frames || h.first > t.counts.Frames-uint64(h.frames) {
		return h, errkind.New(errkind.Damaged, "pack %d has frames outside the table", number)
	}
	return h, nil
}

// PackHead is what a table says of a pack without its frames.
type PackHead struct {
	Number uint32
	Kind   seal.ChunkKind
	Size   int64
}

// FindPack looks a pack up by its name.
func (t *Table) FindPack(n pack.Name) (PackHead, bool) {
	bad := false
	i := sort.Search(t.Packs(), func(i int) bool {
		h, err := t.record(uint32(i))
		if err != nil {
			t.fail(err)
			bad = true
			return true
		}
		return bytes.Compare(h.name[:], n[:]) >= 0
	})
	if bad || i == t.Packs() {
		return PackHead{}, false
	}
	h, err := t.record(uint32(i))
	if err != nil || h.name != n {
		return PackHead{}, false
	}
	return PackHead{Number: uint32(i), Kind: h.kind, Size: h.size}, true
}

// Walk gives a function that looks packs up in ascending order of their names,
// reading the table's packs once from end to end.
func (t *Table) Walk() func(pack.Name) (PackHead, bool) {
	next := t.packCursor()
	h, number, more, err := next()
	return func(n pack.Name) (PackHead, bool) {
		for more && err == nil && bytes.Compare(h.name[:], n[:]) < 0 {
			h, number, more, err = next()
		}
		if err != nil {
			t.fail(err)
		}
		if err != nil || !more || h.name != n {
			return PackHead{}, false
		}
		return PackHead{Number: number, Kind: h.kind, Size: h.size}, true
	}
}

// filter is a Bloom filter whose bits of one id lie in one cache line: about
// ten bits for each id, and one in a hundred absent ids passes.
type filter []uint64

const (
	lineWords   = 8
	bitsPerID   = 10
	filterBits  = 6 // bits set for each id
	bitsPerLine = lineWords * 64
)

func newFilter(ids uint64) filter {
	lines := (ids*bitsPerID + bitsPerLine - 1) / bitsPerLine
	return make(filter, max(lines, 1)*lineWords)
}

// line chooses the cache line, and the bits within from the id's later bytes:
// ids are MACs, and as good as random.
func (f filter) line(id ID) []uint64 {
	n := binary.BigEndian.Uint64(id[8:]) % (uint64(len(f)) / lineWords)
	return f[n*lineWords : (n+1)*lineWords]
}

func (f filter) add(id ID) {
	line, h := f.line(id), binary.BigEndian.Uint64(id[16:])
	for range filterBits {
		bit := h % bitsPerLine
		line[bit/64] |= 1 << (bit % 64)
		h /= bitsPerLine
	}
}

func (f filter) has(id ID) bool {
	if len(f) == 0 {
		return false
	}
	line, h := f.line(id), binary.BigEndian.Uint64(id[16:])
	for range filterBits {
		bit := h % bitsPerLine
		if line[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
		h /= bitsPerLine
	}
	return true
}
