package retention

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// daysOf are complete points of days from the first of March, with the entries
// given.
func daysOf(entries ...int64) []PastPoint {
	var out []PastPoint
	for i, n := range entries {
		out = append(out, PastPoint{ID: string(rune('a' + i)), ReceivedAt: utcTime(2026, 3, 1+i, 22), Complete: true, Entries: n, Bytes: n})
	}
	return out
}

func TestNewest_IsWholeBeforeItIsNew(t *testing.T) {
	change := func(points []PastPoint, i int, fn func(*PastPoint)) []PastPoint {
		fn(&points[i])
		return points
	}
	failed, gone := func(p *PastPoint) { p.Verified = Failed }, func(p *PastPoint) { p.Deleted = true }
	broken, remnant := func(p *PastPoint) { p.Complete = false }, func(p *PastPoint) { p.Trigger = Remnant }
	for name, c := range map[string]struct {
		points []PastPoint
		want   string
	}{
		"none":                           {nil, ""},
		"the last":                       {daysOf(100, 100, 100), "c"},
		"in any order":                   {[]PastPoint{daysOf(100, 100)[1], daysOf(100, 100)[0]}, "b"},
		"an emptied source":              {daysOf(100, 100, 0, 0), "b"},
		"one that shrank and stayed so":  {daysOf(100, 40, 40, 40, 40, 40, 40, 40, 40), "i"},
		"not yet long enough":            {daysOf(100, 40, 40, 40, 40, 40, 40, 40), "a"},
		"the last failed":                {change(daysOf(100, 100), 1, failed), "a"},
		"the last is incomplete":         {change(daysOf(100, 100), 1, broken), "a"},
		"the last is a remnant":          {change(daysOf(100, 100), 1, remnant), "a"},
		"the last is deleted":            {change(daysOf(100, 100), 1, gone), "a"},
		"only shrunken ones are left":    {change(daysOf(100, 0, 0), 0, gone), "c"},
		"only the incomplete ones stand": {change(daysOf(100), 0, broken), ""},
	} {
		if got := Newest(c.points); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A source never loses its last state by expiry: whatever older point goes, the
// one that stays for it stays.
func TestNewest_OutlivesTheOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := daysOf(rapid.SliceOfN(rapid.Int64Range(0, 120), 1, 12).Draw(t, "entries")...)
		later := 0
		for i := range points {
			later += rapid.IntRange(0, 4).Draw(t, "pause")
			points[i].ReceivedAt = points[i].ReceivedAt.AddDate(0, 0, later)
			points[i].Complete = rapid.IntRange(0, 3).Draw(t, "complete") > 0
		}
		keep := Newest(points)
		before := slices.IndexFunc(points, func(p PastPoint) bool { return p.ID == keep })
		if before < 0 {
			if slices.ContainsFunc(points, func(p PastPoint) bool { return p.Complete }) {
				t.Fatal("none is kept and one is complete")
			}
			return
		}
		if got := Newest(points[before:]); got != keep {
			t.Fatalf("%q is the newest, and %q once the older ones are gone", keep, got)
		}
	})
}
