package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

type restoreRunOptions struct {
	to, overwrite string
	paths         []string
	verify        bool
	includeErased bool
	reason        string
}

func newRestoreRun(s *session) *cobra.Command {
	var o restoreRunOptions
	cmd := s.command(page{
		use:   "run POINT",
		short: "restore files of a point into a folder",
		long: "Restores a point, or the paths given, into a folder. A file that cannot be had\n" +
			"whole is left out and named; never are wrong bytes restored. What is already\n" +
			"there is kept unless --overwrite says otherwise. What was erased for a data\n" +
			"subject is left out and counted.",
		example: "counterfoil restore run latest:ledgers --to /tmp/ledgers --path 2026 --verify",
		exits:   []string{"3  restored, but something is not as it was: what was there already and\n     differs was kept, or an owner could not be set"},
	}, func(ctx context.Context, args []string) error { return o.run(ctx, s, args[0]) })
	flags := cmd.Flags()
	flags.StringVar(&o.to, "to", "", "folder `DIR` to restore into; made if it is not there (required)")
	flags.StringArrayVar(&o.paths, "path", nil, "restore only this `PATH`, as point ls shows it or as it was on the source; can be repeated")
	flags.StringVar(&o.overwrite, "overwrite", "never", "`WHEN` to replace what is there: never, if-newer or always")
	flags.BoolVar(&o.verify, "verify", false, "read back what was written and compare")
	flags.BoolVar(&o.includeErased, "include-erased", false, "restore what was erased too, for a legal need; needs --reason")
	flags.StringVar(&o.reason, "reason", "", "`WHY` what was erased is restored")
	offer(cmd, "overwrite", "never", "if-newer", "always")
	must(cmd.MarkFlagDirname("to"))
	return s.completes(cmd, pointNames)
}

func (o restoreRunOptions) run(ctx context.Context, s *session, point string) error {
	switch o.overwrite {
	case "never", "if-newer", "always":
	default:
		return usagef("--overwrite %s: want never, if-newer or always", safe(o.overwrite))
	}
	if o.to == "" {
		return usagef("restore run needs --to DIR")
	}
	if o.includeErased != (o.reason != "") {
		return usagef("--include-erased and --reason belong together: why what was erased is restored stands in the audit log")
	}
	to, err := absolute(o.to)
	if err != nil {
		return err
	}
	for _, path := range o.paths {
		if path == "" {
			return usagef("--path is empty")
		}
	}
	if err := textOnly("POINT", point, "--reason", o.reason); err != nil {
		return err
	}
	in := api.Restore{Point: point, Overwrite: o.overwrite, Verify: o.verify, IncludeErased: o.includeErased, Reason: o.reason}
	in.To, in.ToRaw = api.EncodePath(to)
	in.Paths, in.PathsRaw = api.EncodePaths(o.paths)
	s.missing, s.kept = missingPoint, "what was restored so far stays in "+to+"; files in it may be missing"
	v, err := follow(ctx, s, existing, func(c *api.Client, fn func(api.Event)) (api.Restored, error) { return c.Restore(ctx, in, fn) })
	if err != nil {
		return err
	}
	if err := s.print(v, func() { s.printSheet(s.restoredSheet(v)) }); err != nil {
		return err
	}
	if o.includeErased {
		s.note("what was erased for data subjects was restored too, which is in the audit log: erase it again when the need has passed")
	}
	return notAsItWas(v)
}

func (s *session) restoredSheet(v api.Restored) *sheet {
	p := s.newSheet()
	if v.Files == 0 && v.Bytes == 0 && v.Skipped > 0 && len(v.Problems) == 0 && v.Damaged == 0 {
		p.fact("Restored", "nothing: every file was there already, in %s", seconds(v.Seconds))
	} else {
		p.fact("Restored", "%s, %s, in %s", count(v.Files, "file", "files"), size(v.Bytes), seconds(v.Seconds))
	}
	p.exact("Point", v.Point)
	p.exact("To", shownName(v.To, nil))
	p.fact("Entries", "%d", v.Entries)
	if v.Skipped > 0 {
		p.fact("Kept", "%s that %s there already", count(v.Skipped, "entry", "entries"), verb(v.Skipped, "was", "were"))
	}
	if l := v.LeftOut; l != nil {
		p.fact("Erased", "%s, %s left out by %s: %s", count(l.Files, "file", "files"), size(l.Bytes), count(int64(len(l.Erasures)), "erasure", "erasures"), strings.Join(l.Erasures, ", "))
	}
	if v.Verified {
		p.fact("Verified", "what was written was read back and is the same")
	}
	if v.Damaged > 0 {
		p.fact("DAMAGED", "%s left out: the vault does not have the bytes that were stored", count(v.Damaged, "file was", "files were"))
	}
	for _, w := range v.Warnings {
		p.fact("WARNING", "%s", w)
	}
	p.first("Not as it was", inputProblems(v.Problems), 0)
	return p
}

func verb(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// notAsItWas is the error of a restore that left something out or behind.
func notAsItWas(v api.Restored) error {
	switch {
	case v.Damaged > 0:
		return errkind.New(errkind.Damaged, "%s lost to damage in the vault; everything else was restored", count(v.Damaged, "file is", "files are"))
	case len(v.Problems) > 0:
		return errkind.New(errkind.Incomplete, "restored, but %s not be restored as it was", count(int64(len(v.Problems)), "thing could", "things could"))
	}
	return nil
}
