package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

func newServer(s *session) *cobra.Command {
	return s.command(page{
		use:   "server",
		short: "serve the data directory until stopped",
		long: "Serves the data directory until it is stopped: backs sources up by the schedules\n" +
			"of their policies, catches up after it was down where they say so, renews locks\n" +
			"once a day, and once a week verifies vaults quickly and attacks a canary.\n" +
			"Missed runs stand in the audit log as backup/missed. While it runs, the other\n" +
			"commands talk to it.",
		example: "counterfoil server --data /var/lib/counterfoil",
	}, func(ctx context.Context, _ []string) error {
		if s.env.Serve == nil {
			return errkind.New(errkind.Unsupported, "this build has no server")
		}
		dir, err := s.dataDir()
		if err != nil {
			return err
		}
		err = s.env.Serve(ctx, dir)
		if ctx.Err() != nil && isCancel(ctx, err) {
			return nil // that is how a server ends
		}
		return err
	})
}
