package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
)

func TestCloses_OnlyOverdueOnesAreWarnedOf(t *testing.T) {
	day := time.Date(2026, 4, 3, 12, 0, 0, 0, time.Local)
	of := func(source, event string, overdue bool) lifecycle.SourceClose {
		return lifecycle.SourceClose{Source: source, Overdue: overdue, Close: retention.Close{
			Tag: retention.Tag{Name: policy.Close, Period: "FY2026-P12"}, Event: event, Since: day, DueBy: day.AddDate(0, 0, 5)}}
	}
	for name, c := range map[string]struct {
		closes []lifecycle.SourceClose
		err    error
		want   string
	}{
		"captured or due": {[]lifecycle.SourceClose{of("ledgers", "e", false)}, nil, ""},
		"overdue":         {[]lifecycle.SourceClose{of("ledgers", "e", true)}, nil, "the close of FY2026-P12, recorded 2026-04-03, has no whole point of ledgers, which was due by 2026-04-08"},
		"not recorded":    {[]lifecycle.SourceClose{of("payroll", "", true)}, nil, "the close of FY2026-P12, not recorded by 2026-04-03, has no whole point of payroll, which was due by 2026-04-08"},
		"not known":       {nil, errors.New("the store is away"), "the store is away"},
	} {
		e := &examination{in: Installation{Closes: func(context.Context, string) ([]lifecycle.SourceClose, error) { return c.closes, c.err }}}
		e.closes(t.Context(), "vault books", catalog.Vault{ID: "v", Name: "books"})
		var got []string
		for _, f := range e.findings {
			if f.Status != Warn || f.Fix == "" {
				t.Errorf("%s: %+v", name, f)
			}
			got = append(got, f.Message)
		}
		if text := strings.Join(got, "\n"); c.want == "" && text != "" || !strings.Contains(text, c.want) {
			t.Errorf("%s: %q", name, text)
		}
	}
}
