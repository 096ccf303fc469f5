package diskblob

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/blobtest"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// errCrash stands for the end of the process at one step.
var errCrash = errors.New("crash")

// change is a change of a store that has the objects old and locked, and ended,
// whose lock has ended.
type change struct {
	name string
	do   func(ctx context.Context, d *Driver, lock blob.Lock) error
	// settled checks the store afterwards: done tells that the change said it
	// succeeded.
	settled func(t *testing.T, d *Driver, lock blob.Lock, done bool)
}

func changes() []change {
	return []change{
		{"put", func(ctx context.Context, d *Driver, lock blob.Lock) error {
			_, err := d.Put(ctx, "new/folder/a", []byte("new"), blob.PutOptions{Lock: lock})
			return err
		}, func(t *testing.T, d *Driver, lock blob.Lock, done bool) {
			info, err := d.Stat(t.Context(), "new/folder/a")
			if errkind.Is(err, errkind.NotFound) && !done {
				return
			}
			if err != nil || info.Lock != lock {
				t.Fatalf("%+v, %v", info, err)
			}
			wantContent(t, d, "new/folder/a", []byte("new"))
		}},
		{"replace", func(ctx context.Context, d *Driver, lock blob.Lock) error {
			_, err := d.Put(ctx, "old", []byte("newer"), blob.PutOptions{Replace: true})
			return err
		}, func(t *testing.T, d *Driver, lock blob.Lock, done bool) {
			info, err := d.Stat(t.Context(), "old")
			if err != nil {
				t.Fatal(err)
			}
			if info.Size == 5 {
				wantContent(t, d, "old", []byte("newer"))
				return
			}
			if done {
				t.Fatal("a replacement that succeeded is not there")
			}
			wantContent(t, d, "old", []byte("old"))
		}},
		{"lock", func(ctx context.Context, d *Driver, lock blob.Lock) error {
			return d.SetLock(ctx, "old", lock)
		}, func(t *testing.T, d *Driver, lock blob.Lock, done bool) {
			info, err := d.Stat(t.Context(), "old")
			if err != nil || info.Lock != lock && (done || info.Lock != blob.Lock{}) {
				t.Fatalf("%+v, %v", info, err)
			}
		}},
		{"raise", func(ctx context.Context, d *Driver, lock blob.Lock) error {
			return d.SetLock(ctx, "locked", raised(lock))
		}, func(t *testing.T, d *Driver, lock blob.Lock, done bool) {
			info, err := d.Stat(t.Context(), "locked")
			if err != nil || info.Lock != raised(lock) && (done || info.Lock != lock) {
				t.Fatalf("%+v, %v", info, err)
			}
		}},
		{"replace what was locked", func(ctx context.Context, d *Driver, lock blob.Lock) error {
			_, err := d.Put(ctx, "ended", []byte("newer"), blob.PutOptions{Replace: true, Lock: lock})
			if errkind.Is(err, errkind.Refused) {
				return nil // the new lock stands: on the new object, or on the old one that it now keeps
			}
			return err
		}, func(t *testing.T, d *Driver, lock blob.Lock, done bool) {
			info, err := d.Stat(t.Context(), "ended")
			if err != nil || done && info.Lock != lock {
				t.Fatalf("%+v, %v", info, err)
			}
			wantContent(t, d, "ended", map[int64][]byte{5: []byte("newer"), 6: []byte("locked")}[info.Size])
		}},
		{"replace what was locked by what is not", func(ctx context.Context, d *Driver, lock blob.Lock) error {
			_, err := d.Put(ctx, "ended", []byte("newer"), blob.PutOptions{Replace: true})
			return err
		}, func(t *testing.T, d *Driver, lock blob.Lock, done bool) {
			info, err := d.Stat(t.Context(), "ended")
			if err != nil || done && (info.Lock != blob.Lock{} || info.Size != 5) {
				t.Fatalf("%+v, %v", info, err)
			}
		}},
		{"delete what was locked", func(ctx context.Context, d *Driver, lock blob.Lock) error {
			return d.Delete(ctx, "ended")
		}, func(t *testing.T, d *Driver, lock blob.Lock, done bool) {
			_, err := d.Stat(t.Context(), "ended")
			if err == nil && !done {
				return
			}
			wantKind(t, "stat", err, errkind.NotFound)
		}},
		{"delete", func(ctx context.Context, d *Driver, lock blob.Lock) error {
			return d.Delete(ctx, "old")
		}, func(t *testing.T, d *Driver, lock blob.Lock, done bool) {
			_, err := d.Stat(t.Context(), "old")
			if err == nil && !done {
				wantContent(t, d, "old", []byte("old"))
				return
			}
			wantKind(t, "stat", err, errkind.NotFound)
		}},
	}
}

