package main

import (
	"fmt"
	"slices"
	"strings"
)

// verdict says how a goal stands.
type verdict string

const (
	reached     verdict = "reached"
	notReached  verdict = "not reached"
	failed      verdict = "FAILED" // below what the goal calls a failure
	notMeasured verdict = "not measured"
)

// goal is one line of what must be reached, with what was measured.
type goal struct {
	Work     string  `json:"work"`
	Wanted   string  `json:"wanted"`
	Measured string  `json:"measured"`
	Verdict  verdict `json:"verdict"`
}

// The limits, in the words of the goals.
const (
	firstFaster    = 3.0
	firstFailure   = 2.0
	efficiencyMost = 1.2
	walkMost       = 3.0
	changedFaster  = 3.0
	growthMost     = 0.5
	copyMost       = 1.5
	restoreFaster  = 2.0
	verifyFaster   = 2.0
	anonMost       = 256 << 20
	flatMost       = 1.3
	peakGrowthMost = 1.25
)

// judge holds what the goals are judged by: results of the engine's own build.
type judge struct {
	results results
	db      string // the corpus that stands for the database
	cores   int
}

// goals judges every line for the comparison.
func (j judge) goals() []goal {
	var all []goal
	for _, corpus := range []string{j.db, smallCorpus, rndCorpus} {
		all = append(all, j.faster(corpus, stepFirst, firstFaster, firstFailure))
	}
	all = append(all, j.smaller())
	for _, corpus := range []string{j.db, smallCorpus, rndCorpus} {
		all = append(all, j.efficiency(corpus))
	}
	all = append(all, j.atMost(smallCorpus, stepUnchanged, walkReference, "a bare parallel walk", walkMost))
	all = append(all, j.faster(j.db, stepChanged, changedFaster, 0), j.growth())
	for _, corpus := range []string{j.db, smallCorpus, rndCorpus} {
		all = append(all, j.atMost(corpus, stepRestore, copyReference, "cp -a plus sync -f", copyMost), j.faster(corpus, stepRestore, restoreFaster, 0))
	}
	for _, corpus := range []string{j.db, smallCorpus, rndCorpus} {
		all = append(all, j.faster(corpus, stepVerify, verifyFaster, 0))
	}
	return append(all, j.memory())
}

// faster wants the best peer's time to be least times ours. Below failure,
// if that is set, the line has failed.
func (j judge) faster(corpus string, s step, least, failure float64) goal {
	g := goal{Work: corpus + "/" + string(s), Wanted: fmt.Sprintf("at least %.0fx faster than the best peer", least), Verdict: notMeasured}
	peer, found := j.results.bestPeer(corpus, s, wallOf)
	if !found {
		return g
	}
	ratio, known := j.results.ratio(corpus, s, peer, engineKind, wallOf)
	if !known {
		return g
	}
	g.Measured = fmt.Sprintf("%.2fx (%s)", ratio, peer)
	g.Verdict = reachedIf(ratio >= least)
	if ratio < failure {
		g.Verdict = failed
	}
	return g
}

// atMost wants our time to be at most some times that of a reference.
func (j judge) atMost(corpus string, s step, reference, name string, most float64) goal {
	g := goal{Work: corpus + "/" + string(s), Wanted: fmt.Sprintf("at most %gx %s", most, name), Verdict: notMeasured}
	if ratio, known := j.results.ratio(corpus, s, engineKind, reference, wallOf); known {
		g.Measured = fmt.Sprintf("%.2fx", ratio)
		g.Verdict = reachedIf(ratio <= most)
	}
	return g
}

func (j judge) smaller() goal {
	g := goal{Work: smallCorpus + "/" + string(stepFirst), Wanted: "store smaller than the smallest peer's", Verdict: notMeasured}
	peer, found := j.results.bestPeer(smallCorpus, stepFirst, storedOf)
	if !found {
		return g
	}
	if ratio, known := j.results.ratio(smallCorpus, stepFirst, peer, engineKind, storedOf); known {
		g.Measured = fmt.Sprintf("%.3fx (%s)", 1/ratio, peer)
		g.Verdict = reachedIf(ratio > 1)
	}
	return g
}

