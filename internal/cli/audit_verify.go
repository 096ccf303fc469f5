package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

func newAuditVerify(s *session) *cobra.Command {
	return s.command(page{
		use:   "verify",
		short: "check that the audit log was not changed",
		long: "Checks every record, every hash and the signature of the audit log. An outsider\n" +
			"checks a copy of it with counterfoil-verify, without this program.",
		example: "counterfoil audit verify",
	}, func(ctx context.Context, _ []string) error {
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.AuditVerification, error) { return c.VerifyAudit(ctx) })
		if err != nil {
			return err
		}
		err = s.print(v, func() {
			p := s.newSheet()
			verdict := "unchanged since it was written"
			if !v.OK {
				verdict = "NOT VERIFIED"
			}
			p.fact("Audit log", "%s", verdict)
			p.fact("Records", "%d", v.Size)
			if v.Lag > 0 {
				p.fact("Not yet in it", "%d", v.Lag)
			}
			p.exact("Root", v.Root)
			p.exact("Origin", v.Origin)
			p.exact("Key", v.Key)
			for _, c := range v.Copies {
				p.exact("Copy", c)
			}
			p.fact("Finding", "%s", v.Finding)
			s.printSheet(p)
		})
		if err == nil && !v.OK {
			finding := v.Finding
			if finding == "" {
				finding = "no finding was given"
			}
			err = errkind.New(errkind.Damaged, "the audit log did not pass verification: %s", finding)
		}
		return err
	})
}
