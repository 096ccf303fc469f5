package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/internal/api"
)

func TestCompletion_ScriptsForEveryShell(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		r := newTerminal(t, fake()).run("completion", shell)
		if r.code != exitDone || len(r.out) < 1000 || !strings.Contains(r.out, "counterfoil") {
			t.Errorf("%s: exit %d, %d bytes, %s", shell, r.code, len(r.out), r.err)
		}
	}
}

func TestCompletion_OffersWhatIsThere(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{""}, "quickstart"}, {[]string{"vault", ""}, "recover"}, {[]string{"vault", "verify", ""}, "books"}, {[]string{"backup", "run", ""}, "ledgers"},
		{[]string{"point", "show", ""}, "latest"}, {[]string{"point", "diff", "p", ""}, point().ID}, {[]string{"source", "create", "s", "/p", "--vault", ""}, "books"},
		{[]string{"restore", "run", "p", "--overwrite", ""}, "if-newer"}, {[]string{"vault", "list", "-o", ""}, "yaml"}, {[]string{"help", "vault", ""}, "verify"},
	}
	for _, tt := range tests {
		r := newTerminal(t, fake()).run(append([]string{"__complete"}, tt.args...)...)
		if r.code != exitDone || !strings.Contains("\n"+r.out, "\n"+tt.want) {
			t.Errorf("%q: want %s in %+v", tt.args, tt.want, r)
		}
	}
}

func TestCompletion_OfABrokenInstallationOffersNothing(t *testing.T) {
	term := newTerminal(t, fake())
	term.env.Connect = func(context.Context, string, bool) (*api.Client, io.Closer, error) {
		return nil, nil, errors.New("broken")
	}
	if r := term.run("__complete", "vault", "show", ""); r.code != exitDone || strings.Contains(r.out, "books") {
		t.Errorf("%+v", r)
	}
}
