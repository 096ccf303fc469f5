package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newLifecyclePlan(s *session) *cobra.Command {
	cmd := s.command(page{
		use:   "plan VAULT",
		short: "show which points would go, and why the others stay",
		long: "Finds the points whose time has passed, by trusted time, with no hold and no\n" +
			"other reason to stay, and shows them with their reasons. Nothing is changed.",
		example: "counterfoil lifecycle plan books",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingVault
		e, err := ask(ctx, s, existing, func(c *api.Client) (api.Expiry, error) { return c.Expire(ctx, args[0], api.Apply{}) })
		if err != nil {
			return err
		}
		if err := s.printExpiry(e); err != nil {
			return err
		}
		if len(e.Expire) > 0 && e.Stopped == "" {
			s.note("%s", "nothing was changed; to do it: counterfoil lifecycle apply "+args[0]+" --yes")
		}
		return nil
	})
	return s.completes(cmd, vaultNames)
}

func newLifecycleApply(s *session) *cobra.Command {
	var yes bool
	var digest string
	cmd := s.command(page{
		use:   "apply VAULT",
		short: "dispose of the points whose time has passed",
		long: "Does what counterfoil lifecycle plan shows: each point's disposal is recorded\n" +
			"with a certificate, then it is taken out of the vault. The space it alone used\n" +
			"is freed by counterfoil vault gc.",
		example: "counterfoil lifecycle apply books --yes",
		exits:   []string{"4  refused: the time is not proven to have passed"},
	}, func(ctx context.Context, args []string) error {
		if !yes {
			return usagef("disposing of points needs --yes; counterfoil lifecycle plan shows them")
		}
		s.missing = missingVault
		s.kept = "what was disposed of until now has its certificate; the next run goes on from there"
		e, err := ask(ctx, s, existing, func(c *api.Client) (api.Expiry, error) {
			if digest == "" {
				plan, err := c.Expire(ctx, args[0], api.Apply{})
				if err != nil {
					return plan, err
				}
				digest = plan.Digest
			}
			return c.Expire(ctx, args[0], api.Apply{Digest: digest})
		})
		if err != nil {
			return err
		}
		return s.printExpiry(e)
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "really do it")
	cmd.Flags().StringVar(&digest, "plan", "", "only if the plan still has this `DIGEST`")
	return s.completes(cmd, vaultNames)
}

func newLifecycleSign(s *session) *cobra.Command {
	var in api.SignBatch
	var yes bool
	cmd := s.command(page{
		use:   "sign VAULT",
		short: "sign that points kept by class, close or event may go",
		long: "Points that a record class, a fiscal close or an event kept do not go by\n" +
			"themselves when their time has passed: they wait for the signatures of their\n" +
			"source's owner and of the Compliance Officer. This shows what waits for one of\n" +
			"them, and with --yes signs it.",
		example: "counterfoil lifecycle sign books --as owner --reason DMS-4713 --yes",
	}, func(ctx context.Context, args []string) error {
		if in.As == "" {
			return usagef("a disposal batch is signed --as owner or --as compliance-officer")
		}
		if yes && in.Reason == "" {
			return usagef("signing a disposal batch needs --reason")
		}
		s.missing = "counterfoil lifecycle plan " + args[0] + " shows what waits"
		digest := in.Digest
		in.Digest = ""
		b, err := ask(ctx, s, existing, func(c *api.Client) (api.Batch, error) {
			b, err := c.SignBatch(ctx, args[0], in)
			if err != nil || !yes {
				return b, err
			}
			in.Digest = cmp.Or(digest, b.Digest)
			return c.SignBatch(ctx, args[0], in)
		})
		if err != nil {
			return err
		}
		if err := s.printBatch(b); err != nil {
			return err
		}
		if b.ID == "" && len(b.Points) > 0 {
			s.note("%s", "nothing was signed; to sign this: the same with --reason, --yes and --batch "+b.Digest)
		}
		return nil
	})
	flags := cmd.Flags()
	flags.StringVar(&in.As, "as", "", "`OFFICE` in which to sign: owner or compliance-officer")
	flags.StringSliceVar(&in.Sources, "source", nil, "only points of this `SOURCE`; may be repeated")
	flags.StringVar(&in.Digest, "batch", "", "only if the batch still has this `DIGEST`")
	flags.StringVar(&in.Reason, "reason", "", "`WHY` they may go")
	flags.BoolVar(&yes, "yes", false, "really sign")
	offer(cmd, "as", "owner", "compliance-officer")
	s.completesFlag(cmd, "source", sourceNames)
	return s.completes(cmd, vaultNames)
}

func (s *session) printBatch(b api.Batch) error {
	return s.print(b, func() {
		p := s.newSheet()
		p.exact("Batch", b.ID)
		p.exact("Vault", b.Vault)
		p.exact("Digest", b.Digest)
		if b.At == nil {
			p.fact("Signed", "not yet as %s", b.As)
		} else {
			p.fact("Signed", "%s by %s as %s", s.whenOf(b.At), b.By, b.As)
		}
		p.list(fmt.Sprintf("Points (%d)", len(b.Points)), s.pastLines(b.Points))
		s.printSheet(p)
	})
}

func newLifecycleCertificates(s *session) *cobra.Command {
	cmd := s.command(page{
		use:   "certificates VAULT",
		short: "list the disposition certificates",
		long: "Lists what was disposed of, when and by which rule. With --output json each\n" +
			"certificate is complete; they stand in the vault's signed governance records.",
		example: "counterfoil lifecycle certificates books --output json",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingVault
		list, err := ask(ctx, s, existing, func(c *api.Client) ([]api.Certificate, error) { return c.Certificates(ctx, args[0]) })
		if err != nil {
			return err
		}
		return printList(s, list, "nothing was disposed of",
			column[api.Certificate]{head: "ID", cell: func(c api.Certificate) string { return c.ID }},
			column[api.Certificate]{head: "SOURCE", cell: func(c api.Certificate) string { return c.Source }},
			column[api.Certificate]{head: "POINT", right: true, cell: func(c api.Certificate) string { return fmt.Sprint(c.Number) }},
			column[api.Certificate]{head: "RECEIVED", cell: func(c api.Certificate) string { return s.when(c.ReceivedAt) }},
			column[api.Certificate]{head: "RETAINED UNTIL", cell: func(c api.Certificate) string { return s.when(c.RetainedUntil) }},
			column[api.Certificate]{head: "DISPOSED", cell: func(c api.Certificate) string { return s.when(c.DisposedAt) }},
			column[api.Certificate]{head: "ERASED", cell: func(c api.Certificate) string { return s.whenOf(c.ErasedAt) }},
			column[api.Certificate]{head: "SIZE", right: true, cell: func(c api.Certificate) string { return size(c.Size) }},
		)
	})
	return s.completes(cmd, vaultNames)
}

func (s *session) printExpiry(e api.Expiry) error {
	return s.print(e, func() {
		p := s.newSheet()
		p.exact("Vault", e.Vault)
		p.exact("Plan", e.Digest)
		if e.Proven != nil {
			p.fact("Proven time", "%s", s.when(*e.Proven))
		}
		p.fact("Stopped", "%s", e.Stopped)
		var kept []string
		for _, ground := range slices.Sorted(maps.Keys(e.Kept)) {
			kept = append(kept, fmt.Sprintf("%d %s", e.Kept[ground], strings.ReplaceAll(ground, "_", " ")))
		}
		p.fact("Kept", "%s", strings.Join(kept, ", "))
		heading := "To go"
		if e.Applied {
			heading = "Gone"
		}
		p.list(fmt.Sprintf("%s (%s)", heading, count(int64(len(e.Expire)), "point", "points")), s.pastLines(e.Expire))
		p.list(fmt.Sprintf("Waiting (%s)", count(int64(len(e.Waiting)), "point", "points")), s.pastLines(e.Waiting))
		p.list("Left", e.Left)
		s.printSheet(p)
		for _, w := range e.Warnings {
			s.note("%s", w)
		}
	})
}

func (s *session) pastLines(list []api.PastPoint) []string {
	var out []string
	for _, x := range list {
		line := fmt.Sprintf("%s  %s  %s  %s: %s", x.Point, x.Source, s.when(x.ReceivedAt), size(x.Size), strings.Join(x.Why, " "))
		if x.LockedUntil != nil {
			line += " Storage locks it until " + s.whenOf(x.LockedUntil) + "."
		}
		out = append(out, line)
	}
	return out
}
