package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestErasure_MistakesOfUse(t *testing.T) {
	long := filepath.Join(t.TempDir(), "name")
	if err := os.WriteFile(long, []byte(strings.Repeat("Ann Example ", 400)), 0o600); err != nil {
		t.Fatal(err)
	}
	record := []string{"erasure", "record", "v", "--path", "a", "--reason", "r"}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"erasure", "record", "v", "--reason", "r"}, "needs --path and --reason"},
		{[]string{"erasure", "record", "v", "--path", "a"}, "needs --path and --reason"},
		{with(record, "--subject-name-file", "/no/such/file"), "no such file"},
		{with(record, "--subject-name-file", long), "1 to 4096 bytes"},
		{with(record, "--subject-name-file", "-"), "1 to 4096 bytes"},
		{[]string{"erasure", "withdraw", "v", "e"}, "needs --reason"},
		{[]string{"erasure", "forget", "v", "s"}, "needs --yes"},
		{[]string{"restore", "run", "p", "--to", "/o", "--include-erased"}, "belong together"},
		{[]string{"restore", "run", "p", "--to", "/o", "--reason", "r"}, "belong together"},
	} {
		term := newTerminal(t, fake())
		r := term.run(tt.args...)
		if r.code != exitUsage || !strings.Contains(r.err, tt.want) || term.connected != 0 {
			t.Errorf("%q: %+v", tt.args, r)
		}
		if strings.Contains(r.err, "Ann") {
			t.Errorf("%q: the error has the name", tt.args)
		}
	}
}
