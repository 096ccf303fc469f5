package index

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"

	"github.com/counterfoil/counterfoil/internal/vault/pack"
)

// Input is what a table is made of: segments and other tables.
type Input interface {
	inputLen() uint64
	packCount() uint32
	// packCursor gives the packs in the order of their names, with their
	// numbers, until ok is false.
	packCursor() func() (h packHeader, number uint32, ok bool, err error)
	spans(number uint32) ([]Span, error)
	// cursor gives the entries in order, until it gives nil.
	cursor() func() ([]byte, error)
	names() [][32]byte
}

// Named is a segment with the name it has in the store.
type Named struct {
	*Segment
	Name [32]byte
}

func (s Named) inputLen() uint64 { return uint64(s.Len()) }

func (s Named) names() [][32]byte {
	if s.Name == [32]byte{} {
		return nil
	}
	return [][32]byte{s.Name}
}

func (s Named) packCount() uint32 { return uint32(len(s.packs)) }

func (s Named) packCursor() func() (packHeader, uint32, bool, error) {
	order := make([]uint32, len(s.packs))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return bytes.Compare(s.packs[a].Name[:], s.packs[b].Name[:]) })
	return func() (packHeader, uint32, bool, error) {
		if len(order) == 0 {
			return packHeader{}, 0, false, nil
		}
		n := order[0]
		order = order[1:]
		p := s.packs[n]
		return packHeader{name: p.Name, kind: p.Kind, size: p.Size}, n, true, nil
	}
}

func (s Named) spans(number uint32) ([]Span, error) { return s.packs[number].Frames, nil }

func (s Named) cursor() func() ([]byte, error) {
	rest := s.entries
	return func() ([]byte, error) {
		if len(rest) == 0 {
			return nil, nil
		}
		e := rest[:entrySize]
		rest = rest[entrySize:]
		return e, nil
	}
}

func (t *Table) inputLen() uint64 { return t.counts.Entries }

func (t *Table) names() [][32]byte {
	out := make([][32]byte, 0, len(t.segments))
	for n := range t.segments {
		out = append(out, n)
	}
	return out
}

func (t *Table) packCount() uint32 { return uint32(t.Packs()) }

func (t *Table) packCursor() func() (packHeader, uint32, bool, error) {
	n := uint32(0)
	return func() (h packHeader, number uint32, ok bool, err error) {
		if n == t.packCount() {
			return h, 0, false, nil
		}
		h, err = t.record(n)
		n++
		return h, n - 1, err == nil, err
	}
}

func (t *Table) spans(number uint32) ([]Span, error) {
	p, err := t.Pack(number)
	if err != nil {
		return nil, err
	}
	return p.Frames, nil
}

func (t *Table) cursor() func() ([]byte, error) {
	b := &block{data: make([]byte, blockSize)}
	next, i := int64(0), 0
	return func() ([]byte, error) {
		if i == b.n {
			if next == t.counts.blocks() {
				return nil, nil
			}
			if err := t.readBlock(b, next); err != nil {
				return nil, err
			}
			next++
			i = 0
		}
		i++
		return b.at(i - 1), nil
	}
}

// dropped marks the packs of an input whose entries are left out.
const dropped = ^uint32(0)

// taken is a pack and where it is taken from.
type taken struct {
	packHeader
	input  int
	number uint32
}

// Merge writes a table of all places in the inputs. A pack that several inputs
// have is taken from the first. Memory is bounded by the number of packs and by the filter.
func Merge(w io.WriteSeeker, inputs ...Input) error {
	m := merger{out: bufio.NewWriterSize(w, 1<<20), inputs: inputs}
	if err := m.plan(); err != nil {
		return err
	}
	if _, err := w.Seek(blockSize, io.SeekStart); err != nil {
		return err
	}
	for _, part := range []func() error{m.entries, m.packs, m.rest, m.out.Flush} {
		if err := part(); err != nil {
			return err
		}
	}
	if _, err := w.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := w.Write(m.counts.header())
	return err
}

type merger struct {
	out    *bufio.Writer
	inputs []Input
	number [][]uint32 // by input and its pack number: the new number
	counts tableCounts
	firsts []uint64
	filter filter
}

// plan decides which packs are taken from where and numbers them.
func (m *merger) plan() error {
	total := uint64(0)
	for _, in := range m.inputs {
		total += in.inputLen()
		numbers := make([]uint32, in.packCount())
		for j := range numbers {
			numbers[j] = dropped
		}
		m.number = append(m.number, numbers)
	}
	err := m.eachPack(func(p taken) error {
		m.number[p.input][p.number] = uint32(m.counts.Packs)
		m.counts.Packs++
		return nil
	})
	m.filter = newFilter(total)
	m.counts.FilterWords = uint64(len(m.filter))
	return err
}

