package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newPointDiff(s *session) *cobra.Command {
	cmd := s.command(page{
		use:   "diff POINT POINT",
		short: "list what differs between two points",
		long: "Lists what differs between two points, from the first to the second:\n" +
			"+ added, - removed, M modified, m only metadata, T another kind of file.",
		example: "counterfoil point diff 01JZX3 latest:ledgers",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingPoint
		list := stream{s: s, human: func(v any) {
			if d, ok := v.(api.Difference); ok {
				fmt.Fprintln(s.out, differenceLine(d))
			}
		}}
		err := s.with(ctx, existing, func(c *api.Client) error {
			return c.Diff(ctx, args[0], args[1], func(d api.Difference) error { return list.add(d) })
		})
		if err != nil {
			return err
		}
		list.end()
		if list.n == 0 {
			s.note("the two points are the same")
		}
		return nil
	})
	return s.completes(cmd, pointNames, pointNames)
}

func differenceLine(d api.Difference) string {
	signs := map[string]string{"added": "+", "removed": "-", "modified": "M", "metadata": "m", "kind": "T"}
	sign, known := signs[d.Change]
	if !known {
		sign = "?"
	}
	line := sign + " " + shownName(d.Path, d.PathRaw)
	if len(d.Fields) > 0 {
		line += "  (" + safe(strings.Join(d.Fields, ", ")) + ")"
	}
	return line
}
