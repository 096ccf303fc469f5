package index

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"

	"github.com/counterfoil/counterfoil/internal/vault/pack"
)

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
	for _, part := range []func() error{m.entries, m.lookup, m.packs, m.names, m.out.Flush} {
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
	firsts []byte
	filter filter
	sum    uint32 // of what is checked when the table is opened
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
	m.counts.FilterLines = uint64(len(m.filter)) / lineSize
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
	entry [EntrySize]byte
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
			m.firsts = append(m.firsts, h.entry[:8]...)
		}
		block = append(block, h.entry[:]...)
		m.filter.add(ID(h.entry[:32]))
		m.counts.Entries++
		if len(block) == perBlock*EntrySize {
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
	_, err := m.out.Write(binary.BigEndian.AppendUint32(full, crc32.Checksum(full, castagnoli)))
	return err
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

// lookup writes what is searched before the entries.
func (m *merger) lookup() error {
	for _, part := range [][]byte{m.filter, m.firsts} {
		m.sum = crc32.Update(m.sum, castagnoli, part)
		if _, err := m.out.Write(part); err != nil {
			return err
		}
	}
	m.filter, m.firsts = nil, nil
	return nil
}

// names writes the segments' names and the tail.
func (m *merger) names() error {
	var all [][32]byte
	for _, in := range m.inputs {
		all = append(all, in.names()...)
	}
	slices.SortFunc(all, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	all = slices.Compact(all)
	m.counts.Segments = uint64(len(all))
	var out []byte
	for _, n := range all {
		out = append(out, n[:]...)
	}
	m.sum = crc32.Update(m.sum, castagnoli, out)
	_, err := m.out.Write(binary.BigEndian.AppendUint32(out, m.sum))
	return err
}
