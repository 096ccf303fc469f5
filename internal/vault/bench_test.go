package vault_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// sink is a store that takes packs and forgets them, so that a benchmark
// measures the engine and not the copying of memory.
type sink struct{ blob.Driver }

func (s sink) Put(ctx context.Context, name string, data []byte, opts blob.PutOptions) (blob.Info, error) {
	if stage(name) == "pack" {
		return blob.Info{Name: name, Size: int64(len(data))}, ctx.Err()
	}
	return s.Driver.Put(ctx, name, data, opts)
}

// stuff is n bytes of one kind of data, cheap to make.
func stuff(kind string, n int) []byte {
	r := rand.New(rand.NewPCG(1, 7))
	out := make([]byte, 0, n+8192)
	for i := 0; len(out) < n; i++ {
		switch kind {
		case "text":
			out = fmt.Appendf(out, "2026-03-%02d invoice %08d amount %d.%02d EUR\n", i%28+1, i, r.IntN(100000), r.IntN(100))
		case "pages":
			page := make([]byte, 8192)
			for j := 24; j < 5000; j++ {
				if page[j] = byte(r.IntN(16)); j%40 < 12 {
					page[j] = byte(r.Uint32())
				}
			}
			out = append(out, page...)
		default:
			for range 8192 / 8 {
				x := r.Uint64()
				out = append(out, byte(x), byte(x>>8), byte(x>>16), byte(x>>24), byte(x>>32), byte(x>>40), byte(x>>48), byte(x>>56))
			}
		}
	}
	return out[:n]
}

func BenchmarkSessionStore(b *testing.B) {
	const size = 256 << 20
	for _, kind := range []string{"text", "pages", "random"} {
		for _, cut := range []vault.Cut{vault.CutAuto, 16384} {
			if cut != vault.CutAuto && kind != "pages" {
				continue
			}
			b.Run(fmt.Sprintf("%s/cut %d", kind, cut), func(b *testing.B) {
				f := newFixture(b)
				f.bucket = blob.New(sink{f.driver}, blob.Options{})
				v := f.open()
				data := stuff(kind, size)
				b.SetBytes(size)
				b.ReportAllocs()
				for b.Loop() {
					storeOne(b, v, bytes.NewReader(data), cut)
				}
			})
		}
	}
}

func storeOne(b *testing.B, v *vault.Vault, r io.Reader, cut vault.Cut) {
	b.Helper()
	s, err := v.OpenSession(b.Context(), grant(access.BackupRun), vault.SessionOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if _, _, err := s.StoreContent(b.Context(), r, 256<<20, cut); err != nil {
		b.Fatal(err)
	}
	if err := s.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkSessionSmallFiles(b *testing.B) {
	const count, size = 20_000, 3000
	f := newFixture(b)
	f.bucket = blob.New(sink{f.driver}, blob.Options{})
	v := f.open()
	data := stuff("text", count*size)
	b.SetBytes(count * size)
	b.ReportAllocs()
	for b.Loop() {
		s, err := v.OpenSession(b.Context(), grant(access.BackupRun), vault.SessionOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for i := range count {
			if _, _, err := s.StoreContent(b.Context(), bytes.NewReader(data[i*size:(i+1)*size]), size, vault.CutAuto); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// stored is a vault with one point of 64 MiB in a few files.
func stored(b *testing.B) (*fixture, vault.Point) {
	b.Helper()
	f := newFixture(b)
	var files []file
	for i, kind := range []string{"pages", "random", "text"} {
		files = append(files, file{fmt.Sprintf("f%d", i), stuff(kind, 21<<20)})
	}
	p, err := f.backup(f.open(), files)
	if err != nil {
		b.Fatal(err)
	}
	return f, p
}

func BenchmarkVerifyFull(b *testing.B) {
	f, p := stored(b)
	v := f.open()
	b.SetBytes(p.Envelope.Size)
	b.ReportAllocs()
	for b.Loop() {
		report, err := v.Verify(b.Context(), vault.Full, nil)
		if err != nil || !report.OK() {
			b.Fatal(report, err)
		}
	}
}

func BenchmarkReadMany(b *testing.B) {
	f, p := stored(b)
	r, err := f.open().NewReader(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	wants := f.wants(r, p)
	b.SetBytes(p.Envelope.Size)
	b.ReportAllocs()
	for b.Loop() {
		err := r.ReadMany(b.Context(), wants, func(all []vault.Got) error {
			for _, g := range all {
				if g.Err != nil {
					return g.Err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenVault(b *testing.B) {
	f, _ := stored(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.open().NewReader(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
