// Package crash kills real processes that write to a real store at random
// moments, and asks that nothing committed is ever harmed and that the next
// run needs no repair.
package crash

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/diskblob"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/vault"
)

const (
	childEnv  = "COUNTERFOIL_CRASH_CHILD"  // "store|key line|server|source": be the writer
	roundsEnv = "COUNTERFOIL_CRASH_ROUNDS" // how many kills; 15 when not set
	seedEnv   = "COUNTERFOIL_CRASH_SEED"   // repeats a run's moments as far as a machine can
)

// TestMain is the writer in the process that is to be killed.
func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		write(text)
		return
	}
	m.Run()
}

// store is a vault on disk as both processes see it.
type store struct {
	folder string
	kek    *keys.Held
	server vault.ID
	source vault.SourceID
}

func (s store) String() string {
	return strings.Join([]string{s.folder, s.kek.Line(), hex.EncodeToString(s.server[:]), s.source.String()}, "|")
}

func parseStore(text string) (s store, err error) {
	parts := strings.Split(text, "|")
	if len(parts) != 4 {
		return s, fmt.Errorf("%d parts", len(parts))
	}
	s.folder = parts[0]
	if s.kek, err = keys.Parse(parts[1]); err != nil {
		return s, err
	}
	server, err := hex.DecodeString(parts[2])
	if err != nil {
		return s, err
	}
	s.server = vault.ID(server)
	s.source, err = vault.ParseSourceID(parts[3])
	return s, err
}

func grant(a access.Action) access.Grant {
	return access.Issue(a, "test", "crash", "event", time.Time{})
}

func (s store) open(ctx context.Context) (*vault.Vault, io.Closer, error) {
	driver, err := diskblob.Open(s.folder, diskblob.Options{})
	if err != nil {
		return nil, nil, err
	}
	v, err := vault.Open(ctx, blob.New(driver, blob.Options{}), s.kek, vault.Options{Server: s.server})
	if err != nil {
		_ = driver.Close() // the error counts
		return nil, nil, err
	}
	return v, driver, nil
}

// contents gives the files of the point with that number, always the same.
func contents(number uint64) map[string][]byte {
	files := map[string][]byte{"shared": bytesOf(1, 600<<10), "own": bytesOf(1000+number, 300<<10), "empty": nil}
	for i := range uint64(20) {
		files[fmt.Sprintf("small-%02d", i)] = bytesOf(number/(i+1), int(200*i))
	}
	return files
}

func bytesOf(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 9))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// backup commits the next point; every second one locks what it needs.
func (s store) backup(ctx context.Context, v *vault.Vault) (uint64, error) {
	number := uint64(1)
	refs, err := v.ListPoints(ctx)
	if err != nil {
		return 0, err
	}
	if len(refs) > 0 {
		number = refs[len(refs)-1].Number + 1
	}
	draft := vault.Draft{Source: s.source, Term: vault.Fixed, Complete: true, Trial: true, Hints: &vault.Hints{}}
	options := vault.SessionOptions{}
	if number%2 == 0 {
		options.Lock, draft.LockUntil = blob.Governance, vault.StampOf(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))
		draft.RetainUntil, draft.Trial = &draft.LockUntil, false
	}
	session, err := v.OpenSession(ctx, grant(access.BackupRun), options)
	if err != nil {
		return 0, err
	}
	if draft.Root, err = put(ctx, session, contents(number)); err != nil {
		session.Abort()
		return 0, err
	}
	p, err := session.Commit(ctx, grant(access.BackupRun), draft)
	if err == nil && p.Envelope.Number != number {
		err = fmt.Errorf("number %d where %d was expected", p.Envelope.Number, number)
	}
	return number, err
}

func put(ctx context.Context, s *vault.Session, files map[string][]byte) (root vault.Digest, err error) {
	dir := s.NewDirectory()
	for _, name := range sorted(files) {
		c, n, err := s.StoreContent(ctx, bytes.NewReader(files[name]), int64(len(files[name])), vault.CutAuto)
		if err != nil {
			return root, err
		}
		if err := dir.Add(ctx, vault.Entry{Name: []byte(name), Kind: vault.Regular, Size: n, Content: c}); err != nil {
			return root, err
		}
	}
	d, err := dir.Finish(ctx)
	if err != nil {
		return root, err
	}
	return s.PutRoot(ctx, vault.Entry{Kind: vault.Dir, Tree: &d})
}

