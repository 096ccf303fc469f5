package pack

import (
	"fmt"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

func FuzzParseObject(f *testing.F) {
	f.Add(Object(seal.DataChunk, Name{}))
	f.Add(Object(seal.TreeChunk, Name{1, 2, 3}))
	f.Add("packs/data/zz/")
	f.Fuzz(func(t *testing.T, name string) {
		if kind, n, ok := ParseObject(name); ok && Object(kind, n) != name {
			t.Fatalf("%q and %q", name, Object(kind, n))
		}
	})
}

func FuzzDirectoryAt(f *testing.F) {
	x := newFixture()
	_, data := x.build(f, seal.DataChunk, someChunks()...)
	f.Add(data[len(data)-100:], int64(len(data)))
	f.Fuzz(func(t *testing.T, tail []byte, size int64) {
		from, to, err := DirectoryAt(tail, size)
		if err == nil && (from < FramesAt || from > to || to > size) {
			t.Fatalf("%d to %d of %d", from, to, size)
		}
	})
}

func FuzzDecodeDirectory(f *testing.F) {
	x := newFixture()
	info, _ := x.build(f, seal.DataChunk, someChunks()...)
	seed, err := canon.Marshal(directory{Version: 1, Frames: info.Frames})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte{0x82, 1, 0x80})
	f.Fuzz(func(t *testing.T, plain []byte) {
		frames, err := decodeDirectory(plain)
		if err != nil {
			if !errkind.Is(err, errkind.Damaged) && !errkind.Is(err, errkind.NewerFormat) {
				t.Fatal(err)
			}
			return
		}
		for i := range frames {
			for j := range frames[i].Lengths {
				_ = frames[i].Digest(j)
			}
		}
		again, err := canon.Marshal(directory{Version: 1, Frames: frames})
		if err != nil {
			t.Fatal(err)
		}
		second, err := decodeDirectory(again)
		if err != nil || fmt.Sprint(second) != fmt.Sprint(frames) {
			t.Fatalf("%v became %v: %v", frames, second, err)
		}
	})
}

// FuzzPack opens arbitrary bytes as a pack, head to end.
func FuzzPack(f *testing.F) {
	x := newFixture()
	_, data := x.build(f, seal.DataChunk, someChunks()...)
	f.Add(data)
	f.Add(data[:FramesAt])
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < FramesAt {
			return
		}
		_, _, _ = x.open(t, seal.DataChunk, data)
	})
}
