package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

// scopeFlags choose points, for holds and events.
type scopeFlags struct {
	sources, classes, paths, points []string
	from, to                        string
}

func (f *scopeFlags) add(s *session, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.sources, "source", nil, "points of this `SOURCE`; may be repeated")
	flags.StringSliceVar(&f.classes, "class", nil, "points with records of this `CLASS`; may be repeated")
	flags.StringSliceVar(&f.points, "point", nil, "this `POINT`, whatever the other flags say; may be repeated")
	flags.StringVar(&f.from, "from", "", "points received from this `DAY` on")
	flags.StringVar(&f.to, "to", "", "points received before this `DAY`")
	s.completesFlag(cmd, "source", sourceNames)
	s.completesFlag(cmd, "point", pointNames)
}

func (f *scopeFlags) scope(s *session) (api.Scope, error) {
	out := api.Scope{Sources: f.sources, Classes: f.classes, Paths: f.paths, Points: f.points}
	from, err := s.moment("--from", f.from)
	if err != nil {
		return out, err
	}
	to, err := s.moment("--to", f.to)
	if err != nil {
		return out, err
	}
	if !from.IsZero() {
		out.From = &from
	}
	if !to.IsZero() {
		out.To = &to
	}
	return out, nil
}

func newHoldPlace(s *session) *cobra.Command {
	var f scopeFlags
	var in api.NewHold
	cmd := s.command(page{
		use:   "place VAULT",
		short: "place a legal hold",
		long: "Places a legal hold on points of a vault. Until it is released, nothing in its\n" +
			"scope is deleted, neither what is there nor what is backed up later. Without\n" +
			"--source, --class, --path, --from, --to or --point it covers the whole vault.",
		example: "counterfoil hold place books --matter CASE-17 --reason D-47 --source ledgers",
	}, func(ctx context.Context, args []string) error {
		var err error
		if in.Scope, err = f.scope(s); err != nil {
			return err
		}
		if in.Matter == "" || in.Reason == "" {
			return usagef("a hold needs --matter and --reason: both are shown wherever it keeps something")
		}
		s.missing = missingVault
		h, err := ask(ctx, s, existing, func(c *api.Client) (api.Hold, error) { return c.PlaceHold(ctx, args[0], in) })
		if err != nil {
			return err
		}
		return s.printHold(h)
	})
	f.add(s, cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&f.paths, "path", nil, "points with files at this `PATTERN`; may be repeated")
	flags.StringVar(&in.Matter, "matter", "", "`NAME` of the case or investigation")
	flags.StringVar(&in.Reason, "reason", "", "`WHY` it is placed")
	return s.completes(cmd, vaultNames)
}

func newHoldList(s *session) *cobra.Command {
	cmd := s.command(page{
		use:     "list VAULT",
		short:   "list legal holds and what they keep",
		long:    "Lists the holds of a vault, released ones too, and how much each covers.",
		example: "counterfoil hold list books",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingVault
		list, err := ask(ctx, s, existing, func(c *api.Client) ([]api.Hold, error) { return c.Holds(ctx, args[0]) })
		if err != nil {
			return err
		}
		return printList(s, list, "no hold; place one: counterfoil hold place VAULT --matter NAME --reason WHY",
			column[api.Hold]{head: "ID", cell: func(h api.Hold) string { return h.ID }},
			column[api.Hold]{head: "MATTER", cell: func(h api.Hold) string { return h.Matter }},
			column[api.Hold]{head: "PLACED", cell: func(h api.Hold) string { return s.when(h.PlacedAt) }},
			column[api.Hold]{head: "RELEASED", cell: func(h api.Hold) string { return s.whenOf(h.ReleasedAt) }},
			column[api.Hold]{head: "POINTS", right: true, cell: func(h api.Hold) string { return count(int64(len(h.Points)), "point", "points") }},
			column[api.Hold]{head: "SIZE", right: true, cell: func(h api.Hold) string { return size(h.Bytes) }},
			column[api.Hold]{head: "SCOPE", cell: func(h api.Hold) string { return s.scopeText(h.Scope) }},
		)
	})
	return s.completes(cmd, vaultNames)
}

func newHoldApply(s *session) *cobra.Command {
	cmd := s.command(page{
		use:   "apply VAULT",
		short: "let the store itself hold what was backed up since",
		long: "Sets the store's own legal hold on every object that the holds in force cover.\n" +
			"counterfoil hold place does it for what is there by then; this does it for\n" +
			"points that were made later. Only S3 with Object Lock has such holds.",
		example: "counterfoil hold apply books",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingVault
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.HoldsApplied, error) { return c.ApplyHolds(ctx, args[0]) })
		if err != nil {
			return err
		}
		return s.print(v, func() {
			p := s.newSheet()
			p.exact("Vault", v.Vault)
			p.fact("Held", "%s by the store itself", count(int64(v.Objects), "object", "objects"))
			s.printSheet(p)
		})
	})
	return s.completes(cmd, vaultNames)
}

func newHoldRelease(s *session) *cobra.Command {
	var in api.Why
	cmd := s.command(page{
		use:   "release VAULT HOLD",
		short: "release a legal hold",
		long: "Releases a hold. What it kept follows its other reasons again: points past\n" +
			"their retention go with the next expiry.",
		example: "counterfoil hold release books 01jzhold000000000000000000 --reason DMS-4712",
	}, func(ctx context.Context, args []string) error {
		if in.Reason == "" {
			return usagef("the release of a hold needs --reason")
		}
		s.missing = "counterfoil hold list " + args[0] + " shows the holds"
		h, err := ask(ctx, s, existing, func(c *api.Client) (api.Hold, error) { return c.ReleaseHold(ctx, args[0], args[1], in) })
		if err != nil {
			return err
		}
		return s.printHold(h)
	})
	cmd.Flags().StringVar(&in.Reason, "reason", "", "`WHY` it is released")
	return s.completes(cmd, vaultNames)
}

func (s *session) printHold(h api.Hold) error {
	return s.print(h, func() {
		p := s.newSheet()
		p.exact("Hold", h.ID)
		p.exact("Vault", h.Vault)
		p.fact("Matter", "%s", h.Matter)
		p.fact("Reason", "%s", h.Reason)
		p.fact("Placed", "%s by %s", s.when(h.PlacedAt), h.PlacedBy)
		if h.ReleasedAt != nil {
			p.fact("Released", "%s by %s", s.whenOf(h.ReleasedAt), h.ReleasedBy)
		}
		p.fact("Scope", "%s", s.scopeText(h.Scope))
		p.fact("Covers", "%s, %s", count(int64(len(h.Points)), "point", "points"), size(h.Bytes))
		if h.OtherwiseGone > 0 {
			p.fact("Alone keeps", "%s past their retention", count(int64(h.OtherwiseGone), "point", "points"))
		}
		s.printSheet(p)
	})
}

// scopeText says in a few words what a scope chooses.
func (s *session) scopeText(v api.Scope) string {
	var parts []string
	add := func(what string, list []string) {
		if len(list) > 0 {
			parts = append(parts, what+" "+strings.Join(list, ", "))
		}
	}
	add("sources", v.Sources)
	add("classes", v.Classes)
	add("paths", v.Paths)
	if v.From != nil {
		parts = append(parts, "from "+s.when(*v.From))
	}
	if v.To != nil {
		parts = append(parts, "before "+s.when(*v.To))
	}
	add("points", v.Points)
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, "; ")
}
