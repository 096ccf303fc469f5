package hold

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

var (
	march = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	april = time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
)

func point() Point {
	return Point{
		ID: "p1", Source: "ledger", Classes: []string{"general_ledger"},
		Paths: []string{"/srv/finance"}, ReceivedAt: march.AddDate(0, 0, 10),
	}
}

func TestCovers(t *testing.T) {
	for name, c := range map[string]struct {
		scope Scope
		want  bool
	}{
		"empty scope is everything":      {Scope{}, true},
		"source":                         {Scope{Sources: []string{"hr", "ledger"}}, true},
		"other source":                   {Scope{Sources: []string{"hr"}}, false},
		"class":                          {Scope{Classes: []string{"general_ledger"}}, true},
		"other class":                    {Scope{Classes: []string{"payroll"}}, false},
		"source but other class":         {Scope{Sources: []string{"ledger"}, Classes: []string{"payroll"}}, false},
		"dates":                          {Scope{From: march, To: april}, true},
		"from is included":               {Scope{From: march.AddDate(0, 0, 10)}, true},
		"to is excluded":                 {Scope{To: march.AddDate(0, 0, 10)}, false},
		"open end":                       {Scope{From: april}, false},
		"path above":                     {Scope{Paths: []string{"/srv"}}, true},
		"path below":                     {Scope{Paths: []string{"/srv/finance/2025"}}, true},
		"root":                           {Scope{Paths: []string{"/"}}, true},
		"sibling with the same prefix":   {Scope{Paths: []string{"/srv/fin"}}, false},
		"listed":                         {Scope{Points: []string{"p1"}}, true},
		"another is listed":              {Scope{Points: []string{"p2"}}, false},
		"listed beside another source":   {Scope{Points: []string{"p1"}, Sources: []string{"hr"}}, true},
		"unlisted, but its source is in": {Scope{Points: []string{"p2"}, Sources: []string{"ledger"}}, true},
	} {
		if got := (Hold{Scope: c.scope}).Covers(point()); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestCovers_APointWithoutKnownPathsMatchesAnyPath(t *testing.T) {
	p := point()
	p.Paths = nil
	if !(Hold{Scope: Scope{Paths: []string{"/elsewhere"}}}).Covers(p) {
		t.Error("in doubt a hold must cover")
	}
}

func TestCovering_GivesEveryHoldInForce(t *testing.T) {
	holds := []Hold{
		{ID: "h3", Scope: Scope{Sources: []string{"ledger"}}},
		{ID: "h1"},
		{ID: "h2", ReleasedAt: april},
		{ID: "h4", Scope: Scope{Sources: []string{"hr"}}},
	}
	var got []string
	for _, h := range Covering(holds, point()) {
		got = append(got, h.ID)
	}
	if d := cmp.Diff([]string{"h1", "h3"}, got); d != "" {
		t.Error(d)
	}
}

func TestValidate_NamesWhatIsMissing(t *testing.T) {
	whole := Hold{ID: "h1", Matter: "SEC v. Acme", PlacedBy: "ann", PlacedAt: march, Reason: "letter of 1 March"}
	if err := whole.Validate(); err != nil {
		t.Fatal(err)
	}
	for key, spoil := range map[string]func(*Hold){
		"id":        func(h *Hold) { h.ID = "" },
		"matter":    func(h *Hold) { h.Matter = " " },
		"placed_by": func(h *Hold) { h.PlacedBy = "" },
		"placed_at": func(h *Hold) { h.PlacedAt = time.Time{} },
		"reason":    func(h *Hold) { h.Reason = "" },
		"dates":     func(h *Hold) { h.Scope.From, h.Scope.To = april, march },
	} {
		h := whole
		spoil(&h)
		if err := h.Validate(); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s: got %v", key, err)
		}
	}
}

func TestCovers_ARemnantMayHoldWhatIsFromBefore(t *testing.T) {
	for name, c := range map[string]struct {
		scope Scope
		want  bool
	}{
		"received after the last day":   {Scope{To: march}, true},
		"of another source":             {Scope{To: march, Sources: []string{"hr"}}, false},
		"received before the first day": {Scope{From: april}, false},
	} {
		p := point()
		p.Remnant = true
		if got := (Hold{Scope: c.scope}).Covers(p); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
