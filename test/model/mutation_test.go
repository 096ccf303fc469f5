package model

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutation breaks one rule of the engine.
type mutation struct {
	file, from, to string
}

// mutations are faults that the model must find.
func mutations() map[string]mutation {
	return map[string]mutation{
		"gc deletes what points need":           {"gc/gc.go", "wanted := p.Listed || p.Keeps > 0", "wanted := p.Listed && p.Keeps > 1<<40"},
		"gc believes that trees reach nothing":  {"gc_mark.go", "m.marks[i].set(j)", "_ = j"},
		"gc does not look into content lists":   {"gc_mark.go", "return known, fresh", "return known, fresh && kind != seal.TreeChunk"},
		"gc deletes without condemning":         {"gc/gc.go", "return Condemn, Unneeded", "return Delete, Unneeded"},
		"gc does not wait for sessions":         {"gc/gc.go", "case p.Condemned > 0 && (p.Held || f.OldestSession < p.Condemned):", "case p.Condemned > 1<<40:"},
		"commits count on condemned packs":      {"session.go", "if l.Spent(n) {", "if l.Spent(n) && false {"},
		"new sessions count on condemned packs": {"inventory/set.go", "return f&Healthy != 0 && f&Spent == 0", "return f&Healthy != 0"},
		"points count on replaced packs":        {"records/ledger.go", "return condemned || replaced", "return condemned || replaced && condemned"},
		"repacking loses the placement":         {"records/ledger.go", "l.Placed[pack.Name(p.Pack)] = by", "_ = by"},
		"repacking forgets where it copied to":  {"gc_apply.go", "by[p.Pack.Name][n] = true", "_ = n"},
		"packs that are reused are not locked":  {"commit.go", "want := have.Join(lock)", "want := have"},
		"points are not locked":                 {"commit.go", "_, err := v.store.Bucket.Put(ctx, p.Object, object, blob.PutOptions{Lock: l.own})", "_, err := v.store.Bucket.Put(ctx, p.Object, object, blob.PutOptions{})"},
		"numbers are given again":               {"commit.go", "if key.Source == d.Source && x.Number >= number {", "if key.Source == d.Source && x.Number > 1<<40 {"},
		"merged segments lack places":           {"index/index.go", "n != dropped {", "n != dropped && rest[0]%4 != 0 {"},
		"merged tables lack places":             {"index/merge.go", "|| numbers[old] == dropped {", "|| numbers[old] == dropped || len(m.inputs) > 1 && e[0]%4 == 0 {"},
		"points go without a record":            {"point_remove.go", "if _, recorded := l.Removed[records.PointKey{Source: e.Source, Number: e.Number}]; !recorded {", "if _, recorded := l.Removed[records.PointKey{Source: e.Source, Number: e.Number}]; recorded {"},
		"the owner is not asked":                {"records/owner.go", "if o.Server != l.server {", "if o.Server != l.server && false {"},
	}
}

// TestMutations breaks the engine on purpose, a rule at a time, and asks that
// the model notices. It takes minutes: COUNTERFOIL_LONG=1.
func TestMutations(t *testing.T) {
	if os.Getenv("COUNTERFOIL_LONG") == "" {
		t.Skip("each mutation is built and run by itself, which takes minutes: COUNTERFOIL_LONG=1")
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range mutations() {
		t.Run(name, func(t *testing.T) { m.check(t, root, effort(name)) })
	}
}

// effort is how many worlds of how many days a mutation gets. Few sessions come
// to count on a pack between its condemnation and their end.
func effort(name string) [2]string {
	if name == "commits count on condemned packs" {
		return [2]string{"80", "300"}
	}
	return [2]string{"6", "150"}
}

func (m mutation) check(t *testing.T, root string, effort [2]string) {
	path := filepath.Join(root, "internal", "vault", m.file)
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.from); n != 1 {
		t.Fatalf("%s has %q %d times", m.file, m.from, n)
	}
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.go")
	if err := os.WriteFile(broken, []byte(strings.Replace(string(source), m.from, m.to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: broken}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "model.test")
	build := exec.Command("go", "test", "-c", "-overlay", list, "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the mutation does not build: %v\n%s", err, out)
	}
	cmd := exec.Command(program, "-test.run", "^TestModel$", "-test.failfast", "-test.timeout", "15m")
	cmd.Env = append(os.Environ(), "COUNTERFOIL_MODEL_SEED=1", "COUNTERFOIL_MODEL_WORLDS="+effort[0], "COUNTERFOIL_MODEL_DAYS="+effort[1])
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("the model did not notice:\n%s", out)
		return
	}
	if strings.Contains(string(out), "test timed out") {
		t.Errorf("the model did not notice in time:\n%s", out)
		return
	}
	t.Logf("noticed: %s", firstFinding(string(out)))
}

func firstFinding(out string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, "day ") || strings.Contains(line, "in the end") || strings.Contains(line, "panic") {
			return strings.TrimSpace(line)
		}
	}
	return out
}
