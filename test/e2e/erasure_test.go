//go:build linux

package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	personName = "Ann Example, born 1 April 1970"
	personPath = "staff/4711"
)

// erasedSite is a vault of which something was erased after two points of it.
func erasedSite(t *testing.T) (s site, store, src string, recorded object) {
	t.Helper()
	s = newSite(t)
	src = filepath.Join(t.TempDir(), "hr")
	writeFile(t, src+"/"+personPath+"/pay.csv", strings.Repeat("2025-01;3000.00\n", 500))
	writeFile(t, src+"/"+personPath+"/letters/offer.txt", "dear Ann\n")
	writeFile(t, src+"/staff/4712/pay.csv", "2025-01;3100.00\n")
	if err := os.Link(src+"/"+personPath+"/letters/offer.txt", src+"/staff/copy.txt"); err != nil {
		t.Fatal(err)
	}
	store = s.realVault("books", "hr", src)
	s.ok("backup", "run", "hr")
	writeFile(t, src+"/plan.txt", "hire\n")
	s.ok("backup", "run", "hr")
	if err := os.RemoveAll(src + "/" + personPath); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "name")
	writeFile(t, name, personName+"\n")
	recorded = s.object("erasure", "record", "books", "--source", "hr", "--path", personPath, "--reason", "DSR-12", "--subject-name-file", name)
	return s, store, src, recorded
}

// files gives the names of all files below a folder.
func filesBelow(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// filesWith gives the files below a folder that hold a text.
func filesWith(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	for _, name := range strings.Fields(filesBelow(t, dir)) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(text)) {
			found = append(found, name)
		}
	}
	return found
}

func TestErasure_NoRestoreBringsItBack(t *testing.T) {
	t.Parallel()
	s, _, src, recorded := erasedSite(t)
	id := recorded.text("id")
	first := s.list("point", "list")[1].text("id")

	out := restored(t)
	r := s.object("restore", "run", first, "--to", out, "--verify")
	if got := filesBelow(t, out); got != "staff/4712/pay.csv staff/copy.txt" {
		t.Errorf("restored: %s", got)
	}
	left := r.child(t, "left_out")
	if left.number(t, "files") != 2 || left.number(t, "bytes") != 500*16+9 || left.number(t, "entries") != 4 || !cmp.Equal(left.strings(t, "erasures"), []string{id}) {
		t.Errorf("left out: %v", left)
	}
	if text := s.ok("restore", "run", first, "--to", restored(t)); !strings.Contains(strings.Join(strings.Fields(text), " "), "2 files, 7.8 KiB left out by 1 erasure: "+id) {
		t.Errorf("a person is told:\n%s", text)
	}
	out = restored(t)
	s.ok("restore", "run", first, "--to", out, "--path", src+"/"+personPath+"/pay.csv")
	if got := filesBelow(t, out); got != "" {
		t.Errorf("restored by name: %s", got)
	}
	s.refused(4, []string{"erasure " + id, "is not given out", "--include-erased"}, "point", "cat", first, personPath+"/pay.csv")
	if refused := s.list("audit", "list", "--action", "point/read", "--result", "refused"); len(refused) != 1 || !strings.Contains(refused[0].text("target"), id) {
		t.Errorf("the refusal in the log: %v", refused)
	}
	s.ok("point", "cat", first, "staff/4712/pay.csv")
	marked := map[string]bool{}
	for _, e := range s.list("point", "ls", first, "-R") {
		marked[e.text("path")] = e["erased"] == id
	}
	want := map[string]bool{"staff": false, personPath: true, personPath + "/pay.csv": true, personPath + "/letters": true, personPath + "/letters/offer.txt": true,
		"staff/4712": false, "staff/4712/pay.csv": false, "staff/copy.txt": false}
	if diff := cmp.Diff(want, marked); diff != "" {
		t.Errorf("marked (-want +got):\n%s", diff)
	}
	writeFile(t, src+"/"+personPath+"/new.txt", "hired again\n")
	s.ok("backup", "run", "hr")
	s.ok("point", "cat", "latest:hr", personPath+"/new.txt") // what comes after the erasure is not covered
}

func TestErasure_ALegalNeedBringsItBackOnTheRecord(t *testing.T) {
	t.Parallel()
	s, _, _, recorded := erasedSite(t)
	out := restored(t)
	s.ok("restore", "run", "latest:hr", "--to", restored(t))
	s.ok("restore", "run", "latest:hr", "--to", out, "--include-erased", "--reason", "court order 9")
	if got := filesBelow(t, out); !strings.Contains(got, personPath+"/letters/offer.txt") {
		t.Errorf("restored: %s", got)
	}
	override := s.list("audit", "list", "--action", "restore/include_erased")
	if len(override) != 2 || override[0].text("reason") != "court order 9" || override[1].child(t, "detail").text("erased") != "included" {
		t.Errorf("the log has %v", override)
	}
	normal := s.list("audit", "list", "--action", "restore/run", "--result", "done")
	if len(normal) != 1 || normal[0].child(t, "detail").text("left_out_files") != "2" || normal[0].child(t, "detail").text("erasures") != recorded.text("id") {
		t.Errorf("the log has %v", normal)
	}
}

