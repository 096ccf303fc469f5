package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newVaultList(s *session) *cobra.Command {
	return s.command(page{
		use:     "list",
		short:   "list the vaults",
		long:    "Lists the vaults.",
		example: "counterfoil vault list --output json",
	}, func(ctx context.Context, _ []string) error {
		list, err := ask(ctx, s, existing, func(c *api.Client) ([]api.Vault, error) { return c.Vaults(ctx) })
		if err != nil {
			return err
		}
		return printList(s, list, "no vault yet; make one: counterfoil vault create NAME URL",
			column[api.Vault]{head: "NAME", cell: func(v api.Vault) string { return v.Name }},
			column[api.Vault]{head: "KIND", cell: vaultKind},
			column[api.Vault]{head: "LEVEL", cell: func(v api.Vault) string { return v.AssuranceLevel }},
			column[api.Vault]{head: "POINTS", right: true, cell: func(v api.Vault) string { return strconv.FormatInt(v.Points, 10) }},
			column[api.Vault]{head: "CREATED", cell: func(v api.Vault) string { return s.when(v.CreatedAt) }},
			column[api.Vault]{head: "STORE", cell: func(v api.Vault) string { return v.URL }},
		)
	})
}

// vaultKind is a vault's kind, marked while it is about to become another.
func vaultKind(v api.Vault) string {
	switch {
	case v.PurgeAfter != nil:
		return v.Kind + ", deleted"
	case v.LockAt != nil:
		return v.Kind + ", asked to be locked"
	}
	return v.Kind
}
