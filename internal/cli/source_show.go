package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

func newSourceShow(s *session) *cobra.Command {
	cmd := s.command(page{
		use:     "show NAME",
		short:   "show a source",
		long:    "Shows a source: its paths, what is left out, its record classes and its policy.",
		example: "counterfoil source show ledgers",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingSource
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.Source, error) { return c.Source(ctx, args[0]) })
		if err != nil {
			return err
		}
		return s.print(v, func() {
			p := s.newSheet()
			s.sourceFacts(p, v)
			s.printSheet(p)
		})
	})
	return s.completes(cmd, sourceNames)
}

func (s *session) sourceFacts(p *sheet, v api.Source) {
	p.exact("Source", v.Name)
	p.exact("ID", v.ID)
	p.fact("Kind", "%s", v.Kind)
	p.fact("State", "%s", sourceStateText(s, v.State, v.PurgeAfter))
	p.exact("Vault", v.Vault)
	p.fact("Policy", "%s, version %d", v.Policy, v.PolicyVersion)
	for _, path := range api.DecodePaths(v.Paths, v.PathsRaw) {
		p.exact("Path", shownName(path, nil))
	}
	for _, pattern := range v.Excludes {
		p.exact("Left out", pattern)
	}
	if v.ExcludeLarger > 0 {
		p.fact("Left out", "files larger than %s", size(v.ExcludeLarger))
	}
	if v.ExcludeCaches {
		p.fact("Left out", "folders marked with a CACHEDIR.TAG")
	}
	if v.OneFileSystem {
		p.fact("Left out", "other file systems")
	}
	for _, c := range v.Classes {
		p.exact("Class", c.Class+" at "+c.Path)
	}
	p.fact("Owner", "%s", v.Owner)
	p.fact("Created", "%s", s.when(v.CreatedAt))
	p.fact("Points", "%d", v.Points)
	if v.LastPoint != "" {
		p.fact("Last point", "%s, received %s", v.LastPoint, s.whenOf(v.LastReceived))
	}
}