func TestErasure_SaysWhatIsBeyondUse(t *testing.T) {
	t.Parallel()
	s, _, _, recorded := erasedSite(t)
	s.ok("hold", "place", "books", "--matter", "M", "--reason", "D", "--source", "hr")
	e := s.object("erasure", "show", "books", recorded.text("id"))
	held, ok := e["beyond_use"].([]any)
	if !ok || len(held) != 2 || e.text("points") != "2" || e.text("subject_name") != personName {
		t.Fatalf("shown: %v", e)
	}
	for _, x := range held {
		b := object(x.(map[string]any))
		if b.number(t, "files") != 2 || b.number(t, "bytes") != 500*16+9 || b.number(t, "entries") != 4 || b.number(t, "linked") != 1 {
			t.Errorf("a point holds %v", b)
		}
		if b.moment(t, "locked_until").Before(b.moment(t, "received_at").AddDate(0, 0, 7)) || b["unlimited"] != true || len(b.strings(t, "holds")) != 1 {
			t.Errorf("it is kept: %v", b)
		}
	}
	if n := len(s.list("audit", "list", "--action", "erasure/read")); n != 1 {
		t.Errorf("that a name was shown stands %d times in the log", n)
	}
	none := s.object("erasure", "record", "books", "--path", "no/such*", "--reason", "DSR-13", "--subject", recorded.text("subject"))
	if w := none.strings(t, "warnings"); len(w) != 1 || !strings.Contains(w[0], "nothing in the points") {
		t.Errorf("no match: %v", none)
	}
}

func TestErasure_OutlivesTheCatalogAndIsWithdrawnWithAReason(t *testing.T) {
	t.Parallel()
	s, store, _, recorded := erasedSite(t)
	fresh := newSite(t)
	fresh.ok("vault", "recover", "file://"+store, "--key-file", s.only("recovery-kits/*.txt"))
	out := restored(t)
	fresh.ok("restore", "run", "latest:hr", "--to", out)
	if got := filesBelow(t, out); strings.Contains(got, personPath) {
		t.Errorf("restored after a recovery: %s", got)
	}
	id := recorded.text("id")
	if e := fresh.object("erasure", "show", "books", id); e["subject_name"] != nil || e.text("subject") != recorded.text("subject") {
		t.Errorf("after a recovery: %v", e)
	}
	fresh.ok("erasure", "withdraw", "books", id, "--reason", "wrong number")
	fresh.refused(1, []string{"withdrawn already"}, "erasure", "withdraw", "books", id, "--reason", "again")
	out = restored(t)
	fresh.ok("restore", "run", "latest:hr", "--to", out)
	if got := filesBelow(t, out); !strings.Contains(got, personPath+"/pay.csv") {
		t.Errorf("restored after the withdrawal: %s", got)
	}
	if e := fresh.list("erasure", "list", "books"); len(e) != 1 || e[0].text("withdrawn_for") != "wrong number" {
		t.Errorf("listed: %v", e)
	}
}

func TestErasure_AForgottenNameIsNowhere(t *testing.T) {
	t.Parallel()
	s, store, _, recorded := erasedSite(t)
	if found := filesWith(t, s.data, personName); len(found) != 1 || !strings.HasPrefix(found[0], "catalog") {
		t.Fatalf("the name is in %q before", found)
	}
	if found := filesWith(t, store, personName); len(found) != 0 {
		t.Errorf("the name is in the vault: %q", found)
	}
	subject := recorded.text("subject")
	s.refused(1, []string{"no erasure", "names subject"}, "erasure", "forget", "books", "nobody", "--yes")
	if f := s.object("erasure", "forget", "books", subject, "--yes"); f["name_was_known"] != true {
		t.Errorf("forgotten: %v", f)
	}
	if found := filesWith(t, s.data, "Ann Example"); len(found) != 0 {
		t.Errorf("the name is in %q afterwards", found)
	}
	if e := s.object("erasure", "show", "books", recorded.text("id")); e["subject_name"] != nil || e.text("subject") != subject {
		t.Errorf("afterwards: %v", e)
	}
	if f := s.object("erasure", "forget", "books", subject, "--yes"); f["name_was_known"] != false {
		t.Errorf("forgotten again: %v", f)
	}
}

func TestErasure_MistakesAreRefused(t *testing.T) {
	t.Parallel()
	s, _, src, _ := erasedSite(t)
	record := func(code int, word string, args ...string) {
		s.refused(code, []string{word}, append([]string{"erasure", "record", "books", "--reason", "r"}, args...)...)
	}
	record(2, "is empty", "--path", "")
	record(2, "is empty", "--path", "/")
	record(2, "name the source", "--path", "**")
	record(2, "yet to come", "--path", "a", "--until", "2999-01-01")
	record(2, `give "staff/4711"`, "--path", src+"/staff/4711")
	record(1, "no source", "--path", "a", "--source", "nothing")
	record(1, "names subject", "--path", "a", "--subject", "nobody")
	if list := s.list("erasure", "list", "books"); len(list) != 1 {
		t.Errorf("recorded all the same: %v", list)
	}
}
