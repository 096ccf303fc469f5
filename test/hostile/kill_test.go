package hostile

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// seedOf gives the seed of a random test: a fresh one, or that of an earlier
// run from COUNTERFOIL_SEED.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("COUNTERFOIL_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("COUNTERFOIL_SEED=%d", seed)
	return seed
}

// bigTree makes a tree of about 60 MiB of large and small files.
func bigTree(t *testing.T, random *rand.Rand, dir string) {
	t.Helper()
	for i := range 3 {
		write(t, filepath.Join(dir, fmt.Sprintf("large/%d.bin", i)), noise(random, 14<<20))
	}
	for i := range 1200 {
		write(t, filepath.Join(dir, fmt.Sprintf("small/%02d/%04d.csv", i%40, i)), text(random, random.IntN(20<<10)))
	}
	write(t, filepath.Join(dir, "ledger.csv"), text(random, 4<<20))
}

// changeTree changes a tree a little: some new, changed and removed small
// files, a stretch within a large one.
func changeTree(t *testing.T, random *rand.Rand, dir string, round int) {
	t.Helper()
	for i := range 20 {
		write(t, filepath.Join(dir, fmt.Sprintf("small/%02d/%04d.csv", random.IntN(40), random.IntN(1400))), text(random, random.IntN(9000)+round+i))
	}
	remove(t, filepath.Join(dir, fmt.Sprintf("small/%02d/%04d.csv", random.IntN(40), random.IntN(1400))))
	write(t, filepath.Join(dir, fmt.Sprintf("round/%03d.bin", round)), noise(random, 1+random.IntN(6<<20)))
	path := filepath.Join(dir, fmt.Sprintf("large/%d.bin", random.IntN(3)))
	data := read(t, path)
	copy(data[random.IntN(len(data)-4096):], noise(random, 4096))
	write(t, path, data)
}

// TestKill_EveryEarlierPointStaysWhole kills backups at random moments, over
// one vault. Nothing is repaired in between.
func TestKill_EveryEarlierPointStaysWhole(t *testing.T) {
	t.Parallel()
	rounds := 12
	if long() {
		rounds = 50
	}
	random := rand.New(rand.NewPCG(seedOf(t), 0))
	r := newRig(t)
	remove(t, r.src)
	bigTree(t, random, r.src)
	began := time.Now()
	r.must("backup", "run", "docs")
	usual := time.Since(began)
	k := &killer{rig: r, random: random, trees: map[string]listing{}, ids: map[string]string{}, usual: usual}
	k.note(true)
	for round := range rounds {
		changeTree(t, random, r.src, round)
		k.round()
		if (round+1)%10 == 0 {
			r.wantWhole()
		}
		if t.Failed() {
			t.Fatalf("in round %d", round+1)
		}
	}
	changeTree(t, random, r.src, rounds)
	r.must("backup", "run", "docs")
	k.note(true)
	r.wantWhole()
	k.restoreSome(2)
	r.wantRestored("latest", list(t, r.src))
	r.must("audit", "verify")
	r.must("doctor")
	t.Logf("%d rounds: %d killed, %d of them after the point was durable, %d had ended; %d points", rounds, k.killed, k.durable, k.ended, len(k.trees))
	if k.killed == 0 {
		t.Error("no backup was killed: the moments are badly chosen")
	}
}

// TestKill_DuringTheCommit kills backups when their intent or their point has
// just appeared in the store: the point counts from then on.
func TestKill_DuringTheCommit(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	k := &killer{rig: r, trees: map[string]listing{}, ids: map[string]string{}}
	k.note(true)
	source := filepath.Dir(globs(t, filepath.Join(r.store, "points", "*", "0000000001"))[0])
	for i, suffix := range []string{".intent", "", ".intent", ""} {
		write(t, filepath.Join(r.src, "more"), fmt.Appendf(nil, "round %d", i))
		appears := filepath.Join(source, fmt.Sprintf("%010d%s", len(k.trees)+1, suffix))
		cmd := r.command("backup", "run", "docs")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r.await(func() bool { _, err := os.Lstat(appears); return err == nil }, cmd)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if !k.note(false) {
			t.Fatalf("no point of the backup that was killed at %s", appears)
		}
		if i > 1 {
			write(t, filepath.Join(r.src, "more"), fmt.Appendf(nil, "after round %d", i))
		}
		r.must("backup", "run", "docs")
		k.note(true)
	}
	r.wantWhole()
	for number, id := range k.ids {
		r.wantRestored(id, k.trees[number])
	}
	r.must("doctor")
}

