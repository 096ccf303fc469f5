package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

type vaultGCOptions struct {
	plan, apply, yes bool
}

func newVaultGC(s *session) *cobra.Command {
	var o vaultGCOptions
	cmd := s.command(page{
		use:   "gc NAME",
		short: "show what no point needs any more, and delete it",
		long: "Finds the packs that no point needs and shows what would become of them, with\n" +
			"reasons and bytes. Nothing is changed without --apply --yes.\n\n" +
			"A pack goes in two runs: the first condemns it, so that no new backup counts on\n" +
			"it, the second deletes it. Packs of which points need little are copied first.\n" +
			"What is locked stays. In any doubt, such as a point that cannot be read,\n" +
			"nothing is planned at all.",
		example: "counterfoil vault gc books --apply --yes",
		exits:   nil,
	}, func(ctx context.Context, args []string) error { return o.run(ctx, s, args[0]) })
	cmd.Flags().BoolVar(&o.plan, "plan", false, "only show the plan, as without flags")
	cmd.Flags().BoolVar(&o.apply, "apply", false, "show the plan; with --yes, do what it says")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "with --apply: really do it")
	return s.completes(cmd, vaultNames)
}

func (o vaultGCOptions) run(ctx context.Context, s *session, name string) error {
	switch {
	case o.plan && o.apply:
		return usagef("--plan and --apply exclude each other")
	case o.yes && !o.apply:
		return usagef("--yes goes with --apply")
	}
	s.missing, s.kept = missingVault, "what was deleted until now was garbage; the next run goes on from there"
	g, err := follow(ctx, s, existing, func(c *api.Client, fn func(api.Event)) (api.Garbage, error) {
		g, err := c.CollectGarbage(ctx, name, api.Collect{}, fn)
		if err != nil || g.Nothing || !o.apply || !o.yes {
			return g, err
		}
		return c.CollectGarbage(ctx, name, api.Collect{Digest: g.Digest}, fn)
	})
	if err != nil {
		return err
	}
	err = s.print(g, func() {
		p := s.newSheet()
		garbageFacts(p, g)
		s.printSheet(p)
	})
	if err == nil && g.Done == nil && !g.Nothing {
		s.note("nothing was changed; to do it: counterfoil vault gc " + name + " --apply --yes")
	}
	for _, w := range g.Warnings {
		s.note(w)
	}
	return err
}

func garbageFacts(p *sheet, g api.Garbage) {
	p.exact("Vault", g.Vault)
	p.fact("Points", "%s looked at", count(int64(g.Points), "point", "points"))
	if g.MissingChunks > 0 {
		p.fact("Missing", "%s that points need: damaged packs are kept", count(g.MissingChunks, "chunk", "chunks"))
	}
	p.fact("Kept", "%s in %s", size(g.KeptBytes), count(int64(g.KeptPacks), "pack", "packs"))
	if g.Nothing {
		p.fact("Garbage", "none")
	}
	if d := g.Done; d != nil {
		p.fact("Freed", "%s in %s and %s", size(d.Freed), count(int64(d.Deleted), "pack", "packs"), count(int64(d.Stale), "leftover", "leftovers"))
		p.fact("Condemned", "%s, to be deleted by the next run", count(int64(d.Condemned), "pack", "packs"))
		if d.Repacked > 0 {
			p.fact("Repacked", "%s, into %s", count(int64(d.Repacked), "pack", "packs"), size(d.Copied))
		}
		if d.Released > 0 {
			p.fact("Released", "%s, needed again", count(int64(d.Released), "pack", "packs"))
		}
	}
	for _, action := range []string{"release", "repack", "condemn", "delete", "keep"} {
		var lines []string
		total := int64(0)
		for _, x := range g.Packs {
			if x.Action == action {
				total += x.Size
				lines = append(lines, fmt.Sprintf("%s  %s, %s needed: %s", x.Object, size(x.Size), size(x.Needed), x.Reason))
			}
		}
		if len(lines) > 0 {
			p.list(fmt.Sprintf("To %s (%s, %s)", action, count(int64(len(lines)), "pack", "packs"), size(total)), lines)
		}
	}
	if len(g.Stale) > 0 {
		p.list(fmt.Sprintf("Left over (%d)", len(g.Stale)), g.Stale)
	}
}
