package digest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"
)

func random(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	data := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(data)
	return data
}

// both runs f as the machine does it, and as one without the instructions.
func both(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	was := paired
	t.Cleanup(func() { paired = was })
	t.Run(fmt.Sprintf("paired=%v", was), f)
	if was {
		paired = false
		t.Run("paired=false", f)
		paired = was
	}
}

func TestHash_KnownAnswers(t *testing.T) { // FIPS 180-4 examples, NIST CAVP
	both(t, func(t *testing.T) {
		for in, want := range map[string]string{
			"":    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
			"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
			"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
		} {
			a, b := New(), New()
			a.Write(Beside(a, b, []byte(in), []byte(in)))
			for _, h := range []*Hash{a, b} {
				if got := h.Sum(); hex.EncodeToString(got[:]) != want {
					t.Errorf("%q: %x", in, got)
				}
			}
		}
	})
}

func TestBeside_LengthsAndPieces(t *testing.T) {
	both(t, func(t *testing.T) {
		data := random(1, 4096)
		r := rand.New(rand.NewPCG(1, 2))
		a, b := New(), New()
		for n := range 400 {
			p, q := data[:n], data[n:n+r.IntN(600)]
			a.Reset()
			b.Reset()
			for i, j := 0, 0; i < len(p) || j < len(q); {
				k, l := i+r.IntN(len(p)-i+1), j+r.IntN(len(q)-j+1)
				left := Beside(a, b, p[i:k], q[j:l])
				if r.IntN(2) == 0 {
					a.Write(left)
					left = nil
				}
				i, j = k-len(left), l
			}
			if a.Sum() != sha256.Sum256(p) || b.Sum() != sha256.Sum256(q) {
				t.Fatalf("lengths %d and %d", len(p), len(q))
			}
		}
	})
}

func TestRuns_AnyLengths(t *testing.T) {
	both(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for round := range 500 {
			var ends []int
			at := 0
			for range r.IntN(9) {
				at += r.IntN(1 << r.IntN(13))
				ends = append(ends, at)
			}
			check(t, random(uint64(round), at), ends)
		}
	})
}

func check(t *testing.T, data []byte, ends []int) {
	t.Helper()
	out := make([][Size]byte, len(ends))
	Runs(data, 0, ends, out)
	from := 0
	for i, to := range ends {
		if out[i] != sha256.Sum256(data[from:to]) {
			t.Fatalf("run %d of %v", i, ends)
		}
		from = to
	}
}

// The hash must be the standard one for any data and any cuts.
func FuzzRuns(f *testing.F) {
	f.Add([]byte("abc"), []byte{1, 1, 1})
	f.Add(random(9, 1000), []byte{0, 200, 200, 255, 64})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		var ends []int
		at := 0
		for _, c := range cuts {
			at = min(at+int(c), len(data))
			ends = append(ends, at)
		}
		check(t, data, ends)
	})
}

func TestRuns_NoAllocations(t *testing.T) {
	data, ends, out := random(5, 1<<12), []int{1000, 2000, 4096}, make([][Size]byte, 3)
	if n := testing.AllocsPerRun(10, func() { Runs(data, 0, ends, out) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRuns(b *testing.B) {
	data := random(6, 1<<20)
	ends := []int{1 << 18, 1 << 19, 3 << 18, 1 << 20}
	out := make([][Size]byte, len(ends))
	b.SetBytes(1 << 20)
	for b.Loop() {
		Runs(data, 0, ends, out)
	}
}

func BenchmarkStandard(b *testing.B) {
	data := random(6, 1<<20)
	b.SetBytes(1 << 20)
	for b.Loop() {
		sha256.Sum256(data)
	}
}
