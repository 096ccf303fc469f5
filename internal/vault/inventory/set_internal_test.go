package inventory

import (
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/vault/index"
	"github.com/counterfoil/counterfoil/internal/vault/objects"
	"github.com/counterfoil/counterfoil/internal/vault/pack"
	"github.com/counterfoil/counterfoil/internal/vault/seal"
	"github.com/counterfoil/counterfoil/internal/vault/tree"
)

// packsOf makes directories of packs with one chunk each.
func packsOf(from, to int) (infos []pack.Info) {
	for i := from; i < to; i++ {
		d := digestOf(i)
		infos = append(infos, pack.Info{Kind: seal.DataChunk, Name: pack.Name{byte(i), byte(i >> 8)}, Size: 4096,
			Frames: []pack.Frame{{Sealed: 128, Plain: 100, Lengths: []uint32{100}, Digests: d[:]}}})
	}
	return infos
}

// keyed is a store of which only the ids of chunks are known.
func keyed(t *testing.T) *objects.Store {
	t.Helper()
	domain, err := seal.NewKeyring(seal.NewID(), time.Unix(0, 0)).Domain(seal.VaultDomain)
	if err != nil {
		t.Fatal(err)
	}
	return &objects.Store{Domain: domain}
}

func digestOf(i int) tree.Digest { return tree.Digest{byte(i), byte(i >> 8), 7} }

func segmentOf(v *objects.Store, infos []pack.Info) *index.Segment {
	b := index.NewBuilder(v.ChunkID)
	for _, i := range infos {
		b.Add(i)
	}
	return b.Segment()
}

func TestSet_TablesOfPacksThatAreGoneAreMadeAnew(t *testing.T) {
	v := keyed(t)
	store, err := index.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Add(index.Named{Segment: segmentOf(v, packsOf(0, 300)), Name: [32]byte{1}}); err != nil {
		t.Fatal(err)
	}
	set := NewSet(v.ChunkID)
	set.Tables = store.Tables()
	set.Flags = [][]Flags{make([]Flags, 300)}
	for i := range 300 {
		set.Flags[0][i] = Present | Healthy
	}
	for gone := range 3 {
		for i := gone * 100; i < gone*100+100; i++ {
			set.Flags[0][i] = 0
		}
		set.prune(store)
		store.Wait()
		want := 300
		if gone > 0 { // half of them are
			want = 300 - 100*(gone+1)
		}
		if n := store.Tables()[0].Packs(); gone < 2 && n != want {
			t.Errorf("with %d packs gone the table has %d", 100*(gone+1), n)
		}
	}
	if !store.Tables()[0].Holds([32]byte{1}) {
		t.Error("the segment would be read again")
	}
}
