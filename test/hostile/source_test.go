package hostile

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

func TestSource_DeletedLater(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	remove(t, r.src)
	var said sentences
	r.refuse(&said, []refused{{"backup of a source that is gone", 1, []string{"backup", "run", "docs"}}})
	said.golden(t, "source_gone")
	r.wantWhole()
}

// pointDetail is what these tests look at of a point.
type pointDetail struct {
	ID          string
	Complete    bool
	Problems    int
	ReceivedAt  string `json:"received_at"`
	Number      int
	Tags        []string
	Warnings    []string
	ProblemList []struct {
		Path    string
		PathRaw string `json:"path_raw"`
		Op      string
		Message string
	} `json:"problem_list"`
}

func TestSource_UnreadableInputMakesThePointIncomplete(t *testing.T) {
	t.Parallel()
	needRoot(t)
	const nobody = 65534
	r := place(t)
	write(t, filepath.Join(r.src, "secret"), []byte("closed"))
	write(t, filepath.Join(r.src, "closed/inside"), []byte("closed"))
	other := filepath.Join(r.src, "others")
	write(t, other, []byte("root only"))
	err := filepath.WalkDir(r.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || path == other {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"secret", "closed", "others"} {
		if err := os.Chmod(filepath.Join(r.src, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) result {
		cmd := r.command(args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return finish(t, cmd, args)
	}
	var said sentences
	for _, step := range []struct {
		code int
		args []string
	}{
		{0, []string{"vault", "create", "books", "file://" + r.store}},
		{0, []string{"source", "create", "docs", r.src, "--vault", "books"}},
		{3, []string{"backup", "run", "docs"}},
		{0, []string{"vault", "verify", "books"}},
		{3, []string{"backup", "run", "docs"}},
	} {
		x := run(step.args...)
		if x.code != step.code {
			t.Fatalf("want exit %d\n%s", step.code, x)
		}
		if step.code != 0 {
			said.add(r, "backup with inputs that cannot be read", x)
		}
	}
	said.golden(t, "unreadable")
	var p pointDetail
	r.query(&p, "point", "show", "latest")
	if p.Complete || p.Problems != 3 {
		t.Errorf("complete %v with %d problems, want incomplete with 3", p.Complete, p.Problems)
	}
	named := map[string]string{}
	for _, x := range p.ProblemList {
		named[strings.TrimPrefix(strings.TrimPrefix(x.Path, r.src), "/")] = x.Op + ": " + x.Message
	}
	for _, name := range []string{"secret", "closed", "others"} {
		if !strings.Contains(named[name], "permission denied") {
			t.Errorf("%s is not named with its reason: %q", name, named)
		}
	}
	to := filepath.Join(r.dir, "to")
	r.must("restore", "run", "latest", "--to", to)
	want := list(t, r.src, "secret", "closed", "others").content()
	wantSame(t, "what could be read", want, list(t, to).content())
}

func TestNames_NotUTF8(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	folder := filepath.Join(r.dir, "caf\xe9")
	name := "r\xe9sum\xe9\n\x1b[31m.txt"
	write(t, filepath.Join(folder, "sub\xff", name), []byte("content of a name in latin-1"))
	write(t, filepath.Join(folder, "plain"), []byte("plain"))
	r.must("source", "create", "latin", folder, "--vault", "books")
	r.must("backup", "run", "latin")
	var entries []struct {
		Path    string
		PathRaw string `json:"path_raw"`
		Kind    string
	}
	r.query(&entries, "point", "ls", "latest:latin", "--recursive")
	want := base64.StdEncoding.EncodeToString([]byte("sub\xff/" + name))
	raw := ""
	for _, e := range entries {
		if e.PathRaw == want {
			raw = e.PathRaw
		}
	}
	if raw == "" {
		t.Errorf("no entry has path_raw %s: %+v", want, entries)
	}
	plain := r.must("point", "ls", "latest:latin", "-R")
	if strings.Contains(plain.out, "\x1b") || !utf8.ValidString(plain.out) {
		t.Errorf("raw bytes of a name reach the terminal: %q", plain.out)
	}
	if x := r.must("point", "ls", "latest:latin", "sub\xff"); !strings.Contains(x.out, "sum") {
		t.Errorf("the folder is not listed by its bytes:\n%s", x)
	}
	for _, path := range []string{"sub\xff/" + name, filepath.Join(folder, "sub\xff", name)} {
		if x := r.must("point", "cat", "latest:latin", path); x.out != "content of a name in latin-1" {
			t.Errorf("cat %q gives %q", path, x.out)
		}
	}
	to := filepath.Join(r.dir, "to-\xfe")
	r.must("restore", "run", "latest:latin", "--to", to, "--path", "sub\xff/"+name)
	if got := string(read(t, filepath.Join(to, "sub\xff", name))); got != "content of a name in latin-1" {
		t.Errorf("restored %q", got)
	}
	var source struct {
		PathsRaw []string `json:"paths_raw"`
	}
	r.query(&source, "source", "show", "latin")
	if len(source.PathsRaw) != 1 || source.PathsRaw[0] != base64.StdEncoding.EncodeToString([]byte(folder)) {
		t.Errorf("paths_raw %v", source.PathsRaw)
	}
	r.must("quickstart", folder, "--data", filepath.Join(r.dir, "data2-\xfd"))
	r.wantWhole()
}

func TestRestore_OntoWhatIsThere(t *testing.T) {
	t.Parallel()
	r := newRigWithPoint(t)
	to := filepath.Join(r.dir, "to")
	mine := filepath.Join(to, "2026/00/ledger.csv/part-00")
	write(t, mine, []byte("mine"))
	var said sentences
	x := r.want(3, "restore", "run", "latest", "--to", to)
	said.addAll(r, "restore onto a file that differs", x)
	if got := string(read(t, mine)); got != "mine" {
		t.Errorf("the file that was there was changed: %q", got)
	}
	want := list(t, r.src).content()
	got := list(t, to).content()
	delete(want, "2026/00/ledger.csv/part-00")
	delete(got, "2026/00/ledger.csv/part-00")
	wantSame(t, "all else", want, got)

	x = r.want(3, "restore", "run", "latest", "--to", to, "--path", "2026/00")
	said.addAll(r, "the same for a part", x)
	r.must("restore", "run", "latest", "--to", to, "--overwrite", "always")
	wantSame(t, "overwritten", list(t, r.src), list(t, to))
	r.must("restore", "run", "latest", "--to", to) // nothing differs any more
	said.golden(t, "restore_onto")
}

func TestSource_FileThatGrowsWhileRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := filepath.Join(r.src, "growing.log")
	stop := make(chan struct{})
	ended := make(chan error, 1)
	go func() { ended <- grow(path, stop) }()
	x := r.run("backup", "run", "docs")
	close(stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if x.code != 0 && x.code != 3 {
		t.Errorf("%s", x)
	}
	r.wantWhole()
	r.must("backup", "run", "docs")
	r.wantRestored("latest", list(t, r.src))
}

func grow(path string, stop <-chan struct{}) error {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		default:
		}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(f, "line %d\n", n)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil || n > 1<<18 {
			return err
		}
	}
}
