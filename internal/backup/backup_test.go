package backup_test

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/backup"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/memblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/source"
	"github.com/counterfoil/counterfoil/internal/vault"
)

var noon = time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)

// fakeFile is a file of a fake source, and how it misbehaves.
type fakeFile struct {
	data    string
	ctime   time.Time
	inode   uint64
	openErr error
	readErr error
	// changes is how many of its next reads it changes during.
	changes int
}

// fake is a source in memory that counts which files are opened.
type fake struct {
	files map[string]*fakeFile // by slash path
	root  error
	// closed are folders whose names cannot be listed.
	closed map[string]bool
	// vanished are listed and gone a moment later.
	vanished []string

	mu     sync.Mutex // guards opened
	opened []string
}

func (f *fake) Walk(_ context.Context, v source.Visitor) error {
	if f.root != nil {
		return v.Problem(source.Problem{Op: "stat", Err: f.root})
	}
	for _, p := range f.vanished {
		if err := v.Problem(source.Problem{Path: p, Op: "vanished", Err: errors.New("no such file or directory")}); err != nil {
			return err
		}
	}
	return f.dir(v, "")
}

func (f *fake) dir(v source.Visitor, at string) error {
	name := path.Base(at)
	if at == "" {
		name = ""
	}
	if err := v.EnterDir(at, vault.Entry{Name: []byte(name), Kind: vault.Dir, Mode: 0o755}, source.Hint{}); err != nil {
		return err
	}
	if f.closed[at] {
		if err := v.Problem(source.Problem{Path: at, Op: "list", Err: errors.New("permission denied")}); err != nil {
			return err
		}
		return v.LeaveDir(at)
	}
	seen := map[string]bool{}
	var names []string
	for p := range f.files {
		rest, ok := strings.CutPrefix(p, at+"/")
		if at == "" {
			rest, ok = p, true
		}
		if first, _, _ := strings.Cut(rest, "/"); ok && !seen[first] {
			seen[first] = true
			names = append(names, first)
		}
	}
	sort.Strings(names)
	for _, n := range names {
		p := path.Join(at, n)
		x := f.files[p]
		if x == nil {
			if err := f.dir(v, p); err != nil {
				return err
			}
			continue
		}
		e, h := x.entry(n)
		if err := v.Entry(p, e, h, func() (source.File, error) { return f.open(p, n) }); err != nil {
			return err
		}
	}
	return v.LeaveDir(at)
}

func (x *fakeFile) entry(name string) (vault.Entry, source.Hint) {
	return vault.Entry{Name: []byte(name), Kind: vault.Regular, Mode: 0o644, Size: int64(len(x.data)), MTime: vault.StampOf(noon.AddDate(0, -1, 0))},
		source.Hint{CTime: vault.StampOf(x.ctime), Inode: x.inode}
}

func (f *fake) open(p, name string) (source.File, error) {
	f.mu.Lock()
	f.opened = append(f.opened, p)
	f.mu.Unlock()
	x := f.files[p]
	if x.openErr != nil {
		return nil, x.openErr
	}
	return &handle{x: x, name: name}, nil
}

type handle struct {
	x    *fakeFile
	name string
}

func (h *handle) Close() error                    { return nil }
func (h *handle) Extents() ([]vault.Extent, bool) { return nil, true }
func (h *handle) Size() int64                     { return int64(len(h.x.data)) }

func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	if h.x.readErr != nil {
		return 0, h.x.readErr
	}
	return strings.NewReader(h.x.data).ReadAt(p, off)
}

func (h *handle) Refresh() (vault.Entry, source.Hint, bool, error) {
	changed := h.x.changes > 0
	if changed {
		h.x.changes--
		h.x.data += "."
	}
	e, hint := h.x.entry(h.name)
	return e, hint, changed, nil
}

type rig struct {
	t      *testing.T
	driver *memblob.Driver
	v      *vault.Vault
	src    *fake
	reader source.Reader // what is backed up; the fake, unless use says otherwise
	record vault.SourceRecord
	now    time.Time
	bad    map[string]bool
	kek    *keys.Held
	server vault.ID
	adjust func(*backup.Request) // changes what is asked for
}

func grant(a access.Action) access.Grant { return access.Issue(a, "test", "tester", "event", noon) }

