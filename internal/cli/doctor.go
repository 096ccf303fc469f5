package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func newDoctor(s *session) *cobra.Command {
	return s.command(page{
		use:     "doctor",
		short:   "say what is wrong with this installation and how to fix it",
		long:    "Looks at the data directory, the vaults' stores, keys, clock and log, and says\nwhat is wrong and how to fix it. It changes nothing.",
		example: "counterfoil doctor",
	}, func(ctx context.Context, _ []string) error {
		list, err := ask(ctx, s, existing, func(c *api.Client) ([]api.Finding, error) { return c.Doctor(ctx) })
		if err != nil && (ctx.Err() != nil || exitCode(err) != exitFailed) {
			return err
		}
		if err != nil {
			// An installation that cannot be opened is what a doctor is called for.
			list = []api.Finding{{ID: "open", Name: "installation", Status: "fail", Message: sentence(err), Fix: s.hint(err)}}
		}
		err = s.print(list, func() {
			p := s.newSheet()
			for _, f := range list {
				p.fact(f.Status, "%s: %s", f.Name, f.Message)
				if f.Fix != "" {
					p.fact("", "to fix it: %s", f.Fix)
				}
			}
			s.printSheet(p)
		})
		if err != nil {
			return err
		}
		failed := 0
		for _, f := range list {
			if f.Status == "fail" {
				failed++
			}
		}
		if failed > 0 {
			return errkind.New(errkind.Internal, "%d of %d checks failed", failed, len(list))
		}
		return nil
	})
}