func raised(lock blob.Lock) blob.Lock {
	return blob.Lock{Mode: lock.Mode, Until: lock.Until.Add(time.Hour)}
}

// TestSteps_EachFailsOrCrashes ends every kind of change at each of its steps,
// once by an error and once as a crash would, and looks at what is left.
func TestSteps_EachFailsOrCrashes(t *testing.T) {
	endEverywhere(t, func(t *testing.T, _ string) Options { return Options{} }, func(*testing.T, string, *Driver) {})
}

// endEverywhere runs all changes to each of their steps, in stores with the
// options that it is given, and has the store looked at once the change was
// repeated to its end.
func endEverywhere(t *testing.T, options func(t *testing.T, folder string) Options, settled func(t *testing.T, folder string, d *Driver)) {
	for _, c := range changes() {
		for _, crash := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/crash=%v", c.name, crash), func(t *testing.T) {
				t.Parallel()
				total := 0
				for at := 0; at <= total; at++ {
					folder := t.TempDir()
					opts := options(t, folder)
					steps := endAtStep(t, c, at, crash, filepath.Join(folder, "store"), opts, settled)
					total = max(total, steps)
				}
				if total < 2 {
					t.Errorf("%s has only %d steps", c.name, total)
				}
			})
		}
	}
}

// endAtStep runs c on a new store, ends it at its step number at, counted from
// 1, and returns how many steps it came to.
func endAtStep(t *testing.T, c change, at int, crash bool, folder string, opts Options, settled func(*testing.T, string, *Driver)) int {
	clock := blobtest.NewClock()
	opts.Now = clock.Now
	lock := blob.Lock{Mode: blob.Compliance, Until: clock.Now().Add(time.Hour)}
	d, err := Create(folder, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	put(t, d, "old", []byte("old"), blob.PutOptions{})
	put(t, d, "locked", []byte("locked"), blob.PutOptions{Lock: lock})
	put(t, d, "ended", []byte("locked"), blob.PutOptions{Lock: blob.Lock{Mode: blob.Governance, Until: clock.Now().Add(time.Minute)}})
	clock.Set(clock.Now().Add(time.Minute))
	steps, last := 0, ""
	d.step = func(name string) error {
		steps, last = steps+1, name
		switch {
		case steps != at:
			return nil
		case crash:
			panic(errCrash)
		}
		return errkind.New(errkind.Unavailable, "step failed")
	}
	err = func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = errCrash
			}
		}()
		return c.do(t.Context(), d, lock)
	}()
	if reached := at > 0 && steps >= at; reached != (err != nil) {
		t.Fatalf("%s ended at step %d of %d: %v", c.name, at, steps, err)
	}
	after := reopenWith(t, folder, opts)
	t.Run(fmt.Sprintf("%d %s", at, last), func(t *testing.T) {
		c.settled(t, after, lock, err == nil)
		wantContent(t, after, "locked", []byte("locked"))
		wantKind(t, "delete what is locked", after.Delete(t.Context(), "locked"), errkind.Refused)
		if _, err := after.Sweep(t.Context(), -100*365*24*time.Hour); err != nil {
			t.Fatal(err)
		}
		if left := leftovers(t, folder); !crash && len(left) > 0 {
			t.Fatalf("a failure without a crash left %q", left)
		}
		again := c.do(t.Context(), after, lock)
		if again != nil && !errkind.Is(again, errkind.Exists) && !errkind.Is(again, errkind.NotFound) {
			t.Fatalf("once more: %v", again)
		}
		c.settled(t, after, lock, true)
		settled(t, folder, after)
	})
	return steps
}

func leftovers(t *testing.T, folder string) []string {
	var left []string
	for _, file := range files(t, folder) {
		if strings.HasPrefix(filepath.Base(file), tempPrefix) {
			left = append(left, file)
		}
	}
	return left
}

// TestPut_ForeignFileIsNotReplaced has a file appear, by a program that knows
// nothing of our exclusion, after the name was found vacant.
func TestPut_ForeignFileIsNotReplaced(t *testing.T) {
	d, folder := fresh(t, nil)
	d.step = func(name string) error {
		if name != "place object" {
			return nil
		}
		return os.WriteFile(filepath.Join(folder, "a"), []byte("theirs"), 0o440)
	}
	_, err := d.Put(t.Context(), "a", []byte("mine"), blob.PutOptions{})
	wantKind(t, "put", err, errkind.Exists)
	wantContent(t, d, "a", []byte("theirs"))
	if left := leftovers(t, folder); len(left) > 0 {
		t.Fatalf("left %q", left)
	}
}

// childEnv names, in the environment of a child process, its store.
const childEnv = "COUNTERFOIL_DISKBLOB_CHILD"

