package vault_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
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
