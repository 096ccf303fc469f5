//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/blob/diskblob"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// Values that differ from run to run, and what stands for them.
var volatile = []struct {
	pattern *regexp.Regexp
	mask    string
}{
	{regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`), "TIME"},
	{regexp.MustCompile(`@\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "@TIME"},
	{regexp.MustCompile(`\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b`), "ULID"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "HEX64"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "HEX32"},
	{regexp.MustCompile(`-[0-9a-f]{8}\.txt$`), "-HEX8.txt"},
	{regexp.MustCompile(`\+[0-9a-f]{8}\+[0-9A-Za-z+/=]{40,}$`), "+HASH+KEY"},
	{regexp.MustCompile(`^uid:\d+$`), "uid:N"},
	{regexp.MustCompile(regexp.QuoteMeta(os.TempDir()) + `/\S*?/(ledgers|data|store|restored)\b`), "/TMP/$1"},
}

// inconstant are keys whose value or length depends on the day or the machine.
var inconstant = []string{
	"tags", "lines", "explanation", "would_lock", "message", "version", "go", "root", "audit_root",
	"stored", "bytes", "seconds", "sentence", "uid", "gid", "user", "group", "reason", "status",
}

// masked puts constants in place of what differs from run to run; of a list of
// objects of that kind the first remains.
func masked(key string, v any, sizes bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		_, isVault := v["soft_delete_days"]
		for k, x := range v {
			if k != "fix" { // there or not, as the machine is
				out[k] = masked(k, x, isVault)
			}
		}
		return out
	case []any:
		if key == "reasons" { // the day decides which and how many
			return []any{"REASON"}
		}
		if slices.Contains(inconstant, key) && len(v) > 1 {
			v = v[:1]
		}
		out := []any{}
		for _, x := range v {
			out = append(out, masked(key, x, false))
		}
		return out
	case string:
		if slices.Contains(inconstant, key) {
			return "TEXT"
		}
		for _, m := range volatile {
			v = m.pattern.ReplaceAllString(v, m.mask)
		}
		return v
	case float64:
		if slices.Contains(inconstant, key) || sizes && key == "size" {
			return "NUMBER"
		}
	case bool:
		if key == "fips" {
			return "BOOL"
		}
	}
	return v
}

// maskedJSON reads what a command printed and writes it with constants in
// place of what differs from run to run.
func maskedJSON(t *testing.T, text string) string {
	t.Helper()
	out, err := json.MarshalIndent(masked("", plainJSON(t, text), false), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

func plainJSON(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, text)
	}
	return v
}

