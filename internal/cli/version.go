package cli

import (
	"context"
	"crypto/fips140"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func newVersion(s *session) *cobra.Command {
	return s.command(page{
		use:     "version",
		short:   "say which version this is",
		long:    "Says which version this is, or that of the server if one runs for the data\ndirectory, and which vault format it writes.",
		example: "counterfoil version --json",
	}, func(ctx context.Context, _ []string) error {
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.Version, error) { return c.Version(ctx) })
		if err != nil && (ctx.Err() != nil || exitCode(err) == exitUsage) {
			return err
		}
		if err != nil {
			// The version is asked for above all when something is broken.
			if !errkind.Is(err, errkind.NotFound) {
				s.note("this is only the program's own version: %s", sentence(err))
			}
			v = api.Version{Version: s.env.Version, Format: api.VaultFormat, Go: runtime.Version(), FIPS: fips140.Enabled()}
		}
		return s.print(v, func() {
			p := s.newSheet()
			p.fact("Counterfoil", "%s", v.Version)
			if v.Version != s.env.Version {
				p.fact("This program", "%s", s.env.Version)
			}
			p.fact("Vault format", "%d", v.Format)
			p.fact("Go", "%s", v.Go)
			if v.FIPS {
				p.fact("FIPS 140-3", "on")
			}
			s.printSheet(p)
		})
	})
}
