package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

// The hints for what is not there.
const (
	missingVault  = "counterfoil vault list shows the vaults"
	missingSource = "counterfoil source list shows the sources"
	missingPoint  = "counterfoil point list shows the points"
	missingPolicy = "counterfoil policy list shows the policies"
)

func newVaultShow(s *session) *cobra.Command {
	cmd := s.command(page{
		use:     "show NAME",
		short:   "show a vault",
		long:    "Shows a vault: its store, retention bounds, assurance level, keys and size.",
		example: "counterfoil vault show books",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingVault
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.Vault, error) { return c.Vault(ctx, args[0]) })
		if err != nil {
			return err
		}
		return s.print(v, func() {
			p := s.newSheet()
			s.vaultFacts(p, v)
			s.printSheet(p)
		})
	})
	return s.completes(cmd, vaultNames)
}
