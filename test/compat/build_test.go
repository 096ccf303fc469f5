//go:build unix

package compat

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/diskblob"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

func goldenNow() time.Time { return time.Date(2026, 3, 31, 18, 0, 0, 123456789, time.UTC) }

func grant(a access.Action) access.Grant {
	return access.Issue(a, "golden", "golden maker", "event-1", goldenNow())
}

// builder makes the golden vault.
type builder struct {
	ctx     context.Context
	v       *vault.Vault
	now     time.Time
	sources [2]vault.SourceRecord
}

// makeGolden replaces the golden vault, its keys and its listings.
func makeGolden(folder string) error {
	ctx := context.Background()
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	driver, err := diskblob.Create(filepath.Join(folder, "store"), diskblob.Options{})
	if err != nil {
		return err
	}
	id := vault.NewID()
	platform, kit := keys.NewHeld(keys.FileProvider, id), keys.NewHeld(keys.RecoveryProvider, id)
	b := &builder{ctx: ctx, now: goldenNow()}
	b.v, err = vault.Create(ctx, grant(access.VaultCreate), blob.New(driver, blob.Options{}), map[string]vault.KEK{"platform": platform, "recovery": kit},
		vault.CreateOptions{ID: id, Name: "golden", Kind: vault.Unlocked, Attachments: map[string][]byte{"audit-log": make([]byte, 32)},
			Options: vault.Options{Server: vault.NewID(), Host: "golden", Now: func() time.Time { return b.now }}})
	if err != nil {
		return err
	}
	const warning = "# A key of the test vault beside it. It protects nothing.\n\n"
	for name, k := range map[string]*keys.Held{platformKey: platform, recoveryKit: kit} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(warning+k.Line()+"\n"), 0o644); err != nil {
			return err
		}
	}
	if err := b.fill(); err != nil {
		return err
	}
	if err := b.listings(folder); err != nil {
		return err
	}
	return driver.Close()
}

func (b *builder) fill() error {
	for i, name := range []string{"books", "payroll"} {
		b.sources[i] = vault.SourceRecord{ID: vault.NewSourceID(b.now.Add(time.Duration(i) * time.Second)), Name: name, Kind: "files",
			Paths: [][]byte{[]byte("/srv/" + name)}, Policy: "sox", PolicyVersion: 1, Created: vault.StampOf(b.now), State: "active", Host: "golden",
			Classes: []vault.ClassPath{{Class: "ledger", Path: "ledger/**"}}}
	}
	if err := b.settings(); err != nil {
		return err
	}
	first, err := b.point(0, b.firstTree, vault.Draft{Complete: true, Term: vault.Fixed})
	if err != nil {
		return err
	}
	if _, err := b.point(0, b.secondTree, vault.Draft{Complete: true, Term: vault.OpenEnded}); err != nil {
		return err
	}
	d := vault.Draft{Term: vault.Fixed}
	d.Body.Problems, d.Body.ProblemCount = goldenProblems(), 2
	d.Body.Fuzzy, d.Body.FuzzyCount = [][]byte{[]byte("journal")}, 1
	if _, err := b.point(1, b.brokenTree, d); err != nil {
		return err
	}
	return b.later(first)
}

func goldenProblems() []vault.PointProblem {
	return []vault.PointProblem{{Path: []byte("secret"), Op: "open", Message: "permission denied"}, {Path: []byte("x\xff"), Op: "read", Message: "input/output error"}}
}

// settings records what stands in a vault before its first point.
func (b *builder) settings() error {
	document, err := json.Marshal(policy.SOX())
	if err != nil {
		return err
	}
	for _, f := range []struct {
		kind  string
		value any
	}{
		{vault.FactSource, b.sources[0]},
		{vault.FactSource, b.sources[1]},
		{vault.FactPolicy, vault.PolicyRecord{Name: "sox", Version: 1, Document: document}},
		{vault.FactClass, vault.PolicyRecord{Name: "uk-us", Version: 1, Document: []byte(`{"id":"uk-us","classes":[]}`)}},
		{vault.FactVault, vault.SettingsRecord{State: "unlocked", Minimum: "P7D", Maximum: "P12Y", SoftDeleteDays: 14, Name: "golden"}},
	} {
		if err := b.record(f.kind, f.value); err != nil {
			return err
		}
	}
	return nil
}

