package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newClassShow(s *session) *cobra.Command {
	var set string
	cmd := s.command(page{
		use:   "show CLASS",
		short: "show a record class",
		long: "Shows all that is known of a record class: how long its records must and may be\n" +
			"kept, from when, and what that rests on.",
		example: "counterfoil class show general_ledger",
	}, func(ctx context.Context, args []string) error {
		s.missing = "counterfoil class list shows the classes"
		c, err := ask(ctx, s, existing, func(client *api.Client) (api.Class, error) { return client.Class(ctx, args[0], set) })
		if err != nil {
			return err
		}
		return s.print(c, func() {
			p := s.newSheet()
			p.exact("Class", c.ID)
			p.fact("Records", "%s", c.Title)
			p.fact("At least", "%s", minimumText(c))
			p.fact("At most", "%s", maximumText(c.Maximum))
			p.fact("At hand", "%s", atHandText(c.Accessible))
			p.fact("Basis", "%s", basisText(c.Basis))
			p.fact("Citation", "%s", c.Citation)
			if c.Personal {
				p.fact("Personal", "yes: the records hold personal data")
			}
			p.fact("Set", "%s: %s", c.Set, c.SetNote)
			s.printSheet(p)
		})
	})
	cmd.Flags().StringVar(&set, "set", "", "`SET` to look in: uk-us or article (default: both, in this order)")
	return cmd
}

func minimumText(c api.Class) string {
	switch {
	case c.Minimum == "none":
		return "no period"
	case c.ClockStart == "received":
		return c.Minimum + ", from the receipt of a point"
	}
	return c.Minimum + ", from the event " + c.ClockStart + "; until that is recorded, without an end"
}

func maximumText(maximum string) string {
	if maximum == "" {
		return "no limit"
	}
	return maximum + "; a policy that keeps points longer must give its reason"
}

func atHandText(accessible string) string {
	if accessible == "" {
		return "all the time: readable at once"
	}
	return accessible + " readable at once"
}

func basisText(basis string) string {
	switch basis {
	case "law":
		return "law"
	case "framework":
		return "a framework of rules, not law"
	case "practice":
		return "practice: usual, and no law asks for this figure"
	case "none":
		return "none: the figure has no legal source"
	}
	return basis
}
