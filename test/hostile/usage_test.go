package hostile

import (
	"os"
	"path/filepath"
	"testing"
)

// refused is a command that must change nothing.
type refused struct {
	name string
	code int
	args []string
}

// refuse runs commands that must change nothing and notes what they say.
func (r *rig) refuse(said *sentences, cases []refused) {
	r.t.Helper()
	before := r.state()
	for _, c := range cases {
		x := r.run(c.args...)
		if x.code != c.code {
			r.t.Errorf("%s: want exit %d\n%s", c.name, c.code, x)
		}
		if x.err == "" {
			r.t.Errorf("%s: nothing was said", c.name)
		}
		if c.args[0] == "doctor" {
			said.addAll(r, c.name, x)
			continue
		}
		said.add(r, c.name, x)
	}
	r.wantUnchanged(before)
}

func TestCommandLine_MistakeIsNamedAndChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	to := filepath.Join(r.dir, "to")
	var said sentences
	r.refuse(&said, []refused{
		{"missing argument", 2, []string{"backup", "run"}},
		{"one argument too many", 2, []string{"backup", "run", "docs", "more"}},
		{"empty argument", 2, []string{"backup", "run", ""}},
		{"unknown command", 2, []string{"backop", "run", "docs"}},
		{"unknown command of a noun", 2, []string{"vault", "make", "x"}},
		{"noun without a command", 2, []string{"vault"}},
		{"unknown flag", 2, []string{"backup", "run", "docs", "--fast"}},
		{"flag without its value", 2, []string{"restore", "run", "latest", "--to"}},
		{"required flag left out", 2, []string{"restore", "run", "latest"}},
		{"required flag left out", 2, []string{"source", "create", "more", r.src}},
		{"output that does not exist", 2, []string{"vault", "list", "--output", "xml"}},
		{"flags that contradict each other", 2, []string{"vault", "list", "--json", "--output", "yaml"}},
		{"overwrite that does not exist", 2, []string{"restore", "run", "latest", "--to", to, "--overwrite", "sometimes"}},
		{"size that is none", 2, []string{"backup", "run", "docs", "--block-size", "lots"}},
		{"size out of range", 2, []string{"backup", "run", "docs", "--block-size", "3"}},
		{"period that is none", 2, []string{"vault", "create", "more", filepath.Join(r.dir, "more"), "--min-retention", "soon"}},
		{"negative period", 2, []string{"vault", "create", "more", filepath.Join(r.dir, "more"), "--min-retention", "-P1D"}},
		{"bounds the wrong way round", 2, []string{"vault", "create", "more", filepath.Join(r.dir, "more"), "--min-retention", "9y", "--max-retention", "1y"}},
		{"URL scheme that does not exist", 2, []string{"vault", "create", "more", "ftp://example.com/more"}},
		{"store that a later version has", 1, []string{"vault", "create", "more", "azblob://container"}},
		{"bucket without its service", 2, []string{"vault", "create", "more", "s3://bucket/prefix"}},
		{"bucket without credentials", 2, []string{"vault", "create", "more", "s3://bucket?endpoint=127.0.0.1:1"}},
		{"secret in a URL", 2, []string{"vault", "create", "more", "s3://bucket?region=x&secret_key=hunter2"}},
		{"relative file URL", 2, []string{"vault", "create", "more", "file://more"}},
		{"name with a slash", 2, []string{"vault", "create", "a/b", filepath.Join(r.dir, "more")}},
	})
	said.golden(t, "command_line")
	for _, path := range []string{to, filepath.Join(r.dir, "more")} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s was made (%v)", path, err)
		}
	}
}