// later records facts about the first point, two of them in one record.
func (b *builder) later(p vault.Point) error {
	chosen := retention.Selector{Points: []string{p.Envelope.ID.String()}}
	h := hold.Hold{ID: "hold-1", Matter: "Golden v. Test", PlacedBy: "counsel", PlacedAt: b.now, Reason: "discovery",
		Scope: hold.Scope{Sources: []string{p.Envelope.Source.String()}}}
	facts := []retention.Fact{
		{Kind: retention.HoldPlaced, At: b.now, By: "counsel", Hold: &h},
		{Kind: retention.LevelChanged, At: b.now, Selector: chosen, Level: retention.VerifiedLevel},
	}
	var out []vault.Fact
	for _, x := range facts {
		f, err := vault.NewFact(vault.FactPoint, x)
		if err != nil {
			return err
		}
		out = append(out, f)
	}
	if _, err := b.v.RecordFacts(b.ctx, grant(access.VaultVerify), out...); err != nil {
		return err
	}
	raised := retention.Until{Time: time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)}
	return b.record(vault.FactPoint, retention.Fact{Kind: retention.RetainRaised, At: b.now, By: "controller", Why: "audit", Selector: chosen, Until: raised})
}

// actionFor is an action whose grant may record facts of the kind.
func actionFor(kind string) access.Action {
	return map[string]access.Action{vault.FactSource: access.SourceCreate, vault.FactPolicy: access.PolicyCreate, vault.FactClass: access.PolicyCreate,
		vault.FactVault: access.VaultCreate, vault.FactPoint: access.VaultVerify}[kind]
}

func (b *builder) record(kind string, value any) error {
	f, err := vault.NewFact(kind, value)
	if err == nil {
		_, err = b.v.RecordFacts(b.ctx, grant(actionFor(kind)), f)
	}
	return err
}

// point stores a tree and commits it. The first source's points are locked, in the store's own terms.
func (b *builder) point(source int, tree func(*folder), d vault.Draft) (vault.Point, error) {
	b.now = b.now.Add(time.Hour)
	until := b.now.AddDate(7, 0, 0)
	opts := vault.SessionOptions{}
	if source == 0 {
		opts.Lock, d.LockUntil = blob.Governance, vault.StampOf(until.AddDate(1, 0, 0))
	} else {
		d.Trial = true
	}
	s, err := b.v.OpenSession(b.ctx, grant(access.BackupRun), opts)
	if err != nil {
		return vault.Point{}, err
	}
	w := &writer{ctx: b.ctx, s: s, hints: &vault.Hints{}}
	root := w.folder("", 0o755)
	tree(root)
	e := root.finish()
	if w.err == nil {
		d.Root, w.err = s.PutRoot(b.ctx, e)
	}
	if w.err != nil {
		s.Abort()
		return vault.Point{}, w.err
	}
	stamp := vault.StampOf(until)
	d.Source, d.Started, d.Received, d.RetainUntil = b.sources[source].ID, vault.StampOf(b.now.Add(-time.Minute)), vault.StampOf(b.now), &stamp
	d.Size, d.Entries, d.Hints = w.size, w.entries, w.hints
	d.Body.Source, d.Body.Host, d.Body.Version = b.sources[source], "golden", "golden"
	d.Body.Statistics = map[string]int64{"entries": w.entries}
	d.Body.Retention = retention.PointFacts{Source: d.Source.String(), ReceivedAt: b.now, Complete: d.Complete, Trigger: retention.Scheduled,
		Tags: []retention.Tag{{Name: policy.Daily, Period: "2026-03-31"}}, Computed: retention.Until{Time: until}, Policy: "sox", PolicyVersion: 1}
	return s.Commit(b.ctx, grant(access.BackupRun), d)
}

