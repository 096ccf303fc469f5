package vault_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/vault"
)

var start = time.Date(2026, 3, 31, 18, 0, 0, 0, time.UTC)

func grant(a access.Action) access.Grant { return access.Issue(a, "test", "tester", "event", start) }

// fixture is a vault in memory with one source.
type fixture struct {
	t      testing.TB
	driver *memblob.Driver
	bucket *blob.Bucket
	kek    *keys.Held
	kit    *keys.Held
	server vault.ID
	source vault.SourceID
	now    time.Time
	// lock is the mode in which sessions lock; a vault without is a trial.
	lock    blob.Mode
	exclude func(string) bool
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return newFixtureOf(t, blob.NoLock)
}

func newFixtureOf(t testing.TB, lock blob.Mode) *fixture {
	t.Helper()
	f := &fixture{t: t, now: start, server: vault.NewID(), source: vault.NewSourceID(start), lock: lock}
	f.driver = memblob.New(func() time.Time { return f.now })
	f.bucket = blob.New(f.driver, blob.Options{})
	id := vault.NewID()
	f.kek, f.kit = keys.NewHeld(keys.FileProvider, id), keys.NewHeld(keys.RecoveryProvider, id)
	if err := f.create(); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) create() error {
	kind := vault.Trial
	if f.lock != blob.NoLock {
		kind = vault.Unlocked
	}
	_, err := vault.Create(f.t.Context(), grant(access.VaultCreate), f.bucket, map[string]vault.KEK{"platform": f.kek, "kit": f.kit},
		vault.CreateOptions{Options: f.options(), ID: f.kek.Vault(), Name: "ledgers", Kind: kind})
	return err
}

func (f *fixture) options() vault.Options {
	return vault.Options{Server: f.server, Host: "test", Now: func() time.Time { return f.now }, Exclude: f.exclude}
}

