package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newPolicyList(s *session) *cobra.Command {
	return s.command(page{
		use:     "list",
		short:   "list the policies",
		long:    "Lists the policies, every version, how long their points are kept and which\nsources are under them.",
		example: "counterfoil policy list",
	}, func(ctx context.Context, _ []string) error {
		list, err := ask(ctx, s, existing, func(c *api.Client) ([]api.Policy, error) { return c.Policies(ctx) })
		if err != nil {
			return err
		}
		return printList(s, list, "no policy; a vault brings the first",
			column[api.Policy]{head: "NAME", cell: func(p api.Policy) string { return p.Name }},
			column[api.Policy]{head: "VERSION", right: true, cell: func(p api.Policy) string { return fmt.Sprint(p.Version) }},
			column[api.Policy]{head: "KEEPS", cell: keeps},
			column[api.Policy]{head: "SOURCES", cell: func(p api.Policy) string { return strings.Join(p.Sources, ", ") }},
		)
	})
}

func keeps(p api.Policy) string {
	var parts []string
	for _, k := range p.Keep {
		parts = append(parts, k.Tag+" "+k.For)
	}
	return strings.Join(parts, ", ")
}

func newPolicyShow(s *session) *cobra.Command {
	var version int
	cmd := s.command(page{
		use:     "show NAME",
		short:   "show a policy",
		long:    "Shows the last version of a policy, or another: its schedule, when its tags\nfall due and how long points with them are kept. With --output json it is whole.",
		example: "counterfoil policy show sox --version 1",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingPolicy
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.Policy, error) {
			if version == 0 {
				return c.Policy(ctx, args[0])
			}
			return c.PolicyVersion(ctx, args[0], version)
		})
		if err != nil {
			return err
		}
		return s.print(v, func() {
			p := s.newSheet()
			p.fact("Policy", "%s, version %d", v.Name, v.Version)
			p.fact("Schedule", "%s", v.Schedule)
			var lines []string
			for _, k := range v.Keep {
				line := k.Tag + ": " + k.For
				if k.Due != "" {
					line += " (" + k.Due + ")"
				}
				lines = append(lines, line)
			}
			p.list("Keeps", lines)
			p.fact("Fiscal year", "%s", v.Fiscal)
			p.list("Classes", v.Classes)
			p.list("Sources", v.Sources)
			s.printSheet(p)
		})
	})
	cmd.Flags().IntVar(&version, "version", 0, "`NUMBER` of the version, by default the last")
	return s.completes(cmd, policyNames)
}

func newClassList(s *session) *cobra.Command {
	var set string
	cmd := s.command(page{
		use:   "list",
		short: "list the record classes",
		long: "Lists the record classes of a set: how long records of each must be kept at\n" +
			"least, from when, and what that rests on. Sets: uk-us (default) and article,\n" +
			"whose figures have no legal source.",
		example: "counterfoil class list --set article",
	}, func(ctx context.Context, _ []string) error {
		list, err := ask(ctx, s, existing, func(c *api.Client) ([]api.Class, error) { return c.Classes(ctx, set) })
		if err != nil {
			return err
		}
		return printList(s, list, "no class in this set",
			column[api.Class]{head: "CLASS", cell: func(c api.Class) string { return c.ID }},
			column[api.Class]{head: "AT LEAST", cell: func(c api.Class) string { return c.Minimum }},
			column[api.Class]{head: "FROM", cell: func(c api.Class) string { return c.ClockStart }},
			column[api.Class]{head: "AT MOST", cell: func(c api.Class) string { return c.Maximum }},
			column[api.Class]{head: "BASIS", cell: func(c api.Class) string { return c.Basis }},
			column[api.Class]{head: "CITATION", cell: func(c api.Class) string { return c.Citation }},
		)
	})
	cmd.Flags().StringVar(&set, "set", "", "`SET` of classes: uk-us or article")
	return cmd
}

func newLifecycleFreeze(s *session) *cobra.Command {
	var in api.Why
	cmd := s.command(page{
		use:     "freeze SOURCE",
		short:   "stop the expiry of a source's points",
		long:    "Stops the expiry of a source's points, as when its data look tampered with.\nBackups go on; nothing of the source goes until counterfoil lifecycle unfreeze.",
		example: "counterfoil lifecycle freeze ledgers --reason INC-12",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingSource
		f, err := ask(ctx, s, existing, func(c *api.Client) (api.Freeze, error) { return c.FreezeSource(ctx, args[0], in) })
		if err != nil {
			return err
		}
		return s.printFreeze(f)
	})
	cmd.Flags().StringVar(&in.Reason, "reason", "", "`WHY` it is stopped")
	return s.completes(cmd, sourceNames)
}

func newLifecycleUnfreeze(s *session) *cobra.Command {
	var in api.Why
	cmd := s.command(page{
		use:     "unfreeze SOURCE FREEZE",
		short:   "let the expiry of a source's points go on",
		long:    "Lets the expiry of a source's points go on. FREEZE is the id that counterfoil\nlifecycle freeze gave, and that counterfoil point explain names.",
		example: "counterfoil lifecycle unfreeze gl 01jzfreeze0000000000000000 --reason INC-12",
		exits:   []string{"4  refused: the time is not proven"},
	}, func(ctx context.Context, args []string) error {
		if in.Reason == "" {
			return usagef("lifecycle unfreeze needs --reason")
		}
		s.missing = missingSource
		f, err := ask(ctx, s, existing, func(c *api.Client) (api.Freeze, error) { return c.UnfreezeSource(ctx, args[0], args[1], in) })
		if err != nil {
			return err
		}
		return s.printFreeze(f)
	})
	cmd.Flags().StringVar(&in.Reason, "reason", "", "`WHY` it may go on")
	return s.completes(cmd, sourceNames)
}

func (s *session) printFreeze(f api.Freeze) error {
	return s.print(f, func() {
		p := s.newSheet()
		p.exact("Freeze", f.ID)
		p.fact("Source", "%s, %s in vault %s", f.Source, count(int64(f.Points), "point", "points"), f.Vault)
		if f.Frozen {
			p.fact("State", "frozen: no point of it expires")
		} else {
			p.fact("State", "released: points expire again when their time has passed")
		}
		s.printSheet(p)
	})
}
