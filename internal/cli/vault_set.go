package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newVaultSet(s *session) *cobra.Command {
	var in api.NewSettings
	var days int
	cmd := s.command(page{
		use:   "set NAME",
		short: "change a vault's immutability, bounds or soft delete",
		long: "Shows what a change of a vault's settings does; with --yes it is done. What was\n" +
			"locked or promised before stays as it was. To lock a vault for ever there is\n" +
			"counterfoil vault lock.",
		example: "counterfoil vault set books --soft-delete-days 90 --yes",
		exits:   []string{"4  refused: it is locked, a source would not fit, or the time is unproven"},
	}, func(ctx context.Context, args []string) error {
		if days >= 0 {
			in.SoftDeleteDays = &days
		}
		return s.changeSettings(ctx, args[0], in)
	})
	flags := cmd.Flags()
	flags.StringVar(&in.Immutability, "immutability", "", "`STATE`: unlocked, or off to allow deletion before time")
	flags.StringVar(&in.MinRetention, "min-retention", "", "`PERIOD` that points are kept at least, such as P7D")
	flags.StringVar(&in.MaxRetention, "max-retention", "", "`PERIOD` beyond which nothing is locked ahead")
	flags.IntVar(&days, "soft-delete-days", -1, "`DAYS` for which a deletion can be undone: 14 to 180, 0 for none")
	flags.BoolVar(&in.SoftDeleteOn, "soft-delete-always-on", false, "let nobody switch soft delete off, ever")
	flags.BoolVar(&in.Yes, "yes", false, "really do it")
	offer(cmd, "immutability", "unlocked", "off")
	return s.completes(cmd, vaultNames)
}

func newVaultProtect(s *session) *cobra.Command {
	in := api.NewSettings{Immutability: "unlocked"}
	cmd := s.command(page{
		use:   "protect NAME",
		short: "make a real vault of a trial",
		long: "Makes a real vault of a trial, or one immutable again whose immutability was\n" +
			"off: what it holds is locked, and no point can be deleted before its time. The\n" +
			"points of the trial stay marked as such: they are no evidence.",
		example: "counterfoil vault protect trial --yes",
	}, func(ctx context.Context, args []string) error {
		return s.changeSettings(ctx, args[0], in)
	})
	cmd.Flags().BoolVar(&in.Yes, "yes", false, "really do it")
	return s.completes(cmd, vaultNames)
}

func (s *session) changeSettings(ctx context.Context, name string, in api.NewSettings) error {
	s.missing = missingVault
	v, err := ask(ctx, s, existing, func(c *api.Client) (api.SettingsChange, error) { return c.ChangeSettings(ctx, name, in) })
	if err != nil {
		return err
	}
	err = s.print(v, func() {
		p := s.newSheet()
		p.exact("Vault", v.Vault)
		heading := "Would change"
		if v.Applied {
			heading = "Changed"
		}
		p.list(heading, v.Changes)
		p.fact("Effect", "%s", map[string]string{
			"strengthens": "protects more, or no less",
			"weakens":     "takes protection away",
			"irrevocable": "cannot be undone by anybody",
		}[v.Effect])
		s.printSheet(p)
	})
	if err == nil && !v.Applied {
		s.note("%s", "nothing was changed; to do it, give the same command with --yes")
	}
	return err
}

func newVaultDelete(s *session) *cobra.Command {
	var in api.Why
	var yes bool
	cmd := s.command(page{
		use:   "delete NAME",
		short: "delete a vault softly with all its points",
		long: "Deletes a vault softly: backups into it end, and counterfoil vault undelete\n" +
			"brings it back for as long as its soft delete lasts. Then its points go with\n" +
			"counterfoil lifecycle apply. A single point that is retained or under a legal\n" +
			"hold keeps the whole vault.",
		example: "counterfoil vault delete books --reason merged --yes",
		exits:   []string{"4  refused: a point is retained, or under a legal hold"},
	}, func(ctx context.Context, args []string) error {
		if err := deletes(yes, in.Reason, "a vault"); err != nil {
			return err
		}
		s.missing = missingVault
		d, err := ask(ctx, s, existing, func(c *api.Client) (api.VaultDeletion, error) { return c.DeleteVault(ctx, args[0], in) })
		if err != nil {
			return err
		}
		return s.printVaultDeletion(d, "deleted; it can be brought back until "+s.whenOf(d.PurgeAfter))
	})
	cmd.Flags().StringVar(&in.Reason, "reason", "", "`WHY` it is deleted")
	cmd.Flags().BoolVar(&yes, "yes", false, "really do it")
	return s.completes(cmd, vaultNames)
}

func newVaultUndelete(s *session) *cobra.Command {
	cmd := s.command(page{
		use:     "undelete NAME",
		short:   "bring back a vault that was deleted softly",
		long:    "Brings back a deleted vault with the points that were deleted with it.",
		example: "counterfoil vault undelete books",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingVault
		d, err := ask(ctx, s, existing, func(c *api.Client) (api.VaultDeletion, error) { return c.UndeleteVault(ctx, args[0]) })
		if err != nil {
			return err
		}
		return s.printVaultDeletion(d, "is back")
	})
	return s.completes(cmd, vaultNames)
}

func (s *session) printVaultDeletion(d api.VaultDeletion, what string) error {
	return s.print(d, func() {
		p := s.newSheet()
		p.exact("Vault", d.Vault)
		p.fact("State", "%s", what)
		p.fact("Points", "%d", d.Points)
		s.printSheet(p)
	})
}

// deletes asks for what every deletion needs.
func deletes(yes bool, reason, what string) error {
	switch {
	case strings.TrimSpace(reason) == "":
		return usagef("deleting %s needs --reason", what)
	case !yes:
		return usagef("deleting %s needs --yes", what)
	}
	return nil
}
