package vault_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// replace puts other bytes under a name, as a faulty store would.
func (f *fixture) replace(name string, data []byte) {
	f.t.Helper()
	f.driver.Drop(name)
	if _, err := f.driver.Put(f.t.Context(), name, data, blob.PutOptions{}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) data(name string) []byte {
	f.t.Helper()
	versions := f.driver.Versions(name)
	if len(versions) == 0 {
		f.t.Fatalf("no object %s", name)
	}
	return versions[len(versions)-1].Data
}

// two gives a vault with two points whose data packs are of one length and
// layout, and the objects of those packs.
func two(t *testing.T) (f *fixture, points []vault.Point, packs []string) {
	t.Helper()
	f = newFixture(t)
	seen := map[string]bool{}
	for i := range 2 {
		p, err := f.backup(f.open(), onlyNoise(i))
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, p)
		for _, name := range f.names("packs/data/") {
			if !seen[name] {
				packs = append(packs, name)
			}
			seen[name] = true
		}
	}
	if len(packs) != 2 || len(f.data(packs[0])) != len(f.data(packs[1])) {
		t.Fatalf("packs %q", packs)
	}
	return f, points, packs
}

func onlyNoise(i int) []file {
	return []file{{"noise", noise(uint64(i), 300<<10)}, {"small", noise(uint64(50+i), 3000)}}
}

