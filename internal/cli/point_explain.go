package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newPointExplain(s *session) *cobra.Command {
	cmd := s.command(page{
		use:     "explain POINT",
		short:   "say why a point is kept, and until when",
		long:    "Says why a point is kept, and until when: each tag, class and bound that\napplies, and which of them decides.",
		example: "counterfoil point explain latest",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingPoint
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.Explanation, error) { return c.Explain(ctx, args[0]) })
		if err != nil {
			return err
		}
		return s.print(v, func() {
			p := s.newSheet()
			p.exact("Point", v.Point.ID)
			p.fact("Source", "%s, received %s", v.Point.Source, s.when(v.Point.ReceivedAt))
			p.fact("Kept until", "%s", s.keptUntil(v.Point))
			p.fact("Decision", "%s", decisionWords(v.Decision))
			p.list("Why", v.Lines)
			s.printSheet(p)
		})
	})
	return s.completes(cmd, pointNames)
}

func decisionWords(decision string) string {
	switch decision {
	case "keep":
		return "keep"
	case "may_expire":
		return "may expire"
	default:
		return decision
	}
}
