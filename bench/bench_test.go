package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// taken makes the measurements of one tool in one step, one for each wall time.
func taken(corpus string, s step, tool, kind string, anon, stored int64, walls ...float64) (ms []measurement) {
	for i, wall := range walls {
		ms = append(ms, measurement{
			Corpus: corpus, Step: s, Tool: tool, Kind: kind, Run: i + 1,
			Wall: wall, CPU: wall * 1.8, Peak: anon + 15<<20, Anon: anon, Stored: stored,
		})
	}
	return ms
}

// sample is a made-up comparison that reaches some goals and fails others.
func sample() results {
	var r results
	for _, ms := range [][]measurement{
		taken(dbCorpus, stepFirst, engineKind, engineKind, 140<<20, 100e6, 3.0, 3.1, 9.9),
		taken(dbCorpus, stepFirst, "restic", "restic", 100<<20, 109e6, 15, 15, 15),
		taken(dbCorpus, stepFirst, "borg", "borg", 60<<20, 112e6, 9.6, 9.8, 9.7),
		taken(dbCorpus, stepUnchanged, walkReference, "", 0, 0, 0.01, 0.01, 0.01),
		taken(dbCorpus, stepUnchanged, engineKind, engineKind, 40<<20, 100e6, 0.2, 0.2, 0.2),
		taken(dbCorpus, stepUnchanged, "restic", "restic", 70<<20, 109e6, 1, 1, 1),
		taken(dbCorpus, stepUnchanged, "borg", "borg", 60<<20, 112e6, 1.4, 1.4, 1.4),
		taken(dbCorpus, stepChanged, engineKind, engineKind, 120<<20, 140e6, 2, 2, 2),
		taken(dbCorpus, stepChanged, "restic", "restic", 100<<20, 197e6, 12, 12, 12),
		taken(dbCorpus, stepChanged, "borg", "borg", 60<<20, 201e6, 8, 8, 8),
		taken(dbCorpus, stepRestore, copyReference, "", 0, 0, 1.4, 1.4, 1.4),
		taken(dbCorpus, stepRestore, engineKind, engineKind, 90<<20, 140e6, 2.0, 2.0, 2.0),
		taken(dbCorpus, stepRestore, "restic", "restic", 100<<20, 197e6, 5, 5, 5),
		taken(dbCorpus, stepVerify, engineKind, engineKind, 260<<20, 140e6, 4, 4, 4),
		taken(dbCorpus, stepVerify, "restic", "restic", 80<<20, 197e6, 6, 6, 6),
		taken(smallCorpus, stepFirst, engineKind, engineKind, 90<<20, 280e6, 8, 8, 8),
		taken(smallCorpus, stepFirst, "restic", "restic", 90<<20, 289e6, 12, 12, 12),
	} {
		r = append(r, ms...)
	}
	return append(r, measurement{Corpus: dbCorpus, Step: stepVerify, Tool: "borg", Kind: "borg", Run: 1, Failure: "borg: exit status 2"})
}

func TestReport_Golden(t *testing.T) {
	rep := newReport(time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC), options{runs: 3, scale: 0.5}, machine{
		Processor: "Some Processor", Cores: 2, Memory: 24 << 30, FileSystem: "ext4", System: "linux/amd64 6.1", Go: "go1.26", Load: 0.9,
	}, []tool{{Name: engineKind, Version: "Counterfoil 1"}, {Name: "restic", Version: "restic 0.14.0"}, {Name: "borg", Version: "borg 1.2.4"}})
	rep.finish(sample(), []corpus{
		{Name: dbCorpus, What: "a database", Size: treeSize{Entries: 1200, Files: 1000, Bytes: 1.8e9}},
		{Name: smallCorpus, What: "small files", Size: treeSize{Entries: 70000, Files: 66000, Bytes: 969e6}},
	})
	golden(t, "report.txt", rep.String())
}

func TestReport_GrowthGolden(t *testing.T) {
	rep := newReport(time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC), options{runs: 1, scale: 1, growth: []string{growFiles, growBytes}}, machine{Cores: 2}, nil)
	var r results
	r = append(r, taken("files-10000", stepFirst, engineKind, engineKind, 60<<20, 2e6, 0.9)...)
	r = append(r, taken("files-100000", stepFirst, engineKind, engineKind, 90<<20, 18e6, 7)...)
	r = append(r, taken("files-1000000", stepFirst, engineKind, engineKind, 95<<20, 170e6, 71)...)
	r = append(r, taken("bytes-1000000000", stepVerify, engineKind, engineKind, 90<<20, 6e8, 1)...)
	r = append(r, taken("bytes-10000000000", stepVerify, engineKind, engineKind, 300<<20, 6e9, 15)...)
	rep.finish(r, nil)
	golden(t, "growth.txt", rep.String())
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
		known  bool
	}{
		{nil, 0, false},
		{[]float64{3}, 3, true},
		{[]float64{4, 1, 9}, 4, true},
		{[]float64{4, 1, 9, 2}, 3, true},
	} {
		if got, known := median(c.values); got != c.want || known != c.known {
			t.Errorf("median(%v) = %v, %v; want %v, %v", c.values, got, known, c.want, c.known)
		}
	}
}

func TestRatio_IsTakenRunByRun(t *testing.T) {
	a, b := map[int]float64{1: 10, 2: 20, 3: 90, 4: 1}, map[int]float64{1: 5, 2: 10, 3: 30}
	if got, known := medianRatio(a, b); !known || got != 2 {
		t.Errorf("ratio = %v, %v; want 2: the median of 2, 2 and 3", got, known)
	}
	if _, known := medianRatio(a, nil); known {
		t.Error("a ratio came from nothing")
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		name string
		got  func(judge) goal
		want verdict
	}{
		{"3.13x is reached", func(j judge) goal { return j.faster(dbCorpus, stepFirst, 3, 2) }, reached},
		{"under 2x is a failure", func(j judge) goal { return j.faster(smallCorpus, stepFirst, 3, 2) }, failed},
		{"no such corpus", func(j judge) goal { return j.faster(rndCorpus, stepFirst, 3, 2) }, notMeasured},
		{"1.5x is below 2x", func(j judge) goal { return j.faster(dbCorpus, stepVerify, 2, 0) }, notReached},
		{"smaller than the smallest", judge.smaller, reached},
		{"40 MB against 88 MB", judge.growth, reached},
		{"1.43x of a copy", func(j judge) goal { return j.atMost(dbCorpus, stepRestore, copyReference, "", 1.5) }, reached},
		{"20x a walk", func(j judge) goal { return j.atMost(dbCorpus, stepUnchanged, walkReference, "", 3) }, notReached},
		{"260 MiB", judge.memory, notReached},
		{"1.11x of the processor time", func(j judge) goal { return j.efficiency(dbCorpus) }, reached},
	} {
		if got := c.got(judge{results: sample(), db: dbCorpus, cores: 2}); got.Verdict != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, got.Verdict, got.Measured, c.want)
		}
	}
}

func TestGoals_NoPeerIsNoVictory(t *testing.T) {
	j := judge{results: taken(dbCorpus, stepFirst, engineKind, engineKind, 1, 1, 1), db: dbCorpus, cores: 2}
	for _, g := range j.goals() {
		if g.Verdict == reached && g.Work != "peak memory" && g.Wanted != j.efficiency(dbCorpus).Wanted {
			t.Errorf("%s %s: reached without anything to compare with", g.Work, g.Wanted)
		}
	}
}
