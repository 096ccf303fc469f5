package seal

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/vault/canon"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// The three kinds of data that frames hold: text, pages of a database, and
// what does not compress.
func stuff() map[string][]byte {
	const n = 1 << 20
	r := rand.New(rand.NewPCG(7, 7))
	text := make([]byte, 0, n+64)
	for i := 0; len(text) < n; i++ {
		text = fmt.Appendf(text, "2026-03-%02d invoice %06d amount %d.%02d EUR\n", i%28+1, i, r.IntN(100000), r.IntN(100))
	}
	pages := make([]byte, n)
	for at := 0; at < n; at += 8192 {
		for i := at + 24; i < at+5000; i++ { // rows, then free space
			if pages[i] = byte(r.IntN(16)); i%40 < 12 {
				pages[i] = byte(r.Uint32())
			}
		}
	}
	random := make([]byte, n)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	return map[string][]byte{"text": text[:n], "pages": pages, "random": random}
}

func BenchmarkCompress(b *testing.B) {
	for name, plain := range stuff() {
		b.Run(name, func(b *testing.B) {
			z := NewZipper()
			var out []byte
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				if got, c := z.Compress(out[:0], plain); c == Zstd {
					out = got
				}
			}
		})
	}
}

func BenchmarkExpand(b *testing.B) {
	for name, plain := range stuff() {
		z := NewZipper()
		zipped, c := z.Compress(nil, plain)
		if c == Stored {
			continue
		}
		b.Run(name, func(b *testing.B) {
			var out []byte
			var err error
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				if out, err = z.Expand(out[:0], c, zipped, len(plain)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	f := newFixture(b)
	s := f.sealer(canon.DataPack)
	plain := stuff()["random"]
	var out []byte
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		out = s.Seal(out[:0], 1, plain)
	}
}

func BenchmarkUnseal(b *testing.B) {
	f := newFixture(b)
	s := f.sealer(canon.DataPack)
	sealed := s.Seal(nil, 1, stuff()["random"])
	var out []byte
	var err error
	b.SetBytes(int64(len(sealed)))
	b.ReportAllocs()
	for b.Loop() {
		if out, err = s.Unseal(out[:0], 1, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	plain := stuff()["random"]
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		_ = sha256.Sum256(plain)
	}
}

func BenchmarkChunkID(b *testing.B) {
	d := domain(b, NewKeyring(NewID(), time.Now()))
	b.ReportAllocs()
	var digest tree.Digest
	for b.Loop() {
		digest = d.ChunkID(DataChunk, digest)
	}
}
