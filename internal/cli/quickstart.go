package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

type quickstartOptions struct {
	remove, yes bool
}

func newQuickstart(s *session) *cobra.Command {
	var o quickstartOptions
	cmd := s.command(page{
		use:   "quickstart [PATH]",
		short: "protect a folder, restore it and prove it, all at once",
		long: "Protects a folder (without PATH a small sample): makes a data directory outside\n" +
			"it and a trial vault, backs the folder up, verifies the vault, restores the\n" +
			"point into a scratch folder and compares, and shows how long the point is kept,\n" +
			"why, and what would be locked. Nothing is locked, all of it can be removed.\n" +
			"Run again, it makes the next, incremental point.",
		example: "counterfoil quickstart ~/ledgers",
		exits: []string{"3  the point was made, but some inputs could not be read",
			"4  with --remove: the vault is no trial, so it is not removed"},
	}, func(ctx context.Context, args []string) error { return o.run(ctx, s, args) })
	cmd.Flags().BoolVar(&o.remove, "remove", false, "show what removing the trial would take away; with --yes, remove it")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "with --remove: really remove it")
	return cmd
}

func (o quickstartOptions) run(ctx context.Context, s *session, args []string) error {
	switch {
	case o.yes && !o.remove:
		return usagef("--yes goes with --remove")
	case o.remove && len(args) > 0:
		return usagef("--remove takes no PATH: it removes the trial as a whole")
	case o.remove:
		return o.runRemove(ctx, s)
	}
	var in api.Quickstart
	if len(args) > 0 {
		path, err := absolute(args[0])
		if err != nil {
			return err
		}
		if err := s.env.Stat(path); err != nil { // asked here too: a typing error must not leave a data directory behind
			return usagef("%q cannot be protected (%v); give a folder or file that exists", path, cause(err))
		}
		in.Path, in.PathRaw = api.EncodePath(path)
	}
	s.kept = keptBackup
	v, err := follow(ctx, s, beginner, func(c *api.Client, fn func(api.Event)) (api.QuickstartResult, error) {
		return c.Quickstart(ctx, in, fn)
	})
	if err != nil {
		return err
	}
	if err := s.print(v, func() { s.printSheet(s.quickstartSheet(v)) }); err != nil {
		return err
	}
	return unproven(v)
}

// cause is what the system said of a path, without the path.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// unproven is the error of a quickstart that could not show what it is for.
func unproven(v api.QuickstartResult) error {
	switch {
	case !v.Verification.OK:
		return damaged(v.Verification)
	case !v.Restore.OK:
		return errkind.New(errkind.Damaged, "what was restored for the test is not what was backed up")
	case !v.Point.Complete:
		return incomplete(v.Point)
	}
	return nil
}

// quickstartSheet is the one screen of the quickstart.
func (s *session) quickstartSheet(v api.QuickstartResult) *sheet {
	p := s.newSheet()
	for _, path := range api.DecodePaths(v.Source.Paths, v.Source.PathsRaw) {
		p.exact("Protected", shownName(path, nil))
	}
	if v.Sample != "" {
		p.fact("", "a small sample ledger set; give a PATH to protect your own")
	}
	p.fact("Source", "%s, in %s vault %s", v.Source.Name, v.Vault.Kind, v.Vault.Name)
	p.exact("Point", v.Point.ID)
	which := "the next point: only what changed was stored"
	if v.First {
		which = "the first point"
	}
	p.fact("State", "%s; %s", pointState(v.Point), which)
	p.fact("Size", "%s in %s; %s new in the vault", size(v.Point.Size), count(v.Point.Files, "file", "files"), size(v.Point.Stored))
	leftOut(p, v.Point)
	p.fact("Verified", "%s", verifiedWords(v.Verification))
	p.fact("Restored", "%s", restoredWords(v.Restore))
	p.fact("Kept until", "%s", s.keptUntil(v.Point))
	p.fact("Audit log", "%s, root", count(v.AuditSize, "record", "records"))
	p.exact("", v.AuditRoot)
	p.exact("Data", v.DataDir)
	p.list("\nWhy it is kept", v.Explanation)
	p.list("\nWould be locked", v.WouldLock)
	p.first("\nCould not be read", inputProblems(v.Point.ProblemList), v.Point.Problems)
	p.list("\nThe restore test found", v.Restore.Findings)
	for _, d := range v.Verification.Problems {
		p.gap()
		damageFacts(p, d)
	}
	p.first("\nNext", v.Next, 0) // unwrapped: to be copied
	return p
}

func verifiedWords(v api.Verification) string {
	if !v.OK {
		return fmt.Sprintf("NOT WHOLE: %s wrong", count(int64(len(v.Problems)), "object is", "objects are"))
	}
	return fmt.Sprintf("every byte of %s, %s, in %s: whole", count(v.Objects, "object", "objects"), size(v.Bytes), lasting(v.EndedAt.Sub(v.StartedAt)))
}

func restoredWords(v api.RestoreTest) string {
	verdict := "the same as backed up"
	if !v.OK {
		verdict = "NOT THE SAME as backed up"
	}
	what := count(v.Files, "file", "files")
	if v.Sampled {
		what = "a sample of " + what
	}
	return fmt.Sprintf("%s, %s, in %s: %s", what, size(v.Bytes), seconds(v.Seconds), verdict)
}

func (o quickstartOptions) runRemove(ctx context.Context, s *session) error {
	v, err := ask(ctx, s, existing, func(c *api.Client) (api.Removal, error) {
		if o.yes {
			return c.RemoveQuickstart(ctx)
		}
		return c.PreviewRemoval(ctx)
	})
	if err != nil {
		return err
	}
	err = s.print(v, func() {
		p := s.newSheet()
		heading := "Would be removed"
		if v.Removed {
			heading = "Removed"
		}
		paths := make([]string, 0, len(v.Paths))
		for _, path := range v.Paths {
			paths = append(paths, shownName(path, nil))
		}
		p.first(heading, paths, 0)
		for _, path := range v.Kept {
			p.fact("Stays", "%s (the sample; remove it yourself)", shownName(path, nil))
		}
		s.printSheet(p)
	})
	if err == nil && !v.Removed {
		s.note("nothing was removed; to remove it: counterfoil quickstart --remove --yes")
	}
	return err
}
