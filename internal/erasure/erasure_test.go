package erasure_test

import (
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/erasure"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func day(n int) time.Time { return time.Date(2026, 3, n, 12, 0, 0, 0, time.UTC) }

// smith erases what an employee left in a source.
func smith(change func(*erasure.Erasure)) erasure.Erasure {
	e := erasure.Erasure{ID: "e1", Subject: "s1", Reason: "DSR-7", By: "ann", At: day(10), Sources: []string{"01hr"}, Paths: []string{"staff/smith"}, Until: day(10)}
	if change != nil {
		change(&e)
	}
	return e
}

func TestCovers(t *testing.T) {
	hr := erasure.Point{Source: "01hr", Began: day(9)}
	for name, c := range map[string]struct {
		change func(*erasure.Erasure)
		point  erasure.Point
		path   string
		want   bool
	}{
		"the path":                        {nil, hr, "staff/smith", true},
		"below it":                        {nil, hr, "staff/smith/2025/pay.csv", true},
		"above it":                        {nil, hr, "staff", false},
		"beside it":                       {nil, hr, "staff/smithers", false},
		"other case":                      {nil, hr, "staff/Smith", false},
		"other source":                    {nil, erasure.Point{Source: "01gl", Began: day(9)}, "staff/smith", false},
		"source in capitals":              {nil, erasure.Point{Source: "01HR", Began: day(9)}, "staff/smith", true},
		"every source":                    {func(e *erasure.Erasure) { e.Sources = nil }, erasure.Point{Source: "01gl", Began: day(9)}, "staff/smith", true},
		"one of two sources":              {func(e *erasure.Erasure) { e.Sources = []string{"01xx", "01hr"} }, hr, "staff/smith", true},
		"point begun then":                {nil, erasure.Point{Source: "01hr", Began: day(10)}, "staff/smith", true},
		"point begun after":               {nil, erasure.Point{Source: "01hr", Began: day(10).Add(1)}, "staff/smith", false},
		"withdrawn":                       {func(e *erasure.Erasure) { e.Withdrawn = &erasure.Withdrawal{} }, hr, "staff/smith", false},
		"star within a name":              {func(e *erasure.Erasure) { e.Paths = []string{"staff/*smith*.csv"} }, hr, "staff/a-smith-1.csv", true},
		"star stays within a name":        {func(e *erasure.Erasure) { e.Paths = []string{"*/smith"} }, hr, "a/b/smith", false},
		"two stars":                       {func(e *erasure.Erasure) { e.Paths = []string{"**/smith*"} }, hr, "a/b/smith.csv", true},
		"below a folder matched by stars": {func(e *erasure.Erasure) { e.Paths = []string{"**/smith*"} }, hr, "a/smith-j/x/y.csv", true},
		"bytes":                           {func(e *erasure.Erasure) { e.Paths = []string{"m\xfcller"} }, hr, "m\xfcller/a", true},
		"other spelling":                  {func(e *erasure.Erasure) { e.Paths = []string{"m\u00fcller"} }, hr, "mu\u0308ller", false},
		"second path":                     {func(e *erasure.Erasure) { e.Paths = []string{"x", "/staff/smith"} }, hr, "staff/smith", true},
		"everything of a source":          {func(e *erasure.Erasure) { e.Paths = []string{"**"} }, hr, "a", true},
	} {
		if got := smith(c.change).Covers(c.point, c.path); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestList_OneErasureOfAPathAnswers(t *testing.T) {
	first, second := smith(nil), smith(func(e *erasure.Erasure) { e.ID, e.Paths = "e2", []string{"staff/*"} })
	over := smith(func(e *erasure.Erasure) { e.ID, e.Until = "e3", day(1) })
	list := erasure.List{first, second, over}.Of(erasure.Point{Source: "01hr", Began: day(5)})
	if len(list) != 2 {
		t.Fatalf("%d erasures concern the point", len(list))
	}
	for path, want := range map[string]string{"staff/smith/a": "e1", "staff/jones/a": "e2", "staff/jones": "e2", "staff": "", "other": "", "": ""} {
		if e, ok := list.Match(path); e.ID != want || ok != (want != "") {
			t.Errorf("%s: erased by %q", path, e.ID)
		}
	}
	for folder, want := range map[string]bool{"": true, "staff": true, "staff/x": true, "other": false} {
		if got := list.Below(folder); got != want {
			t.Errorf("below %q: got %v", folder, got)
		}
	}
}

func TestValidate_RefusesSlipsOfThePen(t *testing.T) {
	if err := smith(nil).Validate(); err != nil {
		t.Fatal(err)
	}
	if err := smith(func(e *erasure.Erasure) { e.Paths = []string{"**"} }).Validate(); err != nil {
		t.Errorf("everything of a named source: %v", err)
	}
	for want, change := range map[string]func(*erasure.Erasure){
		"needs its reason":       func(e *erasure.Erasure) { e.Reason = " " },
		"needs its subject":      func(e *erasure.Erasure) { e.Subject = "" },
		"needs its time":         func(e *erasure.Erasure) { e.Until = time.Time{} },
		"yet to come":            func(e *erasure.Erasure) { e.Until = day(11) },
		"needs the paths":        func(e *erasure.Erasure) { e.Paths = nil },
		"more than 1000":         func(e *erasure.Erasure) { e.Paths = make([]string, 1001) },
		"is empty":               func(e *erasure.Erasure) { e.Paths = []string{""} },
		`"//"`:                   func(e *erasure.Erasure) { e.Paths = []string{"//"} },
		"NUL":                    func(e *erasure.Erasure) { e.Paths = []string{"a\x00"} },
		"..":                     func(e *erasure.Erasure) { e.Paths = []string{"../staff"} },
		"more than 4096 bytes":   func(e *erasure.Erasure) { e.Paths = []string{strings.Repeat("a", 4097)} },
		`"**" matches every`:     func(e *erasure.Erasure) { e.Sources, e.Paths = nil, []string{"**"} },
		`"/**/*/" matches every`: func(e *erasure.Erasure) { e.Sources, e.Paths = nil, []string{"/**/*/"} },
	} {
		err := smith(change).Validate()
		if !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
