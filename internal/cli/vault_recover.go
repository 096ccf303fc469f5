package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

type vaultRecoverOptions struct{ keyFile string }

func newVaultRecover(s *session) *cobra.Command {
	var o vaultRecoverOptions
	cmd := s.command(page{
		use:   "recover URL",
		short: "rebuild what is known from a store and its key",
		long: "Rebuilds the catalog (sources, policies, points and why they are kept) from the\n" +
			"store of a vault and its key file or recovery kit alone, and names what the log\n" +
			"or the numbering knows and the store lacks. No point is changed. The vault is\n" +
			"taken over: the server that had it can read it but no longer write, so run\n" +
			"this when that one is gone.",
		example: "counterfoil vault recover file:///srv/vault --key-file /mnt/usb/kit.txt",
		exits:   []string{"3  recovered, but something that once was there is missing"},
	}, func(ctx context.Context, args []string) error { return o.run(ctx, s, args[0]) })
	cmd.Flags().StringVar(&o.keyFile, "key-file", "", "`FILE` with the vault's key or its recovery kit (required)")
	return cmd
}

func (o vaultRecoverOptions) run(ctx context.Context, s *session, url string) error {
	if o.keyFile == "" {
		return usagef("vault recover needs --key-file FILE")
	}
	var in api.Recover
	var err error
	if in.URL, err = storeURL(url); err != nil {
		return err
	}
	if in.KeyFile, err = absolute(o.keyFile); err != nil {
		return err
	}
	if err := textOnly("--key-file", in.KeyFile); err != nil {
		return err
	}
	s.kept = "the vault is as it was; run this again"
	r, err := follow(ctx, s, beginner, func(c *api.Client, fn func(api.Event)) (api.Recovered, error) { return c.Recover(ctx, in, fn) })
	if err != nil {
		return err
	}
	err = s.print(r, func() {
		p := s.newSheet()
		p.exact("Recovered", r.Vault.Name)
		p.exact("ID", r.Vault.ID)
		p.exact("Store", r.Vault.URL)
		p.fact("Found", "%s, %s, %s", count(int64(r.Points), "point", "points"), count(int64(r.Sources), "source", "sources"),
			count(int64(r.Policies), "policy", "policies"))
		p.fact("From", "%s and %s", count(int64(r.Packs), "pack", "packs"), count(r.Events, "audit record", "audit records"))
		for _, w := range r.Warnings {
			p.fact("Warning", "%s", w)
		}
		p.first("Missing", r.Missing, 0)
		s.printSheet(p)
	})
	if err == nil && len(r.Missing) > 0 {
		err = errkind.New(errkind.Incomplete, "recovered, but %s missing from the store", count(int64(len(r.Missing)), "thing is", "things are"))
	}
	return err
}
