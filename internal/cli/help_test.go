package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

// tree gives every command that help shows, parents first.
func tree(cmd *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			list = append(list, tree(c)...)
		}
	}
	return list
}

const referenceHead = `# Command line

Made from the commands' own help by ` + "`go test ./internal/cli -run Reference -update`" + `.
What the commands print with ` + "`--output json`" + ` is described in [json.md](json.md).

The exit code of every command is 0 done, 1 failed, 2 the command line, or what
it names, cannot be used, 3 incomplete (something was skipped), 4 refused by
retention or a lock, 5 needs approval, 6 not allowed.
`

func TestReference_IsTheHelpOfEveryCommand(t *testing.T) {
	root := newRoot(newSession(Env{}))
	root.InitDefaultCompletionCmd()
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, cmd := range tree(root) {
		words := strings.Fields(cmd.CommandPath())[1:]
		r := newTerminal(t, fake()).run(with(words, "--help")...)
		if r.code != exitDone || r.err != "" {
			t.Errorf("%s --help: %+v", cmd.CommandPath(), r)
		}
		if about := newTerminal(t, fake()).run(with([]string{"help"}, words...)...); about.out != r.out && len(words) > 0 {
			t.Errorf("help %q differs from --help:\n%s", words, about.out)
		}
		text := r.out
		if cmd.HasParent() {
			text = withoutGlobals(text)
		}
		fmt.Fprintf(&b, "\n## %s\n\n```text\n%s```\n", cmd.CommandPath(), text)
	}
	goldenFile(t, filepath.Join("..", "..", "docs", "reference", "cli.md"), b.String())
}

// withoutGlobals leaves out the global flags: the page has them once.
func withoutGlobals(text string) string {
	before, after, _ := strings.Cut(text, "\nGlobal flags:\n")
	if _, exits, found := strings.Cut(after, "\nExit codes:\n"); found {
		return before + "\nExit codes:\n" + exits
	}
	return before
}

func TestHelp_EveryCommandHasAnExampleThatParsesAndItsExitCodes(t *testing.T) {
	root := newRoot(newSession(Env{}))
	for _, cmd := range tree(root) {
		if !cmd.Runnable() || cmd.HasSubCommands() || cmd.Name() == "help" {
			continue
		}
		text := helpText(cmd)
		if !strings.Contains(text, "\nExample:\n  counterfoil ") || !strings.Contains(text, "\nExit codes:\n  0  done\n") {
			t.Errorf("%s: no example or no exit codes:\n%s", cmd.CommandPath(), text)
		}
		if !strings.HasPrefix(strings.TrimSpace(cmd.Example), cmd.CommandPath()) {
			t.Errorf("%s: the example is of another command: %s", cmd.CommandPath(), cmd.Example)
		}
		if cmd.Short == "" || cmd.Long == "" {
			t.Errorf("%s: no description", cmd.CommandPath())
		}
		for line := range strings.Lines(text) {
			if len([]rune(line)) > helpWidth+1 && !strings.Contains(line, "counterfoil source create") {
				t.Errorf("%s: a line is too long: %s", cmd.CommandPath(), line)
			}
		}
		checkExample(t, cmd)
	}
}

func checkExample(t *testing.T, cmd *cobra.Command) {
	t.Helper()
	line, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), " > ")
	line, _, _ = strings.Cut(line, " < ")
	words := strings.Fields(strings.ReplaceAll(line, "'", ""))[1:]
	term := newTerminal(t, fake())
	if cmd.Name() == "server" {
		return
	}
	if r := term.run(words...); r.code != exitDone {
		t.Errorf("example %q: %+v", line, r)
	}
}

func TestHelp_TheProgramAloneShowsIt(t *testing.T) {
	r := newTerminal(t, fake()).run()
	if r.code != exitDone || !strings.Contains(r.out, "counterfoil quickstart") || !strings.Contains(r.out, "Commands:") {
		t.Errorf("%+v", r)
	}
	if r := newTerminal(t, fake()).run("--version"); r.code != exitDone || !strings.Contains(r.out, "v1.0.0-test") {
		t.Errorf("%+v", r)
	}
}

func TestJSONReference_NamesEveryField(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	for _, v := range []any{
		api.Version{}, api.Vault{}, api.Verification{}, api.Recovered{}, api.Source{}, api.Point{}, api.Explanation{}, api.Entry{}, api.Difference{},
		api.Restored{}, api.QuickstartResult{}, api.Removal{}, api.AuditEntry{}, api.AuditVerification{}, api.Finding{}, api.ProblemDetails{}, api.Event{},
		api.Erasure{}, api.BeyondUse{}, api.Forgotten{},
	} {
		checkDocumented(t, string(text), reflect.TypeOf(v), seen)
	}
}

// checkDocumented requires a section for each type, with each of its fields.
func checkDocumented(t *testing.T, text string, of reflect.Type, seen map[reflect.Type]bool) {
	t.Helper()
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || of.PkgPath() != reflect.TypeOf(api.Point{}).PkgPath() || seen[of] {
		return
	}
	seen[of] = true
	_, rest, found := strings.Cut(text, "\n## "+of.Name()+"\n")
	if !found {
		t.Errorf("no section on %s", of.Name())
		return
	}
	section, _, _ := strings.Cut(rest, "\n## ")
	for i := range of.NumField() {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !strings.Contains(section, "| `"+name+"` |") {
			t.Errorf("%s.%s is not documented", of.Name(), name)
		}
		checkDocumented(t, text, field.Type, seen)
	}
	for line := range strings.Lines(section) {
		if name, _, is := strings.Cut(strings.TrimPrefix(line, "| `"), "`"); is && strings.HasPrefix(line, "| `") && !hasField(of, name) {
			t.Errorf("%s has no field %s", of.Name(), name)
		}
	}
}

func hasField(of reflect.Type, name string) bool {
	for i := range of.NumField() {
		if tag, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ","); tag == name {
			return true
		}
	}
	return false
}
