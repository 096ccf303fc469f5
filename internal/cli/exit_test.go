package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func TestExit_EveryKind(t *testing.T) {
	codes := map[errkind.Kind]int{
		errkind.Internal: 1, errkind.Invalid: 2, errkind.NotFound: 1, errkind.Exists: 1, errkind.Busy: 1, errkind.Refused: 4, errkind.NeedsApproval: 5,
		errkind.NotAllowed: 6, errkind.Damaged: 1, errkind.NewerFormat: 1, errkind.WrongKey: 1, errkind.NoSpace: 1, errkind.ReadOnly: 1, errkind.Incomplete: 3,
		errkind.Unavailable: 1, errkind.Unsupported: 1, errkind.Cancelled: 1,
	}
	var all strings.Builder
	for k := errkind.Internal; k <= errkind.Cancelled; k++ {
		problem := api.NewProblem(errkind.New(k, "vault books: it is \x1b[31mso\nand so"))
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(problem.Status)
			_ = json.NewEncoder(w).Encode(problem)
		})
		term := newTerminal(t, h)
		args := []string{"vault", "show", "books"}
		human, inJSON := term.run(args...), term.run(with(args, "--json")...)
		if want, listed := codes[k]; !listed || human.code != want || inJSON.code != want {
			t.Errorf("%v: exit %d and %d, want %d", k, human.code, inJSON.code, want)
		}
		var p api.ProblemDetails
		if err := json.Unmarshal([]byte(inJSON.err), &p); err != nil || p.Kind != k.String() || p.Detail != problem.Detail && k != errkind.Cancelled {
			t.Errorf("%v: %v in %s", k, err, inJSON.err)
		}
		if human.out != "" || inJSON.out != "" || !strings.HasPrefix(human.err, "counterfoil: ") {
			t.Errorf("%v: %+v %+v", k, human, inJSON)
		}
		checkPrintable(t, human)
		checkPrintable(t, inJSON)
		all.WriteString("# " + k.String() + "\n" + transcript(args, human) + transcript(with(args, "--json"), inJSON))
	}
	golden(t, "errors", all.String())
}

func TestExit_TheServersHintWins(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p := api.NewProblem(errkind.New(errkind.NotFound, "vault x: not there"))
		p.Hint = "look elsewhere"
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(p)
	})
	if r := newTerminal(t, h).run("vault", "show", "x"); r.err != "counterfoil: vault x: not there\nhint: look elsewhere\n" {
		t.Errorf("%s", r.err)
	}
}

func TestExit_ServerThatWasStoppedIsNamed(t *testing.T) {
	h := replaced("POST /api/v1/backups", func(w http.ResponseWriter, _ *http.Request) {
		p := api.NewProblem(fmt.Errorf("back up %q: %w", "ledgers", context.Canceled))
		_ = json.NewEncoder(w).Encode(api.Event{Type: api.EventProblem, Problem: p})
	})
	want := "counterfoil: the work was stopped before its end, because the server was: " + keptBackup + "\nhint: run this again\n"
	if r := newTerminal(t, h).run("backup", "run", "ledgers", "-q"); r.code != exitFailed || r.err != want {
		t.Errorf("%+v", r)
	}
}

func TestUsage_OneSentenceAndAHint(t *testing.T) {
	tests := [][]string{
		{"bakup"}, {"vault"}, {"vault", "lst"}, {"vault", "list", "x"}, {"vault", "create"}, {"vault", "create", "books"}, {"vault", "show", ""},
		{"vault", "show", "a", "b"}, {"vault", "list", "--nope"}, {"-x"}, {"point", "list", "--limit", "x"}, {"point", "list", "--limit", "-1"}, {"restore", "run", "p"},
		{"restore", "run", "p", "--to"}, {"restore", "run", "p", "--to", "/t", "--overwrite", "maybe"}, {"restore", "run", "p", "--to", "/t", "--path", ""},
		{"vault", "recover", "file:///v"}, {"vault", "create", "books", "file:relative"}, {"source", "create", "s", "/p"},
		{"source", "create", "s", "/p", "--vault", "v", "--exclude-larger", "big"}, {"source", "create", "s", "/p", "--vault", "v", "--exclude-larger", "0"},
		{"source", "create", "s", "/p", "--vault", "v", "--class", "ledger"}, {"source", "create", "s", "/p", "--vault", "v", "--exclude", "\xff"},
		{"source", "create", "s", "/p", "--vault", "v", "--exclude-from", "/nonexistent/patterns"},
		{"backup", "run", "s", "--block-size", "8GiB"}, {"backup", "run", "s\xff"}, {"quickstart", "--yes"}, {"quickstart", "/p", "--remove"},
		{"audit", "list", "--since", "yesterday"}, {"audit", "list", "--until", "unlimited"}, {"version", "-o", "xml"}, {"version", "--progress", "loud"},
		{"help", "nothing"}, {"completion", "bash", "x"},
	}
	never := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked %s", r.URL) })
	var all strings.Builder
	for _, args := range tests {
		r := newTerminal(t, never).run(args...)
		if r.code != exitUsage || r.out != "" || !strings.HasPrefix(r.err, "counterfoil: ") || strings.Count(r.err, "\n") > 2 {
			t.Errorf("%q: %+v", args, r)
		}
		checkPrintable(t, r)
		all.WriteString(transcript(strings.Split(safe(strings.Join(args, " ")), " "), r))
	}
	golden(t, "usage", all.String())
}

