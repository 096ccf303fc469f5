package main

import (
	"fmt"
	"strings"
)

const none = "-"

// table is text in columns; the first ones are names, the rest figures.
type table struct {
	head []string
	rows [][]string
	// names is the number of columns that stand to the left.
	names int
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String aligns the columns: names to the left, figures to the right.
func (t *table) String() string {
	widths := make([]int, len(t.head))
	all := append([][]string{t.head}, t.rows...)
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b strings.Builder
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			if i < t.names {
				fmt.Fprintf(&line, "%-*s", widths[i], cell)
			} else {
				fmt.Fprintf(&line, "%*s", widths[i], cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// comparison shows every tool in every step. The last column is how many
// times our wall time the tool took, the median over the runs.
func comparison(r results, corpora []corpus) string {
	t := table{head: []string{"corpus", "step", "tool", "wall", "cpu", "peak", "anon", "store", "wall/ours"}, names: 3}
	for _, c := range corpora {
		for _, s := range allSteps {
			for _, name := range r.names(c.Name, s, func(measurement) bool { return true }) {
				t.add(comparisonRow(r, c.Name, s, name)...)
			}
		}
	}
	return t.String()
}

func comparisonRow(r results, corpus string, s step, name string) []string {
	row := []string{corpus, string(s), name}
	wall, known := r.median(corpus, s, name, wallOf)
	if !known {
		row = append(row, "failed")
		for len(row) < 9 {
			row = append(row, none)
		}
		return row
	}
	text := seconds(wall)
	if n := r.failures(corpus, s, name); n > 0 {
		text += fmt.Sprintf(" (%d failed)", n)
	}
	row = append(row, text)
	for _, figure := range []struct {
		what measure
		form func(float64) string
	}{
		{cpuOf, seconds},
		{rssOf, mib},
		{anonSeen, mib},
		{storedOf, func(v float64) string { return megabytes(int64(v)) }},
	} {
		row = append(row, cell(figure.form)(r.median(corpus, s, name, figure.what)))
	}
	return append(row, cell(times)(r.ratio(corpus, s, name, engineKind, wallOf)))
}

// ratios shows, for each figure, the best peer's divided by ours: above 1 we
// are better.
func ratios(r results, corpora []corpus) string {
	t := table{head: []string{"corpus", "step", "fastest peer", "wall", "cpu", "peak", "store"}, names: 3}
	for _, c := range corpora {
		for _, s := range allSteps {
			best, found := r.bestPeer(c.Name, s, wallOf)
			if !found {
				continue
			}
			row := []string{c.Name, string(s), best}
			for _, what := range []measure{wallOf, cpuOf, rssOf, storedOf} {
				peer, _ := r.bestPeer(c.Name, s, what)
				row = append(row, cell(times)(r.ratio(c.Name, s, peer, engineKind, what)))
			}
			t.add(row...)
		}
	}
	if len(t.rows) == 0 {
		return ""
	}
	return t.String()
}

// growthTable shows what a unit costs as the corpus grows.
func growthTable(r results, sizes map[string][]growthSize) string {
	t := table{head: []string{"corpus", "step", "wall", "cpu", "wall/unit", "cpu/unit", "peak", "anon", "store", "store/unit"}, names: 2}
	for _, kind := range growthKinds {
		for _, s := range allSteps {
			for _, size := range sizes[kind] {
				wall, known := r.median(size.corpus, s, engineKind, wallOf)
				if !known {
					continue
				}
				cpu, _ := r.median(size.corpus, s, engineKind, cpuOf)
				stored, _ := r.median(size.corpus, s, engineKind, storedOf)
				t.add(size.corpus, string(s), seconds(wall), seconds(cpu), perUnit(kind, wall, size.n), perUnit(kind, cpu, size.n),
					cell(mib)(r.median(size.corpus, s, engineKind, rssOf)), cell(mib)(r.median(size.corpus, s, engineKind, anonSeen)),
					megabytes(int64(stored)), fmt.Sprintf("%.2f B", stored/float64(size.n)))
			}
		}
	}
	return t.String()
}

func goalTable(goals []goal) string {
	t := table{head: []string{"work", "goal", "measured", "verdict"}, names: 4}
	for _, g := range goals {
		measured := g.Measured
		if measured == "" {
			measured = none
		}
		t.add(g.Work, g.Wanted, measured, string(g.Verdict))
	}
	return t.String()
}

// perUnit is time for an entry, or for a gigabyte.
func perUnit(kind string, secs float64, n int64) string {
	if kind == growFiles {
		return fmt.Sprintf("%.1f us", secs*1e6/float64(n))
	}
	return fmt.Sprintf("%.3f s/GB", secs*1e9/float64(n))
}

// cell shows a figure, or that there is none.
func cell(form func(float64) string) func(float64, bool) string {
	return func(v float64, known bool) string {
		if !known {
			return none
		}
		return form(v)
	}
}

func seconds(v float64) string {
	if v < 0.1 {
		return fmt.Sprintf("%.4f s", v)
	}
	if v < 10 {
		return fmt.Sprintf("%.2f s", v)
	}
	return fmt.Sprintf("%.1f s", v)
}

func times(v float64) string   { return fmt.Sprintf("%.2fx", v) }
func mib(v float64) string     { return mebibytes(int64(v)) }
func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }
func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
