package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newPointCat(s *session) *cobra.Command {
	cmd := s.command(page{
		use:     "cat POINT PATH",
		short:   "write the content of a file of a point",
		long:    "Writes the content of a file to the output, as it is. If it cannot be had whole,\nthe output ends early and the command fails.\nWhat was erased for a data subject is not given out.",
		example: "counterfoil point cat latest:ledgers 2026/gl.csv > gl.csv",
		exits:   []string{"4  refused: erased for a data subject"},
	}, func(ctx context.Context, args []string) error {
		s.missing, s.kept = missingPoint, "what was written is only the beginning"
		return s.with(ctx, existing, func(c *api.Client) error { return c.Content(ctx, args[0], args[1], s.out) })
	})
	return s.completes(cmd, pointNames)
}
