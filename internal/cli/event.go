package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newEventRecord(s *session) *cobra.Command {
	var f scopeFlags
	var in api.NewEvent
	var on string
	cmd := s.command(page{
		use:   "record VAULT EVENT",
		short: "record an event from which retention counts",
		long: "Enters an event, such as audit_concluded, in a vault's register. The periods of\n" +
			"record classes that wait for it begin to run from its day, for the points that\n" +
			"the flags choose. Nothing gets shorter by it than a date it has already.\n" +
			"The event close says that the books of a fiscal period (--period) were closed:\n" +
			"the next whole point of each source, or of those of --source, stands for it.\n" +
			"Recorded again for the same period, it asks for another point.",
		example: "counterfoil event record books audit_concluded --on 5d --evidence D4 --to 5d",
	}, func(ctx context.Context, args []string) error {
		in.Name = args[1]
		at, err := s.moment("--on", on)
		if err != nil {
			return err
		}
		in.At = at
		if in.Covers, err = f.scope(s); err != nil {
			return err
		}
		if on == "" || in.Evidence == "" {
			return usagef("an event needs --on, the day on which it happened, and --evidence")
		}
		s.missing = missingVault
		e, err := ask(ctx, s, existing, func(c *api.Client) (api.RetentionEvent, error) { return c.RecordEvent(ctx, args[0], in) })
		if err != nil {
			return err
		}
		return s.print(e, func() {
			p := s.newSheet()
			p.exact("Event", e.ID)
			p.fact("Name", "%s", e.Name)
			p.fact("About", "%s", e.Period)
			p.fact("Happened", "%s", s.when(e.At))
			p.fact("Evidence", "%s", e.Evidence)
			var lines []string
			for _, x := range e.Settled {
				lines = append(lines, x.Point+"  "+x.Source+"  kept until "+x.Until)
			}
			p.fact("Settles", "%s", count(int64(len(lines)), "point", "points"))
			p.first("Points", lines, int64(len(lines)))
			p.list("Close", s.closeLines(e))
			s.printSheet(p)
		})
	})
	f.add(s, cmd)
	flags := cmd.Flags()
	flags.StringVar(&on, "on", "", "`DAY` on which it happened")
	flags.StringVar(&in.Period, "period", "", "`PERIOD` that it is about, such as FY2026")
	flags.StringVar(&in.Evidence, "evidence", "", "`DOCUMENT` by which it can be shown")
	return s.completes(cmd, vaultNames)
}

func newEventList(s *session) *cobra.Command {
	cmd := s.command(page{
		use:     "list VAULT",
		short:   "list recorded events",
		long:    "Lists the events from which periods of retention count, in their order. For a\nclose it says which point of each source stands for it, or by when one must.",
		example: "counterfoil event list books",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingVault
		list, err := ask(ctx, s, existing, func(c *api.Client) ([]api.RetentionEvent, error) { return c.RetentionEvents(ctx, args[0]) })
		if err != nil {
			return err
		}
		return printList(s, list, "no event; record one: counterfoil event record VAULT EVENT --on DAY --evidence DOCUMENT",
			column[api.RetentionEvent]{head: "ID", cell: func(e api.RetentionEvent) string { return e.ID }},
			column[api.RetentionEvent]{head: "EVENT", cell: func(e api.RetentionEvent) string { return e.Name }},
			column[api.RetentionEvent]{head: "ABOUT", cell: func(e api.RetentionEvent) string { return e.Period }},
			column[api.RetentionEvent]{head: "HAPPENED", cell: func(e api.RetentionEvent) string { return s.when(e.At) }},
			column[api.RetentionEvent]{head: "BY", cell: func(e api.RetentionEvent) string { return e.RecordedBy }},
			column[api.RetentionEvent]{head: "EVIDENCE", cell: func(e api.RetentionEvent) string { return e.Evidence }},
			column[api.RetentionEvent]{head: "CLOSE", cell: func(e api.RetentionEvent) string { return strings.Join(s.closeLines(e), "; ") }},
		)
	})
	return s.completes(cmd, vaultNames)
}

// closeLines says for each source which point stands for a close, or will.
func (s *session) closeLines(e api.RetentionEvent) []string {
	var out []string
	for _, c := range e.Closes {
		line := c.Source + ": "
		switch c.State {
		case api.CloseCaptured:
			line += c.Point
		case api.CloseOverdue:
			line += "overdue since " + s.when(c.DueBy)
		case api.CloseDue:
			line += "due by " + s.when(c.DueBy)
		}
		if c.State != api.CloseCaptured && c.Point != "" {
			line += ", " + c.Point + " stands in"
		}
		if c.Period != e.Period {
			line += " (" + c.Period + ")"
		}
		out = append(out, line)
	}
	return out
}
