package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

// names lists what a shell can complete.
type names func(context.Context, *api.Client) ([]cobra.Completion, error)

func vaultNames(ctx context.Context, c *api.Client) (list []cobra.Completion, err error) {
	vaults, err := c.Vaults(ctx)
	for _, v := range vaults {
		list = append(list, cobra.CompletionWithDesc(safe(v.Name), safe(v.URL)))
	}
	return list, err
}

func sourceNames(ctx context.Context, c *api.Client) (list []cobra.Completion, err error) {
	sources, err := c.Sources(ctx)
	for _, v := range sources {
		list = append(list, cobra.CompletionWithDesc(safe(v.Name), safe(v.Kind)))
	}
	return list, err
}

func policyNames(ctx context.Context, c *api.Client) (list []cobra.Completion, err error) {
	policies, err := c.Policies(ctx)
	for i, v := range policies {
		if i+1 == len(policies) || policies[i+1].Name != v.Name { // the last version
			list = append(list, cobra.CompletionWithDesc(safe(v.Name), safe(keeps(v))))
		}
	}
	return list, err
}

// offeredPoints bounds how many points a shell is offered.
const offeredPoints = 50

func pointNames(ctx context.Context, c *api.Client) ([]cobra.Completion, error) {
	points, err := c.Points(ctx, api.PointFilter{Limit: offeredPoints})
	list := []cobra.Completion{cobra.CompletionWithDesc("latest", "the newest point")}
	for _, p := range points {
		list = append(list, cobra.CompletionWithDesc(p.ID, safe(p.Name)))
	}
	return list, err
}

// completes offers names for the first arguments of a command, one for each.
// A data directory that cannot be opened offers nothing.
func (s *session) completes(cmd *cobra.Command, args ...names) *cobra.Command {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, given []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(given) >= len(args) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return s.offered(cmd, args[len(given)])
	}
	return cmd
}

// completesFlag offers names for a flag.
func (s *session) completesFlag(cmd *cobra.Command, flag string, fn names) {
	must(cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return s.offered(cmd, fn)
	}))
}

func (s *session) offered(cmd *cobra.Command, fn names) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx := cmd.Context()
	list, err := ask(ctx, s, existing, func(c *api.Client) ([]cobra.Completion, error) { return fn(ctx, c) })
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
