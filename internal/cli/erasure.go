package cli

import (
	"context"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

type erasureRecordOptions struct {
	sources, paths            []string
	until, reason             string
	subject, subjectNameInput string
}

func newErasureRecord(s *session) *cobra.Command {
	var o erasureRecordOptions
	cmd := s.command(page{
		use:   "record VAULT",
		short: "record what was erased for a data subject",
		long: "Records which paths were erased in their sources because a person asked for it.\n" +
			"Points made until now keep them, as locks and retention say, but no restore\n" +
			"brings them back. Erase in the source first, then record it. Paths are relative\n" +
			"to the source's folder, letter for letter; a folder stands for all in it. The\n" +
			"record lasts as long as the vault: put no names into reasons.",
		example: "counterfoil erasure record books --source hr --path staff/4711 --reason DSR-12",
	}, func(ctx context.Context, args []string) error { return o.run(ctx, s, args[0]) })
	flags := cmd.Flags()
	flags.StringSliceVar(&o.sources, "source", nil, "`SOURCE` that held it; may be repeated (default: all of the vault)")
	flags.StringArrayVar(&o.paths, "path", nil, "`PATTERN` of what was erased: * within a name, ** over any number; may be repeated (required)")
	flags.StringVar(&o.until, "until", "", "only points begun until this `DAY` (default: now)")
	flags.StringVar(&o.reason, "reason", "", "`TICKET` of the request (required)")
	flags.StringVar(&o.subject, "subject", "", "`ID` of the subject of an earlier erasure (default: a new one)")
	flags.StringVar(&o.subjectNameInput, "subject-name-file", "", "`FILE` with the person's name, - the input; kept apart, so that it can be forgotten")
	s.completesFlag(cmd, "source", sourceNames)
	return s.completes(cmd, vaultNames)
}

func (o erasureRecordOptions) run(ctx context.Context, s *session, vault string) error {
	if len(o.paths) == 0 || o.reason == "" {
		return usagef("an erasure needs --path and --reason")
	}
	if err := textOnly("--reason", o.reason, "--subject", o.subject, "--source", strings.Join(o.sources, "")); err != nil {
		return err
	}
	in := api.NewErasure{Sources: o.sources, Reason: o.reason, Subject: o.subject}
	in.Paths, in.PathsRaw = api.EncodePaths(o.paths)
	until, err := s.moment("--until", o.until)
	if err != nil {
		return err
	}
	if !until.IsZero() {
		in.Until = &until
	}
	if o.subjectNameInput != "" {
		if in.SubjectName, err = s.readName(o.subjectNameInput); err != nil {
			return err
		}
	}
	s.missing = missingVault
	e, err := ask(ctx, s, existing, func(c *api.Client) (api.ErasureDetail, error) { return c.RecordErasure(ctx, vault, in) })
	if err != nil {
		return err
	}
	return s.printErasure(e)
}

// readName reads a person's name from a file, or from the input for "-": it
// must stand in no list of processes and in no shell's history. What it holds
// stands in no error either.
func (s *session) readName(file string) (string, error) {
	in := s.env.In
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", errkind.Wrap(errkind.Invalid, err, "read the name of the subject")
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	const most = 4096
	text, err := io.ReadAll(io.LimitReader(in, most+2))
	if err != nil {
		return "", errkind.Wrap(errkind.Invalid, err, "read the name of the subject from %s", file)
	}
	name := strings.TrimSpace(string(text))
	if name == "" || len(name) > most || !utf8.ValidString(name) {
		return "", errkind.New(errkind.Invalid, "the name of the subject in %s must be text of 1 to %d bytes", file, most)
	}
	return name, nil
}

func newErasureList(s *session) *cobra.Command {
	cmd := s.command(page{
		use:     "list VAULT",
		short:   "list what was erased for data subjects",
		long:    "Lists the erasures of a vault, withdrawn ones too, and how many points that are\nkept each concerns. Nobody's name is shown.",
		example: "counterfoil erasure list books",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingVault
		list, err := ask(ctx, s, existing, func(c *api.Client) ([]api.Erasure, error) { return c.Erasures(ctx, args[0]) })
		if err != nil {
			return err
		}
		return printList(s, list, "no erasure; record one: counterfoil erasure record VAULT --path PATTERN --reason TICKET",
			column[api.Erasure]{head: "ID", cell: func(e api.Erasure) string { return e.ID }},
			column[api.Erasure]{head: "SUBJECT", cell: func(e api.Erasure) string { return e.Subject }},
			column[api.Erasure]{head: "RECORDED", cell: func(e api.Erasure) string { return s.when(e.RecordedAt) }},
			column[api.Erasure]{head: "WITHDRAWN", cell: func(e api.Erasure) string { return s.whenOf(e.Withdrawn) }},
			column[api.Erasure]{head: "POINTS", right: true, cell: func(e api.Erasure) string { return count(int64(e.Points), "point", "points") }},
			column[api.Erasure]{head: "REASON", cell: func(e api.Erasure) string { return e.Reason }},
		)
	})
	return s.completes(cmd, vaultNames)
}

func newErasureShow(s *session) *cobra.Command {
	cmd := s.command(page{
		use:   "show VAULT ERASURE",
		short: "show an erasure and what is beyond use",
		long: "Shows an erasure with the name of its subject, where that is known, and what is\n" +
			"beyond use: the points that still hold what was erased, how much, and until\n" +
			"when each is kept and locked. It goes through those points.",
		example: "counterfoil erasure show books 01jzerasure00000000000000",
	}, func(ctx context.Context, args []string) error {
		s.missing = missingErasure(args[0])
		e, err := ask(ctx, s, existing, func(c *api.Client) (api.ErasureDetail, error) { return c.Erasure(ctx, args[0], args[1]) })
		if err != nil {
			return err
		}
		return s.printErasure(e)
	})
	return s.completes(cmd, vaultNames)
}

func newErasureWithdraw(s *session) *cobra.Command {
	var in api.Why
	cmd := s.command(page{
		use:     "withdraw VAULT ERASURE",
		short:   "withdraw an erasure recorded by mistake",
		long:    "Withdraws an erasure: restores bring back what it named again. Both records\nstay.",
		example: "counterfoil erasure withdraw books 01jzerasure00000000000000 --reason DSR-12b",
	}, func(ctx context.Context, args []string) error {
		if in.Reason == "" {
			return usagef("the withdrawal of an erasure needs --reason")
		}
		s.missing = missingErasure(args[0])
		e, err := ask(ctx, s, existing, func(c *api.Client) (api.Erasure, error) { return c.WithdrawErasure(ctx, args[0], args[1], in) })
		if err != nil {
			return err
		}
		return s.print(e, func() { s.printSheet(s.erasureSheet(e, "")) })
	})
	cmd.Flags().StringVar(&in.Reason, "reason", "", "`WHY` it is withdrawn (required)")
	return s.completes(cmd, vaultNames)
}

func newErasureForget(s *session) *cobra.Command {
	var yes bool
	cmd := s.command(page{
		use:   "forget VAULT SUBJECT",
		short: "forget the name of a data subject",
		long: "Removes the name of a subject from the catalog for good, and its bytes from the\n" +
			"catalog's files. The id stays in the records, and the erasures stay in force.",
		example: "counterfoil erasure forget books 01jzsubject00000000000000 --yes",
	}, func(ctx context.Context, args []string) error {
		if !yes {
			return usagef("forgetting a name, which cannot be undone, needs --yes")
		}
		s.missing = missingErasure(args[0])
		f, err := ask(ctx, s, existing, func(c *api.Client) (api.Forgotten, error) { return c.ForgetSubject(ctx, args[0], args[1]) })
		if err != nil {
			return err
		}
		return s.print(f, func() {
			p := s.newSheet()
			p.exact("Subject", f.Subject)
			p.exact("Vault", f.Vault)
			state := "no name was known here; the id stays in the records"
			if f.Name {
				state = "forgotten; the id stays in the records"
			}
			p.fact("Name", "%s", state)
			s.printSheet(p)
		})
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "really do it")
	return s.completes(cmd, vaultNames)
}

func missingErasure(vault string) string {
	return "counterfoil erasure list " + vault + " shows the erasures"
}

func (s *session) printErasure(e api.ErasureDetail) error {
	return s.print(e, func() {
		p := s.erasureSheet(e.Erasure, e.SubjectName)
		p.fact("Beyond use", "%s", beyondUse(e.BeyondUse))
		for _, w := range e.Warnings {
			p.fact("WARNING", "%s", w)
		}
		s.printSheet(p)
		if len(e.BeyondUse) > 0 {
			_ = printList(s, e.BeyondUse, "", s.beyondUseColumns()...) // a table is only printed
		}
	})
}

func (s *session) erasureSheet(e api.Erasure, name string) *sheet {
	p := s.newSheet()
	p.exact("Erasure", e.ID)
	p.exact("Vault", e.Vault)
	p.exact("Subject", e.Subject)
	p.fact("Name", "%s", name)
	p.fact("Reason", "%s", e.Reason)
	p.fact("Recorded", "%s by %s", s.when(e.RecordedAt), e.RecordedBy)
	if e.Withdrawn != nil {
		p.fact("Withdrawn", "%s by %s: %s", s.whenOf(e.Withdrawn), e.WithdrawnBy, e.WithdrawnFor)
	}
	sources := "all of the vault"
	if len(e.Sources) > 0 {
		sources = strings.Join(e.Sources, ", ")
	}
	p.fact("Sources", "%s", sources)
	for i, path := range api.DecodePaths(e.Paths, e.PathsRaw) {
		label := ""
		if i == 0 {
			label = "Paths"
		}
		p.exact(label, shownName(path, nil))
	}
	p.fact("Concerns", "%s begun until %s", count(int64(e.Points), "point", "points"), s.when(e.Until))
	return p
}

// beyondUse sums up what is kept and not to be used.
func beyondUse(list []api.BeyondUse) string {
	if len(list) == 0 {
		return "nothing: no point holds any of it"
	}
	var files, bytes, linked int64
	for _, b := range list {
		files, bytes, linked = files+b.Files, bytes+b.Bytes, linked+b.Linked
	}
	text := count(files, "file", "files") + ", " + size(bytes) + ", in " + count(int64(len(list)), "point", "points")
	if linked > 0 {
		text += "; " + count(linked, "file", "files") + " may be there under other names too"
	}
	return text
}

func (s *session) beyondUseColumns() []column[api.BeyondUse] {
	return []column[api.BeyondUse]{
		{head: "POINT", cell: func(b api.BeyondUse) string { return b.Point }},
		{head: "SOURCE", cell: func(b api.BeyondUse) string { return b.Source }},
		{head: "FILES", right: true, cell: func(b api.BeyondUse) string { return count(b.Files, "file", "files") }},
		{head: "SIZE", right: true, cell: func(b api.BeyondUse) string { return size(b.Bytes) }},
		{head: "KEPT UNTIL", cell: func(b api.BeyondUse) string {
			return s.until(api.Point{RetainUntil: b.RetainUntil, Unlimited: b.Unlimited})
		}},
		{head: "LOCKED UNTIL", cell: func(b api.BeyondUse) string { return s.whenOf(b.LockedUntil) }},
		{head: "HOLDS", right: true, cell: func(b api.BeyondUse) string { return count(int64(len(b.Holds)), "hold", "holds") }},
		{head: "PROBLEM", cell: func(b api.BeyondUse) string { return b.Problem }},
	}
}
