package tree

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault/canon"
)

// store keeps nodes by their digest.
type store struct {
	t     testing.TB
	nodes map[Digest][]byte
}

func newStore(t testing.TB) *store { return &store{t: t, nodes: map[Digest][]byte{}} }

func (s *store) put(_ context.Context, d Digest, plain []byte) error {
	if have, ok := s.nodes[d]; ok && bytes.Equal(have, plain) {
		return nil
	}
	if DigestOf(plain) != d {
		s.t.Errorf("node under a wrong digest")
	}
	if len(plain) > 4<<20 {
		s.t.Errorf("a node of %d bytes is longer than a chunk", len(plain))
	}
	s.nodes[d] = bytes.Clone(plain)
	return nil
}

func (s *store) get(_ context.Context, d Digest) ([]byte, error) {
	plain, ok := s.nodes[d]
	if !ok {
		return nil, errkind.New(errkind.Damaged, "no node %s", d)
	}
	return plain, nil
}

// hostile stores a node as it is.
func (s *store) hostile(value any) Digest {
	s.t.Helper()
	plain, err := canon.Marshal(value)
	if err != nil {
		s.t.Fatal(err)
	}
	s.nodes[DigestOf(plain)] = plain
	return DigestOf(plain)
}

func fileEntry(name string, seed uint64) Entry {
	var d Digest
	binary.BigEndian.PutUint64(d[:], seed)
	return Entry{Name: []byte(name), Kind: Regular, Mode: 0o644, MTime: Stamp{Sec: 1, Nsec: 2}, Size: 5,
		Content: &Content{Cut: CutWhole, List: []ListItem{{Digest: d, Length: 5}}}}
}

func many(n int) []Entry {
	out := make([]Entry, n)
	for i := range out {
		out[i] = fileEntry(fmt.Sprintf("file-%07d", i), uint64(i))
	}
	return out
}

