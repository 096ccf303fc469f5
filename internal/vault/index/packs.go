package index

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"sort"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// maxPacks bounds the packs that a table keeps in memory.
const maxPacks = 4096

// Pack gives the pack of a number from 0 to Packs-1.
func (t *Table) Pack(number uint32) (*Pack, error) {
	t.mu.Lock()
	p := t.packs[number]
	t.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := t.readPack(number)
	if err != nil {
		return nil, err
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

// readPack reads a pack.
func (t *Table) readPack(number uint32) (*Pack, error) {
	r, err := t.record(number)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, int64(r.frames)*spanRecord)
	if err := t.readAt(raw, t.counts.framesAt()+int64(r.first)*spanRecord); err != nil {
		return nil, err
	}
	if crc32.Checksum(raw, castagnoli) != r.sum {
		return nil, errkind.New(errkind.Damaged, "the frames of pack %s fail their checksum", r.name)
	}
	p := &Pack{Kind: r.kind, Name: r.name, Size: r.size, Frames: make([]Span, r.frames)}
	for i := range p.Frames {
		f := raw[i*spanRecord:]
		p.Frames[i] = Span{Compression: seal.Compression(f[0]), Offset: binary.BigEndian.Uint32(f[1:]), Sealed: binary.BigEndian.Uint32(f[5:]), Plain: binary.BigEndian.Uint32(f[9:])}
	}
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
	if err := t.readAt(raw[:], t.counts.packsAt()+int64(number)*packRecord); err != nil {
		return h, err
	}
	return t.parseRecord(number, raw)
}

func (t *Table) parseRecord(number uint32, raw [packRecord]byte) (h packHeader, err error) {
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

func (t *Table) packCursor() func() (packHeader, uint32, bool, error) {
	from := bufio.NewReaderSize(io.NewSectionReader(t.from, t.counts.packsAt(), int64(t.counts.Packs)*packRecord), 1<<16)
	next := uint32(0)
	return func() (h packHeader, number uint32, ok bool, err error) {
		if uint64(next) == t.counts.Packs {
			return h, 0, false, nil
		}
		var raw [packRecord]byte
		if _, err = io.ReadFull(from, raw[:]); err == nil {
			h, err = t.parseRecord(next, raw)
		}
		if err != nil {
			t.fail(err)
		}
		next++
		return h, next - 1, err == nil, err
	}
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

// PackName gives the name of the pack of a number.
func (t *Table) PackName(number uint32) (pack.Name, error) {
	h, err := t.record(number)
	return h.name, err
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
		if err != nil || !more || h.name != n {
			return PackHead{}, false
		}
		return PackHead{Number: number, Kind: h.kind, Size: h.size}, true
	}
}
