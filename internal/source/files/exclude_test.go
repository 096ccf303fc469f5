package files

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// excludeCases are patterns with paths ("/" at the end: a directory) and
// whether the object itself is left out, its parents being kept.
var excludeCases = []struct {
	patterns string // separated by "|"
	path     string
	want     bool
}{
	{"*.log", "a.log", true},
	{"*.log", "x/y/a.log", true},
	{"*.log", "a.log2", false},
	{"/a", "a", true},
	{"/a", "x/a", false},
	{"x/a", "x/a", true},
	{"x/a", "y/x/a", false},
	{"a/", "a", false},
	{"a/", "a/", true},
	{"a/", "x/a/", true},
	{"**/a/b", "a/x/a/b", true},
	{"**/a/b", "a/b", true},
	{"a/**/b", "a/b", true},
	{"a/**/b", "a/x/y/b", true},
	{"a/**", "a/", false},
	{"a/**", "a/x", true},
	{"*.log|!keep.log", "keep.log", false},
	{"*.log|!keep", "keep/a.log", true},
	{"!a|a", "a", true},
	{"# comment||a", "a", true},
	{`\#a`, "#a", true},
	{`\!a`, "!a", true},
	{"a ", "a", true},
	{`a\ `, "a ", true},
	{"[!a]x", "bx", true},
	{"[!a]x", "ax", false},
	{"[a-c]?", "b\xff", true},
	{"*", ".hidden", true},
	{"a*b", "a/b", false},
}

func TestExclude_Patterns(t *testing.T) {
	for _, c := range excludeCases {
		rules, err := parseRules(strings.Split(c.patterns, "|"))
		if err != nil {
			t.Fatalf("%q: %v", c.patterns, err)
		}
		name, dir := strings.CutSuffix(c.path, "/")
		rule, got := excludedBy(rules, strings.Split(name, "/"), dir)
		if got != c.want || got && !strings.Contains(c.patterns, rule) {
			t.Errorf("%q on %q: excluded %v by %q, want %v", c.patterns, c.path, got, rule, c.want)
		}
	}
}

func TestExclude_AgreesWithGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git, which judges the patterns, is not installed")
	}
	for _, c := range excludeCases {
		dir := t.TempDir()
		name, isDir := strings.CutSuffix(c.path, "/")
		target := dir + "/" + name
		must(t, os.MkdirAll(filepath.Dir(target), 0o755))
		if isDir {
			must(t, os.Mkdir(target, 0o755))
		} else {
			must(t, os.WriteFile(target, nil, 0o644))
		}
		must(t, os.WriteFile(dir+"/patterns", []byte(strings.ReplaceAll(c.patterns, "|", "\n")+"\n"), 0o644))
		git(t, dir, "init", "-q", ".")
		cmd := exec.Command("git", "-C", dir, "-c", "core.excludesFile="+dir+"/patterns", "check-ignore", "-q", "--", name)
		if got := cmd.Run() == nil; got != c.want {
			t.Errorf("git on %q for %q: ignored %v, want %v", c.patterns, c.path, got, c.want)
		}
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("git %q: %v: %s", args, err, out)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestNew_RefusesWhatCannotBeRight(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no path":             {},
		"relative path":       {Paths: []string{"a/b"}},
		"NUL":                 {Paths: []string{"/a\x00b"}},
		"malformed pattern":   {Paths: []string{"/a"}, Excludes: []string{"[a"}},
		"empty pattern part":  {Paths: []string{"/a"}, Excludes: []string{"a//b"}},
		"negative limit":      {Paths: []string{"/a"}, ExcludeLarger: -1},
		"our own data":        {Paths: []string{"/data/vault"}, Protect: []string{"/data"}},
		"relative protection": {Paths: []string{"/a"}, Protect: []string{"b"}},
	} {
		if _, err := New(cfg); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s: %v, want an error of kind invalid", name, err)
		}
	}
}
