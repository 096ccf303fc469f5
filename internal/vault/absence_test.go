package vault_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// lostWithoutTrace drops objects with their twins, as somebody would who wants
// something never to have been.
func (f *fixture) lostWithoutTrace(names ...string) {
	f.t.Helper()
	for _, n := range names {
		if !f.driver.Drop(n) {
			f.t.Fatalf("no object %s", n)
		}
	}
}

func (f *fixture) three() []vault.Point {
	f.t.Helper()
	var points []vault.Point
	for i := range 3 {
		fact, err := vault.NewFact(vault.FactSource, vault.SourceRecord{ID: f.source, Name: fmt.Sprintf("books-%d", i)})
		if err != nil {
			f.t.Fatal(err)
		}
		v := f.open()
		if _, err := v.RecordFacts(f.t.Context(), grant(access.SourceCreate), fact); err != nil {
			f.t.Fatal(err)
		}
		p, err := f.backup(v, someFiles(uint64(i))[:2])
		if err != nil {
			f.t.Fatal(err)
		}
		points = append(points, p)
	}
	return points
}

func TestVerify_WhatIsGoneIsNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		gone []int // points
		want []int
	}{
		"first":         {[]int{0}, []int{0}},
		"middle":        {[]int{1}, []int{1}},
		"first and 2nd": {[]int{0, 1}, []int{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			points := f.three()
			for _, i := range tc.gone {
				f.lostWithoutTrace(points[i].Object, points[i].Object+".intent")
			}
			r := f.report(f.open())
			for _, i := range tc.want {
				if problemOf(r, points[i].Object) == nil {
					t.Errorf("%s is not named: %+v", points[i].Object, r.Problems)
				}
			}
			if len(r.Problems) != len(tc.want) {
				t.Errorf("%d problems", len(r.Problems))
			}
			if len(r.Seen) != 3-len(tc.gone) || r.Seen[points[2].Envelope.ID] != points[2].Digest {
				t.Errorf("seen %v", r.Seen)
			}
		})
	}
}

func TestVerify_CutOffGovernanceIsMissedByThePoints(t *testing.T) {
	f := newFixture(t)
	points := f.three()
	if points[2].Envelope.Records != 3 {
		t.Fatalf("the last point saw %d records", points[2].Envelope.Records)
	}
	f.lostWithoutTrace(fmt.Sprintf("governance/%016d", 3))
	r := f.report(f.open())
	if p := problemOf(r, fmt.Sprintf("governance/%016d", 3)); p == nil || len(p.Points) != 1 {
		t.Errorf("problems %+v", r.Problems)
	}
}

func TestCommit_NumbersAfterWhatTheCatalogKnows(t *testing.T) {
	f := newFixture(t)
	points := f.three()
	f.lostWithoutTrace(points[2].Object, points[2].Object+".intent")
	v := f.open()
	s, err := v.OpenSession(t.Context(), grant(access.BackupRun), vault.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := s.NewDirectory()
	d, err := dir.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	root, err := s.PutRoot(t.Context(), vault.Entry{Kind: vault.Dir, Tree: &d})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Commit(t.Context(), grant(access.BackupRun), vault.Draft{Source: f.source, Root: root, Received: vault.StampOf(f.now), Term: vault.UnlimitedTerm,
		Known: 3, KnownDigest: points[2].Digest})
	if err != nil {
		t.Fatal(err)
	}
	if p.Envelope.Number != 4 || string(p.Envelope.Previous) != string(points[2].Digest[:]) {
		t.Errorf("number %d, previous %x", p.Envelope.Number, p.Envelope.Previous)
	}
	if problemOf(f.report(f.open()), points[2].Object) == nil {
		t.Error("the lost point is not named")
	}
}

func TestCommit_JunkWithAHighNumberDoesNotStopBackups(t *testing.T) {
	f := newFixture(t)
	points := f.three()
	junk := strings.TrimSuffix(points[0].Object, "0000000001") + "9999999999"
	f.replace(junk, []byte("junk"))
	p, err := f.backup(f.open(), someFiles(9)[:2])
	if err != nil || p.Envelope.Number != 4 {
		t.Fatalf("number %d, %v", p.Envelope.Number, err)
	}
	if problemOf(f.report(f.open()), junk) == nil {
		t.Error("the junk is not named")
	}
}

func TestRecordFacts_GrantMustBeForThatKindOfFact(t *testing.T) {
	f := newFixture(t)
	fact, err := vault.NewFact(vault.FactPoint, map[string]int{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.open().RecordFacts(t.Context(), grant(access.AuditRead), fact); err == nil {
		t.Error("a grant to read the log wrote a record")
	}
}
