//go:build unix

package compat

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/hold"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

const governancePage = "../../docs/format/governance.md"

// TestGovernancePage_FieldsAreThoseOfTheCode compares every table of fields with the keys that the code encodes.
func TestGovernancePage_FieldsAreThoseOfTheCode(t *testing.T) {
	tables := pageTables(t)
	for _, v := range []any{vault.SourceRecord{}, vault.ClassPath{}, vault.PolicyRecord{}, vault.SettingsRecord{}, vault.PacksRecord{}, vault.PlacementRecord{}, vault.RemovedRecord{},
		vault.BatchRecord{}, vault.CertificateRecord{}, vault.ProofRecord{}, vault.CanaryRecord{}, vault.ErasureRecord{}, vault.WithdrawalRecord{}, retention.Fact{}, retention.Selector{},
		retention.Until{}, calendar.Period{}, retention.Tag{}, retention.Reason{}, retention.Event{}, retention.Pending{}, retention.SoftDelete{},
		hold.Hold{}, hold.Scope{}, retention.PointFacts{}} {
		name := reflect.TypeOf(v).String()
		var want []string
		for _, row := range tables[name] {
			want = append(want, row[0]+" "+strings.ReplaceAll(row[1], "_", ""))
		}
		if diff := cmp.Diff(want, encodedFields(t, reflect.TypeOf(v))); diff != "" {
			t.Errorf("%s (-page +code):\n%s", name, diff)
		}
	}
}

// TestGovernancePage_ValuesAreThoseOfTheCode compares every closed list with the constants of its type.
func TestGovernancePage_ValuesAreThoseOfTheCode(t *testing.T) {
	tables := pageTables(t)
	for _, name := range []string{"retention.FactKind", "retention.Kind", "retention.Level", "retention.Trigger", "policy.TagName"} {
		var want []string
		for _, row := range tables[name] {
			want = append(want, row[0])
		}
		if diff := cmp.Diff(want, constants(t, name)); diff != "" {
			t.Errorf("%s (-page +code):\n%s", name, diff)
		}
	}
}

// pageTables gives the rows of the first table under each heading that names a type of the code.
func pageTables(t *testing.T) map[string][][]string {
	t.Helper()
	page, err := os.ReadFile(governancePage)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][][]string{}
	name := ""
	for text := range strings.Lines(string(page)) {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "#") {
			_, after, _ := strings.Cut(text, "(`")
			name = strings.TrimSuffix(after, "`)")
		}
		if name == "" || !strings.HasPrefix(text, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(text, "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(cells[i], " `")
		}
		if cells[0] != "key" && cells[0] != "value" && !strings.HasPrefix(cells[0], "---") {
			out[name] = append(out[name], cells)
		}
	}
	return out
}

func encodedFields(t *testing.T, typ reflect.Type) []string {
	t.Helper()
	var out []string
	for i := range typ.NumField() {
		f := typ.Field(i)
		options := strings.Split(f.Tag.Get("cbor"), ",")
		if len(options) < 2 || options[1] != "keyasint" {
			t.Errorf("%s.%s is not encoded with a number", typ, f.Name)
			continue
		}
		out = append(out, options[0]+" "+strings.ToLower(f.Name))
	}
	return out
}

// constants gives the values of the constants of a type, in the order of the source.
func constants(t *testing.T, name string) []string {
	t.Helper()
	folder, typ, _ := strings.Cut(name, ".")
	files, err := filepath.Glob("../../internal/" + folder + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typ {
				for _, v := range spec.Values {
					if lit, ok := v.(*ast.BasicLit); ok {
						text, err := strconv.Unquote(lit.Value)
						if err != nil {
							t.Fatal(err)
						}
						out = append(out, text)
					}
				}
			}
			return true
		})
	}
	return out
}
