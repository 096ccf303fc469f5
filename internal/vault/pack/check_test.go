package pack

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// checkFrames gives frames that compress and frames that do not, so that the
// pack is both longer and shorter than what it holds.
func checkFrames() [][][]byte {
	r := rand.NewChaCha8([32]byte{1})
	noise := func(n int) []byte {
		b := make([]byte, n)
		_, _ = r.Read(b)
		return b
	}
	return [][][]byte{
		{noise(100), noise(5000), []byte("x")},
		{bytes.Repeat([]byte("row "), 9000), bytes.Repeat([]byte("col "), 9000), []byte("end")},
		{noise(70000)},
		{bytes.Repeat([]byte{0}, 50000), bytes.Repeat([]byte{1}, 50000)},
	}
}

func TestChecker_WholePack(t *testing.T) {
	f := newFixture()
	var c Checker
	for _, frames := range [][][][]byte{checkFrames(), {{[]byte("small")}}, checkFrames()} {
		info, data := f.build(t, seal.DataChunk, frames...)
		chunks := int64(0)
		for _, one := range frames {
			chunks += int64(len(one))
		}
		got := c.Check(seal.DataChunk, f.vault, f.ring, f.z, info.Name, data)
		if diff := cmp.Diff(Checked{Frames: int64(len(frames)), Chunks: chunks}, got); diff != "" {
			t.Error(diff)
		}
	}
}

// Whatever byte is changed, the check sees it; in a frame it names the frame.
func TestChecker_AnyByteChanged(t *testing.T) {
	f := newFixture()
	info, data := f.build(t, seal.DataChunk, checkFrames()...)
	var c Checker
	for at := 0; at < len(data); at += 499 {
		bad := slices.Clone(data)
		bad[at] ^= 4
		got := c.Check(seal.DataChunk, f.vault, f.ring, f.z, info.Name, bad)
		if got.Err == nil {
			t.Fatalf("byte %d: not seen", at)
		}
		frame, from := -1, FramesAt
		for n, one := range info.Frames {
			if at >= from && at < from+int(one.Sealed) {
				frame = n
			}
			from += int(one.Sealed)
		}
		if frame >= 0 && !slices.Equal(got.Bad, []uint32{uint32(frame)}) {
			t.Errorf("byte %d: frames %v are bad, want %d", at, got.Bad, frame)
		}
	}
}

// Right bytes under a wrong name, wrong chunks under the right one, and
// another vault's pack.
func TestChecker_OtherFaults(t *testing.T) {
	f := newFixture()
	info, data := f.build(t, seal.DataChunk, checkFrames()...)
	var c Checker
	if got := c.Check(seal.DataChunk, f.vault, f.ring, f.z, Name{1}, data); got.Err == nil || len(got.Bad) > 0 || got.Frames != 4 {
		t.Errorf("wrong name: %+v", got)
	}
	if got := c.Check(seal.DataChunk, seal.NewID(), f.ring, f.z, info.Name, data); !got.Unread {
		t.Errorf("another vault: %+v", got)
	}
	if got := c.Check(seal.DataChunk, f.vault, f.ring, f.z, info.Name, data[:len(data)-1]); !got.Unread {
		t.Errorf("cut short: %+v", got)
	}

	w := NewWriter(make([]byte, 0, 1<<20), seal.DataChunk, f.vault, f.sealer(t, seal.DataChunk))
	slot, _ := w.Reserve(5, Frame{Compression: seal.Stored, Plain: 5, Lengths: []uint32{5}, Digests: make([]byte, 32)})
	slot.Fill([]byte("hello"))
	info, data, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	got := c.Check(seal.DataChunk, f.vault, f.ring, f.z, info.Name, data)
	if !slices.Equal(got.Bad, []uint32{0}) || got.Err == nil || strings.Contains(got.Err.Error(), "of its name") {
		t.Errorf("wrong digest in a sealed directory: %+v", got)
	}
}
