package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newPointShow(s *session) *cobra.Command {
	cmd := s.command(page{
		use:     "show POINT",
		short:   "show a recovery point",
		long:    "Shows a recovery point: what is in it, what is missing from it, how long it is\nkept and what locks it.",
		example: "counterfoil point show latest:ledgers",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingPoint
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.Point, error) { return c.Point(ctx, args[0]) })
		if err != nil {
			return err
		}
		return s.print(v, func() {
			p := s.newSheet()
			s.pointSummary(p, v)
			s.pointDetails(p, v)
			s.printSheet(p)
		})
	})
	return s.completes(cmd, pointNames)
}

func (s *session) pointDetails(p *sheet, v api.Point) {
	p.fact("Started", "%s", s.when(v.StartedAt))
	p.fact("Entries", "%d", v.Entries)
	if v.PolicyName != "" {
		p.fact("Policy", "%s, version %d", v.PolicyName, v.PolicyVer)
	}
	switch {
	case v.Locked:
		p.fact("Locked until", "%s", s.whenOf(v.LockUntil))
	case v.LockUntil != nil:
		p.fact("Not locked", "with locks it would be until %s", s.whenOf(v.LockUntil))
	}
	level := v.Level
	if v.Trial {
		level += " (trial: not evidence)"
	}
	p.fact("Level", "%s", level)
	p.exact("Root", v.Root)
	p.exact("Previous", v.Previous)
	reasons := make([]string, 0, len(v.Reasons))
	for _, r := range v.Reasons {
		text := r.Sentence
		if r.Decides {
			text += " (decides)"
		}
		reasons = append(reasons, text)
	}
	p.list("Why it is kept", reasons)
	p.first("Could not be read", inputProblems(v.ProblemList), v.Problems)
	p.first("Changed while being read", v.FuzzyList, v.Fuzzy)
}