func (s *store) dir(entries []Entry) Digest {
	s.t.Helper()
	b := NewBuilder(s.put)
	name := make([]byte, 0, 300) // one buffer for all names, as a walker may have
	for _, e := range entries {
		name = append(name[:0], e.Name...)
		e.Name = name
		if err := b.Add(context.Background(), e); err != nil {
			s.t.Fatal(err)
		}
	}
	d, err := b.Finish(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *store) walk(d Digest) (entries []Entry, err error) {
	err = Walk(context.Background(), s.get, d, Nodes{}, func(e Entry) error {
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

func TestBuilder_RoundTripAndCanonical(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1023, 1024, 1025, 1026, 4097, 20_000} {
		s, again := newStore(t), newStore(t)
		want := many(n)
		d := s.dir(want)
		if again.dir(want) != d {
			t.Errorf("%d entries: another digest the second time", n)
		}
		got, err := s.walk(d)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != n {
			t.Errorf("%d of %d entries came back", len(got), n)
		}
		for i := range got {
			if !bytes.Equal(got[i].Name, want[i].Name) || got[i].Content.List[0] != want[i].Content.List[0] {
				t.Fatalf("entry %d is %q", i, got[i].Name)
			}
		}
		if n <= 1024 && len(s.nodes) != 1 || n > 4096 && len(s.nodes) < 3 {
			t.Errorf("%d entries make %d nodes", n, len(s.nodes))
		}
	}
}

// TestBuilder_AsTheFormatSays splits by the format document, all at once.
func TestBuilder_AsTheFormatSays(t *testing.T) {
	entries := many(30_000)
	s := newStore(t)
	d := s.dir(entries)
	slow := newStore(t)
	var refs []branchItem
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && n < 4096 && !endsPiece(entries[n-1].Name) {
			n++
		}
		refs = append(refs, branchItem{First: entries[0].Name, Digest: slow.hostile(node[Entry]{Type: typeDirectory, Items: entries[:n]}), Count: uint64(n)})
		entries = entries[n:]
	}
	for len(refs) > 1 {
		var up []branchItem
		for len(refs) > 0 {
			n := 1
			for n < len(refs) && n < 4096 && (n == 1 || binary.BigEndian.Uint16(refs[n-1].Digest[:])&511 != 0) {
				n++
			}
			item := branchItem{First: refs[0].First, Digest: slow.hostile(node[branchItem]{Type: typeBranch, Items: refs[:n]})}
			for _, r := range refs[:n] {
				item.Count += r.Count
			}
			up, refs = append(up, item), refs[n:]
		}
		refs = up
	}
	if refs[0].Digest != d || len(slow.nodes) != len(s.nodes) {
		t.Errorf("%s in %d nodes, by the document %s in %d", d, len(s.nodes), refs[0].Digest, len(slow.nodes))
	}
}

func TestBuilder_OneChangeCostsFewNodes(t *testing.T) {
	const n = 100_000
	s := newStore(t)
	entries := many(n)
	s.dir(entries)
	before := len(s.nodes)
	change := map[string]func() []Entry{
		"changed": func() []Entry {
			out := append([]Entry(nil), entries...)
			out[n/2].Mode = 0o600
			return out
		},
		"removed":        func() []Entry { return append(append([]Entry(nil), entries[:777]...), entries[778:]...) },
		"added at start": func() []Entry { return append([]Entry{fileEntry("aaa", 1)}, entries...) },
		"added in middle": func() []Entry {
			return append(append(append([]Entry(nil), entries[:50_000]...), fileEntry("file-0049999a", 1)), entries[50_000:]...)
		},
	}
	for name, c := range change {
		s.dir(c())
		if more := len(s.nodes) - before; more < 2 || more > 5 {
			t.Errorf("%s: %d new nodes beside %d", name, more, before)
		}
		before = len(s.nodes)
	}
}

// TestBuilder_LongEntriesStayBelowAChunk has directories whose entries are so
// long that counting them alone would make nodes longer than a chunk.
func TestBuilder_LongEntriesStayBelowAChunk(t *testing.T) {
	long := func(i, bytes int) Entry {
		return Entry{Name: fmt.Appendf(nil, "link-%06d", i), Kind: Symlink, Mode: 0o777, Target: []byte(strings.Repeat("x", bytes))}
	}
	for _, c := range []struct{ count, bytes int }{{1000, 4095}, {1025, 4095}, {2000, 4095}, {40, 64 << 10}, {3, MaxEntry - 100}} {
		s := newStore(t)
		var want []Entry
		for i := range c.count {
			want = append(want, long(i, c.bytes))
		}
		d := s.dir(want)
		if newStore(t).dir(want) != d {
			t.Errorf("%+v: not canonical", c)
		}
		got, err := s.walk(d)
		if err != nil || len(got) != c.count {
			t.Errorf("%+v: %d came back, %v", c, len(got), err)
		}
	}
	b := NewBuilder(newStore(t).put)
	if err := b.Add(t.Context(), long(1, MaxEntry)); !errkind.Is(err, errkind.Unsupported) {
		t.Errorf("an entry longer than any may be: %v", err)
	}
	if _, err := PutRoot(t.Context(), newStore(t).put, Entry{Kind: Symlink, Target: make([]byte, MaxEntry)}); !errkind.Is(err, errkind.Unsupported) {
		t.Errorf("a root longer than any may be: %v", err)
	}
}

func TestBuilder_RefusesDisorder(t *testing.T) {
	for _, names := range [][]string{{"b", "a"}, {"a", "a"}, {"a", "a/b"}, {""}, {"."}, {".."}, {"a\x00"}, {strings.Repeat("n", 256)}} {
		b := NewBuilder(newStore(t).put)
		var err error
		for _, n := range names {
			if err = b.Add(t.Context(), fileEntry(n, 1)); err != nil {
				break
			}
		}
		if err == nil {
			t.Errorf("%q were taken", names)
		}
	}
}

func TestRoot_RoundTrip(t *testing.T) {
	s := newStore(t)
	below := s.dir(many(3))
	want := Entry{Name: []byte{}, Kind: Dir, Mode: 0o755, Tree: &below}
	d, err := PutRoot(t.Context(), s.put, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := GetRoot(t.Context(), s.get, d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, bad := range map[string]Digest{
		"a directory":  below,
		"two entries":  s.hostile(node[Entry]{Type: typeDirectory, Items: []Entry{want, want}}),
		"none":         s.hostile(node[Entry]{Type: typeDirectory, Items: []Entry{}}),
		"a branch":     s.hostile(node[branchItem]{Type: typeBranch, Items: []branchItem{{Digest: d}}}),
		"not there":    {1},
		"no directory": s.hostile(node[Entry]{Type: typeDirectory, Items: []Entry{{Name: []byte{}, Kind: Dir}}}),
	} {
		if _, err := GetRoot(t.Context(), s.get, bad); !errkind.Is(err, errkind.Damaged) {
			t.Errorf("%s as a root: %v", name, err)
		}
	}
}

func BenchmarkBuilder(b *testing.B) {
	for _, n := range []int{100, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			entries := many(n)
			put := func(context.Context, Digest, []byte) error { return nil }
			b.ReportAllocs()
			for b.Loop() {
				x := NewBuilder(put)
				for i := range entries {
					if err := x.Add(b.Context(), entries[i]); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := x.Finish(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
