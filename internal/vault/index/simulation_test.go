package index_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
)

// simulation is an index of made-up packs, built as sessions build it: a
// segment after the other, merged as they come.
type simulation struct {
	store *index.Store
	// chunks are in the index, numbered from 0; perPack of them lie in a pack.
	chunks, perPack, perSegment uint64
	peak                        atomic.Int64
}

// simID is as good as random and differs for every number.
func simID(n uint64) (id index.ID) {
	x := n
	for i := range 4 {
		// splitmix64, by Vigna
		x += 0x9e3779b97f4a7c15
		z := x
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.BigEndian.PutUint64(id[8*i:], z^z>>31)
		x ^= uint64(i+1) << 56
	}
	return id
}

func (s *simulation) build(t *testing.T) {
	t.Helper()
	next := uint64(0)
	id := func(_ seal.ChunkKind, d [32]byte) [32]byte { return simID(binary.BigEndian.Uint64(d[:])) }
	for next < s.chunks {
		b := index.NewBuilder(id)
		for end := min(next+s.perSegment, s.chunks); next < end; {
			info := pack.Info{Kind: seal.DataChunk, Name: pack.Name(simID(1<<63 | next)), Size: 32 << 20}
			for n := uint64(0); n < s.perPack && next < end; {
				f := pack.Frame{Compression: seal.Zstd, Sealed: 300 << 10}
				for ; n < s.perPack && len(f.Lengths) < 64 && next < end; n++ {
					d := digestOf(next)
					f.Lengths, f.Digests = append(f.Lengths, 16<<10), append(f.Digests, d[:]...)
					f.Plain += 16 << 10
					next++
				}
				info.Frames = append(info.Frames, f)
			}
			b.Add(info)
		}
		if err := s.store.Add(index.Named{Segment: b.Segment(), Name: digestOf(next)}); err != nil {
			t.Fatal(err)
		}
		s.measure()
	}
}

// watch measures until the function it gives is called.
func (s *simulation) watch() func() {
	ticks := time.NewTicker(50 * time.Millisecond)
	done := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		for {
			select {
			case <-ticks.C:
				s.measure()
			case <-done:
				return
			}
		}
	})
	return func() {
		ticks.Stop()
		close(done)
		work.Wait()
	}
}

// measure notes the anonymous memory of the process; 0 where it is not told.
func (s *simulation) measure() {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "RssAnon:" {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				for old := s.peak.Load(); n<<10 > old && !s.peak.CompareAndSwap(old, n<<10); old = s.peak.Load() {
				}
			}
		}
	}
}

// look times look-ups of present and of absent ids, as a session asks.
func (s *simulation) look(t *testing.T, absent bool) float64 {
	t.Helper()
	const lookups = 300_000
	random := rand.New(rand.NewPCG(1, 2))
	tables := s.store.Tables()
	start := time.Now()
	for range lookups {
		n := random.Uint64N(s.chunks)
		if absent {
			n += s.chunks
		}
		found := 0
		id := simID(n)
		for _, table := range tables {
			if table.MayHold(id) {
				table.Lookup(id, func(index.Place) bool { found++; return true })
			}
		}
		if found > 0 == absent {
			t.Fatalf("chunk %d: %d places", n, found)
		}
	}
	took := time.Since(start)
	s.measure()
	return lookups / took.Seconds()
}

func (s *simulation) run(t *testing.T) {
	t.Helper()
	old := debug.SetGCPercent(30)
	defer debug.SetGCPercent(old)
	var err error
	if s.store, err = index.OpenStore(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	defer s.watch()()
	start := time.Now()
	s.build(t)
	added := time.Since(start)
	s.store.Wait()
	built := time.Since(start)
	present, missing := s.look(t, false), s.look(t, true)
	t.Logf("%d chunks in %d tables, added in %s and merged in %s: %.0f look-ups a second of present ids, %.0f of absent ones, %d MiB of anonymous memory at most",
		s.chunks, len(s.store.Tables()), added.Round(time.Second), built.Round(time.Second), present, missing, s.peak.Load()>>20)
}

func TestSimulation(t *testing.T) {
	s := &simulation{chunks: 200_000, perPack: 2000, perSegment: 40_000}
	s.run(t)
}

// TestSimulation_HundredMillion is the index of a very large vault. It takes
// minutes and 12 GB of disk: COUNTERFOIL_LONG=1.
func TestSimulation_HundredMillion(t *testing.T) {
	if os.Getenv("COUNTERFOIL_LONG") == "" {
		t.Skip("takes minutes and 12 GB of disk: COUNTERFOIL_LONG=1")
	}
	for _, want := range []struct {
		chunks uint64
		mib    int64
	}{{10_000_000, 256}, {100_000_000, 512}} {
		t.Run(fmt.Sprint(want.chunks), func(t *testing.T) {
			enoughDisk(t, 12<<30)
			s := &simulation{chunks: want.chunks, perPack: 1000, perSegment: 500_000}
			s.run(t)
			if peak := s.peak.Load(); peak > want.mib<<20 {
				t.Errorf("%d MiB of memory, %d are allowed", peak>>20, want.mib)
			}
		})
	}
}
