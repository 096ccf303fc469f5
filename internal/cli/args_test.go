package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// recorded runs a command and returns the one request that it made.
func recorded(t *testing.T, term *terminal, args ...string) string {
	t.Helper()
	var got []string
	term.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, strings.TrimSpace(r.Method+" "+strings.TrimPrefix(r.URL.RequestURI(), "/api/v1/")+" "+string(text)))
		w.WriteHeader(http.StatusTeapot)
		_ = json.NewEncoder(w).Encode(api.NewProblem(errkind.New(errkind.NotAllowed, "enough")))
	})
	if r := term.run(args...); r.code != exitNotAllowed || len(got) != 1 {
		t.Fatalf("%q: requests %q, %+v", args, got, r)
	}
	return got[0]
}

func TestArguments_WhatIsAskedFor(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	patterns := filepath.Join(t.TempDir(), "patterns")
	if err := os.WriteFile(patterns, []byte("# comment\r\n*.bak\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"quickstart"}, `POST quickstart {}`},
		{[]string{"quickstart", "x"}, `POST quickstart {"path":"` + here + `/x"}`},
		{[]string{"quickstart", "/a\xff"}, `POST quickstart {"path":"/a` + "\uFFFD" + `","path_raw":"L2H/"}`},
		{[]string{"vault", "create", "v", "/srv/a b", "--max-retention", "10y", "--recovery-kit", "kit"},
			`POST vaults {"name":"v","url":"file:///srv/a%20b","max_retention":"10y","recovery_kit":"` + here + `/kit"}`},
		{[]string{"vault", "verify", "v", "--quick"}, `POST vaults/v/verify {"mode":"quick"}`},
		{[]string{"vault", "recover", "/v", "--key-file", "k"}, `POST recover {"url":"file:///v","key_file":"` + here + `/k"}`},
		{[]string{"source", "create", "s", "/a", "/b\xff", "--vault", "v", "--policy", "sox", "--owner", "ana", "--exclude", "a,b", "--exclude", "c", "--exclude-from", patterns,
			"--exclude-larger", "1GiB", "--exclude-caches", "--one-file-system", "--class", "ledger=/gl/**", "--class", "invoice=/a=b"},
			`POST sources {"name":"s","vault":"v","policy":"sox","paths":["/a","/b` + "\uFFFD" + `"],"paths_raw":["L2E=","L2L/"],"excludes":["a,b","c","# comment","*.bak"],` +
				`"exclude_larger":1073741824,"exclude_caches":true,"one_file_system":true,"classes":[{"class":"ledger","path":"/gl/**"},{"class":"invoice","path":"/a=b"}],"owner":"ana"}`},
		{[]string{"source", "create", "s", "/a", "--vault", "v", "--exclude-from", "-"}, `POST sources {"name":"s","vault":"v","paths":["/a"],"excludes":["from","input"]}`},
		{[]string{"backup", "run", "s", "--rehash", "--block-size", "1MiB"}, `POST backups {"source":"s","rehash":true,"block_size":1048576}`},
		{[]string{"backup", "run", "s", "--block-size", "auto"}, `POST backups {"source":"s"}`},
		{[]string{"point", "list", "--source", "s", "--vault", "v", "--limit", "3"}, `GET points?limit=3&source=s&vault=v`},
		{[]string{"point", "ls", "latest:s"}, `GET points/latest:s/entries?path=`},
		{[]string{"point", "ls", "p", "a\xff", "-R"}, `GET points/p/entries?path_raw=Yf8&recursive=true`},
		{[]string{"point", "cat", "p", "a\xff\n"}, `GET points/p/content?path_raw=Yf8K`},
		{[]string{"point", "cat", "p", "-dash"}, ""},
		{[]string{"point", "cat", "p", "--", "-dash"}, `GET points/p/content?path=-dash`},
		{[]string{"point", "diff", "p", "q"}, `GET diff?from=p&to=q`},
		{[]string{"restore", "run", "p", "--to", "out"}, `POST restores {"point":"p","to":"` + here + `/out","overwrite":"never"}`},
		{[]string{"restore", "run", "p", "--to", "/o\xff", "--path", "a,b", "--path", "c\xff", "--overwrite", "if-newer", "--verify"},
			`POST restores {"point":"p","to":"/o` + "\uFFFD" + `","to_raw":"L2//","paths":["a,b","c` + "\uFFFD" + `"],"paths_raw":["YSxi","Y/8="],"overwrite":"if-newer","verify":true}`},
		{[]string{"policy", "runs", "sox"}, `GET policies/sox/runs?count=10`},
		{[]string{"policy", "runs", "sox", "--count", "3", "--from", "2026-03-29"}, `GET policies/sox/runs?count=3&from=2026-03-29`},
		{[]string{"policy", "runs", "sox", "--count", "0"}, ""},
		{[]string{"policy", "runs", "sox", "--from", "29 March"}, ""},
		{[]string{"restore", "run", "p", "--to", "/o", "--include-erased", "--reason", "court order"},
			`POST restores {"point":"p","to":"/o","overwrite":"never","include_erased":true,"reason":"court order"}`},
		{[]string{"erasure", "record", "v", "--path", "a,b", "--path", "c\xff*", "--source", "s,t", "--until", "2026-07-17", "--reason", "DSR-1", "--subject", "x", "--subject-name-file", "-"},
			`POST vaults/v/erasures {"sources":["s","t"],"paths":["a,b","c` + "\uFFFD" + `*"],"paths_raw":["YSxi","Y/8q"],"until":"2026-07-17T00:00:00+02:00","reason":"DSR-1","subject":"x","subject_name":"from\ninput"}`},
		{[]string{"audit", "list", "--since", "P7D", "--until", "2026-07-17", "--action", "vault/*", "--actor", "ana", "--result", "done", "--target", "t", "--text", "x", "--limit", "2"},
			`GET audit?action=vault%2F%2A&actor=ana&limit=2&result=done&since=2026-07-10T11%3A04%3A05Z&target=t&text=x&until=2026-07-16T22%3A00%3A00Z`},
		{[]string{"audit", "list", "--since", "2026-07-17T01:00:00+02:00", "--until", "15m"}, `GET audit?since=2026-07-16T23%3A00%3A00Z&until=2026-07-17T10%3A49%3A05Z`},
	}
	for _, tt := range tests {
		term := newTerminal(t, nil)
		term.env.In = strings.NewReader("from\ninput")
		if tt.want == "" {
			if r := term.run(tt.args...); r.code != exitUsage {
				t.Errorf("%q: %+v", tt.args, r)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, recorded(t, term, tt.args...)); diff != "" {
			t.Errorf("%q: %s", tt.args, diff)
		}
	}
}

func TestArguments_WhoMakesAnInstallation(t *testing.T) {
	makes := map[string]bool{"quickstart": true, "vault_create": true, "vault_recover": true}
	for name, args := range commands() {
		term := newTerminal(t, fake())
		term.run(args...)
		if term.connected != 1 || term.existing == makes[name] {
			t.Errorf("%s: connected %d times, existing %t", name, term.connected, term.existing)
		}
	}
}

func TestDataDir_FlagThenEnvironmentThenSystem(t *testing.T) {
	term := newTerminal(t, fake())
	term.run("vault", "list")
	if term.dataDir != "/data" {
		t.Errorf("from the environment: %s", term.dataDir)
	}
	term.run("vault", "list", "--data", "/flag/x/..")
	if term.dataDir != "/flag" {
		t.Errorf("from the flag: %s", term.dataDir)
	}
	env := func(pairs ...string) func(string) string {
		return func(key string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == key {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	tests := []struct {
		env  func(string) string
		euid int
		want string
	}{
		{env("HOME", "/root"), 0, "/var/lib/counterfoil"},
		{env("HOME", "/home/ana", "XDG_DATA_HOME", "/x"), 7, "/x/counterfoil"},
		{env("HOME", "/home/ana", "XDG_DATA_HOME", "x"), 7, "/home/ana/.local/share/counterfoil"},
		{env("HOME", "/home/ana"), 7, "/home/ana/.local/share/counterfoil"},
		{env(), 7, ""},
	}
	for _, tt := range tests {
		if got := defaultDataDir(tt.env, tt.euid); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
