package vault_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/keys"
	"github.com/counterfoil/counterfoil/internal/vault"
)

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
			if p := problemOf(r, points[1].Object); name != "lost" && (p == nil || p.Spared == "") {
				t.Errorf("%+v", p)
			}
			if said := slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, points[1].Object) }); said != (name == "lost") {
				t.Errorf("notes %q", r.Notes) // it looks like an interrupted commit, and heals like one
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
	if err != nil || p.Envelope.Number != 3 {
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
	if v := f.open(); v.ID() != f.kek.Vault() || len(v.Warnings()) == 0 {
		t.Errorf("vault %x, warnings %q", v.ID(), v.Warnings())
	}
	f.replace("keys/header", other.data("keys/header"))
	if _, err := vault.Open(t.Context(), f.bucket, f.kek, f.options()); err == nil {
		t.Error("opened")
	}
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
