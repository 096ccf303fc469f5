package pack

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

type fixture struct {
	vault seal.ID
	ring  *seal.Keyring
	z     *seal.Zipper
}

func newFixture() *fixture {
	f := &fixture{vault: seal.NewID(), z: seal.NewZipper()}
	f.ring = seal.NewKeyring(f.vault, time.Unix(0, 0))
	return f
}

func (f *fixture) sealer(t testing.TB, kind seal.ChunkKind) *seal.Sealer {
	t.Helper()
	session := seal.NewID()
	key, err := f.ring.SessionKey(f.ring.Current, session)
	if err != nil {
		t.Fatal(err)
	}
	return seal.New(kind.Magic(), f.vault, f.ring.Current, session, key)
}

// build makes a pack of frames, each a list of chunks.
func (f *fixture) build(t testing.TB, kind seal.ChunkKind, frames ...[][]byte) (Info, []byte) {
	t.Helper()
	w := NewWriter(make([]byte, 0, 1<<20), kind, f.vault, f.sealer(t, kind))
	var slots []Slot
	var stored [][]byte
	for _, chunks := range frames {
		frame := Frame{}
		var plain []byte
		for _, c := range chunks {
			d := tree.DigestOf(c)
			frame.Lengths = append(frame.Lengths, uint32(len(c)))
			frame.Digests = append(frame.Digests, d[:]...)
			plain = append(plain, c...)
		}
		frame.Plain = uint32(len(plain))
		zipped, c := f.z.Compress(nil, plain)
		if frame.Compression = c; c == seal.Stored {
			zipped = plain
		}
		slot, ok := w.Reserve(len(zipped), frame)
		if !ok {
			t.Fatal("no room")
		}
		slots, stored = append(slots, slot), append(stored, zipped)
	}
	for i := len(slots) - 1; i >= 0; i-- { // filled in any order
		slots[i].Fill(stored[i])
		if back, err := slots[i].Unseal(nil); err != nil || !bytes.Equal(back, stored[i]) {
			t.Fatalf("frame %d does not open: %v", i, err)
		}
	}
	info, data, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	info.Kind = kind
	return info, data
}

func (f *fixture) open(t testing.TB, kind seal.ChunkKind, data []byte) (*seal.Sealer, []Frame, error) {
	t.Helper()
	tail := data[max(0, len(data)-TailSize):]
	from, to, err := DirectoryAt(tail, int64(len(data)))
	if err != nil {
		return nil, nil, err
	}
	s, err := OpenHead(kind, f.vault, data[:FramesAt], f.ring)
	if err != nil {
		return nil, nil, err
	}
	frames, err := ParseDirectory(s, data[from:to])
	return s, frames, err
}

func someChunks() [][][]byte {
	r := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	return [][][]byte{{[]byte("a"), []byte("bb")}, {bytes.Repeat([]byte("ledger "), 3000)}, {noise, noise[:77]}}
}

