package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// quietLoad is the load above which a machine is not quiet enough to measure.
const quietLoad = 0.5

// machine is what a figure depends on.
type machine struct {
	Processor  string  `json:"processor"`
	Cores      int     `json:"cores"`
	Memory     int64   `json:"memory_bytes"`
	FileSystem string  `json:"file_system"`
	System     string  `json:"system"`
	Go         string  `json:"go"`
	Load       float64 `json:"load_at_start"`
}

func factsOf(work string) machine {
	return machine{
		Processor: processorName(), Cores: runtime.NumCPU(), Memory: memoryTotal(), FileSystem: fsName(work),
		System: runtime.GOOS + "/" + runtime.GOARCH + " " + kernel(), Go: runtime.Version(), Load: loadNow(),
	}
}

func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// report is everything that is known in the end; its JSON is what --json
// writes.
type report struct {
	Started time.Time     `json:"started"`
	Machine machine       `json:"machine"`
	Runs    int           `json:"runs"`
	Scale   float64       `json:"scale"`
	Tools   []tool        `json:"tools"`
	Corpora []corpus      `json:"corpora"`
	Results []measurement `json:"results"`
	Goals   []goal        `json:"goals"`
	sizes   map[string][]growthSize
}

func newReport(started time.Time, o options, m machine, tools []tool) *report {
	r := &report{Started: started.UTC(), Machine: m, Runs: o.runs, Scale: o.scale, Tools: tools}
	if o.growth != nil {
		r.sizes = map[string][]growthSize{}
		for _, kind := range o.growth {
			r.sizes[kind] = growthSizes(kind, o.scale)
		}
	}
	return r
}

func (r *report) finish(results []measurement, corpora []corpus) {
	r.Results, r.Corpora = results, corpora
	if r.sizes != nil {
		r.Goals = growthGoals(results, r.sizes)
		return
	}
	db := dbCorpus
	if slices.ContainsFunc(corpora, func(c corpus) bool { return c.Name == syntheticCorpus }) {
		db = syntheticCorpus
	}
	r.Goals = judge{results: results, db: db, cores: r.Machine.Cores}.goals()
}

// write prints the tables and, if asked to, writes the file.
func (r *report) write(out io.Writer, jsonFile string) error {
	if _, err := io.WriteString(out, r.String()); err != nil {
		return err
	}
	if jsonFile == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(jsonFile, append(b, '\n'), 0o644)
}

func (r *report) String() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "%s, %d cores, %.0f GiB, %s, %s, %s\n", m.Processor, m.Cores, float64(m.Memory)/(1<<30), m.FileSystem, m.System, m.Go)
	fmt.Fprintf(&b, "%s, medians of %d, scale %g, load at start %.1f\n", r.Started.Format(time.RFC3339), r.Runs, r.Scale, m.Load)
	for _, t := range r.Tools {
		fmt.Fprintf(&b, "  %s: %s\n", t.Name, t.Version)
	}
	for _, c := range r.Corpora {
		fmt.Fprintf(&b, "  %s: %s; %d entries, %d files, %s\n", c.Name, c.What, c.Size.Entries, c.Size.Files, megabytes(c.Size.Bytes))
	}
	for _, warning := range r.warnings() {
		fmt.Fprintf(&b, "NOTE: %s\n", warning)
	}
	for _, part := range r.parts() {
		if part != "" {
			b.WriteString("\n" + part)
		}
	}
	fmt.Fprintf(&b, "\ngoals: %s\n", tally(r.Goals))
	return b.String()
}

func (r *report) parts() []string {
	if r.sizes != nil {
		return []string{growthTable(r.Results, r.sizes), goalTable(r.Goals)}
	}
	best := ratios(r.Results, r.Corpora)
	if best != "" {
		best = "for each figure, that of the peer with the least of it divided by ours\n" + best
	}
	return []string{comparison(r.Results, r.Corpora), best, goalTable(r.Goals)}
}

// warnings are reasons not to trust the figures.
func (r *report) warnings() (texts []string) {
	if r.Machine.Load > quietLoad {
		texts = append(texts, fmt.Sprintf("the machine was not quiet (load %.1f): times are worth little", r.Machine.Load))
	}
	if r.Scale != 1 {
		texts = append(texts, "not at full scale: the goals are meant for scale 1")
	}
	if r.sizes == nil && r.Runs < defaultRuns {
		texts = append(texts, "fewer than five runs: the goals are meant for medians of five")
	}
	if slices.ContainsFunc(r.Results, func(m measurement) bool { return m.Corpus == syntheticCorpus }) {
		texts = append(texts, "no PostgreSQL: a made-up corpus stands in for the database")
	}
	return texts
}
