package vault_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// TestVerify_EveryByteFlippedIsNamed flips one byte at many places of every
// object, and asks that full verification names the object, that reading never
// gives wrong bytes, and that nothing more is lost than verification says.
func TestVerify_EveryByteFlippedIsNamed(t *testing.T) {
	f := newFixture(t)
	files := append(someFiles(4)[:3], someFiles(4)[200:260]...)
	v := f.open()
	if _, err := f.backup(v, files); err != nil {
		t.Fatal(err)
	}
	fact, err := vault.NewFact(vault.FactSource, vault.SourceRecord{ID: f.source, Name: "books"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := v.RecordFacts(t.Context(), grant(access.SourceCreate), fact); err != nil {
			t.Fatal(err)
		}
	}
	p, err := f.backup(v, files[1:])
	if err != nil {
		t.Fatal(err)
	}
	whole := f.driver
	var infos []blob.Info
	if err := f.bucket.List(t.Context(), "", func(i blob.Info) error { infos = append(infos, i); return nil }); err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{}
	for _, x := range files[1:] {
		want[x.name] = x.data
	}
	r := rand.New(rand.NewPCG(4, 4))
	for _, i := range infos {
		offsets := []int64{0, 3, 8, i.Size - 1, i.Size / 2}
		for range 6 {
			offsets = append(offsets, r.Int64N(i.Size))
		}
		for _, off := range offsets {
			f.driver = whole.Clone()
			f.bucket = blob.New(f.driver, blob.Options{})
			if !f.driver.Corrupt(i.Name, off) {
				t.Fatalf("cannot corrupt %s at %d", i.Name, off)
			}
			f.checkFlip(i.Name, off, p.Object, want)
		}
	}
}

func (f *fixture) checkFlip(object string, off int64, point string, want map[string][]byte) {
	t := f.t
	t.Helper()
	v := f.open()
	report, err := v.Verify(t.Context(), vault.Full, nil)
	if err != nil {
		t.Errorf("%s at %d: %v", object, off, err)
		return
	}
	var found *vault.VerifyProblem
	for _, p := range report.Problems {
		if p.Object == object {
			found = p
		}
	}
	if found == nil {
		t.Errorf("%s at %d: not named; problems %+v", object, off, report.Problems)
		return
	}
	p, err := v.ReadPoint(t.Context(), point)
	if err != nil {
		t.Errorf("%s at %d: read point: %v", object, off, err)
		return
	}
	got, broken := f.read(v, p)
	for name, data := range got {
		if !bytes.Equal(data, want[name]) {
			t.Errorf("%s at %d: file %s came back wrong", object, off, name)
		}
	}
	lost := 0
	for _, a := range found.Files {
		if a.Point == p.Envelope.ID {
			lost++
		}
	}
	if (lost > 0) != (broken > 0) || len(found.Points) == 0 && found.Spared == "" && !strings.HasPrefix(object, "governance/") {
		t.Errorf("%s at %d: %d files lost by the report %+v, %d by reading", object, off, lost, found, broken)
	}
}