// efficiency takes the processor time of the whole process for that of its
// stages: what else it does hides waste here, but waiting shows.
func (j judge) efficiency(corpus string) goal {
	g := goal{Work: corpus + "/" + string(stepFirst), Wanted: fmt.Sprintf("wall at most %gx processor time / %d", efficiencyMost, j.cores), Verdict: notMeasured}
	if ratio, known := medianRatio(j.results.byRun(corpus, stepFirst, engineKind, wallOf), j.results.byRun(corpus, stepFirst, engineKind, cpuOf)); known {
		ratio *= float64(j.cores)
		g.Measured = fmt.Sprintf("%.2fx", ratio)
		g.Verdict = reachedIf(ratio <= efficiencyMost)
	}
	return g
}

// growth wants our store to grow by at most half of what the peer's does that
// grows least.
func (j judge) growth() goal {
	g := goal{Work: j.db + "/" + string(stepChanged), Wanted: "growth at most half of the best peer's", Verdict: notMeasured}
	ours := j.results.growth(j.db, engineKind)
	best, least := "", 0.0
	for _, peer := range j.results.names(j.db, stepChanged, isPeer) {
		if ratio, known := medianRatio(ours, j.results.growth(j.db, peer)); known && ratio > least {
			best, least = peer, ratio
		}
	}
	if best != "" {
		g.Measured = fmt.Sprintf("%.2fx (%s)", least, best)
		g.Verdict = reachedIf(least <= growthMost)
	}
	return g
}

// memory looks at every step of the engine. Where anonymous memory was not
// seen, the whole resident set stands for it: it is never less.
func (j judge) memory() goal {
	g := goal{Work: "peak memory", Wanted: "anonymous memory at most 256 MiB", Verdict: notMeasured}
	most, where := 0.0, ""
	for _, m := range j.results {
		if m.Tool != engineKind {
			continue
		}
		v, known := anonSeen(m)
		if !known {
			v, _ = rssOf(m)
		}
		if v > most {
			most, where = v, m.Corpus+"/"+string(m.Step)
		}
	}
	if where != "" {
		g.Measured = fmt.Sprintf("%s (%s)", mebibytes(int64(most)), where)
		g.Verdict = reachedIf(most <= anonMost)
	}
	return g
}

func reachedIf(ok bool) verdict {
	if ok {
		return reached
	}
	return notReached
}

// growthGoals judges corpora of growing size: what a unit costs stays flat,
// and so does memory.
func growthGoals(r results, sizes map[string][]growthSize) []goal {
	var all []goal
	for _, kind := range growthKinds {
		of := sizes[kind]
		for _, s := range allSteps {
			if len(of) > 1 && s != stepChanged {
				all = append(all, flat(r, kind, of, s), flatMemory(r, kind, of, s))
			}
		}
	}
	return all
}

func flat(r results, kind string, sizes []growthSize, s step) goal {
	g := goal{Work: "growth " + kind + "/" + string(s), Wanted: "cost per unit at most 1.3x the least of smaller ones", Verdict: notMeasured}
	var costs []float64
	for _, size := range sizes {
		if wall, known := r.median(size.corpus, s, engineKind, wallOf); known {
			costs = append(costs, wall/float64(size.n))
		}
	}
	if len(costs) < 2 {
		return g
	}
	ratio := overLeast(costs)
	g.Measured, g.Verdict = fmt.Sprintf("%.2fx", ratio), reachedIf(ratio <= flatMost)
	return g
}

func flatMemory(r results, kind string, sizes []growthSize, s step) goal {
	g := goal{Work: "growth " + kind + "/" + string(s), Wanted: "peak memory at most 1.25x that of smaller ones, and 256 MiB", Verdict: notMeasured}
	var peaks []float64
	for _, size := range sizes {
		if peak, known := r.median(size.corpus, s, engineKind, anonSeen); known {
			peaks = append(peaks, peak)
		}
	}
	if len(peaks) < 2 {
		return g
	}
	// A small corpus does not fill the buffers, so the largest before counts.
	last := len(peaks) - 1
	ratio := peaks[last] / slices.Max(peaks[:last])
	g.Measured = fmt.Sprintf("%.2fx, %s", ratio, mebibytes(int64(peaks[last])))
	g.Verdict = reachedIf(ratio <= peakGrowthMost && peaks[last] <= anonMost)
	return g
}

// overLeast is how many times the last value is the least of those before.
func overLeast(values []float64) float64 {
	last := len(values) - 1
	return values[last] / slices.Min(values[:last])
}

// tally counts the verdicts in one line.
func tally(goals []goal) string {
	var parts []string
	for _, v := range []verdict{reached, notReached, failed, notMeasured} {
		n := 0
		for _, g := range goals {
			if g.Verdict == v {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return strings.Join(parts, ", ")
}
