package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newClockStatus(s *session) *cobra.Command {
	return s.command(page{
		use:     "status",
		short:   "show the trusted clock",
		long:    "Shows which sources of time answered, what time is proven to have passed, and\nwhether anything may be deleted by it.",
		example: "counterfoil clock status",
	}, func(ctx context.Context, _ []string) error {
		c, err := ask(ctx, s, existing, func(c *api.Client) (api.Clock, error) { return c.Clock(ctx) })
		if err != nil {
			return err
		}
		return s.printClock(c)
	})
}

func newClockAttest(s *session) *cobra.Command {
	var at, reason string
	cmd := s.command(page{
		use:   "attest",
		short: "attest that the time is right",
		long: "Attests that it is the time that the system clock says, or --at: after a gap in\n" +
			"which nothing watched, where there is one source of time only, or to open the\n" +
			"latch that closed on readings that could not be honest. Look at another clock\n" +
			"first: immutable vaults delete by it.",
		example: "counterfoil clock attest --reason D-47",
		exits:   []string{"4  refused: no source of time agrees"},
	}, func(ctx context.Context, _ []string) error {
		if reason == "" {
			return usagef("clock attest needs --reason")
		}
		in := api.Attest{Reason: reason}
		t, err := s.moment("--at", at)
		if err != nil {
			return err
		}
		if !t.IsZero() {
			in.At = &t
		}
		c, err := ask(ctx, s, existing, func(c *api.Client) (api.Clock, error) { return c.AttestClock(ctx, in) })
		if err != nil {
			return err
		}
		return s.printClock(c)
	})
	cmd.Flags().StringVar(&at, "at", "", "the `TIME` that it is (default: what the system clock says)")
	cmd.Flags().StringVar(&reason, "reason", "", "`HOW` you know")
	return cmd
}

func (s *session) printClock(c api.Clock) error {
	return s.print(c, func() {
		p := s.newSheet()
		p.fact("System", "%s", s.when(c.System))
		p.fact("Receipt", "%s, dates points and records", s.when(c.Receipt))
		p.fact("Proven", "%s", s.whenOf(c.Proven))
		if c.Latched != "" {
			p.fact("Latch", "closed since %s: %s", s.whenOf(c.LatchedSince), c.Latched)
		}
		p.fact("Attested", "%s", c.Attested)
		p.fact("Deleting", "%s", deleting(c))
		var lines []string
		for _, x := range c.Sources {
			said := s.whenOf(x.At)
			if x.Error != "" {
				said = x.Error
			}
			lines = append(lines, fmt.Sprintf("%s (%s): %s", x.Name, x.Group, said))
		}
		p.list("Sources", lines)
		s.printSheet(p)
	})
}

func deleting(c api.Clock) string {
	if c.Refusal == "" {
		return "allowed, by proven time"
	}
	return "stopped in immutable vaults: " + c.Refusal
}
