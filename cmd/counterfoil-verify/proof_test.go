package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/tlog"
)

func proofFile(t *testing.T, change func(*retentionProof)) (file, root string) {
	t.Helper()
	until := time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
	p := retentionProof{Vault: "books", Point: "01JZ", At: until.AddDate(-10, 0, 0), Until: until, Mode: "governance", Objects: []proofObject{
		{Object: "header", Size: 3, SHA256: strings.Repeat("ab", 32), Mode: "compliance", Until: until.AddDate(1, 0, 0)},
		{Object: "points/x/1", Version: "v1", Size: 5, SHA256: strings.Repeat("cd", 32), Mode: "governance", Until: until},
	}}
	h := tlog.Root([][]byte{p.Objects[0].line(), p.Objects[1].line()})
	p.Root = hex.EncodeToString(h[:])
	root = p.Root
	if change != nil {
		change(&p)
	}
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "proof.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, root
}

func TestProof(t *testing.T) {
	file, root := proofFile(t, nil)
	later := time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
	changed := func(change func(*retentionProof)) string {
		f, _ := proofFile(t, change)
		return f
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"with its root":    {[]string{file, "--root", root}, exitOK, "until 2036-01-01T00:00:00Z"},
		"without a root":   {[]string{file}, exitUnproven, "points"},
		"another root":     {[]string{"--root", strings.Repeat("00", 32), file}, exitDamaged, "not the"},
		"a longer lock":    {[]string{changed(func(p *retentionProof) { p.Objects[1].Until, p.Until = later, later })}, exitDamaged, "it was changed"},
		"a longer summary": {[]string{changed(func(p *retentionProof) { p.Until = later })}, exitDamaged, "earliest lock"},
		"a stronger mode":  {[]string{changed(func(p *retentionProof) { p.Mode = "compliance" })}, exitDamaged, "weakest lock"},
		"one object less":  {[]string{changed(func(p *retentionProof) { p.Objects = p.Objects[:1] })}, exitDamaged, "it was changed"},
		"none":             {[]string{changed(func(p *retentionProof) { p.Objects = nil })}, exitDamaged, "no object"},
		"no file":          {nil, exitUsage, "name the file"},
		"a missing file":   {[]string{filepath.Join(t.TempDir(), "none")}, exitUsage, "no such file"},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"proof"}, c.args...), &out, &errs)
		if all := out.String() + errs.String(); code != c.code || !strings.Contains(all, c.says) && name != "without a root" {
			t.Errorf("%s: exit %d, %s", name, code, all)
		}
	}
}