// eachPack calls fn for the packs of all inputs in the order of their names,
// once for each name.
func (m *merger) eachPack(fn func(taken) error) error {
	type ahead struct {
		taken
		next func() (packHeader, uint32, bool, error)
	}
	var queue []*ahead
	step := func(a *ahead) (ok bool, err error) {
		a.packHeader, a.number, ok, err = a.next()
		return ok, err
	}
	for i, in := range m.inputs {
		a := &ahead{next: in.packCursor(), taken: taken{input: i}}
		ok, err := step(a)
		if err != nil {
			return err
		}
		if ok {
			queue = append(queue, a)
		}
	}
	var last pack.Name
	for begun := false; len(queue) > 0; begun = true {
		// Few inputs: the least is found faster than a heap is kept.
		least := 0
		for i, a := range queue {
			if bytes.Compare(a.name[:], queue[least].name[:]) < 0 {
				least = i
			}
		}
		a := queue[least]
		if !begun || a.name != last {
			if err := fn(a.taken); err != nil {
				return err
			}
			last = a.name
		}
		ok, err := step(a)
		if err != nil {
			return err
		}
		if !ok {
			queue = slices.Delete(queue, least, least+1)
		}
	}
	return nil
}

// head is the next entry of an input, its pack renumbered.
type head struct {
	entry [entrySize]byte
	next  func() ([]byte, error)
	input int
}

type heads []*head

func (h heads) Len() int           { return len(h) }
func (h heads) Less(i, j int) bool { return bytes.Compare(h[i].entry[:], h[j].entry[:]) < 0 }
func (h heads) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)        { *h = append(*h, x.(*head)) }
func (h *heads) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// step gives a head its next entry that is not dropped; false at the end.
func (m *merger) step(h *head) (bool, error) {
	for {
		e, err := h.next()
		if err != nil || e == nil {
			return false, err
		}
		numbers := m.number[h.input]
		old := binary.BigEndian.Uint32(e[32:])
		if int64(old) >= int64(len(numbers)) || numbers[old] == dropped {
			continue
		}
		copy(h.entry[:], e)
		binary.BigEndian.PutUint32(h.entry[32:], numbers[old])
		return true, nil
	}
}

func (m *merger) entries() error {
	var queue heads
	for i, in := range m.inputs {
		h := &head{next: in.cursor(), input: i}
		ok, err := m.step(h)
		if err != nil {
			return err
		}
		if ok {
			queue = append(queue, h)
		}
	}
	heap.Init(&queue)
	block := make([]byte, 0, blockSize)
	for len(queue) > 0 {
		h := queue[0]
		if len(block) == 0 {
			m.firsts = append(m.firsts, binary.BigEndian.Uint64(h.entry[:]))
		}
		block = append(block, h.entry[:]...)
		m.filter.add(ID(h.entry[:32]))
		m.counts.Entries++
		if len(block) == perBlock*entrySize {
			if err := m.flush(block); err != nil {
				return err
			}
			block = block[:0]
		}
		ok, err := m.step(h)
		switch {
		case err != nil:
			return err
		case ok:
			heap.Fix(&queue, 0)
		default:
			heap.Pop(&queue)
		}
	}
	if len(block) == 0 {
		return nil
	}
	return m.flush(block)
}

func (m *merger) flush(block []byte) error {
	full := block[:blockSize-4]
	clear(full[len(block):])
	if _, err := m.out.Write(full); err != nil {
		return err
	}
	return binary.Write(m.out, binary.BigEndian, crc32.Checksum(full, castagnoli))
}

// packs writes the packs' records, then their frames.
func (m *merger) packs() error {
	var frames []byte
	record := make([]byte, 0, packRecord)
	err := m.eachPack(func(p taken) error {
		spans, err := m.inputs[p.input].spans(p.number)
		if err != nil {
			return err
		}
		frames = appendSpans(frames[:0], spans)
		p.frames, p.first, p.sum = uint32(len(spans)), m.counts.Frames, crc32.Checksum(frames, castagnoli)
		m.counts.Frames += uint64(len(spans))
		_, err = m.out.Write(p.append(record[:0]))
		return err
	})
	if err != nil {
		return err
	}
	return m.eachPack(func(p taken) error {
		spans, err := m.inputs[p.input].spans(p.number)
		if err != nil {
			return err
		}
		frames = appendSpans(frames[:0], spans)
		_, err = m.out.Write(frames)
		return err
	})
}

func appendSpans(dst []byte, spans []Span) []byte {
	for _, s := range spans {
		dst = append(dst, byte(s.Compression))
		for _, v := range []uint32{s.Offset, s.Sealed, s.Plain} {
			dst = binary.BigEndian.AppendUint32(dst, v)
		}
	}
	return dst
}

// rest writes what stays in memory when the table is opened.
func (m *merger) rest() error {
	sum := crc32.New(castagnoli)
	out := io.MultiWriter(m.out, sum)
	names := map[[32]byte]struct{}{}
	for _, in := range m.inputs {
		for _, n := range in.names() {
			names[n] = struct{}{}
		}
	}
	m.counts.Segments = uint64(len(names))
	buf := make([]byte, 0, 1<<16)
	for _, words := range [][]uint64{m.firsts, m.filter} {
		for part := range slices.Chunk(words, cap(buf)/8) {
			buf = buf[:0]
			for _, w := range part {
				buf = binary.BigEndian.AppendUint64(buf, w)
			}
			if _, err := out.Write(buf); err != nil {
				return err
			}
		}
	}
	sorted := make([][32]byte, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	slices.SortFunc(sorted, func(a, b [32]byte) int { return cmp.Compare(string(a[:]), string(b[:])) })
	for _, n := range sorted {
		if _, err := out.Write(n[:]); err != nil {
			return err
		}
	}
	return binary.Write(m.out, binary.BigEndian, sum.Sum32())
}