func (f *fixture) open() *vault.Vault {
	f.t.Helper()
	v, err := vault.Open(f.t.Context(), f.bucket, f.kek, f.options())
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

type file struct {
	name string
	data []byte
}

// backup stores files in one folder and commits a point.
func (f *fixture) backup(v *vault.Vault, files []file) (vault.Point, error) {
	f.t.Helper()
	ctx := f.t.Context()
	s, err := v.OpenSession(ctx, grant(access.BackupRun), vault.SessionOptions{Lock: f.lock})
	if err != nil {
		return vault.Point{}, err
	}
	return f.fill(ctx, s, files)
}

func (f *fixture) fill(ctx context.Context, s *vault.Session, files []file) (vault.Point, error) {
	d, err := f.draft(ctx, s, files)
	if err != nil {
		s.Abort()
		return vault.Point{}, err
	}
	return s.Commit(ctx, grant(access.BackupRun), d)
}

// draft stores the files and gives what is to be committed.
func (f *fixture) draft(ctx context.Context, s *vault.Session, files []file) (vault.Draft, error) {
	dir := s.NewDirectory()
	size := int64(0)
	for _, x := range files {
		c, n, err := s.StoreContent(ctx, bytes.NewReader(x.data), int64(len(x.data)), vault.CutAuto)
		if err != nil {
			return vault.Draft{}, err
		}
		size += n
		if err := dir.Add(ctx, vault.Entry{Name: []byte(x.name), Kind: vault.Regular, Mode: 0o644, Size: n, Content: c}); err != nil {
			return vault.Draft{}, err
		}
	}
	d, err := dir.Finish(ctx)
	if err != nil {
		return vault.Draft{}, err
	}
	root, err := s.PutRoot(ctx, vault.Entry{Kind: vault.Dir, Mode: 0o755, Tree: &d})
	if err != nil {
		return vault.Draft{}, err
	}
	until := vault.StampOf(f.now.AddDate(7, 0, 0))
	f.now = f.now.Add(time.Hour)
	hints := &vault.Hints{}
	hints.Add("a", vault.StampOf(start), 7)
	draft := vault.Draft{Source: f.source, Root: root, Received: vault.StampOf(f.now), Started: vault.StampOf(f.now), Term: vault.Fixed,
		RetainUntil: &until, Complete: true, Trial: f.lock == blob.NoLock, Size: size, Entries: int64(len(files)) + 1, Hints: hints,
		Body: vault.Body{Source: vault.SourceRecord{ID: f.source, Name: "books", Kind: "files"}}}
	if f.lock != blob.NoLock {
		draft.LockUntil = until
	}
	return draft, nil
}

// read gives all files of a point; what is damaged is left out and counted.
func (f *fixture) read(v *vault.Vault, p vault.Point) (files map[string][]byte, broken int) {
	f.t.Helper()
	ctx := f.t.Context()
	r, err := v.NewReader(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	files = map[string][]byte{}
	root, err := r.Root(ctx, p.Envelope.Root)
	if errkind.Is(err, errkind.Damaged) {
		return files, 1
	}
	if err != nil {
		f.t.Fatal(err)
	}
	err = r.ReadDir(ctx, *root.Tree, func(vault.Digest, error) error { broken++; return nil }, func(e vault.Entry) error {
		var data []byte
		err := r.Chunks(ctx, e.Content, func(d vault.Digest, n int64) error {
			c, err := r.Chunk(ctx, d)
			data = append(data, c...)
			return err
		})
		if errkind.Is(err, errkind.Damaged) {
			broken++
			return nil
		}
		files[string(e.Name)] = data
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return files, broken
}

func someFiles(seed uint64) []file {
	r := rand.New(rand.NewPCG(seed, 1))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	files := []file{{"a-empty", nil}, {"b-tiny", []byte("x")}, {"c-zeros", make([]byte, 3<<20)}, {"d-random", random(9 << 20)}}
	for i := range 300 {
		files = append(files, file{fmt.Sprintf("e-%03d", i), []byte(strings.Repeat(fmt.Sprintf("ledger %d ", i), i*3+1))})
	}
	return files
}

func check(t testing.TB, files []file, got map[string][]byte) {
	t.Helper()
	if len(got) != len(files) {
		t.Errorf("%d files came back of %d", len(got), len(files))
	}
	for _, x := range files {
		if !bytes.Equal(x.data, got[x.name]) {
			t.Errorf("file %s differs", x.name)
		}
	}
}

func TestVault_PointReadsBackAfterReopening(t *testing.T) {
	f := newFixture(t)
	files := someFiles(1)
	p, err := f.backup(f.open(), files)
	if err != nil {
		t.Fatal(err)
	}
	v := f.open()
	again, err := v.ReadPoint(t.Context(), p.Object)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.Envelope, again.Envelope); diff != "" {
		t.Error(diff)
	}
	got, broken := f.read(v, again)
	check(t, files, got)
	if broken != 0 {
		t.Errorf("%d broken", broken)
	}
	report, err := v.Verify(t.Context(), vault.Full, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK() || len(report.Notes) != 0 {
		t.Errorf("problems %+v notes %v", report.Problems, report.Notes)
	}
	h, err := v.ReadHints(t.Context(), f.source, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, inode, ok := h.Lookup("a"); !ok || inode != 7 {
		t.Errorf("hint %d %v", inode, ok)
	}
}

func TestVault_SecondBackupStoresOnlyWhatChanged(t *testing.T) {
	f := newFixture(t)
	files := someFiles(2)
	if _, err := f.backup(f.open(), files); err != nil {
		t.Fatal(err)
	}
	_, before, err := f.bucket.Count(t.Context(), "packs/")
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Clone(files[3].data)
	files[3].data = append(data[:4<<20:4<<20], append([]byte("inserted"), data[4<<20:]...)...)
	p, err := f.backup(f.open(), files)
	if err != nil {
		t.Fatal(err)
	}
	_, after, err := f.bucket.Count(t.Context(), "packs/")
	if err != nil {
		t.Fatal(err)
	}
	if grown := after - before; grown > 7<<20 {
		t.Errorf("an insertion into 9 MiB cost %d bytes", grown)
	}
	if p.Envelope.Number != 2 || len(p.Envelope.Previous) != 32 {
		t.Errorf("number %d previous %x", p.Envelope.Number, p.Envelope.Previous)
	}
	got, _ := f.read(f.open(), p)
	check(t, files, got)
}

func TestVault_RecoveryKitOpensAndStrangerDoesNot(t *testing.T) {
	f := newFixture(t)
	kit, err := keys.Parse("# kit\n\n" + f.kit.Line() + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Open(t.Context(), f.bucket, kit, f.options()); err != nil {
		t.Error(err)
	}
	_, err = vault.Open(t.Context(), f.bucket, keys.NewHeld(keys.FileProvider, f.kek.Vault()), f.options())
	if !errkind.Is(err, errkind.WrongKey) {
		t.Errorf("stranger's key: %v", err)
	}
}

func TestVault_OtherServerMayReadNotWrite(t *testing.T) {
	f := newFixture(t)
	if _, err := f.backup(f.open(), someFiles(3)[:3]); err != nil {
		t.Fatal(err)
	}
	other := *f
	other.server = vault.NewID()
	v := other.open()
	if _, err := other.backup(v, someFiles(3)[:3]); !errkind.Is(err, errkind.NotAllowed) {
		t.Fatalf("write by a server that does not own the vault: %v", err)
	}
	if err := v.TakeOwnership(t.Context(), grant(access.VaultRecover)); err != nil {
		t.Fatal(err)
	}
	if _, err := other.backup(v, someFiles(3)[:3]); err != nil {
		t.Fatal(err)
	}
	if _, err := f.backup(f.open(), someFiles(3)[:3]); !errkind.Is(err, errkind.NotAllowed) {
		t.Errorf("write by the server that lost the vault: %v", err)
	}
}

func TestVault_NoGrantNoChange(t *testing.T) {
	f := newFixture(t)
	v := f.open()
	if _, err := v.OpenSession(t.Context(), access.Grant{}, vault.SessionOptions{}); !errkind.Is(err, errkind.NotAllowed) {
		t.Errorf("session without a grant: %v", err)
	}
	if _, err := v.RecordFacts(t.Context(), access.Grant{}, vault.Fact{Kind: vault.FactSource}); !errkind.Is(err, errkind.NotAllowed) {
		t.Errorf("record without a grant: %v", err)
	}
}
