package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sentences collects what the program said in the cases of one test.
type sentences struct {
	text strings.Builder
}

// masks hide what differs from run to run.
var masks = []struct {
	pattern *regexp.Regexp
	text    string
}{
	{regexp.MustCompile(`(?m)^warn +privileges: .*\n`), ""}, // depends on who runs the tests
	{regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}\b`), "ULID"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "DIGEST"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "ID"},
	{regexp.MustCompile(`ULID-\d{10}`), "ULID-N"},
	{regexp.MustCompile(`\b01[0-9A-HJKMNP-TV-Z]{3,23}\b`), "PREFIX"},
	{regexp.MustCompile(`\b[0-9a-f]{2}/DIGEST`), "HH/DIGEST"},
	{regexp.MustCompile(`-[0-9a-f]{8}\.txt`), "-ID.txt"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(Z| ?[+-]\d\d:?\d\d)?`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d`), "TIME"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "DATE"},
	{regexp.MustCompile(`\b\d{4}-W\d\d\b`), "WEEK"},
	{regexp.MustCompile(`(monthly) \d{4}-\d\d\b`), "$1 MONTH"},
	{regexp.MustCompile(`\b\d+h\d+m\d+s\b`), "DURATION"},
	{regexp.MustCompile(`\d+(\.\d+)? [KMGT]iB free`), "N free"},
	{regexp.MustCompile(`\d+(\.\d+)? ([KMGT]i)?B new`), "N new"},
	{regexp.MustCompile(`(?m)^(Checked +).*$`), "${1}..."},
	{regexp.MustCompile(`(?m)^(Audit log +)\d+ records$`), "${1}N records"},
	{regexp.MustCompile(`(Kept until +TIME) \(.*\)`), "$1 (TAGS)"},
	{regexp.MustCompile(`put packs/(data|tree)/`), "put packs/KIND/"},
	{regexp.MustCompile(`(?m)^(ok {12}|warn +cryptography).*\n`), ""}, // what the doctor finds in order
	{regexp.MustCompile(`(\d+) of \d+ checks`), "$1 of N checks"},
	{regexp.MustCompile(`host "[^"]*"`), "host HOST"},
	{regexp.MustCompile(`write "[^"]*" at \d+`), "write FILE at N"},
	{regexp.MustCompile(`^\d+ files? (are|is) lost`), "N files are lost"},
	{regexp.MustCompile(`: \d+ files? (are|is) lost`), ": N files are lost"},
	{regexp.MustCompile(`\b(process|pid) \d+`), "$1 PID"},
	{regexp.MustCompile(`\bin \d+\.\d s\b`), "in N s"},
	{regexp.MustCompile(`\.tmp-[0-9A-Za-z]+`), ".tmp-X"},
}

// folded is where a table went on in the next line, which depends on the
// length of paths.
var folded = regexp.MustCompile(`\n {14}`)

func (r *rig) mask(text string) string {
	text = folded.ReplaceAllString(text, " ")
	for _, p := range []struct{ path, name string }{{r.data, "$DATA"}, {r.store, "$STORE"}, {r.src, "$SRC"}, {r.dir, "$DIR"}, {filepath.Dir(r.dir), "$TMP"}} {
		text = strings.ReplaceAll(text, p.path, p.name)
	}
	for _, m := range masks {
		text = m.pattern.ReplaceAllString(text, m.text)
	}
	return text
}

// add notes a case: the command, its exit code and all it said as an error.
func (s *sentences) add(r *rig, name string, x result) {
	fmt.Fprintf(&s.text, "# %s\n$ counterfoil %s\n%s[exit %d]\n\n", name, r.mask(strings.Join(quoted(x.args), " ")), r.mask(x.err), x.code)
}

// addAll notes a case with what was printed as well.
func (s *sentences) addAll(r *rig, name string, x result) {
	x.err = x.out + x.err
	s.add(r, name, x)
}

func quoted(args []string) []string {
	out := make([]string, 0, len(args))
	for _, a := range args {
		if strings.ContainsFunc(a, func(c rune) bool { return c < '!' || c > '~' }) || a == "" {
			a = fmt.Sprintf("%q", a)
		}
		out = append(out, a)
	}
	return out
}

// golden compares what was collected with a file that people review.
func (s *sentences) golden(t *testing.T, name string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	got := s.text.String()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(read(t, path)), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}
