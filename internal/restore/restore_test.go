//go:build linux

package restore_test

import (
	"context"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/restore"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/source/files"
	"github.com/counterfoil/counterfoil/internal/vault"
)

var start = time.Date(2026, 3, 31, 18, 0, 0, 0, time.UTC)

func grant(a access.Action) access.Grant { return access.Issue(a, "test", "tester", "event", start) }

// fixture is a vault with points of directories.
type fixture struct {
	t      testing.TB
	mem    *memblob.Driver
	bucket *blob.Bucket
	kek    *keys.Held
	server vault.ID
	cut    vault.Cut
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	mem := memblob.New(func() time.Time { return start })
	f := newFixtureOn(t, blob.New(mem, blob.Options{}))
	f.mem = mem
	return f
}

func newFixtureOn(t testing.TB, bucket *blob.Bucket) *fixture {
	t.Helper()
	id := vault.NewID()
	f := &fixture{t: t, bucket: bucket, server: vault.NewID(), kek: keys.NewHeld(keys.FileProvider, id)}
	_, err := vault.Create(t.Context(), grant(access.VaultCreate), f.bucket, map[string]vault.KEK{"platform": f.kek},
		vault.CreateOptions{Options: f.options(), ID: id, Name: "ledgers", Kind: vault.Trial})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) options() vault.Options {
	return vault.Options{Server: f.server, Host: "test", Now: func() time.Time { return start }}
}