func TestNames_WhatIsNotThereIsNamedAndChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	r.must("backup", "run", "docs")
	ids := r.points()
	common := 0
	for ids[0][common] == ids[1][common] {
		common++
	}
	to, full := filepath.Join(r.dir, "to"), filepath.Join(r.dir, "full")
	write(t, filepath.Join(full, "letter"), []byte("mine"))
	write(t, filepath.Join(r.dir, "bad.key"), []byte("not a key\n"))
	intoStore := filepath.Join(r.dir, "into-store")
	if err := os.Symlink(r.store, intoStore); err != nil {
		t.Fatal(err)
	}
	var said sentences
	r.refuse(&said, []refused{
		{"vault that is not there", 1, []string{"vault", "show", "bokks"}},
		{"vault that is not there", 1, []string{"vault", "verify", "bokks"}},
		{"source that is not there", 1, []string{"backup", "run", "dogs"}},
		{"source that is not there", 1, []string{"point", "list", "--source", "dogs"}},
		{"name that is taken", 1, []string{"vault", "create", "books", "file://" + filepath.Join(r.dir, "books2")}},
		{"store that is taken", 1, []string{"vault", "create", "books2", "file://" + r.store}},
		{"store that holds something else", 1, []string{"vault", "create", "books2", "file://" + full}},
		{"store that is a file", 2, []string{"vault", "create", "books2", "file://" + filepath.Join(full, "letter")}},
		{"name that is taken", 1, []string{"source", "create", "docs", r.src, "--vault", "books"}},
		{"path that is not there", 2, []string{"source", "create", "more", filepath.Join(r.dir, "nope"), "--vault", "books"}},
		{"path in the data directory", 2, []string{"source", "create", "more", r.data, "--vault", "books"}},
		{"path in a vault", 2, []string{"source", "create", "more", filepath.Join(r.store, "packs"), "--vault", "books"}},
		{"vault that is not there", 1, []string{"source", "create", "more", r.src, "--vault", "bokks"}},
		{"policy that is not there", 2, []string{"source", "create", "more", r.src, "--vault", "books", "--policy", "hipaa"}},
		{"class that is not there", 2, []string{"source", "create", "more", r.src, "--vault", "books", "--class", "poems=/x"}},
		{"quickstart of what is not there", 2, []string{"quickstart", "/nope"}},
		{"quickstart of the data directory", 2, []string{"quickstart", r.data}},
		{"point that is not there", 1, []string{"point", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV"}},
		{"point that is not there", 1, []string{"point", "show", "yesterday"}},
		{"ambiguous point", 2, []string{"point", "show", ids[0][:common]}},
		{"latest of what is not there", 1, []string{"point", "show", "latest:dogs"}},
		{"path that the point does not have", 1, []string{"point", "ls", "latest", "2027"}},
		{"path that the point does not have", 1, []string{"point", "cat", "latest", "2026/nothing"}},
		{"folder as a file", 2, []string{"point", "cat", "latest", "2026"}},
		{"restore of a path that the point does not have", 1, []string{"restore", "run", "latest", "--to", to, "--path", "2027"}},
		{"restore of a point that is not there", 1, []string{"restore", "run", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--to", to}},
		{"restore into the vault", 2, []string{"restore", "run", "latest", "--to", filepath.Join(r.store, "packs")}},
		{"restore into the vault by a link", 2, []string{"restore", "run", "latest", "--to", filepath.Join(intoStore, "out")}},
		{"path in a vault by a link", 2, []string{"source", "create", "more", filepath.Join(intoStore, "packs"), "--vault", "books"}},
		{"restore into the data directory", 2, []string{"restore", "run", "latest", "--to", r.data}},
		{"restore onto a file", 2, []string{"restore", "run", "latest", "--to", filepath.Join(full, "letter")}},
		{"recovery of a store that is not there", 1, []string{"vault", "recover", "file://" + filepath.Join(r.dir, "nope"), "--key-file", r.keyFile()}},
		{"recovery without the key file", 1, []string{"vault", "recover", "file://" + r.store, "--key-file", filepath.Join(r.dir, "nope.key")}},
		{"recovery with what is no key", 2, []string{"vault", "recover", "file://" + r.store, "--key-file", filepath.Join(r.dir, "bad.key")}},
		{"recovery of a folder that is no vault", 1, []string{"vault", "recover", "file://" + full, "--key-file", r.keyFile()}},
		{"removal of a trial where there is none", 1, []string{"quickstart", "--remove", "--yes"}},
	})
	said.golden(t, "names")
	for _, path := range []string{to, filepath.Join(r.dir, "books2"), filepath.Join(r.dir, "nope")} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s was made (%v)", path, err)
		}
	}
	wantSame(t, "the folder that holds something else", listing{"letter": list(t, full)["letter"], ".": list(t, full)["."]}, list(t, full))
}

func TestDataDir_ReadingMakesNone(t *testing.T) {
	t.Parallel()
	r := place(t)
	file := filepath.Join(r.dir, "file")
	write(t, file, []byte("x"))
	var said sentences
	r.refuse(&said, []refused{
		{"list without an installation", 1, []string{"vault", "list"}},
		{"list without an installation", 1, []string{"source", "list"}},
		{"list without an installation", 1, []string{"point", "list"}},
		{"point without an installation", 1, []string{"point", "show", "latest"}},
		{"restore without an installation", 1, []string{"restore", "run", "latest", "--to", filepath.Join(r.dir, "to")}},
		{"backup without an installation", 1, []string{"backup", "run", "docs"}},
		{"verify without an installation", 1, []string{"vault", "verify", "books"}},
		{"audit list without an installation", 1, []string{"audit", "list"}},
		{"audit verify without an installation", 1, []string{"audit", "verify"}},
		{"doctor without an installation", 1, []string{"doctor"}},
		{"removal without an installation", 1, []string{"quickstart", "--remove"}},
		{"quickstart of what is not there", 2, []string{"quickstart", "/nope"}},
		{"vault at a bad URL", 2, []string{"vault", "create", "books", "ftp://x/y"}},
		{"data directory that is a file", 1, []string{"vault", "list", "--data", file}},
		{"data directory that is a file", 1, []string{"vault", "create", "books", r.store, "--data", file}},
		{"data directory below a file", 2, []string{"vault", "create", "books", r.store, "--data", filepath.Join(file, "data")}},
	})
	said.golden(t, "data_dir")
	if _, err := os.Lstat(r.data); !os.IsNotExist(err) {
		t.Errorf("the data directory was made (%v)", err)
	}
	if _, err := os.Lstat(r.store); !os.IsNotExist(err) {
		t.Errorf("the store was made (%v)", err)
	}
}