type killer struct {
	*rig
	random *rand.Rand
	usual  time.Duration
	// trees are the listings of the source at each point of the store, by number;
	// ids are those of the points that were listed.
	trees                  map[string]listing
	ids                    map[string]string
	killed, durable, ended int
}

// round starts a backup, kills it at a random moment, and checks that what
// was there is there; every other time the next run has to succeed.
func (k *killer) round() {
	k.t.Helper()
	cmd := k.command("backup", "run", "docs")
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	timer := time.AfterFunc(k.moment(), func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	switch code := cmd.ProcessState.ExitCode(); code {
	case 0:
		k.ended++
	case -1:
		k.killed++
	default:
		k.t.Errorf("the backup failed by itself with %d: %v", code, err)
	}
	if k.note(err == nil) && err != nil {
		k.durable++
	}
	if k.random.IntN(2) == 0 {
		began := time.Now()
		k.must("backup", "run", "docs")
		k.usual = (k.usual + time.Since(began)) / 2
		k.note(true)
	}
	if k.killed%2 == 0 || long() {
		k.restoreSome(1)
	}
}

// moment chooses when to kill: half of the time anywhere, else near the end,
// where the point is committed.
func (k *killer) moment() time.Duration {
	from := time.Duration(0)
	if k.random.IntN(2) == 0 {
		from = k.usual * 7 / 10
	}
	return from + time.Duration(k.random.Int64N(int64(k.usual*105/100-from)))
}

// note takes down the points that came to be in the store since the last time,
// with the tree that they hold, and reports whether there is one. Every point listed
// before must still be listed. When a backup has succeeded there is a new one,
// and every point of the store is listed, also those of backups that were killed.
func (k *killer) note(succeeded bool) bool {
	k.t.Helper()
	fresh := 0
	for _, number := range k.numbers() {
		if k.trees[number] == nil {
			k.trees[number] = list(k.t, k.src)
			fresh++
		}
	}
	var listed []struct {
		ID     string
		Number int
	}
	k.query(&listed, "point", "list")
	now := map[string]string{}
	for _, p := range listed {
		now[fmt.Sprintf("%010d", p.Number)] = p.ID
	}
	for number, id := range k.ids {
		if now[number] != id {
			k.t.Errorf("point %s is gone", id)
		}
	}
	k.ids = now
	if succeeded && fresh == 0 {
		k.t.Error("a backup that ended with 0 left no point")
	}
	for number := range k.trees {
		if succeeded && now[number] == "" {
			k.t.Errorf("point %s of the store is not listed", number)
		}
	}
	return fresh > 0
}

// numbers gives the points of the store by their names there, also those of
// which only the intent was written.
func (k *killer) numbers() []string {
	k.t.Helper()
	var out []string
	for _, path := range globs(k.t, filepath.Join(k.store, "points", "*", "[0-9]*")) {
		out = append(out, strings.TrimSuffix(filepath.Base(path), ".intent"))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// restoreSome restores some of the points at random and compares them with
// what the source was.
func (k *killer) restoreSome(n int) {
	k.t.Helper()
	numbers := make([]string, 0, len(k.ids))
	for number := range k.ids {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	for range n {
		number := numbers[k.random.IntN(len(numbers))]
		id := k.ids[number]
		to := filepath.Join(k.dir, "restored")
		k.must("restore", "run", id, "--to", to)
		wantSame(k.t, "restored "+id, k.trees[number], list(k.t, to))
		remove(k.t, to)
	}
}