func TestUsage_InJSONIsAProblem(t *testing.T) {
	r := newTerminal(t, fake()).run("--json", "vault", "lst")
	var p api.ProblemDetails
	if err := json.Unmarshal([]byte(r.err), &p); err != nil || p.Kind != "invalid" || p.Hint != "did you mean counterfoil vault list?" || r.code != exitUsage {
		t.Errorf("%+v", r)
	}
}

func TestStop_SaysWhatIsKept(t *testing.T) {
	tests := map[string]struct {
		path string
		args []string
		kept string
	}{
		"backup":     {"backups", []string{"backup", "run", "s"}, "every earlier point is whole; what was stored is found again by the next run"},
		"quickstart": {"quickstart", []string{"quickstart"}, "every earlier point is whole"},
		"restore":    {"restores", []string{"restore", "run", "p", "--to", "/t"}, "what was restored so far stays in /t"},
		"verify":     {"vaults/{name}/verify", []string{"vault", "verify", "v"}, "nothing was changed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := false
			h := replaced("POST /api/v1/"+tt.path, func(w http.ResponseWriter, r *http.Request) {
				w.(http.Flusher).Flush()
				cancel()
				<-r.Context().Done()
				ended = true
			})
			r := newTerminal(t, h).runUntil(ctx, tt.args...)
			if r.code != exitFailed || !strings.HasPrefix(r.err, "counterfoil: stopped: "+tt.kept) || !ended {
				t.Errorf("handler ended %t, %+v", ended, r)
			}
		})
	}
}

func TestConnect_ErrorsKeepTheirMeaning(t *testing.T) {
	term := newTerminal(t, fake())
	term.env.Connect = func(context.Context, string, bool) (*api.Client, io.Closer, error) {
		return nil, nil, errkind.New(errkind.NotAllowed, "the data directory belongs to another user")
	}
	if r := term.run("vault", "list"); r.code != exitNotAllowed || r.err != "counterfoil: the data directory belongs to another user\n" {
		t.Errorf("%+v", r)
	}
	if r := term.run("version"); r.code != exitDone || !strings.Contains(r.out, "v1.0.0-test") || !strings.Contains(r.err, "another user") {
		t.Errorf("%+v", r)
	}
	term.env.Connect = func(context.Context, string, bool) (*api.Client, io.Closer, error) {
		return nil, nil, errors.New("the catalog is broken")
	}
	if r := term.run("doctor"); r.code != exitFailed || !strings.Contains(r.out, "fail          installation: the catalog is broken") {
		t.Errorf("%+v", r)
	}
}

func TestConnect_ErrorOfClosingIsAnError(t *testing.T) {
	term := newTerminal(t, fake())
	connect := term.env.Connect
	term.env.Connect = func(ctx context.Context, dir string, existing bool) (*api.Client, io.Closer, error) {
		c, end, err := connect(ctx, dir, existing)
		return c, closer(func() error { return errors.Join(end.Close(), errors.New("the log could not be published")) }), err
	}
	if r := term.run("vault", "list"); r.code != exitFailed || !strings.Contains(r.err, "could not be published") {
		t.Errorf("%+v", r)
	}
}

// fullDisk fails every write.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestOutput_ThatCannotBeWrittenIsAnError(t *testing.T) {
	for _, args := range [][]string{{"vault", "list"}, {"vault", "list", "--json"}, {"point", "ls", "p", "-o", "yaml"}, {"point", "cat", "p", "f"}, {"--help"}} {
		term := newTerminal(t, fake())
		var errs bytes.Buffer
		env := term.env
		env.Out, env.Err = fullDisk{}, &errs
		if code := Run(context.Background(), args, env); code != exitFailed || !strings.Contains(errs.String(), "no space left") {
			t.Errorf("%q: exit %d, %s", args, code, errs.String())
		}
	}
}

func TestServer_EndsWithItsContext(t *testing.T) {
	term := newTerminal(t, fake())
	if r := term.run("server"); r.code != exitFailed {
		t.Errorf("%+v", r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	term.env.Serve = func(ctx context.Context, dir string) error {
		if dir != "/elsewhere" {
			t.Errorf("served %s", dir)
		}
		cancel()
		<-ctx.Done()
		return fmt.Errorf("serve: %w", ctx.Err())
	}
	if r := term.runUntil(ctx, "server", "--data", "/elsewhere"); r.code != exitDone || r.err != "" {
		t.Errorf("%+v", r)
	}
	term.env.Serve = func(context.Context, string) error { return errkind.New(errkind.Busy, "another server runs") }
	if r := term.run("server"); r.code != exitFailed || !strings.Contains(r.err, "another server runs") {
		t.Errorf("%+v", r)
	}
}
