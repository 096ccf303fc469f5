//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/blob/diskblob"
)

// ownPolicy writes a policy file in which points of a month live this long.
func ownPolicy(t *testing.T, monthly string) string { return namedPolicy(t, "own", monthly) }

func namedPolicy(t *testing.T, name, monthly string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "own.yaml")
	writeFile(t, file, `name: `+name+`
zone: UTC
schedule: {kind: daily, at: 22:00}
keep:
  - {tag: daily, for: P30D}
  - {tag: monthly, for: `+monthly+`, month_day: 1}
on_demand: P30D
every_point: P7D
`)
	return file
}

// locked gives until when the store on disk locks a point's object.
func locked(t *testing.T, store, number string) time.Time {
	t.Helper()
	driver, err := diskblob.Open(store, diskblob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer driver.Close()
	found, err := filepath.Glob(store + "/points/*/" + number)
	if err != nil || len(found) != 1 {
		t.Fatalf("%q, %v", found, err)
	}
	name, err := filepath.Rel(store, found[0])
	if err != nil {
		t.Fatal(err)
	}
	info, err := driver.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Lock.Until
}

// withoutLocks leaves out until when a point is locked: that of its commit stands
// in the catalog until a recovery reads what storage holds by now.
func withoutLocks(known map[string]string) map[string]string {
	line := regexp.MustCompile(`(?m)^(Locked until .*|\s*"lock_until": .*)$`)
	for what, text := range known {
		known[what] = line.ReplaceAllString(text, "")
	}
	return known
}

// TestPolicy_OfOnesOwn makes a policy, puts a source under it, lengthens and
// shortens it over a vault on disk, and recovers without the catalog.
func TestPolicy_OfOnesOwn(t *testing.T) {
	t.Parallel()
	s, src := newSite(t), smallTree(t)
	store := s.realVault("books", "ledgers", src)
	s.ok("backup", "run", "ledgers")
	first := s.object("point", "show", "latest").moment(t, "retain_until")

	s.ok("policy", "check", ownPolicy(t, "P36M"))
	preview := s.object("policy", "set", ownPolicy(t, "P36M"))
	if preview["applied"] != false || preview.text("action") != "policy/create" || len(s.list("policy", "list")) != 2 {
		t.Errorf("%v", preview)
	}
	s.ok("policy", "set", ownPolicy(t, "P36M"), "--yes")
	s.ok("source", "policy", "ledgers", "own", "--yes")
	if p := s.object("point", "show", "latest"); !p.moment(t, "retain_until").Equal(first) {
		t.Errorf("kept until %v, was %v", p["retain_until"], first)
	}

	s.ok("policy", "set", ownPolicy(t, "P72M"), "--yes")
	longer := s.object("point", "show", "latest").moment(t, "retain_until")
	if want := first.AddDate(3, 0, 0); longer.Sub(want).Abs() > 24*time.Hour {
		t.Errorf("kept until %v, want %v", longer, want)
	}
	if until := locked(t, store, "0000000001"); until.Before(longer) {
		t.Errorf("locked until %v, kept until %v", until, longer)
	}
	if text := s.ok("point", "explain", "latest"); !strings.Contains(text, "72 months") {
		t.Errorf("point explain does not say why:\n%s", text)
	}

	s.refused(4, []string{"does not fit vault", "maximum"}, "policy", "set", ownPolicy(t, "P20Y"), "--yes")
	s.refused(2, []string{"keep[1].for is not a period"}, "policy", "set", ownPolicy(t, "soon"), "--yes")
	shorter := ownPolicy(t, "P12M")
	critical := s.object("policy", "set", shorter)
	if critical["critical"] != true || critical.text("action") != "policy/shorten" {
		t.Errorf("%v", critical)
	}
	s.ok("policy", "set", shorter, "--yes")
	if p := s.object("point", "show", "latest"); !p.moment(t, "retain_until").Equal(longer) {
		t.Errorf("the shorter policy touched a point: %v, was %v", p["retain_until"], longer)
	}
	var said []string
	for _, e := range s.list("audit", "list", "--result", "done", "--text", "own version") {
		d := e.child(t, "detail")
		said = append(said, e.text("action")+": "+d.text("before")+" -> "+d.text("after")+": "+d.text("rules"))
	}
	if diff := cmp.Diff([]string{
		"policy/create: none -> own version 1: ",
		"policy/shorten: sox version 1 -> own version 1: weekly: no more, was 12 weeks; yearly: no more, was 10 years; schedule: at another time",
		"policy/update: own version 1 -> own version 2: monthly: 72 months instead of 36 months",
		"policy/shorten: own version 2 -> own version 3: monthly: 12 months instead of 72 months",
	}, said); diff != "" {
		t.Errorf("the audit log (-want +got):\n%s", diff)
	}

	s.ok("policy", "set", namedPolicy(t, "spare", "P24M"), "--yes") // without a source, and yet not lost
	before, policies := withoutLocks(known(s)), s.ok("policy", "list")
	files, err := filepath.Glob(s.path("catalog.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	s.ok("vault", "recover", "file://"+store, "--key-file", s.only("keys/????????????????????????????????.key"))
	if diff := cmp.Diff(before, withoutLocks(known(s))); diff != "" {
		t.Errorf("what is known (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(policies, s.ok("policy", "list")); diff != "" {
		t.Errorf("policies (-before +after):\n%s", diff)
	}
}

// TestPolicy_OverSeveralVaults changes a policy with sources in two vaults: where
// it does not fit one of them it changes neither.
func TestPolicy_OverSeveralVaults(t *testing.T) {
	t.Parallel()
	s, src := newSite(t), smallTree(t)
	s.realVault("books", "ledgers", src)
	s.ok("policy", "set", ownPolicy(t, "P36M"), "--yes")
	small := storeFolder(t)
	s.ok("vault", "create", "small", "file://"+small, "--max-retention", "P11Y")
	s.ok("source", "create", "papers", src, "--vault", "small", "--policy", "own")
	s.ok("source", "policy", "ledgers", "own", "--yes")
	s.ok("backup", "run", "ledgers")
	s.ok("backup", "run", "papers")
	ends := func() []string {
		var out []string
		for _, p := range s.list("point", "list") {
			out = append(out, p.text("source")+" "+p.text("retain_until"))
		}
		return out
	}
	before := ends()
	s.refused(4, []string{`source "papers" does not fit vault "small"`, "keep[1].for must be at most"}, "policy", "set", ownPolicy(t, "P140M"), "--yes")
	if diff := cmp.Diff(before, ends()); diff != "" {
		t.Errorf("refused, and yet points changed: %s", diff)
	}
	c := s.object("policy", "set", ownPolicy(t, "P120M"), "--yes")
	if sources, ok := c["sources"].([]any); !ok || len(sources) != 2 || c.number(t, "version") != 2 {
		t.Errorf("%v", c)
	}
	for _, p := range s.list("point", "list") {
		if got, want := p.moment(t, "retain_until"), p.moment(t, "received_at").AddDate(10, 0, 0); got.Sub(want).Abs() > 48*time.Hour {
			t.Errorf("%s is kept until %v, want %v", p.text("source"), got, want)
		}
	}
	for _, name := range []string{"books", "small"} {
		s.ok("vault", "locks", name) // none is short
	}
}