func (f *fixture) open() *vault.Vault {
	f.t.Helper()
	v, err := vault.Open(f.t.Context(), f.bucket, f.kek, f.options())
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

func (f *fixture) reader() *vault.Reader {
	f.t.Helper()
	r, err := f.open().NewReader(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// damaged gives the same vault with bytes of an object flipped.
func (f *fixture) damaged(object string, at ...int64) *fixture {
	f.t.Helper()
	other := *f
	other.mem = f.mem.Clone()
	other.bucket = blob.New(other.mem, blob.Options{})
	for _, off := range at {
		if !other.mem.Corrupt(object, off) {
			f.t.Fatalf("cannot corrupt %s at %d", object, off)
		}
	}
	return &other
}

// packs lists the packs of one kind, "data" or "tree".
func (f *fixture) packs(kind string) []blob.Info {
	f.t.Helper()
	var out []blob.Info
	err := f.bucket.List(f.t.Context(), "packs/"+kind+"/", func(i blob.Info) error { out = append(out, i); return nil })
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// backup commits a point of the paths given.
func (f *fixture) backup(paths ...string) vault.Point {
	f.t.Helper()
	r, err := files.New(files.Config{Paths: paths})
	if err != nil {
		f.t.Fatal(err)
	}
	var names [][]byte
	for _, p := range paths {
		names = append(names, []byte(p))
	}
	return f.commit(names, func(s *vault.Session) (vault.Digest, int64, int64) {
		k := &keeper{t: f.t, s: s, cut: f.cut}
		if err := r.Walk(f.t.Context(), k); err != nil {
			f.t.Fatal(err)
		}
		return k.root, k.size, k.entries
	})
}

func (f *fixture) commit(paths [][]byte, fill func(*vault.Session) (root vault.Digest, size, entries int64)) vault.Point {
	f.t.Helper()
	ctx := f.t.Context()
	s, err := f.open().OpenSession(ctx, grant(access.BackupRun), vault.SessionOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	defer s.Abort()
	root, size, entries := fill(s)
	source := vault.NewSourceID(start)
	p, err := s.Commit(ctx, grant(access.BackupRun), vault.Draft{Source: source, Root: root, Received: vault.StampOf(start),
		Started: vault.StampOf(start), Term: vault.UnlimitedTerm, Complete: true, Trial: true, Size: size, Entries: entries,
		Body: vault.Body{Source: vault.SourceRecord{ID: source, Name: "books", Kind: "files", Paths: paths}}})
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// storeFile stores a file's content and gives its entry.
func storeFile(t testing.TB, s *vault.Session, name string, data io.Reader, size int64, cut vault.Cut) vault.Entry {
	t.Helper()
	c, _, err := s.StoreContent(t.Context(), data, size, cut)
	must(t, err)
	return vault.Entry{Name: []byte(name), Kind: vault.Regular, Mode: 0o644, MTime: vault.StampOf(start), Size: size, Content: c}
}

// finishRoot makes a folder the root of a point.
func finishRoot(t testing.TB, s *vault.Session, dir *vault.Directory) vault.Digest {
	t.Helper()
	d, err := dir.Finish(t.Context())
	must(t, err)
	root, err := s.PutRoot(t.Context(), vault.Entry{Kind: vault.Dir, Mode: 0o755, Tree: &d})
	must(t, err)
	return root
}

// keeper stores what a walk reports in a session.
type keeper struct {
	t             testing.TB
	s             *vault.Session
	cut           vault.Cut
	open          []openDir
	root          vault.Digest
	size, entries int64
}

type openDir struct {
	entry vault.Entry
	dir   *vault.Directory
}

func (k *keeper) EnterDir(_ string, e vault.Entry, _ source.Hint) error {
	k.open = append(k.open, openDir{e, k.s.NewDirectory()})
	k.entries++
	return nil
}

func (k *keeper) Entry(name string, e vault.Entry, _ source.Hint, open func() (source.File, error)) error {
	if open != nil {
		file, err := open()
		if err != nil {
			return err
		}
		defer file.Close()
		if e, _, _, err = file.Refresh(); err != nil {
			return err
		}
		e.Name = []byte(path.Base(name))
		if e.Content, _, err = k.s.StoreContent(k.t.Context(), newContent(file), e.Size, k.cut); err != nil {
			return err
		}
		k.size += e.Size
	}
	k.entries++
	return k.open[len(k.open)-1].dir.Add(k.t.Context(), e)
}

// newContent reads the extents of a file one after the other.
func newContent(file source.File) io.Reader {
	extents, whole := file.Extents()
	if whole {
		return io.NewSectionReader(file, 0, file.Size())
	}
	var parts []io.Reader
	for _, x := range extents {
		parts = append(parts, io.NewSectionReader(file, x.Offset, x.Length))
	}
	return io.MultiReader(parts...)
}

func (k *keeper) LeaveDir(string) error {
	last := k.open[len(k.open)-1]
	k.open = k.open[:len(k.open)-1]
	d, err := last.dir.Finish(k.t.Context())
	if err != nil {
		return err
	}
	last.entry.Tree = &d
	if len(k.open) > 0 {
		return k.open[len(k.open)-1].dir.Add(k.t.Context(), last.entry)
	}
	k.root, err = k.s.PutRoot(k.t.Context(), last.entry)
	return err
}

func (k *keeper) Problem(p source.Problem) error { return p.Err }

func (k *keeper) Excluded(string, string) error { return nil }

func paths(list ...string) [][]byte {
	var out [][]byte
	for _, p := range list {
		out = append(out, []byte(p))
	}
	return out
}

// run restores and fails the test on an error that ends the run.
func (f *fixture) run(p vault.Point, opts restore.Options) restore.Report {
	f.t.Helper()
	report, err := f.try(f.t.Context(), p, opts)
	if err != nil {
		f.t.Fatal(err)
	}
	return report
}

func (f *fixture) try(ctx context.Context, p vault.Point, opts restore.Options) (restore.Report, error) {
	f.t.Helper()
	return restore.Run(ctx, grant(access.RestoreRun), f.reader(), p, opts, nil)
}

// whole restores and wants no problem.
func (f *fixture) whole(p vault.Point, opts restore.Options) restore.Report {
	f.t.Helper()
	report := f.run(p, opts)
	for _, problem := range report.Problems {
		f.t.Errorf("problem: %s %q: %v", problem.Op, problem.Path, problem.Err)
	}
	if report.Damaged != 0 || report.Err() != nil || opts.Verify != report.Verified {
		f.t.Fatalf("report %+v", report)
	}
	return report
}

func write(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// content reads all regular files of a tree.
func content(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		out[strings.TrimPrefix(name, dir+"/")] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// noLeftovers wants no unfinished file anywhere in dir.
func noLeftovers(t testing.TB, dir string) {
	t.Helper()
	for name := range content(t, dir) {
		if strings.HasPrefix(filepath.Base(name), ".cf-") {
			t.Errorf("unfinished file %q is left", name)
		}
	}
}
