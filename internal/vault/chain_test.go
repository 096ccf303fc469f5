package vault_test

import (
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

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