func sorted(files map[string][]byte) (names []string) {
	for n := range files {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// write backs up again and again and says on standard output what is committed.
func write(text string) {
	ctx := context.Background()
	s, err := parseStore(text)
	if err != nil {
		panic(err)
	}
	for {
		v, closer, err := s.open(ctx)
		if err != nil {
			panic(err)
		}
		number, err := s.backup(ctx, v)
		if err != nil {
			panic(err)
		}
		if err := closer.Close(); err != nil {
			panic(err)
		}
		if _, err := fmt.Fprintf(os.Stdout, "committed %d\n", number); err != nil {
			panic(err)
		}
	}
}

func TestKill_NothingCommittedIsHarmed(t *testing.T) {
	rounds, seed := envNumber(t, roundsEnv, 15), envNumber(t, seedEnv, rand.Uint64N(1_000_000))
	t.Logf("%s=%d %s=%d", roundsEnv, rounds, seedEnv, seed)
	r := rand.New(rand.NewPCG(seed, 0))
	s := create(t)
	for round := range rounds {
		// Long enough for some backups, mostly short enough to hit the first ones.
		after := time.Duration(5+r.IntN(150)+r.IntN(2)*r.IntN(300)) * time.Millisecond
		committed := killAfter(t, s, after)
		points := s.check(t, committed)
		if t.Failed() {
			t.Fatalf("round %d, killed after %v with %d points", round, after, points)
		}
	}
}

func envNumber(t *testing.T, name string, standard uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return standard
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func create(t *testing.T) store {
	t.Helper()
	now := time.Now()
	s := store{folder: t.TempDir(), server: vault.NewID(), source: vault.NewSourceID(now)}
	id := vault.NewID()
	s.kek = keys.NewHeld(keys.FileProvider, id)
	driver, err := diskblob.Create(s.folder, diskblob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = vault.Create(t.Context(), grant(access.VaultCreate), blob.New(driver, blob.Options{}), map[string]vault.KEK{"platform": s.kek},
		vault.CreateOptions{Options: vault.Options{Server: s.server}, ID: id, Name: "crash", Kind: vault.Unlocked})
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// killAfter runs the writer, kills it, and gives the points it said were committed.
func killAfter(t *testing.T, s store, after time.Duration) (committed []uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), childEnv+"="+s.String())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended by itself
	defer timer.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), "committed ")
		n, err := strconv.ParseUint(text, 10, 64)
		if !ok || err != nil {
			break // cut off in the middle of a line
		}
		committed = append(committed, n)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the writer was not killed: %v\n%s", err, stderr.String())
	}
	return committed
}

// check asks that every point is whole, those reported committed among them,
// before and after the next backup.
func (s store) check(t *testing.T, committed []uint64) (points int) {
	t.Helper()
	v, closer, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := closer.Close(); err != nil {
			t.Error(err)
		}
	}()
	refs, err := v.ListPoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range committed {
		if n > uint64(len(refs)) {
			t.Errorf("point %d was committed and is not there", n)
		}
	}
	for i, ref := range refs {
		if ref.Number != uint64(i+1) {
			t.Errorf("point %d has number %d", i+1, ref.Number)
		}
	}
	for _, p := range verify(t, v).Problems {
		if p.FileCount > 0 { // a point and locks that an intent announces may be lacking still, no data
			t.Errorf("verify before the next backup: %+v", *p)
		}
	}
	if _, err := s.backup(t.Context(), v); err != nil {
		t.Fatalf("next backup: %v", err)
	}
	s.readAll(t, v, len(refs)+1)
	report := verify(t, v)
	for _, p := range report.Problems {
		t.Errorf("verify: %+v", *p)
	}
	for _, n := range report.Notes {
		t.Errorf("verify notes: %s", n)
	}
	return len(refs) + 1
}

func verify(t *testing.T, v *vault.Vault) *vault.VerifyReport {
	t.Helper()
	report, err := v.Verify(t.Context(), vault.Full, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// readAll reads every point back and compares each byte.
func (s store) readAll(t *testing.T, v *vault.Vault, count int) {
	t.Helper()
	refs, err := v.ListPoints(t.Context())
	if err != nil || len(refs) != count {
		t.Fatalf("%d points of %d, %v", len(refs), count, err)
	}
	reader, err := v.NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range refs {
		p, err := v.ReadPoint(t.Context(), ref.Object)
		if err != nil {
			t.Errorf("%s: %v", ref.Object, err)
			continue
		}
		want := contents(ref.Number)
		if got := readPoint(t, reader, p); got != len(want) {
			t.Errorf("%s: %d files of %d", ref.Object, got, len(want))
		}
	}
}

func readPoint(t *testing.T, r *vault.Reader, p vault.Point) (files int) {
	t.Helper()
	want := contents(p.Envelope.Number)
	root, err := r.Root(t.Context(), p.Envelope.Root)
	if err != nil {
		t.Error(err)
		return 0
	}
	err = r.ReadDir(t.Context(), *root.Tree, nil, func(e vault.Entry) error {
		files++
		rest := want[string(e.Name)]
		err := r.Chunks(t.Context(), e.Content, func(d vault.Digest, n int64) error {
			data, err := r.Chunk(t.Context(), d)
			if err == nil && !bytes.HasPrefix(rest, data) {
				err = fmt.Errorf("file %s differs", e.Name)
			}
			rest = rest[min(len(data), len(rest)):]
			return err
		})
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("file %s is %d bytes short", e.Name, len(rest))
		}
		return err
	})
	if err != nil {
		t.Errorf("%s: %v", p.Object, err)
	}
	return files
}
