package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newPointDelete(s *session) *cobra.Command {
	var in api.Why
	var yes bool
	cmd := s.command(page{
		use:   "delete POINT",
		short: "delete a point softly",
		long: "Deletes a point softly: it can be brought back with counterfoil point undelete\n" +
			"for as long as its vault says. In an immutable vault nothing is deleted before\n" +
			"its time, and nothing under a legal hold anywhere.",
		example: "counterfoil point delete 01JZX3A0 --reason duplicate --yes",
		exits:   []string{"4  refused: retained, or under a legal hold"},
	}, func(ctx context.Context, args []string) error {
		if err := deletes(yes, in.Reason, "a point"); err != nil {
			return err
		}
		s.missing = missingPoint
		d, err := ask(ctx, s, existing, func(c *api.Client) (api.Deletion, error) { return c.DeletePoint(ctx, args[0], in) })
		if err != nil {
			return err
		}
		return s.printDeletion(d, "deleted; it can be brought back until "+s.whenOf(d.PurgeAfter))
	})
	cmd.Flags().StringVar(&in.Reason, "reason", "", "`WHY` it is deleted")
	cmd.Flags().BoolVar(&yes, "yes", false, "really do it")
	return s.completes(cmd, pointNames)
}

func newPointUndelete(s *session) *cobra.Command {
	cmd := s.command(page{
		use:     "undelete POINT",
		short:   "bring back a point that was deleted softly",
		long:    "Brings back a point that was deleted softly and is not purged yet.",
		example: "counterfoil point undelete 01JZX3A0",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingPoint
		d, err := ask(ctx, s, existing, func(c *api.Client) (api.Deletion, error) { return c.UndeletePoint(ctx, args[0]) })
		if err != nil {
			return err
		}
		return s.printDeletion(d, "is back")
	})
	return s.completes(cmd, pointNames)
}

func (s *session) printDeletion(d api.Deletion, what string) error {
	return s.print(d, func() {
		p := s.newSheet()
		p.exact("Point", d.Point)
		p.fact("Source", "%s", d.Source)
		p.exact("Vault", d.Vault)
		p.fact("State", "%s", what)
		s.printSheet(p)
	})
}
