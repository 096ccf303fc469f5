package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newSourceStop(s *session) *cobra.Command {
	var in api.StopSource
	cmd := s.command(page{
		use:   "stop NAME",
		short: "end the backups of a source",
		long: "Ends the backups of a source. Its points stay as the policy says, the newest\n" +
			"without end, or with --retain for-ever all of them: until counterfoil source\n" +
			"resume none expires. For ever is kept by this program, not by storage: what\n" +
			"storage must keep needs a legal hold.",
		example: "counterfoil source stop ledgers --retain policy --reason sold",
	}, func(ctx context.Context, args []string) error {
		if in.Reason == "" {
			return usagef("to stop a source needs --reason")
		}
		return s.changeSource(ctx, func(c *api.Client) (api.SourceChange, error) { return c.StopSource(ctx, args[0], in) })
	})
	cmd.Flags().StringVar(&in.Retain, "retain", "policy", "`HOW` its points are kept: policy or for-ever")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "`WHY` it is stopped")
	offer(cmd, "retain", "policy", "for-ever")
	return s.completes(cmd, sourceNames)
}

func newSourceResume(s *session) *cobra.Command {
	cmd := s.command(page{
		use:     "resume NAME",
		short:   "take the backups of a stopped source up again",
		long:    "Takes the backups of a stopped source up again. Points that were kept for ever\nfollow their policy again.",
		example: "counterfoil source resume ledgers",
		exits:   []string{"4  refused: the source is deleted, or the time is not proven"},
	}, func(ctx context.Context, args []string) error {
		return s.changeSource(ctx, func(c *api.Client) (api.SourceChange, error) { return c.ResumeSource(ctx, args[0]) })
	})
	return s.completes(cmd, sourceNames)
}

func newSourceDelete(s *session) *cobra.Command {
	var in api.Why
	var yes bool
	cmd := s.command(page{
		use:   "delete NAME",
		short: "delete a source softly with all its points",
		long: "Deletes a source softly with all its points: counterfoil source undelete brings\n" +
			"them back for as long as the vault's soft delete lasts. A single point that is\n" +
			"retained or under a legal hold keeps all of it; counterfoil source stop then\n" +
			"ends its backups.",
		example: "counterfoil source delete ledgers --reason sold --yes",
		exits:   []string{"4  refused: a point is retained, or under a legal hold"},
	}, func(ctx context.Context, args []string) error {
		if err := deletes(yes, in.Reason, "a source"); err != nil {
			return err
		}
		return s.changeSource(ctx, func(c *api.Client) (api.SourceChange, error) { return c.DeleteSource(ctx, args[0], in) })
	})
	cmd.Flags().StringVar(&in.Reason, "reason", "", "`WHY` it is deleted")
	cmd.Flags().BoolVar(&yes, "yes", false, "really do it")
	return s.completes(cmd, sourceNames)
}

func newSourceUndelete(s *session) *cobra.Command {
	cmd := s.command(page{
		use:     "undelete NAME",
		short:   "bring back a source that was deleted softly",
		long:    "Brings back a deleted source, stopped, with the points that were deleted with\nit. To back it up again: counterfoil source resume.",
		example: "counterfoil source undelete ledgers",
	}, func(ctx context.Context, args []string) error {
		return s.changeSource(ctx, func(c *api.Client) (api.SourceChange, error) { return c.UndeleteSource(ctx, args[0]) })
	})
	return s.completes(cmd, sourceNames)
}

func (s *session) changeSource(ctx context.Context, fn func(*api.Client) (api.SourceChange, error)) error {
	s.missing = missingSource
	v, err := ask(ctx, s, existing, fn)
	if err != nil {
		return err
	}
	return s.print(v, func() {
		p := s.newSheet()
		p.exact("Source", v.Source)
		p.exact("Vault", v.Vault)
		p.fact("State", "%s", sourceStateText(s, v.State, v.PurgeAfter))
		p.fact("Points", "%d", v.Points)
		s.printSheet(p)
	})
}

// sourceStateText says a source's state in a few words.
func sourceStateText(s *session, state string, purgeAfter *time.Time) string {
	switch state {
	case "stopped":
		return "stopped: no more backups; its points stay as the policy says"
	case "stopped-for-ever":
		return "stopped: no more backups; none of its points expires"
	case "deleted":
		return "deleted; it can be brought back until " + s.whenOf(purgeAfter)
	case "purged":
		return "purged: nothing of it is left"
	}
	return state
}