func (f *fixture) report(v *vault.Vault) *vault.VerifyReport {
	f.t.Helper()
	r, err := v.Verify(f.t.Context(), vault.Full, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func problemOf(r *vault.VerifyReport, object string) *vault.VerifyProblem {
	for _, p := range r.Problems {
		if p.Object == object {
			return p
		}
	}
	return nil
}

func TestDamage_PackIsNamedAndHeals(t *testing.T) {
	tests := map[string]func(f *fixture, packs []string){
		"deleted":         func(f *fixture, packs []string) { f.driver.Drop(packs[0]) },
		"cut short":       func(f *fixture, packs []string) { f.driver.Truncate(packs[0], 1000) },
		"cut to nothing":  func(f *fixture, packs []string) { f.driver.Truncate(packs[0], 0) },
		"another's bytes": func(f *fixture, packs []string) { f.replace(packs[0], f.data(packs[1])) },
		"swapped": func(f *fixture, packs []string) {
			a, b := f.data(packs[0]), f.data(packs[1])
			f.replace(packs[0], b)
			f.replace(packs[1], a)
		},
		"zeros":              func(f *fixture, packs []string) { f.replace(packs[0], make([]byte, len(f.data(packs[0])))) },
		"bytes of a segment": func(f *fixture, packs []string) { f.replace(packs[0], f.data(f.names("index/seg-")[0])) },
		"a frame flipped":    func(f *fixture, packs []string) { f.driver.Corrupt(packs[0], 5000) },
		"longer":             func(f *fixture, packs []string) { f.replace(packs[0], append(bytes.Clone(f.data(packs[0])), 0)) },
	}
	for name, damage := range tests {
		for _, indexed := range []bool{true, false} {
			t.Run(name+pickText(indexed, "", ", without an index"), func(t *testing.T) {
				f, points, packs := two(t)
				damage(f, packs)
				if !indexed {
					for _, seg := range f.names("index/") {
						f.driver.Drop(seg)
					}
				}
				if name == "swapped" && !indexed { // then the directories tell where all is, under whatever name
					for i, p := range points {
						f.whole(f.open(), p.Object, onlyNoise(i))
					}
					return
				}
				harmed := []bool{name != "longer" || !indexed, name == "swapped"} // what is only longer is all there, for who knows where
				f.checkDamage(points, packs, harmed)
			})
		}
	}
}

// TestDamage_UnreadableTreePackIsNamedOnce has nothing to tell the kind of a
// pack but its name.
func TestDamage_UnreadableTreePackIsNamedOnce(t *testing.T) {
	f, points, _ := two(t)
	for _, seg := range f.names("index/") {
		f.driver.Drop(seg)
	}
	for _, name := range f.names("packs/tree/") {
		f.driver.Truncate(name, 50)
	}
	r := f.report(f.open())
	for _, p := range r.Problems {
		if !slices.Contains(f.names("packs/tree/"), p.Object) {
			t.Errorf("%+v", *p)
		}
	}
	if len(r.Problems) != 2 || len(points) != 2 {
		t.Errorf("%d problems", len(r.Problems))
	}
	f.heals(points, r.DamagedPacks())
}

func pickText(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

func (f *fixture) checkDamage(points []vault.Point, packs []string, harmed []bool) {
	t := f.t
	t.Helper()
	v := f.open()
	r := f.report(v)
	for i, p := range points {
		got, broken := f.read(v, p)
		want := map[string][]byte{}
		for _, x := range onlyNoise(i) {
			want[x.name] = x.data
		}
		for name, data := range got {
			if !bytes.Equal(data, want[name]) {
				t.Errorf("file %s of point %d came back wrong", name, i)
			}
		}
		lost := 0
		for _, x := range r.Problems {
			for _, a := range x.Files {
				if a.Point == p.Envelope.ID {
					lost++
				}
			}
		}
		if (broken > 0) != harmed[i] || lost != broken {
			t.Errorf("point %d: %d files cannot be read, %d lost by the report", i, broken, lost)
		}
	}
	if p := problemOf(r, packs[0]); p == nil || (p.Spared == "") != harmed[0] || (len(p.Points) > 0) != harmed[0] {
		t.Errorf("the pack's problem is %+v", p)
	}
	f.heals(points, r.DamagedPacks())
}

// heals backs up the same data again, told which packs are damaged.
func (f *fixture) heals(points []vault.Point, damaged []string) {
	t := f.t
	t.Helper()
	f.exclude = func(object string) bool { return slices.Contains(damaged, object) }
	for i := range points {
		if _, err := f.backup(f.open(), onlyNoise(i)); err != nil {
			t.Fatal(err)
		}
	}
	v := f.open()
	for i, p := range points {
		f.whole(v, p.Object, onlyNoise(i))
		f.unharmedFiles(v, p)
	}
	f.exclude = nil
	v = f.open()
	for i, p := range points {
		f.whole(v, p.Object, onlyNoise(i)) // also when nobody remembers what was damaged
	}
}

func (f *fixture) unharmedFiles(v *vault.Vault, p vault.Point) {
	f.t.Helper()
	for _, x := range f.report(v).Problems {
		for _, a := range x.Files {
			if a.Point == p.Envelope.ID {
				f.t.Errorf("%s still lacks %q by %s", p.Object, a.Path, x.Object)
			}
		}
	}
}

func TestDamage_ReadManyNeverGivesWrongBytes(t *testing.T) {
	f, points, packs := two(t)
	a, b := f.data(packs[0]), f.data(packs[1])
	f.replace(packs[0], b)
	f.replace(packs[1], a)
	r, err := f.open().NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wants := f.wants(r, points...)
	calls := 0
	err = r.ReadMany(t.Context(), wants, func(w vault.Want, data []byte, err error) error {
		if calls++; data != nil || !errkind.Is(err, errkind.Damaged) {
			t.Errorf("%d bytes, %v", len(data), err)
		}
		return nil
	})
	if err != nil || calls != len(wants) {
		t.Errorf("%d calls for %d wants, %v", calls, len(wants), err)
	}
}

func (f *fixture) wants(r *vault.Reader, points ...vault.Point) (wants []vault.Want) {
	f.t.Helper()
	for _, p := range points {
		root, err := r.Root(f.t.Context(), p.Envelope.Root)
		if err != nil {
			f.t.Fatal(err)
		}
		err = r.ReadDir(f.t.Context(), *root.Tree, nil, func(e vault.Entry) error {
			return r.Chunks(f.t.Context(), e.Content, func(d vault.Digest, _ int64) error {
				wants = append(wants, vault.Want{Digest: d, Tag: len(wants)})
				return nil
			})
		})
		if err != nil {
			f.t.Fatal(err)
		}
	}
	return wants
}

func TestDamage_IndexIsOnlyAConvenience(t *testing.T) {
	tests := map[string]func(f *fixture, seg string){
		"lost":     func(f *fixture, seg string) { f.driver.Drop(seg) },
		"flipped":  func(f *fixture, seg string) { f.driver.Corrupt(seg, 200) },
		"cut":      func(f *fixture, seg string) { f.driver.Truncate(seg, 10) },
		"replaced": func(f *fixture, seg string) { f.replace(seg, []byte("something else")) },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			f, points, _ := two(t)
			segments := f.names("index/seg-")
			for _, seg := range segments {
				damage(f, seg)
			}
			v := f.open()
			for i, p := range points {
				f.whole(v, p.Object, onlyNoise(i))
			}
			r := f.report(v)
			for _, p := range r.Problems {
				if p.Spared == "" || !slices.Contains(segments, p.Object) {
					t.Errorf("%+v", *p)
				}
			}
			if want := pickText(name == "lost", "none", "some"); (len(r.Problems) == 0) != (want == "none") {
				t.Errorf("%d problems", len(r.Problems))
			}
			s, err := v.OpenSession(t.Context(), grant(access.BackupRun), vault.SessionOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.fill(t.Context(), s, onlyNoise(0)); err != nil {
				t.Fatal(err)
			}
			if n := s.Stats().New.Load(); n != 0 {
				t.Errorf("%d bytes stored again", n)
			}
			for _, seg := range segments { // the new one covers all
				f.driver.Drop(seg)
			}
			if n, err := f.open().RebuildIndex(t.Context(), grant(access.IndexRebuild)); err != nil || n != 4 {
				t.Errorf("%d packs indexed, %v", n, err)
			}
			f.clean(f.open())
		})
	}
}

func TestDamage_PointAndIntentAreCopiesOfEachOther(t *testing.T) {
	damages := map[string]func(f *fixture, name string){
		"lost":    func(f *fixture, name string) { f.driver.Drop(name) },
		"flipped": func(f *fixture, name string) { f.driver.Corrupt(name, int64(len(f.data(name))/2)) },
		"cut":     func(f *fixture, name string) { f.driver.Truncate(name, 20) },
	}
	for name, damage := range damages {
		t.Run("point "+name, func(t *testing.T) {
			f, points, _ := two(t)
			whole := bytes.Clone(f.data(points[1].Object))
			damage(f, points[1].Object)
			v := f.open()
			f.whole(v, points[1].Object, onlyNoise(1))
			if len(v.Warnings()) == 0 {
				t.Error("no warning")
			}
			r := f.report(v)
			if p := problemOf(r, points[1].Object); p == nil || p.Spared == "" {
				t.Errorf("%+v", p)
			}
			p, err := f.backup(f.open(), onlyNoise(2))
			if err != nil {
				t.Fatal(err)
			}
			if p.Envelope.Number != 3 || !bytes.Equal(p.Envelope.Previous, points[1].Digest[:]) {
				t.Errorf("number %d after %x", p.Envelope.Number, p.Envelope.Previous)
			}
			if name == "lost" && !bytes.Equal(f.data(points[1].Object), whole) {
				t.Error("the lost point did not come back as it was")
			}
		})
		t.Run("intent "+name, func(t *testing.T) {
			f, points, _ := two(t)
			damage(f, points[1].Object+".intent")
			v := f.open()
			f.whole(v, points[1].Object, onlyNoise(1))
			if p := problemOf(f.report(v), points[1].Object+".intent"); p == nil || p.Spared == "" {
				t.Errorf("%+v", p)
			}
			if _, err := f.backup(f.open(), onlyNoise(2)); err != nil {
				t.Fatal(err)
			}
		})
		t.Run("both "+name, func(t *testing.T) {
			f, points, _ := two(t)
			damage(f, points[0].Object)
			damage(f, points[0].Object+".intent")
			if p, err := f.backup(f.open(), onlyNoise(2)); err != nil || p.Envelope.Number != 3 {
				t.Errorf("an old lost point stops the next: %v", err)
			}
			v := f.open()
			f.whole(v, points[1].Object, onlyNoise(1))
			if p := problemOf(f.report(v), points[0].Object); name != "lost" && (p == nil || p.Spared != "") {
				t.Errorf("%+v", p)
			}
		})
	}
}

// TestDamage_NumberIsNeverUsedTwice has a last point of which only a damaged
// intent is left: its number is taken all the same.
func TestDamage_NumberIsNeverUsedTwice(t *testing.T) {
	f, points, _ := two(t)
	f.driver.Drop(points[1].Object)
	f.driver.Corrupt(points[1].Object+".intent", 300)
	f.driver.Drop(points[0].Object)
	f.driver.Drop(points[0].Object + ".intent")
	p, err := f.backup(f.open(), onlyNoise(2))
	if !errkind.Is(err, errkind.Damaged) {
		t.Errorf("number %d, %v", p.Envelope.Number, err)
	}
}

// TestDamage_UnfinishableIntentDoesNotStopBackups has an intent whose pack is
// gone before its point was written.
func TestDamage_UnfinishableIntentDoesNotStopBackups(t *testing.T) {
	f := newFixtureOf(t, blob.Governance)
	var points []vault.Point
	for i := range 2 {
		p, err := f.backup(f.open(), onlyNoise(i))
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, p)
	}
	f.driver.Drop(points[1].Object)
	packs, err := f.open().PackObjects(t.Context(), points[1].Envelope)
	if err != nil {
		t.Fatal(err)
	}
	f.driver.Drop(packs[0])
	v := f.open()
	p, err := f.backup(v, onlyNoise(1))
	if err != nil {
		t.Fatal(err)
	}
	if p.Envelope.Number != 3 || len(v.Warnings()) == 0 {
		t.Errorf("number %d, warnings %q", p.Envelope.Number, v.Warnings())
	}
	f.whole(f.open(), p.Object, onlyNoise(1))
}

func TestDamage_SlotsAndHeaderHaveTwins(t *testing.T) {
	f, points, _ := two(t)
	for _, name := range f.names("keys/slot-") {
		if strings.HasSuffix(name, "-a") {
			f.driver.Corrupt(name, 60)
		}
	}
	f.driver.Drop("header")
	for _, kek := range []*keys.Held{f.kek, f.kit} {
		v, err := vault.Open(t.Context(), f.bucket, kek, f.options())
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Warnings()) == 0 {
			t.Error("no warning")
		}
		f.whole(v, points[0].Object, onlyNoise(0))
	}
	if _, err := vault.Open(t.Context(), f.bucket, keys.NewHeld(keys.FileProvider, f.kek.Vault()), f.options()); err == nil {
		t.Error("a stranger's key opens")
	}
	f.driver.Drop("keys/header")
	if _, err := vault.Open(t.Context(), f.bucket, f.kek, f.options()); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("without any header: %v", err)
	}
}

