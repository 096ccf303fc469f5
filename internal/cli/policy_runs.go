package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/calendar"
)

func newPolicyRuns(s *session) *cobra.Command {
	var f api.RunFilter
	cmd := s.command(page{
		use:   "runs NAME",
		short: "show when a policy's schedule runs",
		long: "Shows the next runs of the schedule of a policy's last version, by the clocks of\n" +
			"its time zone. Jitter, by which each source starts later, is not added. Nothing\n" +
			"runs by a schedule yet.",
		example: "counterfoil policy runs sox --count 30 --from 2027-03-28",
	}, func(ctx context.Context, args []string) error {
		if f.Count < 1 {
			return usagef("--count %d: want 1 or more", f.Count)
		}
		if f.From != "" {
			if _, err := calendar.ParseDate(f.From); err != nil {
				return usagef("--from %s: want a day such as 2027-03-28", safe(f.From))
			}
		}
		s.missing = missingPolicy
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.PolicyRuns, error) { return c.PolicyRuns(ctx, args[0], f) })
		if err != nil {
			return err
		}
		return s.print(v, func() {
			p := s.newSheet()
			p.fact("Policy", "%s, version %d", v.Policy, v.Version)
			p.fact("Schedule", "%s", v.Schedule)
			var lines []string
			for _, run := range v.Runs {
				lines = append(lines, run.Local)
			}
			p.list("Runs", lines)
			s.printSheet(p)
		})
	})
	cmd.Flags().IntVar(&f.Count, "count", 10, "how many, `N`")
	cmd.Flags().StringVar(&f.From, "from", "", "from the beginning of `DAY` in the policy's time zone on, instead of now")
	return cmd
}
