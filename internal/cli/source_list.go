package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newSourceList(s *session) *cobra.Command {
	return s.command(page{
		use:     "list",
		short:   "list the sources",
		long:    "Lists what is protected, and when each source was last backed up.",
		example: "counterfoil source list",
	}, func(ctx context.Context, _ []string) error {
		list, err := ask(ctx, s, existing, func(c *api.Client) ([]api.Source, error) { return c.Sources(ctx) })
		if err != nil {
			return err
		}
		return printList(s, list, "no source yet; make one: counterfoil source create NAME PATH --vault VAULT",
			column[api.Source]{head: "NAME", cell: func(v api.Source) string { return v.Name }},
			column[api.Source]{head: "KIND", cell: func(v api.Source) string { return v.Kind }},
			column[api.Source]{head: "STATE", cell: func(v api.Source) string { return v.State }},
			column[api.Source]{head: "VAULT", cell: func(v api.Source) string { return v.Vault }},
			column[api.Source]{head: "POLICY", cell: func(v api.Source) string { return v.Policy }},
			column[api.Source]{head: "POINTS", right: true, cell: func(v api.Source) string { return strconv.FormatInt(v.Points, 10) }},
			column[api.Source]{head: "LAST RECEIVED", cell: func(v api.Source) string { return s.whenOf(v.LastReceived) }},
			column[api.Source]{head: "PATHS", cell: sourcePaths},
		)
	})
}

// sourcePaths names the first path and how many there are beside it.
func sourcePaths(v api.Source) string {
	paths := api.DecodePaths(v.Paths, v.PathsRaw)
	if len(paths) == 0 {
		return ""
	}
	text := shownName(paths[0], nil)
	if more := len(paths) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