func TestPack_RoundTrip(t *testing.T) {
	f := newFixture()
	for _, kind := range []seal.ChunkKind{seal.DataChunk, seal.TreeChunk} {
		in := someChunks()
		info, data := f.build(t, kind, in...)
		if info.Name != sha256.Sum256(data) || info.Size != int64(len(data)) {
			t.Error("name or size")
		}
		s, frames, err := f.open(t, kind, data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(info.Frames, frames); diff != "" {
			t.Error(diff)
		}
		at := FramesAt
		for n := range frames {
			end := at + int(frames[n].Sealed)
			stored, err := s.Unseal(nil, uint32(n), data[at:end])
			if err != nil {
				t.Fatal(err)
			}
			plain, err := OpenFrame(nil, f.z, frames[n].Compression, stored, frames[n].Plain)
			if err != nil || !bytes.Equal(plain, bytes.Join(in[n], nil)) {
				t.Errorf("frame %d: %v", n, err)
			}
			for i, c := range in[n] {
				if frames[n].Digest(i) != tree.DigestOf(c) {
					t.Errorf("frame %d chunk %d: digest", n, i)
				}
			}
			at = end
		}
		if FramesEnd(frames) != int64(at) {
			t.Errorf("frames end at %d, not %d", FramesEnd(frames), at)
		}
	}
}

func TestPack_FramesAreBoundToTheirPack(t *testing.T) {
	f := newFixture()
	info, a := f.build(t, seal.DataChunk, someChunks()...)
	_, b := f.build(t, seal.DataChunk, someChunks()...)
	s, frames, err := f.open(t, seal.DataChunk, a)
	if err != nil {
		t.Fatal(err)
	}
	first := FramesAt + int(frames[0].Sealed)
	if _, err := s.Unseal(nil, 0, b[FramesAt:first]); !errkind.Is(err, errkind.Damaged) {
		t.Errorf("a frame of another pack: %v", err)
	}
	if _, err := s.Unseal(nil, 1, a[FramesAt:first]); !errkind.Is(err, errkind.Damaged) {
		t.Errorf("under another number: %v", err)
	}
	if _, _, err := f.open(t, seal.TreeChunk, a); !errkind.Is(err, errkind.Damaged) {
		t.Errorf("as a tree pack: %v", err)
	}
	other := newFixture()
	other.vault = f.vault
	if _, _, err := other.open(t, seal.DataChunk, a); !errkind.Is(err, errkind.WrongKey) {
		t.Errorf("with another ring: %v", err)
	}
	other.vault, other.ring = seal.NewID(), f.ring
	if _, _, err := other.open(t, seal.DataChunk, a); !errkind.Is(err, errkind.Damaged) {
		t.Errorf("in another vault: %v", err)
	}
	// A directory moved behind the frames of another pack.
	from, _, err := DirectoryAt(b, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	mixed := append(bytes.Clone(a[:from]), b[from:]...)
	if _, _, err := f.open(t, seal.DataChunk, mixed); !errkind.Is(err, errkind.Damaged) {
		t.Errorf("with another directory: %v", err)
	}
	_ = info
}

func TestPack_DamagedEndIsRefused(t *testing.T) {
	f := newFixture()
	_, data := f.build(t, seal.DataChunk, someChunks()...)
	for n := range len(data) {
		if n > FramesAt && n < len(data)-200 && n%97 != 0 {
			continue
		}
		short := data[:n]
		if len(short) < FramesAt {
			if _, err := OpenHead(seal.DataChunk, f.vault, short, f.ring); err == nil {
				t.Fatalf("a head of %d bytes opened", n)
			}
			continue
		}
		if _, _, err := f.open(t, seal.DataChunk, short); !errkind.Is(err, errkind.Damaged) {
			t.Fatalf("cut to %d: %v", n, err)
		}
	}
}

func TestDirectoryAt_Limits(t *testing.T) {
	tail := func(n uint32) []byte {
		return append(binary.BigEndian.AppendUint32(make([]byte, 40), n), canon.PackEnd...)
	}
	tests := map[string]struct {
		tail []byte
		size int64
		ok   bool
	}{
		"fits":               {tail(100), 1000, true},
		"right behind head":  {tail(1000 - 12 - FramesAt), 1000, true},
		"over the head":      {tail(1000 - 12 - FramesAt + 1), 1000, false},
		"shorter than a tag": {tail(seal.Overhead - 1), 1000, false},
		"zero":               {tail(0), 1000, false},
		"huge":               {tail(math.MaxUint32), 1000, false},
		"huge in huge":       {tail(math.MaxUint32), math.MaxInt64, true},
		"no end mark":        {make([]byte, 100), 1000, false},
		"short tail":         {[]byte(canon.PackEnd), 1000, false},
		"nothing":            {nil, 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			from, to, err := DirectoryAt(tt.tail, tt.size)
			if tt.ok != (err == nil) || err != nil && !errkind.Is(err, errkind.Damaged) {
				t.Fatalf("%d %d %v", from, to, err)
			}
			if err == nil && (from < FramesAt || to <= from || to > tt.size) {
				t.Errorf("%d to %d in %d", from, to, tt.size)
			}
		})
	}
}

func TestDirectory_ImpossibleFramesAreRefused(t *testing.T) {
	good := func() Frame { return Frame{Sealed: 100, Plain: 5, Lengths: []uint32{2, 3}, Digests: make([]byte, 64)} }
	tests := map[string]func(*directory){
		"version":          func(d *directory) { d.Version = 2 },
		"too few digests":  func(d *directory) { d.Frames[0].Digests = make([]byte, 63) },
		"too many digests": func(d *directory) { d.Frames[0].Digests = make([]byte, 96) },
		"sum differs":      func(d *directory) { d.Frames[0].Plain = 6 },
		"sum wraps":        func(d *directory) { d.Frames[0].Lengths = []uint32{math.MaxUint32, 6} },
		"empty chunk":      func(d *directory) { d.Frames[0].Lengths = []uint32{0, 5} },
		"chunk too long": func(d *directory) {
			d.Frames[0].Lengths, d.Frames[0].Plain = []uint32{MaxChunk, 1}, MaxChunk+1
			d.Frames[0].Lengths[0]++
			d.Frames[0].Plain++
		},
		"plain over the bound": func(d *directory) { d.Frames[0].Plain = seal.MaxPlain + 1 },
		"sealed under a tag":   func(d *directory) { d.Frames[0].Sealed = seal.Overhead - 1 },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			d := directory{Version: 1, Frames: []Frame{good()}}
			change(&d)
			plain, err := canon.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := decodeDirectory(plain); !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NewerFormat) {
				t.Errorf("%v", err)
			}
		})
	}
	plain, err := canon.Marshal(directory{Version: 1, Frames: []Frame{good()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeDirectory(plain); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// TestPadded_AddsLittleAndSaysLittle checks the shape of Padmé.
func TestPadded_AddsLittleAndSaysLittle(t *testing.T) {
	check := func(n int) {
		p := padded(n)
		if p < n || float64(p-n) > 0.12*float64(n) {
			t.Fatalf("%d became %d", n, p)
		}
		if padded(p) != p {
			t.Fatalf("%d is not a fixed point: %d", p, padded(p))
		}
		e := bits.Len(uint(n)) - 1
		if s := bits.Len(uint(e)); p&(1<<(e-s)-1) != 0 {
			t.Fatalf("%d has low bits", p)
		}
	}
	for n := 2; n < 70_000; n++ {
		check(n)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		check(2 + r.IntN(64<<20))
	}
	seen := map[int]bool{}
	for n := 16 << 20; n < 32<<20; n += 1023 {
		seen[padded(n)] = true
	}
	if len(seen) > 33 {
		t.Errorf("%d different lengths between 16 and 32 MiB", len(seen))
	}
	for n := range 2 {
		if padded(n) != n {
			t.Errorf("%d", padded(n))
		}
	}
}

func TestPack_PaddedToAFewLengths(t *testing.T) {
	f := newFixture()
	for n := 1; n < 60_000; n += 3571 {
		_, data := f.build(t, seal.DataChunk, [][]byte{bytes.Repeat([]byte{1}, n)})
		if len(data) != padded(len(data)) {
			t.Errorf("a pack of %d bytes", len(data))
		}
	}
}

func TestWriter_NoRoomIsSaid(t *testing.T) {
	f := newFixture()
	w := NewWriter(make([]byte, 0, 1000), seal.DataChunk, f.vault, f.sealer(t, seal.DataChunk))
	free := 1000 - FramesAt - seal.Overhead
	if _, ok := w.Reserve(free+1, Frame{}); ok || w.Len() != FramesAt {
		t.Error("more room than there is")
	}
	if _, ok := w.Reserve(free, Frame{Lengths: []uint32{1, 2}}); !ok || w.Len() != 1000 || w.Chunks() != 2 {
		t.Error("exactly the room there is")
	}
}

func TestObject_NamesParseBack(t *testing.T) {
	var n Name
	for i := range n {
		n[i] = byte(i * 9)
	}
	for _, kind := range []seal.ChunkKind{seal.DataChunk, seal.TreeChunk} {
		k, m, ok := ParseObject(Object(kind, n))
		if !ok || k != kind || m != n {
			t.Errorf("%s: %c %s %v", Object(kind, n), k, m, ok)
		}
	}
	good := Object(seal.DataChunk, n)
	bad := []string{"", "packs/", good[:len(good)-1], good + "0", strings.ToUpper(good), strings.Replace(good, "/00/", "/01/", 1),
		strings.Replace(good, "data", "tree", 1) + "x", strings.Replace(good, "data", "date", 1), strings.Replace(good, "09", "0A", 1),
		strings.Replace(good, "09", "0g", 1), "x" + good[1:], strings.Replace(good, "/", "-", 1)}
	for _, name := range bad {
		if _, _, ok := ParseObject(name); ok {
			t.Errorf("%q is taken for a pack", name)
		}
	}
}