// firstTree has one of everything.
func (b *builder) firstTree(f *folder) {
	long := ledger(6<<20, 1)
	f.file("blocks", 0o640, long, 16384)
	f.file("content", 0o644, words(1536<<10, 2), vault.CutAuto)
	f.add(vault.Entry{Name: []byte("device-block"), Kind: vault.BlockDevice, Mode: 0o660, Major: 8, Minor: 1})
	f.add(vault.Entry{Name: []byte("device-char"), Kind: vault.CharDevice, Mode: 0o666, Major: 1, Minor: 3})
	f.file("empty", 0o600, nil, vault.CutAuto)
	f.dir("folder", 0o711, func(f *folder) {
		f.dir("empty", 0o1777, func(*folder) {})
		f.linked("hard", []byte("linked twice"), 1)
		f.file("setuid", 0o4755, []byte("#!/bin/sh\n"), vault.CutAuto)
	})
	f.linked("hard", []byte("linked twice"), 1)
	f.dir("many", 0o755, func(f *folder) {
		for i := range 3000 {
			f.file(fmt.Sprintf("r-%04d", i), 0o644, fmt.Appendf(nil, "record of kind %d\n", i%40), vault.CutAuto)
		}
	})
	f.file("name\nof two lines", 0o644, []byte("newline"), vault.CutAuto)
	f.add(vault.Entry{Name: []byte("pipe"), Kind: vault.Fifo, Mode: 0o600})
	f.add(vault.Entry{Name: []byte("socket"), Kind: vault.Socket, Mode: 0o755})
	f.sparse("sparse", 4<<20, []vault.Extent{{Offset: 4096, Length: 4096}, {Offset: 2 << 20, Length: 8192}}, words(12288, 3))
	f.sparse("sparse-empty", 1<<20, nil, nil)
	f.add(vault.Entry{Name: []byte("symlink"), Kind: vault.Symlink, Mode: 0o777, Target: []byte("folder/na\xefve")})
	f.attributes("with-xattr", []vault.Xattr{{Name: []byte("user.empty"), Value: []byte{}}, {Name: []byte("user.origin"), Value: []byte("golden\x00value")}})
	f.file("\xff not UTF-8", 0o644, []byte("odd"), vault.CutAuto)
}

// secondTree shares the large files with the first; one block of them has changed.
func (b *builder) secondTree(f *folder) {
	long := ledger(6<<20, 1)
	copy(long[3<<20:], "changed in the middle of the file")
	f.file("blocks", 0o640, long, 16384)
	f.file("content", 0o644, words(1536<<10, 2), vault.CutAuto)
	f.dir("folder", 0o711, func(f *folder) {
		f.dir("empty", 0o1777, func(*folder) {})
		f.linked("hard", []byte("linked twice"), 1)
		f.file("setuid", 0o4755, []byte("#!/bin/sh\n"), vault.CutAuto)
	})
	f.linked("hard", []byte("linked twice"), 1)
	f.file("new", 0o644, []byte("was not there before"), vault.CutAuto)
	f.sparse("sparse", 4<<20, []vault.Extent{{Offset: 4096, Length: 4096}, {Offset: 2 << 20, Length: 8192}}, words(12288, 3))
}

func (b *builder) brokenTree(f *folder) {
	f.mark("journal", []byte("still being written"))
	f.file("pay", 0o600, []byte("salaries"), vault.CutAuto)
}

