package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newPointList(s *session) *cobra.Command {
	var f api.PointFilter
	cmd := s.command(page{
		use:     "list",
		short:   "list recovery points",
		long:    "Lists recovery points and how long each is kept.",
		example: "counterfoil point list --source ledgers",
	}, func(ctx context.Context, _ []string) error {
		if f.Limit < 0 {
			return usagef("--limit %d: want 1 or more, or 0 for all", f.Limit)
		}
		s.missing = missingSource
		list, err := ask(ctx, s, existing, func(c *api.Client) ([]api.Point, error) { return c.Points(ctx, f) })
		if err != nil {
			return err
		}
		return printList(s, list, "no point; make one: counterfoil backup run SOURCE",
			column[api.Point]{head: "ID", cell: func(v api.Point) string { return v.ID }},
			column[api.Point]{head: "SOURCE", cell: func(v api.Point) string { return v.Source }},
			column[api.Point]{head: "RECEIVED", cell: func(v api.Point) string { return s.when(v.ReceivedAt) }},
			column[api.Point]{head: "RETAIN UNTIL", cell: s.until},
			column[api.Point]{head: "SIZE", right: true, cell: func(v api.Point) string { return size(v.Size) }},
			column[api.Point]{head: "STATE", cell: shortState},
			column[api.Point]{head: "TAGS", cell: func(v api.Point) string { return strings.Join(v.Tags, ",") }},
		)
	})
	flags := cmd.Flags()
	flags.StringVar(&f.Source, "source", "", "only points of this `SOURCE`")
	flags.StringVar(&f.Vault, "vault", "", "only points in this `VAULT`")
	flags.IntVar(&f.Limit, "limit", 0, "only the newest `N`")
	s.completesFlag(cmd, "source", sourceNames)
	s.completesFlag(cmd, "vault", vaultNames)
	return cmd
}

func shortState(v api.Point) string {
	switch {
	case !v.Complete:
		return "incomplete"
	case v.Fuzzy > 0:
		return "fuzzy"
	default:
		return "complete"
	}
}