func newRig(t *testing.T) *rig {
	r := &rig{t: t, src: &fake{files: map[string]*fakeFile{}}, now: noon, bad: map[string]bool{}, server: vault.NewID()}
	r.record = vault.SourceRecord{ID: vault.NewSourceID(noon), Name: "books", Kind: "files", Created: vault.StampOf(noon.AddDate(-1, 0, 0))}
	r.reader = r.src
	r.driver = memblob.New(func() time.Time { return r.now })
	id := vault.NewID()
	r.kek = keys.NewHeld(keys.FileProvider, id)
	_, err := vault.Create(t.Context(), grant(access.VaultCreate), blob.New(r.driver, blob.Options{}), map[string]vault.KEK{"key": r.kek},
		vault.CreateOptions{Options: r.options(), ID: id, Name: "v", Kind: vault.Trial})
	if err != nil {
		t.Fatal(err)
	}
	r.reopen()
	for i := range 40 {
		r.src.files[fmt.Sprintf("d%d/f%02d", i%3, i)] = &fakeFile{data: strings.Repeat(fmt.Sprint(i), 50+i), ctime: noon.AddDate(0, -1, 0), inode: uint64(100 + i)}
	}
	return r
}

func (r *rig) options() vault.Options {
	return vault.Options{Server: r.server, Now: func() time.Time { return r.now }, Exclude: func(o string) bool { return r.bad[o] }}
}

func (r *rig) reopen() {
	r.t.Helper()
	v, err := vault.Open(r.t.Context(), blob.New(r.driver, blob.Options{}), r.kek, r.options())
	if err != nil {
		r.t.Fatal(err)
	}
	r.v = v
}

func (r *rig) run() (backup.Result, error) {
	r.t.Helper()
	r.now = r.now.Add(24 * time.Hour)
	r.src.opened = nil
	request := backup.Request{Vault: r.v, Reader: r.reader, Terms: backup.Terms{Source: r.record, Policy: policy.SOX(), Zone: time.UTC, Trial: true},
		Trigger: retention.Scheduled, Receipt: func() time.Time { return r.now }, HostNow: func() time.Time { return r.now }}
	if r.adjust != nil {
		r.adjust(&request)
	}
	return backup.Run(r.t.Context(), grant(access.BackupRun), request)
}