// TestChild_Writes is the child process of the test below.
func TestChild_Writes(t *testing.T) {
	folder := os.Getenv(childEnv)
	if folder == "" {
		t.Skip("it is the child process of another test")
	}
	d := reopen(t, folder, nil)
	lock := blob.Lock{Mode: blob.Governance, Until: time.Now().Add(time.Hour)}
	start := uint64(time.Now().UnixNano())
	for i := uint64(0); ; i++ {
		data := blobtest.Bytes(start+i, int(64+i*7919%300_000))
		sum := sha256.Sum256(data)
		name := hex.EncodeToString(sum[:])
		put(t, d, path.Join("packs", name[:2], name), data, blob.PutOptions{SHA256: sum, Lock: lock})
		put(t, d, "checkpoint", []byte(strings.Repeat(name, 100)), blob.PutOptions{Replace: true})
		if _, err := fmt.Println("stored", name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKill_EveryVisibleObjectIsWhole(t *testing.T) {
	t.Parallel()
	_, folder := fresh(t, nil)
	var promised []string
	for round := range 10 {
		promised = append(promised, killWriter(t, folder, 3+round%3)...)
		d := reopen(t, folder, nil)
		seen := wholeObjects(t, d)
		for _, name := range promised {
			if !seen[name] {
				t.Fatalf("round %d: %s was stored and is missing", round, name)
			}
		}
		put(t, d, fmt.Sprintf("rounds/%d", round), nil, blob.PutOptions{})
	}
	d := reopen(t, folder, nil)
	if _, err := d.Sweep(t.Context(), -time.Hour); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, folder); len(left) > 0 {
		t.Fatalf("not swept: %q", left)
	}
	wholeObjects(t, d)
}

// killWriter lets a child process write until it has told of n objects, kills
// it while it goes on, and returns the names it told.
func killWriter(t *testing.T, folder string, n int) []string {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChild_Writes$")
	child.Env = append(os.Environ(), childEnv+"="+folder)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var told []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		name, ok := strings.CutPrefix(lines.Text(), "stored ")
		if !ok {
			t.Errorf("the child says: %s", lines.Text())
		}
		told = append(told, name)
		if len(told) == n {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait()
	if len(told) < n {
		t.Fatalf("the child told of %d objects, want %d", len(told), n)
	}
	return told
}

// wholeObjects checks every object that is listed and returns the packs.
func wholeObjects(t *testing.T, d *Driver) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	err := d.List(t.Context(), "", func(info blob.Info) error {
		data := make([]byte, info.Size)
		if n, err := d.ReadAt(t.Context(), info.Name, data, 0); int64(n) != info.Size || err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: %d of %d bytes, %w", info.Name, n, info.Size, err)
		}
		if info.Name == "checkpoint" && info.Size != 6400 {
			return fmt.Errorf("a checkpoint of %d bytes", info.Size)
		}
		if !strings.HasPrefix(info.Name, "packs/") {
			return nil
		}
		sum := sha256.Sum256(data)
		if hex.EncodeToString(sum[:]) != path.Base(info.Name) || info.Lock.Mode != blob.Governance {
			return fmt.Errorf("%+v is not whole or not locked", info)
		}
		seen[path.Base(info.Name)] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if damaged, err := d.DamagedLocks(t.Context()); len(damaged) > 0 || err != nil {
		t.Fatalf("damaged locks %q, %v", damaged, err)
	}
	return seen
}

// TestProcesses_OneOfManyWins has two drivers over one folder, as two
// processes would, compete for names and locks.
func TestProcesses_OneOfManyWins(t *testing.T) {
	t.Parallel()
	clock := blobtest.NewClock()
	one, folder := fresh(t, clock.Now)
	two := reopen(t, folder, clock.Now)
	for i := range 20 {
		name := fmt.Sprintf("epoch/%d", i)
		results := make(chan error)
		for n, d := range []*Driver{one, two} {
			lock := blob.Lock{Mode: blob.Compliance, Until: clock.Now().Add(time.Duration(n+1) * time.Hour)}
			go func() {
				_, err := d.Put(t.Context(), name, []byte{byte(n)}, blob.PutOptions{Lock: lock})
				results <- err
			}()
		}
		won := 0
		for range 2 {
			if err := <-results; err == nil {
				won++
			} else {
				wantKind(t, "the loser", err, errkind.Exists)
			}
		}
		info, err := one.Stat(t.Context(), name)
		if won != 1 || err != nil {
			t.Fatalf("%d won, %v", won, err)
		}
		buf := make([]byte, 1)
		if _, err := one.ReadAt(t.Context(), name, buf, 0); err != nil {
			t.Fatal(err)
		}
		// The winner's lock, not the loser's.
		if want := clock.Now().Add(time.Duration(buf[0]+1) * time.Hour); !info.Lock.Until.Equal(want) {
			t.Fatalf("locked until %v, want %v", info.Lock.Until, want)
		}
	}
}