func TestDamage_HeaderOfAnotherVaultIsRefused(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	f.replace("header", other.data("header"))
	if _, err := vault.Open(t.Context(), f.bucket, f.kek, f.options()); err == nil {
		t.Error("opened")
	}
}

func TestDamage_GovernanceChain(t *testing.T) {
	build := func(t *testing.T) *fixture {
		f := newFixture(t)
		v := f.open()
		for i := range 4 {
			fact, err := vault.NewFact(vault.FactSource, vault.SourceRecord{Name: strings.Repeat("x", i)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.RecordFacts(t.Context(), grant(access.SourceCreate), fact); err != nil {
				t.Fatal(err)
			}
		}
		return f
	}
	record := func(n string) string { return "governance/000000000000000" + n }
	tests := map[string]struct {
		damage func(f *fixture)
		before int
	}{
		"lost in the middle":    {func(f *fixture) { f.driver.Drop(record("2")) }, 1},
		"first lost":            {func(f *fixture) { f.driver.Drop(record("1")) }, 0},
		"flipped":               {func(f *fixture) { f.driver.Corrupt(record("3"), 100) }, 2},
		"replaced by a copy":    {func(f *fixture) { f.replace(record("2"), f.data(record("1"))) }, 1},
		"of another vault":      {func(f *fixture) { f.replace(record("2"), build(f.t.(*testing.T)).data(record("2"))) }, 1},
		"a branch of the chain": {func(f *fixture) { f.driver.Drop(record("3")); f.driver.Drop(record("4")) }, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := build(t)
			if all, err := f.open().Records(t.Context()); err != nil || len(all) != 4 {
				t.Fatalf("%d records, %v", len(all), err)
			}
			tt.damage(f)
			v := f.open()
			got, err := v.Records(t.Context())
			if broken := name != "a branch of the chain"; broken != errkind.Is(err, errkind.Damaged) || len(got) != tt.before {
				t.Errorf("%d records, %v", len(got), err)
			} else if broken && f.report(v).OK() {
				t.Error("verification is content")
			}
		})
	}
}

func TestDamage_OwnerEpochCanBeTakenAnew(t *testing.T) {
	f, points, _ := two(t)
	f.driver.Corrupt("governance/owner/0000000001", 50)
	if _, err := f.backup(f.open(), onlyNoise(2)); !errkind.Is(err, errkind.Damaged) {
		t.Errorf("%v", err)
	}
	v := f.open()
	f.whole(v, points[0].Object, onlyNoise(0))
	if err := v.TakeOwnership(t.Context(), grant(access.VaultRecover)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.backup(f.open(), onlyNoise(2)); err != nil {
		t.Error(err)
	}
}

func TestOwner_OldEpochUnderANewNameIsRefused(t *testing.T) {
	f := newFixture(t)
	other := *f
	other.server = vault.NewID()
	if err := other.open().TakeOwnership(t.Context(), grant(access.OwnerTake)); err != nil {
		t.Fatal(err)
	}
	f.replace("governance/owner/0000000003", f.data("governance/owner/0000000001"))
	if err := f.open().CheckOwner(t.Context()); !errkind.Is(err, errkind.Damaged) {
		t.Errorf("the server that lost the vault: %v", err)
	}
}

func TestDamage_ObjectsOfAnotherVaultAreRefused(t *testing.T) {
	f, points, packs := two(t)
	g, others, foreign := two(t)
	f.replace(points[0].Object, g.data(others[0].Object))
	f.replace(packs[0], g.data(foreign[0]))
	f.replace(f.names("index/seg-")[0], g.data(g.names("index/seg-")[0]))
	v := f.open()
	r := f.report(v)
	if problemOf(r, points[0].Object) == nil || problemOf(r, packs[0]) == nil {
		t.Errorf("%+v", r.Problems)
	}
	f.whole(v, points[1].Object, onlyNoise(1))
}

func TestHints_OfAnotherRunAreNotUsed(t *testing.T) {
	f := newFixture(t)
	f.bucket = once(f.driver)
	base := f.on(t, f.driver.Clone())
	if _, err := base.backup(base.open(), onlyNoise(9)); err != nil { // a run that will have died after its hints
		t.Fatal(err)
	}
	hints := base.names("index/hint-")[0]
	f.replace(hints, base.data(hints))
	p, err := f.backup(f.open(), onlyNoise(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.open().ReadHints(t.Context(), f.source, p.Envelope.Number); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("%v", err)
	}
	p, err = f.backup(f.open(), onlyNoise(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.open().ReadHints(t.Context(), f.source, p.Envelope.Number); err != nil {
		t.Errorf("the run after: %v", err)
	}
}
