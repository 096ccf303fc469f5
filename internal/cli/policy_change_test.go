package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
)

func TestPolicyFile_IsSentAsJSON(t *testing.T) {
	want := `{"document":{"every_point":"P7D","keep":[{"for":"P60D","tag":"daily"},{"for":"P12M","last":true,"tag":"monthly"}],"name":"books","on_demand":"P30D",` +
		`"schedule":{"at":"22:00","kind":"daily"},"zone":"Europe/London"}`
	if got := recorded(t, newTerminal(t, nil), "policy", "check", "testdata/own.yaml"); got != "POST policies/check "+want+"}" {
		t.Errorf("got %s", got)
	}
	if got := recorded(t, newTerminal(t, nil), "policy", "set", "testdata/own.yaml", "--yes"); got != "POST policies "+want+`,"yes":true}` {
		t.Errorf("got %s", got)
	}
	term := newTerminal(t, nil)
	term.env.In = strings.NewReader(`{"name": "json"}`)
	if got := recorded(t, term, "policy", "set", "-"); got != `POST policies {"document":{"name":"json"}}` {
		t.Errorf("got %s", got)
	}
	if got := recorded(t, newTerminal(t, nil), "source", "policy", "ledgers", "books", "--yes"); got != `POST sources/ledgers/policy {"policy":"books","yes":true}` {
		t.Errorf("got %s", got)
	}
	if got := recorded(t, newTerminal(t, nil), "policy", "show", "books", "--version", "2"); got != "GET policies/books?version=2" {
		t.Errorf("got %s", got)
	}
	if got := recorded(t, newTerminal(t, nil), "class", "show", "vat", "--set", "uk-us"); got != "GET classes/vat?set=uk-us" {
		t.Errorf("got %s", got)
	}
}

func TestPolicyFile_WhatCannotBeReadIsSaid(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for says, path := range map[string]string{
		"no such file":      filepath.Join(dir, "nowhere"),
		"already defined":   write("twice", "name: a\nname: b\n"),
		"is no policy":      write("large", strings.Repeat("# long\n", mostDocument/6)),
		"keys must be text": write("keys", "{1: 2}\n"),
	} {
		r := newTerminal(t, fake()).run("policy", "set", path, "--yes")
		if r.code != exitUsage || r.out != "" || !strings.Contains(r.err, says) {
			t.Errorf("want %q: %+v", says, r)
		}
	}
}

// TestPolicyExample_OfTheDocsIsValid takes the complete files out of the page.
func TestPolicyExample_OfTheDocsIsValid(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "retention.md"))
	if err != nil {
		t.Fatal(err)
	}
	books := catalog.Vault{Name: "books", Kind: catalog.VaultUnlocked, MinRetention: retention.DefaultMin.String(), MaxRetention: retention.DefaultMax.String()}
	found := map[string]policy.Policy{}
	for _, rest := range strings.Split(string(page), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(rest, "```")
		s := newSession(Env{In: strings.NewReader(text)})
		document, err := s.readDocument("-")
		if err != nil {
			t.Fatal(err)
		}
		p, mistakes := custody.ReadPolicy(document)
		if len(mistakes) != 0 {
			t.Errorf("%v", mistakes)
		}
		if err := custody.Fits(p, "ledgers", nil, books); err != nil {
			t.Errorf("it does not fit a vault as it is made: %v", err)
		}
		found[p.Name] = p
	}
	if p := found["books"]; len(p.Keep) != 5 || len(p.Classes) != 2 || p.Schedule.Window.From == "" {
		t.Errorf("%+v", p)
	}
	if p := found["stores"]; len(p.Keep) != 3 || p.Keep[1].For.IsZero() || p.Fiscal == nil || len(p.Fiscal.Closed) != 1 {
		t.Errorf("%+v", p)
	}
}