// plainYAML reads YAML into the types that JSON has.
func plainYAML(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("not YAML: %v\n%s", err, text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return plainJSON(t, string(b))
}

// checkKeys checks that every key is snake_case.
func checkKeys(t *testing.T, at string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if !regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`).MatchString(k) {
				t.Errorf("%s: the key %q is not snake_case", at, k)
			}
			checkKeys(t, at+"."+k, x)
		}
	case []any:
		for _, x := range v {
			checkKeys(t, at, x)
		}
	}
}

// fixedTree is a source whose entries are the same in every run.
func fixedTree(t *testing.T) string {
	t.Helper()
	src := smallTree(t)
	writeFile(t, src+"/odd \xff\n", "odd\n")
	if err := os.Symlink("readme.txt", src+"/link"); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
	for _, name := range []string{"readme.txt", "2025/gl.csv", "2026/gl.csv", "odd \xff\n", "2025", "2026"} {
		if err := os.Chtimes(src+"/"+name, day, day); err != nil {
			t.Fatal(err)
		}
	}
	return src
}

// TestJSON_Golden has the JSON of every command that prints any, and checks
// that YAML says the same.
func TestJSON_Golden(t *testing.T) {
	t.Parallel()
	s, src := newSite(t), fixedTree(t)
	// Without the flag the same for root as for others.
	store := filepath.Join(t.TempDir(), "store") + "?immutable-flag=off"
	changing := []string{"vault create", "source create", "backup run", "vault verify", "restore run", "vault recover", "quickstart", "audit list", "audit verify"}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"vault_create", []string{"vault", "create", "books", "file://" + store}},
		{"source_create", []string{"source", "create", "ledgers", src, "--vault", "books", "--class", "general_ledger=/2025/**", "--exclude", "*.tmp", "--exclude-larger", "1GiB", "--owner", "Pat"}},
		{"backup_run", []string{"backup", "run", "ledgers"}},
		{"vault_list", []string{"vault", "list"}},
		{"vault_show", []string{"vault", "show", "books"}},
		{"source_list", []string{"source", "list"}},
		{"source_show", []string{"source", "show", "ledgers"}},
		{"point_list", []string{"point", "list"}},
		{"point_show", []string{"point", "show", "latest"}},
		{"point_explain", []string{"point", "explain", "latest"}},
		{"point_ls", []string{"point", "ls", "latest", "-R"}},
		{"vault_verify", []string{"vault", "verify", "books"}},
		{"restore_run", []string{"restore", "run", "latest", "--to", filepath.Join(t.TempDir(), "restored")}},
		{"audit_list", []string{"audit", "list"}},
		{"audit_verify", []string{"audit", "verify"}},
		{"doctor", []string{"doctor"}},
		{"version", []string{"version"}},
		{"vault_recover", []string{"vault", "recover", "file://" + store, "--key-file", "KEY"}},
		{"quickstart", []string{"quickstart", src}},
		{"quickstart_remove", []string{"quickstart", "--remove"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := site{t: t, data: s.data}
			if c.name == "vault_recover" {
				c.args[len(c.args)-1] = s.only("keys/????????????????????????????????.key")
			}
			out := s.exit(0, append(c.args, "--output", "json")...)
			if out.stderr != "" {
				t.Errorf("on the error output stands %q", out.stderr)
			}
			checkKeys(t, c.name, plainJSON(t, out.stdout))
			golden(t, "json/"+c.name+".json", maskedJSON(t, out.stdout))
			if !slices.Contains(changing, strings.Join(c.args[:min(2, len(c.args))], " ")) && c.args[0] != "quickstart" {
				if diff := cmp.Diff(plainJSON(t, out.stdout), plainYAML(t, s.ok(append(c.args, "--output", "yaml")...))); diff != "" && c.name != "doctor" {
					t.Errorf("YAML says something else (-json +yaml):\n%s", diff)
				}
				if short := s.ok(append(c.args, "--json")...); maskedJSON(t, short) != maskedJSON(t, out.stdout) {
					t.Error("--json is not --output json")
				}
			}
		})
	}
}

// TestJSON_ChangingAsYAML compares JSON and YAML of commands that cannot print
// the same twice.
func TestJSON_ChangingAsYAML(t *testing.T) {
	t.Parallel()
	s, src := newSite(t), fixedTree(t)
	s.ok("quickstart", src)
	s.ok("quickstart", src)
	for _, args := range [][]string{
		{"quickstart", src}, {"vault", "verify", "trial"}, {"audit", "list", "--action", "vault/create"},
		{"audit", "verify"}, {"backup", "run", "ledgers"},
	} {
		asJSON := masked("", plainJSON(t, s.ok(append(args, "-o", "json")...)), false)
		asYAML := masked("", plainYAML(t, s.ok(append(args, "-o", "yaml")...)), false)
		if diff := cmp.Diff(asJSON, asYAML, cmp.FilterPath(counts, cmp.Ignore())); diff != "" {
			t.Errorf("%q: YAML says something else (-json +yaml):\n%s", args, diff)
		}
	}
}

// counts tells the paths of numbers that grow from one run to the next.
func counts(p cmp.Path) bool {
	return slices.ContainsFunc(p, func(step cmp.PathStep) bool {
		m, ok := step.(cmp.MapIndex)
		return ok && slices.Contains([]string{"points", "number", "objects", "size", "packs", "frames", "chunks", "audit_size", "started_at", "ended_at"}, m.Key().String())
	})
}

// TestJSON_PointHasThePromisedKeys checks the keys that programs rely on.
func TestJSON_PointHasThePromisedKeys(t *testing.T) {
	t.Parallel()
	s, _, _ := protected(t)
	reasons, ok := s.object("point", "show", "latest:ledgers")["reasons"].([]any)
	if !ok || len(reasons) == 0 {
		t.Error("point show gives no reasons")
	}
	for _, x := range reasons {
		reason, ok := x.(map[string]any)
		if !ok || reason["kind"] == "" || reason["sentence"] == "" || reason["decides"] == nil {
			t.Errorf("reason %v", x)
		}
	}
	for _, p := range s.list("point", "list") {
		if len(p.text("id")) != 26 || p.text("source") == "" || !strings.HasPrefix(p.text("name"), p.text("source")+"@") {
			t.Errorf("id %q, name %q, source %q", p["id"], p["name"], p["source"])
		}
		received, until := p.moment(t, "received_at"), p.moment(t, "retain_until")
		if until.Before(received.AddDate(0, 0, 7)) || received.Location() != time.UTC {
			t.Errorf("received %v, kept until %v", received, until)
		}
		if p.number(t, "size") <= 0 {
			t.Errorf("size %v", p["size"])
		}
	}
}

// TestJSON_EmptyLists has nothing to list.
func TestJSON_EmptyLists(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ok("vault", "create", "books", "file://"+storeFolder(t))
	for _, args := range [][]string{{"source", "list"}, {"point", "list"}, {"audit", "list", "--action", "restore/run"}} {
		for _, format := range []string{"json", "yaml"} {
			if out := s.ok(append(args, "-o", format)...); out != "[]\n" {
				t.Errorf("%q as %s prints %q", args, format, out)
			}
		}
	}
	src := smallTree(t)
	s.ok("source", "create", "ledgers", src, "--vault", "books")
	s.ok("backup", "run", "ledgers")
	p := s.object("backup", "run", "ledgers").text("id")
	if out := s.ok("point", "diff", p, "latest", "-o", "json"); out != "[]\n" {
		t.Errorf("the difference of a point and itself is %q", out)
	}
}

// TestVault_RealOneLocks looks at a vault with locks from outside: what lies in
// its store, what is locked until when, and that the driver refuses to delete.
func TestVault_RealOneLocks(t *testing.T) {
	t.Parallel()
	s, store, _ := protected(t)
	want := []string{"governance", "header", "index", "keys", "locks", "log", "packs", "points"}
	if diff := cmp.Diff(want, entriesOf(t, store)); diff != "" {
		t.Errorf("top of the store (-want +got):\n%s", diff)
	}
	point := s.object("point", "show", "latest:ledgers")
	if point["locked"] != true || point["trial"] != false {
		t.Errorf("point show: locked %v, trial %v", point["locked"], point["trial"])
	}
	latest := point.moment(t, "retain_until")
	for _, p := range s.list("point", "list") {
		if until := p.moment(t, "retain_until"); until.After(latest) {
			latest = until
		}
	}
	driver, err := diskblob.Open(store, diskblob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer driver.Close()
	covered := 0
	for _, folder := range []string{"packs/", "points/", "index/"} {
		locked := 0
		err := driver.List(t.Context(), folder, func(info blob.Info) error {
			if info.Lock.Mode == blob.NoLock {
				return fmt.Errorf("%s is not locked", info.Name)
			}
			if _, err := os.Stat(store + "/locks/" + info.Name + ".lock"); err != nil {
				return err
			}
			if err := driver.Delete(t.Context(), info.Name); !errkind.Is(err, errkind.Refused) {
				return fmt.Errorf("delete %s: %w", info.Name, err)
			}
			if !info.Lock.Until.Before(latest) {
				covered++
			}
			locked++
			return nil
		})
		if err != nil || locked == 0 {
			t.Errorf("%s: %d locked objects, %v", folder, locked, err)
		}
	}
	if covered < 3 {
		t.Errorf("%d objects are locked until %v, when the longest-kept point ends", covered, latest)
	}
	trial := newSite(t)
	trial.ok("quickstart", smallTree(t))
	if p := trial.object("point", "show", "latest"); p["locked"] != false || p["trial"] != true {
		t.Errorf("the trial's point: locked %v, trial %v", p["locked"], p["trial"])
	}
	if _, err := os.Stat(trial.path("vaults/trial/locks/points")); !os.IsNotExist(err) {
		t.Errorf("the trial vault has locks: %v", err)
	}
}

// TestExplain_SaysWhatTheClassDoes has a source with records of classes kept
// for years from an event, for ever, and of one that no record belongs to.
func TestExplain_SaysWhatTheClassDoes(t *testing.T) {
	t.Parallel()
	s, src := newSite(t), smallTree(t)
	s.realVault("books", "ledgers", src, "--class", "general_ledger=/2025/**", "--class", "financial_statements=/readme.txt", "--class", "payroll=/payroll/**")
	s.ok("backup", "run", "ledgers")
	e := s.object("point", "explain", "latest")
	if e["decision"] != "keep" {
		t.Errorf("decision %v", e["decision"])
	}
	if len(e.strings(t, "lines")) < 3 {
		t.Errorf("reasons: %v", e["lines"])
	}
	text := strings.Join(strings.Fields(s.ok("point", "explain", "latest")), " ")
	for _, want := range []string{"general_ledger", "financial_statements", "monthly", "Taken on demand", "Retained until"} {
		if !strings.Contains(text, want) {
			t.Errorf("point explain does not speak of %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "payroll") {
		t.Errorf("point explain speaks of a class without records:\n%s", text)
	}
	s.refused(2, []string{"no_such_class"}, "source", "create", "more", src, "--vault", "books", "--class", "no_such_class=/x")
	if got := s.list("source", "list"); len(got) != 1 {
		t.Errorf("a refused source is there: %v", got)
	}
}
