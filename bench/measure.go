package main

import (
	"maps"
	"slices"
)

// measurement is one step of one tool in one run, or of a reference, which has
// no kind.
type measurement struct {
	Corpus  string  `json:"corpus"`
	Step    step    `json:"step"`
	Tool    string  `json:"tool"`
	Kind    string  `json:"kind,omitempty"`
	Run     int     `json:"run"`
	Wall    float64 `json:"wall_seconds"`
	CPU     float64 `json:"cpu_seconds"`
	Peak    int64   `json:"peak_bytes"`
	Anon    int64   `json:"anonymous_bytes"`
	Stored  int64   `json:"stored_bytes"`
	Failure string  `json:"failure,omitempty"`
}

// measure picks one figure; known is false where it was not taken.
type measure func(measurement) (value float64, known bool)

func wallOf(m measurement) (float64, bool)   { return m.Wall, m.Failure == "" && m.Wall > 0 }
func cpuOf(m measurement) (float64, bool)    { return m.CPU, m.Failure == "" && m.CPU > 0 }
func rssOf(m measurement) (float64, bool)    { return float64(m.Peak), m.Failure == "" && m.Peak > 0 }
func anonSeen(m measurement) (float64, bool) { return float64(m.Anon), m.Failure == "" && m.Anon > 0 }
func storedOf(m measurement) (float64, bool) {
	return float64(m.Stored), m.Failure == "" && m.Stored > 0
}

// results answers questions about what was measured.
type results []measurement

// byRun gives a figure of one tool in one step, by the number of the run.
func (r results) byRun(corpus string, s step, tool string, what measure) map[int]float64 {
	values := map[int]float64{}
	for _, m := range r {
		if m.Corpus != corpus || m.Step != s || m.Tool != tool {
			continue
		}
		if v, known := what(m); known {
			values[m.Run] = v
		}
	}
	return values
}

func (r results) median(corpus string, s step, tool string, what measure) (float64, bool) {
	return median(slices.Collect(maps.Values(r.byRun(corpus, s, tool, what))))
}

// ratio is the median of how many times a's figure is b's, run by run.
func (r results) ratio(corpus string, s step, a, b string, what measure) (float64, bool) {
	return medianRatio(r.byRun(corpus, s, a, what), r.byRun(corpus, s, b, what))
}

// growth is by how much a store grew in the step changed, by run.
func (r results) growth(corpus, tool string) map[int]float64 {
	before, after := r.byRun(corpus, stepUnchanged, tool, storedOf), r.byRun(corpus, stepChanged, tool, storedOf)
	grown := map[int]float64{}
	for run, size := range after {
		if old, known := before[run]; known {
			grown[run] = size - old
		}
	}
	return grown
}

func (r results) failures(corpus string, s step, tool string) (n int) {
	for _, m := range r {
		if m.Corpus == corpus && m.Step == s && m.Tool == tool && m.Failure != "" {
			n++
		}
	}
	return n
}

// names lists the tools that took part in a step, or the references, in the
// order of their first turn.
func (r results) names(corpus string, s step, take func(measurement) bool) (names []string) {
	for _, m := range r {
		if m.Corpus == corpus && m.Step == s && take(m) && !slices.Contains(names, m.Tool) {
			names = append(names, m.Tool)
		}
	}
	return names
}

func isPeer(m measurement) bool { return m.Kind != "" && m.Kind != engineKind }

// bestPeer is the peer with the least of a figure.
func (r results) bestPeer(corpus string, s step, what measure) (name string, found bool) {
	least := 0.0
	for _, peer := range r.names(corpus, s, isPeer) {
		if v, known := r.median(corpus, s, peer, what); known && (!found || v < least) {
			name, least, found = peer, v, true
		}
	}
	return name, found
}

func median(values []float64) (float64, bool) {
	n := len(values)
	if n == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2, true
}

func medianRatio(a, b map[int]float64) (float64, bool) {
	var ratios []float64
	for run, v := range a {
		if w, known := b[run]; known && w > 0 {
			ratios = append(ratios, v/w)
		}
	}
	return median(ratios)
}
