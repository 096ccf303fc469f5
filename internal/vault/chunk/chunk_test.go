package chunk

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

var update = flag.Bool("update", false, "rewrite the golden cuts")

// table is the cutting table of a fixed key, as the format derives it.
func table(t testing.TB) []byte {
	t.Helper()
	out, err := hkdf.Key(sha256.New, bytes.Repeat([]byte{7}, 32), nil, "counterfoil/1 gear table", 2048)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func newCutter(t testing.TB) *Cutter {
	t.Helper()
	c, err := New(Default(), table(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func random(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return b[:n]
}

func cuts(c *Cutter, data []byte) (lengths []int) {
	for len(data) > 0 {
		n := c.Cut(data)
		lengths = append(lengths, n)
		data = data[n:]
	}
	return lengths
}

func ends(lengths []int) map[int]bool {
	out, at := map[int]bool{}, 0
	for _, n := range lengths {
		at += n
		out[at] = true
	}
	return out
}

func TestCut_Golden(t *testing.T) {
	c := newCutter(t)
	text := bytes.Repeat([]byte("2026-03-31 invoice 4711 paid\n"), 300_000)
	var b strings.Builder
	for _, in := range []struct {
		name string
		data []byte
	}{
		{"random of seed 1, 24 MiB", random(1, 24<<20)}, {"random of seed 2, 24 MiB", random(2, 24<<20)},
		{"zeros, 9 MiB", make([]byte, 9<<20)}, {"a line repeated, 8 700 000 bytes", text},
	} {
		fmt.Fprintf(&b, "%s: %s\n", in.name, strings.Trim(fmt.Sprint(cuts(c, in.data)), "[]"))
	}
	const file = "testdata/cuts.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("cuts changed: every file in every vault would be stored again\n%s", diff)
	}
}

// TestCut_AsTheFormatSays compares with the rule of the format document,
// computed slowly.
func TestCut_AsTheFormatSays(t *testing.T) {
	c := newCutter(t)
	tab := table(t)
	p := Default()
	slow := func(data []byte) int {
		n := len(data)
		if n <= int(p.Min) {
			return n
		}
		h := uint64(0)
		for i := int(p.Min) - 64; i < min(n, int(p.Max)); i++ {
			h = h<<1 + binary.BigEndian.Uint64(tab[8*int(data[i]):])
			top := h >> 46 // 18 bits
			if i < int(p.Avg) {
				top = h >> 42 // 22 bits
			}
			if i >= int(p.Min) && top == 0 {
				return i + 1
			}
		}
		return min(n, int(p.Max))
	}
	for seed := range uint64(3) {
		data := random(10+seed, 6<<20)
		for len(data) > 0 {
			n := c.Cut(data)
			if want := slow(data); n != want {
				t.Fatalf("seed %d: %d, want %d", seed, n, want)
			}
			data = data[n:]
		}
	}
}

func TestCut_BoundsAndAverage(t *testing.T) {
	c := newCutter(t)
	p := c.Params()
	lengths := cuts(c, random(3, 40<<20))
	for i, n := range lengths {
		if n > int(p.Max) || n < int(p.Min) && i != len(lengths)-1 {
			t.Errorf("chunk %d of %d bytes", i, n)
		}
	}
	if mean := 40 << 20 / len(lengths); mean < 800<<10 || mean > 1600<<10 {
		t.Errorf("%d bytes on average", mean)
	}
	for _, n := range []int{0, 1, 63, 64, int(p.Min) - 1, int(p.Min)} {
		if got := c.Cut(random(4, n)); got != n {
			t.Errorf("a stream of %d bytes was cut at %d", n, got)
		}
	}
	for _, n := range []int{int(p.Min) + 1, int(p.Avg), int(p.Max), int(p.Max) + 1} {
		if got := c.Cut(random(4, n)); got > n || got <= int(p.Min) && got != n || got > int(p.Max) {
			t.Errorf("%d of %d", got, n)
		}
	}
}

func TestCut_MoreDataDoesNotMoveACut(t *testing.T) {
	c := newCutter(t)
	data := random(5, 16<<20)
	n := c.Cut(data)
	for _, size := range []int{n + 1, n + 1000, int(c.Params().Max), len(data)} {
		if size >= n && c.Cut(data[:size]) != n {
			t.Errorf("with %d bytes at hand cut at %d, else at %d", size, c.Cut(data[:size]), n)
		}
	}
}

func TestCut_InsertionCostsOnlyWhatIsAround(t *testing.T) {
	c := newCutter(t)
	data := random(6, 24<<20)
	before := ends(cuts(c, data))
	for _, at := range []int{0, 5 << 20, 20<<20 + 12345} {
		insert := []byte("an inserted line\n")
		changed := slices.Concat(data[:at], insert, data[at:])
		lost := 0
		after := ends(cuts(c, changed))
		for end := range before {
			moved := end
			if end > at {
				moved += len(insert)
			}
			if !after[moved] {
				lost++
			}
		}
		if lost > 6 {
			t.Errorf("an insertion at %d moved %d of %d cuts", at, lost, len(before))
		}
	}
}

func TestCut_SameStretchSameCuts(t *testing.T) {
	c := newCutter(t)
	shared := random(7, 24<<20)
	a := cuts(c, append(random(8, 3<<20), shared...))
	b := cuts(c, append(random(9, 5<<20+777), shared...))
	tail := func(lengths []int) []int { return lengths[len(lengths)-12:] }
	if diff := cmp.Diff(tail(a), tail(b)); diff != "" {
		t.Error(diff)
	}
}

func TestCut_DependsOnTheKey(t *testing.T) {
	data := random(1, 24<<20)
	other, err := New(Default(), random(99, 2048))
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(cuts(newCutter(t), data), cuts(other, data)) {
		t.Error("two keys, the same cuts")
	}
}

func TestNew_RefusesWhatItCannotCutBy(t *testing.T) {
	d := Default()
	tests := map[string]struct {
		params Params
		table  []byte
		want   errkind.Kind
	}{
		"another cutter": {Params{"gear-2", d.Min, d.Avg, d.Max}, table(t), errkind.Unsupported},
		"no window":      {Params{Name, 63, d.Avg, d.Max}, table(t), errkind.Unsupported},
		"another avg":    {Params{Name, d.Min, 1 << 19, d.Max}, table(t), errkind.Unsupported},
		"min over avg":   {Params{Name, 1<<20 + 1, d.Avg, d.Max}, table(t), errkind.Unsupported},
		"max under avg":  {Params{Name, d.Min, d.Avg, d.Avg - 1}, table(t), errkind.Unsupported},
		"max too large":  {Params{Name, d.Min, d.Avg, 4<<20 + 1}, table(t), errkind.Unsupported},
		"nothing":        {Params{}, table(t), errkind.Unsupported},
		"short table":    {d, table(t)[:2040], errkind.Damaged},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := New(tt.params, tt.table); !errkind.Is(err, tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func FuzzCut(f *testing.F) {
	c := newCutter(f)
	f.Add(uint64(1), []byte("seed"), uint32(3<<20))
	f.Add(uint64(2), []byte{0}, uint32(256<<10))
	f.Fuzz(func(t *testing.T, seed uint64, pattern []byte, size uint32) {
		data := random(seed, int(size%(6<<20)))
		if len(pattern) > 0 && seed%2 == 0 {
			data = bytes.Repeat(pattern, len(data)/len(pattern)+1)[:len(data)]
		}
		n := c.Cut(data)
		p := c.Params()
		if n > len(data) || n > int(p.Max) || n < int(p.Min) && n != len(data) || n == 0 && len(data) > 0 {
			t.Fatalf("%d of %d", n, len(data))
		}
	})
}

func BenchmarkCut(b *testing.B) {
	c := newCutter(b)
	for name, data := range map[string][]byte{"random": random(1, 32<<20), "zeros": make([]byte, 32<<20)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				for rest := data; len(rest) > 0; {
					rest = rest[c.Cut(rest):]
				}
			}
		})
	}
}