func (r *rig) must() backup.Result {
	r.t.Helper()
	res, err := r.run()
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// use backs up something else than the fake.
func (r *rig) use(reader source.Reader, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	r.reader = reader
}

// entry finds an entry of a point.
func (r *rig) entry(p vault.Point, path string) vault.Entry {
	r.t.Helper()
	reader, err := r.v.NewReader(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	e, err := reader.Find(r.t.Context(), p.Envelope.Root, strings.Split(path, "/"))
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

// contents reads every file of a point.
func (r *rig) contents(p vault.Point) map[string]string {
	r.t.Helper()
	reader, err := r.v.NewReader(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]string{}
	var walk func(d vault.Digest, at string)
	walk = func(d vault.Digest, at string) {
		err := reader.ReadDir(r.t.Context(), d, nil, func(e vault.Entry) error {
			p := path.Join(at, string(e.Name))
			if e.Kind == vault.Dir {
				walk(*e.Tree, p)
				return nil
			}
			var b strings.Builder
			err := reader.Chunks(r.t.Context(), e.Content, func(d vault.Digest, _ int64) error {
				c, err := reader.Chunk(r.t.Context(), d)
				b.Write(c)
				return err
			})
			out[p] = b.String()
			return err
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	root, err := reader.Root(r.t.Context(), p.Envelope.Root)
	if err != nil {
		r.t.Fatal(err)
	}
	walk(*root.Tree, "")
	return out
}

func (r *rig) want() map[string]string {
	out := map[string]string{}
	for p, x := range r.src.files {
		out[p] = x.data
	}
	return out
}

func TestRun_UnchangedFilesAreNotOpened(t *testing.T) {
	r := newRig(t)
	first := r.must()
	if diff := cmp.Diff(r.want(), r.contents(first.Point)); diff != "" {
		t.Error(diff)
	}
	r.src.files["d1/f04"].data = "changed, of another length"
	r.src.files["d1/f04"].ctime = r.now
	r.src.files["d1/new"] = &fakeFile{data: "new", ctime: r.now, inode: 7}
	second := r.must()
	sort.Strings(r.src.opened)
	if diff := cmp.Diff([]string{"d1/f04", "d1/new"}, r.src.opened); diff != "" {
		t.Errorf("opened: %s", diff)
	}
	if diff := cmp.Diff(r.want(), r.contents(second.Point)); diff != "" {
		t.Error(diff)
	}
	if second.Unchanged != 39 || !second.Point.Envelope.Complete {
		t.Errorf("unchanged %d, complete %v", second.Unchanged, second.Point.Envelope.Complete)
	}
}

func TestRun_ChangeThatKeepsSizeAndMTimeIsSeenByCTimeOrInode(t *testing.T) {
	for name, change := range map[string]func(*fakeFile){
		"ctime": func(x *fakeFile) { x.ctime = x.ctime.Add(time.Nanosecond) },
		"inode": func(x *fakeFile) { x.inode++ },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.must()
			x := r.src.files["d0/f00"]
			x.data = strings.Repeat("x", len(x.data))
			change(x)
			p := r.must()
			if got := r.contents(p.Point)["d0/f00"]; got != x.data {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestRun_FileThatChangedJustNowIsReadAgainNextTime(t *testing.T) {
	r := newRig(t)
	r.src.files["d0/f00"].ctime = r.now.Add(24*time.Hour - time.Second) // a second before the walk
	r.must()
	r.must()
	if diff := cmp.Diff([]string{"d0/f00"}, r.src.opened); diff != "" {
		t.Error(diff)
	}
}

func TestRun_UnreadableFilesMakeThePointIncomplete(t *testing.T) {
	r := newRig(t)
	r.src.files["d0/f00"].openErr = errors.New("permission denied")
	r.src.files["d2/f02"].readErr = errors.New("input/output error")
	p := r.must()
	body := p.Point.Body
	if p.Point.Envelope.Complete || body.ProblemCount != 2 {
		t.Fatalf("complete %v, problems %+v", p.Point.Envelope.Complete, body.Problems)
	}
	if string(body.Problems[0].Path) != "d0/f00" || body.Problems[0].Op != "open" || string(body.Problems[1].Path) != "d2/f02" || body.Problems[1].Op != "read" {
		t.Errorf("problems %+v", body.Problems)
	}
	want := r.want()
	delete(want, "d0/f00")
	delete(want, "d2/f02")
	if diff := cmp.Diff(want, r.contents(p.Point)); diff != "" {
		t.Error(diff)
	}
}

func TestRun_FileThatKeepsChangingIsFuzzy(t *testing.T) {
	r := newRig(t)
	r.src.files["d0/f00"].changes = 1 // settles on the second read
	r.src.files["d1/f01"].changes = 9
	p := r.must()
	if diff := cmp.Diff([][]byte{[]byte("d1/f01")}, p.Point.Body.Fuzzy); diff != "" || p.Point.Body.FuzzyCount != 1 {
		t.Errorf("fuzzy: %s", diff)
	}
	if got := r.contents(p.Point)["d0/f00"]; got != r.src.files["d0/f00"].data {
		t.Errorf("the settled file is %q", got)
	}
	r.src.files["d1/f01"].changes = 0
	r.must()
	if diff := cmp.Diff([]string{"d1/f01"}, r.src.opened); diff != "" {
		t.Errorf("a fuzzy file must be read again: %s", diff)
	}
}

func TestRun_MissingRootMakesNoPoint(t *testing.T) {
	r := newRig(t)
	r.must()
	r.src.root = errors.New("no such file or directory")
	if _, err := r.run(); !errkind.Is(err, errkind.Unavailable) {
		t.Errorf("error %v", err)
	}
	refs, err := r.v.ListPoints(t.Context())
	if err != nil || len(refs) != 1 {
		t.Errorf("%d points, %v", len(refs), err)
	}
}

func TestRun_DamagedPackIsHealedFromTheSource(t *testing.T) {
	r := newRig(t)
	first := r.must()
	infos := map[string]bool{}
	err := blob.New(r.driver, blob.Options{}).List(t.Context(), "packs/data/", func(i blob.Info) error { infos[i.Name] = true; return nil })
	if err != nil || len(infos) == 0 {
		t.Fatal(err, infos)
	}
	for name := range infos {
		r.driver.Corrupt(name, 200)
		r.bad[name] = true
	}
	r.reopen()
	second := r.must()
	if len(r.src.opened) != 40 {
		t.Errorf("%d files were read to heal 40", len(r.src.opened))
	}
	for _, p := range []vault.Point{first.Point, second.Point} {
		if diff := cmp.Diff(r.want(), r.contents(p)); diff != "" {
			t.Errorf("point %d: %s", p.Envelope.Number, diff)
		}
	}
}

func TestRun_StoreFailureMakesNoPoint(t *testing.T) {
	r := newRig(t)
	r.must()
	r.src.files["d0/f00"].data = strings.Repeat("different ", 1000)
	r.src.files["d0/f00"].ctime = r.now
	r.driver.SetFault(func(op memblob.Op, name string) memblob.Fault {
		if op == memblob.OpPut && strings.HasPrefix(name, "packs/") {
			return memblob.Fault{When: memblob.NotApplied, Err: errkind.New(errkind.NoSpace, "full")}
		}
		return memblob.Fault{}
	})
	if _, err := r.run(); !errkind.Is(err, errkind.NoSpace) {
		t.Errorf("error %v", err)
	}
	r.driver.SetFault(nil)
	p := r.must()
	if p.Point.Envelope.Number != 2 {
		t.Errorf("number %d after one failed run", p.Point.Envelope.Number)
	}
	if diff := cmp.Diff(r.want(), r.contents(p.Point)); diff != "" {
		t.Error(diff)
	}
}
