package cli

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// keptBackup is what a stopped backup leaves.
const keptBackup = "every earlier point is whole; what was stored is found again by the next run"

// autoBlocks lets each file say how it is cut.
const autoBlocks = "auto"

type backupRunOptions struct {
	rehash    bool
	scheduled bool
	blockSize string
}

func newBackupRun(s *session) *cobra.Command {
	var o backupRunOptions
	cmd := s.command(page{
		use:   "run SOURCE",
		short: "back up a source now",
		long: "Makes a recovery point of a source. Files that did not change since its last\n" +
			"point are not read again. Stopping it is safe at any time.",
		example: "counterfoil backup run ledgers",
		exits:   []string{"3  the point was made, but some inputs could not be read"},
	}, func(ctx context.Context, args []string) error { return o.run(ctx, s, args[0]) })
	cmd.Flags().BoolVar(&o.rehash, "rehash", false, "read every file again, also those that seem unchanged")
	cmd.Flags().BoolVar(&o.scheduled, "scheduled", false, "count as a run of the schedule, as from cron: only its tags keep it, not also the 30 days of a point on demand")
	cmd.Flags().StringVar(&o.blockSize, "block-size", autoBlocks, "cut all files into blocks of `SIZE` (8 to 64 KiB); auto recognises databases and disk images and cuts them into 16 KiB, other files by content")
	return s.completes(cmd, sourceNames)
}

func (o backupRunOptions) run(ctx context.Context, s *session, source string) error {
	if err := textOnly("SOURCE", source); err != nil {
		return err
	}
	in := api.Backup{Source: source, Rehash: o.rehash, Scheduled: o.scheduled}
	if o.blockSize != autoBlocks {
		n, err := parseSize("--block-size", o.blockSize, math.MaxUint32)
		if err != nil {
			return err
		}
		in.BlockSize = uint32(n)
	}
	s.missing, s.kept = missingSource, keptBackup
	v, err := follow(ctx, s, existing, func(c *api.Client, fn func(api.Event)) (api.Point, error) { return c.Backup(ctx, in, fn) })
	if err != nil {
		return err
	}
	err = s.print(v, func() {
		p := s.newSheet()
		s.pointSummary(p, v)
		p.first("Could not be read", inputProblems(v.ProblemList), v.Problems)
		s.printSheet(p)
	})
	if err == nil && !v.Complete {
		err = incomplete(v)
	}
	return err
}

// incomplete is the error of a point that lacks something.
func incomplete(v api.Point) error {
	if v.Problems == 0 {
		return errkind.New(errkind.Incomplete, "point %s is incomplete", v.ID)
	}
	return errkind.New(errkind.Incomplete, "point %s is incomplete: %s could not be read", v.ID, count(v.Problems, "input", "inputs"))
}

// pointSummary is what a person wants to know of a point just made.
func (s *session) pointSummary(p *sheet, v api.Point) {
	p.exact("Point", v.ID)
	p.fact("Source", "%s, point %d, in vault %s", v.Source, v.Number, v.Vault)
	if slices.Contains(v.Tags, "remnant") {
		p.fact("Remnant", "only records that are gone from the source")
	}
	p.fact("State", "%s", pointState(v))
	p.fact("Received", "%s", s.when(v.ReceivedAt))
	p.fact("Size", "%s in %s; %s new in the vault", size(v.Size), count(v.Files, "file", "files"), size(v.Stored))
	p.fact("Kept until", "%s", s.keptUntil(v))
	leftOut(p, v)
	for _, w := range v.Warnings {
		p.fact("Warning", "%s", w)
	}
}

// leftOut says what of the source is not in a point on purpose.
func leftOut(p *sheet, v api.Point) {
	if v.Excluded != nil && *v.Excluded > 0 {
		p.fact("Excluded", "%s left out on purpose", count(*v.Excluded, "entry", "entries"))
	}
	for _, own := range v.LeftOut {
		p.fact("Left out", "%s (counterfoil's own data)", shownName(own, nil))
	}
}

func (s *session) keptUntil(v api.Point) string {
	if len(v.Tags) == 0 {
		return s.until(v)
	}
	return fmt.Sprintf("%s (%s)", s.until(v), strings.Join(v.Tags, ", "))
}

// pointState says how whole a point is.
func pointState(v api.Point) string {
	var parts []string
	if v.Complete {
		parts = append(parts, "complete")
	} else {
		parts = append(parts, "incomplete")
	}
	if v.Problems > 0 {
		parts = append(parts, count(v.Problems, "input", "inputs")+" could not be read")
	}
	if v.Fuzzy > 0 {
		parts = append(parts, count(v.Fuzzy, "file", "files")+" changed while being read (fuzzy)")
	}
	return strings.Join(parts, ", ")
}

func inputProblems(list []api.InputProblem) []string {
	lines := make([]string, 0, len(list))
	for _, p := range list {
		line := shownName(p.Path, p.PathRaw) + ": "
		if p.Op != "" {
			line += p.Op + ": "
		}
		lines = append(lines, line+p.Message)
	}
	return lines
}
