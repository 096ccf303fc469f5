package gc_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/internal/vault/gc"
)

var now = time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC)

func TestDecide(t *testing.T) {
	later, before := now.Add(time.Second), now
	tests := map[string]struct {
		facts  gc.Facts
		pack   gc.Pack
		action gc.Action
		reason gc.Reason
	}{
		"in use":                     {gc.Facts{RepackBelow: .25}, gc.Pack{Whole: true, Listed: true, Plain: 100, Needed: 25, Keeps: 25}, gc.Keep, gc.InUse},
		"nobody's":                   {gc.Facts{}, gc.Pack{Whole: true, Plain: 100}, gc.Condemn, gc.Unneeded},
		"nobody's, locked":           {gc.Facts{}, gc.Pack{LockedUntil: later}, gc.Keep, gc.Locked},
		"nobody's, lock just over":   {gc.Facts{}, gc.Pack{LockedUntil: before}, gc.Condemn, gc.Unneeded},
		"a session's":                {gc.Facts{}, gc.Pack{Held: true}, gc.Keep, gc.InSession},
		"unlisted":                   {gc.Facts{}, gc.Pack{Whole: true, Plain: 100, Needed: 1, Keeps: 1}, gc.Keep, gc.Unlisted},
		"mostly dead":                {gc.Facts{RepackBelow: .25}, gc.Pack{Whole: true, Listed: true, Plain: 100, Needed: 24, Keeps: 24}, gc.Repack, gc.MostlyDead},
		"mostly dead, locked":        {gc.Facts{RepackBelow: .25}, gc.Pack{Whole: true, Listed: true, Plain: 100, Keeps: 24, LockedUntil: later}, gc.Keep, gc.InUse},
		"mostly dead, never repack":  {gc.Facts{RepackBelow: -1}, gc.Pack{Whole: true, Listed: true, Plain: 100, Needed: 24, Keeps: 24}, gc.Keep, gc.InUse},
		"damaged, in use":            {gc.Facts{RepackBelow: .25}, gc.Pack{Listed: true, Plain: 100, Needed: 1, Keeps: 1}, gc.Keep, gc.InUse},
		"damaged, healed":            {gc.Facts{}, gc.Pack{Listed: true, Plain: 100, Needed: 50}, gc.Repack, gc.Replaced},
		"damaged, chunks missing":    {gc.Facts{Missing: true}, gc.Pack{Listed: true, Plain: 100, Needed: 50}, gc.Keep, gc.MayHold},
		"condemned":                  {gc.Facts{OldestSession: gc.NoSession}, gc.Pack{Condemned: 5}, gc.Delete, gc.Announced},
		"condemned before a session": {gc.Facts{OldestSession: 5}, gc.Pack{Condemned: 5}, gc.Delete, gc.Announced},
		"condemned under a session":  {gc.Facts{OldestSession: 4}, gc.Pack{Condemned: 5}, gc.Keep, gc.Waiting},
		"condemned, held":            {gc.Facts{OldestSession: gc.NoSession}, gc.Pack{Condemned: 5, Held: true}, gc.Keep, gc.Waiting},
		"condemned, locked":          {gc.Facts{OldestSession: gc.NoSession}, gc.Pack{Condemned: 5, LockedUntil: later}, gc.Keep, gc.Locked},
		"condemned, damaged":         {gc.Facts{OldestSession: gc.NoSession, Missing: true}, gc.Pack{Condemned: 5}, gc.Keep, gc.MayHold},
		"condemned, listed":          {gc.Facts{OldestSession: gc.NoSession}, gc.Pack{Condemned: 5, Listed: true}, gc.Release, gc.NeededAgain},
		"condemned, keeps a chunk":   {gc.Facts{OldestSession: gc.NoSession}, gc.Pack{Condemned: 5, Keeps: 1}, gc.Release, gc.NeededAgain},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.facts.Now, tt.facts.Packs = now, []gc.Pack{tt.pack}
			got := gc.Decide(tt.facts)
			if len(got) != 1 || got[0].Action != tt.action || got[0].Reason != tt.reason {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestDecide_NeverDeletesWhatAnybodyNeeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := gc.Facts{Now: now, RepackBelow: rapid.Float64Range(-1, 2).Draw(t, "below"), Missing: rapid.Bool().Draw(t, "missing")}
		f.OldestSession = rapid.OneOf(rapid.Uint64Range(0, 9), rapid.Just(gc.NoSession)).Draw(t, "oldest")
		byName := map[string]gc.Pack{}
		for i := range rapid.IntRange(0, 20).Draw(t, "packs") {
			p := gc.Pack{Object: string(rune('a' + i)), Whole: rapid.Bool().Draw(t, "whole"), Listed: rapid.Bool().Draw(t, "listed"), Held: rapid.Bool().Draw(t, "held")}
			p.Plain = rapid.Int64Range(0, 100).Draw(t, "plain")
			p.Needed = rapid.Int64Range(0, p.Plain).Draw(t, "needed")
			p.Keeps = rapid.Int64Range(0, p.Needed).Draw(t, "keeps")
			p.Condemned = rapid.Uint64Range(0, 9).Draw(t, "condemned")
			p.LockedUntil = now.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "lock")) * time.Hour)
			f.Packs = append(f.Packs, p)
			byName[p.Object] = p
		}
		steps := gc.Decide(f)
		if len(steps) != len(f.Packs) {
			t.Fatalf("%d steps for %d packs", len(steps), len(f.Packs))
		}
		for _, s := range steps {
			p := byName[s.Object]
			locked := p.LockedUntil.After(now)
			if s.Action == gc.Delete && (p.Listed || p.Keeps > 0 || locked || p.Held || p.Condemned == 0 || p.Condemned > f.OldestSession) {
				t.Errorf("deletes %+v", p)
			}
			if s.Action == gc.Condemn && (p.Listed || p.Keeps > 0 || locked || p.Held || p.Condemned > 0) {
				t.Errorf("condemns %+v", p)
			}
			if s.Action == gc.Repack && (locked || p.Held || !p.Whole && p.Keeps > 0) {
				t.Errorf("repacks %+v", p)
			}
			if s.Action != gc.Keep && s.Action != gc.Release && f.Missing && !p.Whole {
				t.Errorf("%s of a damaged pack while chunks are missing: %+v", s.Action, p)
			}
		}
	})
}

func TestBetter_IsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) gc.Pack {
			return gc.Pack{Object: name, Whole: rapid.Bool().Draw(t, "whole"), Listed: rapid.Bool().Draw(t, "listed"), Condemned: rapid.Uint64Range(0, 1).Draw(t, "condemned")}
		}
		a, b, c := draw("a"), draw("b"), draw("c")
		if gc.Better(a, b, now) == gc.Better(b, a, now) {
			t.Errorf("%+v and %+v", a, b)
		}
		if gc.Better(a, b, now) && gc.Better(b, c, now) && !gc.Better(a, c, now) {
			t.Errorf("not transitive: %+v %+v %+v", a, b, c)
		}
	})
}