func (b *builder) listings(folder string) error {
	refs, err := b.v.ListPoints(b.ctx)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		text, err := engineListing(b.ctx, b.v, ref.Object)
		if err != nil {
			return err
		}
		name := filepath.Join(folder, listingName(strings.TrimPrefix(ref.Object, "points/")))
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writer stores one tree; the first error is kept and stops the rest.
type writer struct {
	ctx     context.Context
	s       *vault.Session
	hints   *vault.Hints
	size    int64
	entries int64
	err     error
}

// folder collects the entries of one directory.
type folder struct {
	w       *writer
	name    string
	mode    uint32
	entries []vault.Entry
}

func (w *writer) folder(name string, mode uint32) *folder {
	return &folder{w: w, name: name, mode: mode}
}

// finish stores the directory and gives its entry.
func (f *folder) finish() vault.Entry {
	w := f.w
	slices.SortFunc(f.entries, func(a, b vault.Entry) int { return bytes.Compare(a.Name, b.Name) })
	dir := w.s.NewDirectory()
	for _, e := range f.entries {
		if w.err == nil {
			w.err = dir.Add(w.ctx, e)
		}
	}
	digest := vault.Digest{}
	if w.err == nil {
		digest, w.err = dir.Finish(w.ctx)
	}
	return stamped(vault.Entry{Name: []byte(f.name), Kind: vault.Dir, Mode: f.mode, Tree: &digest})
}

// stamped gives an entry its owner and a time that follows from its name, before 1970 for some.
func stamped(e vault.Entry) vault.Entry {
	h := int64(0)
	for _, c := range e.Name {
		h = h*31 + int64(c)
	}
	sec := 1700000000 + h%100000000
	if h%7 == 0 {
		sec = -h % 100000000
	}
	e.MTime = vault.Stamp{Sec: sec, Nsec: uint32(h*7919%1000000000+1000000000) % 1000000000}
	e.UID, e.GID, e.User, e.Group = 1000, 100, "clerk", "users"
	return e
}

func (f *folder) add(e vault.Entry) {
	f.w.entries++
	f.w.size += e.Size
	f.entries = append(f.entries, stamped(e))
}

func (f *folder) dir(name string, mode uint32, fill func(*folder)) {
	below := f.w.folder(name, mode)
	fill(below)
	f.add(below.finish())
}

func (f *folder) content(data []byte, cut vault.Cut) *vault.Content {
	if f.w.err != nil {
		return nil
	}
	c, _, err := f.w.s.StoreContent(f.w.ctx, bytes.NewReader(data), int64(len(data)), cut)
	f.w.err = err
	return c
}

func (f *folder) regular(name string, mode uint32, data []byte, cut vault.Cut) vault.Entry {
	f.w.hints.Add(name, vault.StampOf(goldenNow()), uint64(f.w.entries))
	return vault.Entry{Name: []byte(name), Kind: vault.Regular, Mode: mode, Size: int64(len(data)), Content: f.content(data, cut)}
}

func (f *folder) file(name string, mode uint32, data []byte, cut vault.Cut) {
	f.add(f.regular(name, mode, data, cut))
}

func (f *folder) linked(name string, data []byte, group byte) {
	e := f.regular(name, 0o644, data, vault.CutAuto)
	e.LinkGroup = bytes.Repeat([]byte{group}, 16)
	f.add(e)
}

func (f *folder) sparse(name string, size int64, extents []vault.Extent, data []byte) {
	e := f.regular(name, 0o644, data, vault.CutAuto)
	e.Size, e.Sparse, e.Extents = size, true, extents
	f.add(e)
}

func (f *folder) attributes(name string, xattrs []vault.Xattr) {
	e := f.regular(name, 0o644, []byte("attributes"), vault.CutAuto)
	e.Xattrs, e.Flags = xattrs, 0x40
	f.add(e)
}

// mark adds a file that changed while it was read.
func (f *folder) mark(name string, data []byte) {
	e := f.regular(name, 0o644, data, vault.CutAuto)
	e.Fuzzy = true
	f.add(e)
}

// ledger gives text in which every block is new and almost all of it is old.
func ledger(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, seed))
	filler := strings.Repeat("debit 4000 credit 1200 approved by the controller\n", 300)
	var out bytes.Buffer
	for out.Len() < n {
		fmt.Fprintf(&out, "page %016x\n%s", r.Uint64(), filler)
	}
	return out.Bytes()[:n]
}

// words gives text of few words in no order, so that cuts by content occur.
func words(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, seed))
	list := []string{"invoice ", "ledger ", "journal ", "balance sheet "}
	var out bytes.Buffer
	for out.Len() < n {
		out.WriteString(list[r.IntN(len(list))])
	}
	return out.Bytes()[:n]
}
