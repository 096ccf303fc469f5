package cli

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/blob"
)

type vaultCreateOptions struct {
	minRetention, maxRetention, recoveryKit string
}

func newVaultCreate(s *session) *cobra.Command {
	var o vaultCreateOptions
	cmd := s.command(page{
		use:   "create NAME URL",
		short: "make a vault",
		long: "Makes a vault with its own keys in the store at URL, a folder or its file URL.\n" +
			"It writes a recovery kit: without it or the key file, nobody can ever read\n" +
			"the vault again. Keep the kit apart from this machine.",
		example: "counterfoil vault create books file:///srv/vault --min-retention 30d",
	}, func(ctx context.Context, args []string) error { return o.run(ctx, s, args[0], args[1]) })
	flags := cmd.Flags()
	flags.StringVar(&o.minRetention, "min-retention", "", "`PERIOD` that every point is kept at least, such as P30D or 30d (default P7D)")
	flags.StringVar(&o.maxRetention, "max-retention", "", "`PERIOD` that nothing is locked beyond, such as P10Y or 10y (default P12Y)")
	flags.StringVar(&o.recoveryKit, "recovery-kit", "", "`FILE` to write the recovery kit to (default: in the data directory)")
	return cmd
}

func (o vaultCreateOptions) run(ctx context.Context, s *session, name, url string) error {
	in := api.NewVault{Name: name, MinRetention: o.minRetention, MaxRetention: o.maxRetention}
	var err error
	if in.URL, err = storeURL(url); err != nil {
		return err
	}
	if o.recoveryKit != "" {
		if in.RecoveryKit, err = absolute(o.recoveryKit); err != nil {
			return err
		}
	}
	if err := textOnly("NAME", name, "--recovery-kit", in.RecoveryKit, "--min-retention", o.minRetention, "--max-retention", o.maxRetention); err != nil {
		return err
	}
	v, err := ask(ctx, s, beginner, func(c *api.Client) (api.Vault, error) { return c.CreateVault(ctx, in) })
	if err != nil {
		return err
	}
	return s.print(v, func() {
		p := s.newSheet()
		s.vaultFacts(p, v)
		p.gap()
		p.list("Next", []string{
			"move the recovery kit to a safe place that is not this machine",
			fmt.Sprintf("counterfoil source create NAME PATH --vault %s", v.Name),
		})
		s.printSheet(p)
	})
}

// storeURL makes a store's URL of a URL or of a path of this process.
func storeURL(arg string) (string, error) {
	u, err := blob.FromArg(arg)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// textOnly refuses bytes that are not UTF-8 where only text can travel; it
// takes what to call each value, and the value.
func textOnly(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if !utf8.ValidString(pairs[i+1]) {
			return usagef("%s %q is not UTF-8, which is possible only for the paths of sources, files and restores", pairs[i], pairs[i+1])
		}
	}
	return nil
}

// vaultState says in a few words what becomes of a vault.
func vaultState(s *session, v api.Vault) string {
	switch {
	case v.PurgeAfter != nil:
		return "deleted; it can be brought back until " + s.whenOf(v.PurgeAfter)
	case v.LockAt != nil:
		return "asked to be locked, which can be finished from " + s.whenOf(v.LockAt) + " on and called back until then"
	}
	return v.Kind
}

func (s *session) vaultFacts(p *sheet, v api.Vault) {
	p.exact("Vault", v.Name)
	p.exact("ID", v.ID)
	p.exact("Store", v.URL)
	p.fact("Kind", "%s", v.Kind)
	if state := vaultState(s, v); state != v.Kind {
		p.fact("State", "%s", state)
	}
	p.fact("Created", "%s", s.when(v.CreatedAt))
	p.fact("Retention", "at least %s, at most %s", v.MinRetention, v.MaxRetention)
	soft := count(int64(v.SoftDeleteDays), "day", "days")
	if v.SoftDeleteOn {
		soft += ", always on"
	}
	p.fact("Soft delete", "%s", soft)
	p.fact("Assurance", "%s: %s", v.AssuranceLevel, orDash(v.Enforcer))
	holds := count(v.Points, "point", "points")
	if v.Size != nil && v.Objects != nil {
		holds += fmt.Sprintf(", %s in %s", size(*v.Size), count(*v.Objects, "object", "objects"))
	}
	p.fact("Holds", "%s", holds)
	p.exact("Signing key", v.SigningKey)
	p.exact("Audit key", v.AuditKey)
	p.exact("Key file", v.KeyFile)
	p.exact("Recovery kit", v.RecoveryKit)
	for _, w := range v.Warnings {
		p.fact("Warning", "%s", w)
	}
}
