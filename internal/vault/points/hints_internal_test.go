package points

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

func TestHints_FindWhatWasAdded(t *testing.T) {
	h := &Hints{}
	type hint struct {
		at    tree.Stamp
		inode uint64
	}
	want := map[string]hint{}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 1000 {
		path := fmt.Sprintf("dir/%d/\xff", i)
		want[path] = hint{tree.Stamp{Sec: int64(r.Uint64()), Nsec: r.Uint32N(1e9)}, r.Uint64()}
		h.Add(path, want[path].at, want[path].inode)
	}
	h.sort()
	data := append(binary.BigEndian.AppendUint64(nil, uint64(h.Len())), h.data...)
	decoded, err := decodeHints(bytes.Clone(data))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []*Hints{h, decoded} {
		for path, w := range want {
			if at, inode, ok := x.Lookup(path); !ok || at != w.at || inode != w.inode {
				t.Fatalf("%q: %v %d %v", path, at, inode, ok)
			}
		}
		if _, _, ok := x.Lookup("other"); ok {
			t.Error("found what was not added")
		}
	}
	var none *Hints
	if _, _, ok := none.Lookup("x"); ok {
		t.Error("found in nothing")
	}
	if !bytes.Equal(decoded.data, h.data) {
		t.Error("not canonical")
	}
	h.Add("late", tree.Stamp{Sec: 1}, 2)
	if _, inode, ok := h.Lookup("late"); !ok || inode != 2 {
		t.Error("added after a look")
	}
	for name, bad := range map[string][]byte{
		"nothing": nil, "short": data[:7], "cut": data[:len(data)-1], "one less": data[:len(data)-hintSize], "one more": append(bytes.Clone(data), make([]byte, hintSize)...),
		"huge": append(bytes.Repeat([]byte{0xff}, 8), data[8:]...),
	} {
		if _, err := decodeHints(bad); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeHints(f *testing.F) {
	h := &Hints{}
	for i := range 5 {
		h.Add(fmt.Sprint(i), tree.Stamp{Sec: int64(i)}, uint64(i))
	}
	h.sort()
	f.Add(append(binary.BigEndian.AppendUint64(nil, 5), h.data...))
	f.Add(make([]byte, 8))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := decodeHints(bytes.Clone(data))
		if err != nil {
			return
		}
		again, err := decodeHints(append(binary.BigEndian.AppendUint64(nil, uint64(h.Len())), h.data...))
		if err != nil || !bytes.Equal(again.data, h.data) {
			t.Fatalf("%v", err)
		}
		h.Lookup("x")
	})
}
