package cli

import (
	"bufio"
	"context"
	"math"
	"os"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

type sourceCreateOptions struct {
	vault, policy, owner string
	excludes             []string
	excludeFrom          string
	excludeLarger        string
	excludeCaches        bool
	oneFileSystem        bool
	classes              []string
}

func newSourceCreate(s *session) *cobra.Command {
	var o sourceCreateOptions
	cmd := s.command(page{
		use:   "create NAME PATH...",
		short: "protect folders",
		long: "Declares what to protect: one or more folders, under a name, into a vault. It\n" +
			"backs nothing up yet. Excluded is what matches a pattern in gitignore syntax.\n" +
			"A class says which kind of records lie at a path, and so how long they live.",
		example: "counterfoil source create ledgers /srv/ledgers --vault books --exclude '*.tmp' --class ledger=/gl/**",
	}, func(ctx context.Context, args []string) error { return o.run(ctx, s, args[0], args[1:]) })
	flags := cmd.Flags()
	flags.StringVar(&o.vault, "vault", "", "`VAULT` to keep the points in (required)")
	flags.StringVar(&o.policy, "policy", "", "`POLICY` to follow (default: the SOX policy)")
	flags.StringVar(&o.owner, "owner", "", "`PERSON` who answers for the records")
	flags.StringArrayVar(&o.excludes, "exclude", nil, "`PATTERN` in gitignore syntax of what to leave out; can be repeated")
	flags.StringVar(&o.excludeFrom, "exclude-from", "", "`FILE` with one pattern a line; - reads the input")
	flags.StringVar(&o.excludeLarger, "exclude-larger", "", "leave out files larger than `SIZE`, such as 1GiB")
	flags.BoolVar(&o.excludeCaches, "exclude-caches", false, "leave out folders marked with a CACHEDIR.TAG")
	flags.BoolVar(&o.oneFileSystem, "one-file-system", false, "stay on the file system of each PATH")
	flags.StringArrayVar(&o.classes, "class", nil, "`CLASS=PATH`: the record class of what lies at a path; can be repeated")
	s.completesFlag(cmd, "vault", vaultNames)
	return cmd
}

func (o sourceCreateOptions) run(ctx context.Context, s *session, name string, paths []string) error {
	in, err := o.request(s, name, paths)
	if err != nil {
		return err
	}
	s.missing = missingVault
	v, err := ask(ctx, s, existing, func(c *api.Client) (api.Source, error) { return c.CreateSource(ctx, in) })
	if err != nil {
		return err
	}
	return s.print(v, func() {
		p := s.newSheet()
		s.sourceFacts(p, v)
		p.gap()
		p.list("Next", []string{"counterfoil backup run " + v.Name})
		s.printSheet(p)
	})
}

func (o sourceCreateOptions) request(s *session, name string, paths []string) (api.NewSource, error) {
	in := api.NewSource{
		Name: name, Vault: o.vault, Policy: o.policy, Owner: o.owner,
		Excludes: o.excludes, ExcludeCaches: o.excludeCaches, OneFileSystem: o.oneFileSystem,
	}
	if o.vault == "" {
		return in, usagef("source create needs --vault VAULT")
	}
	folders := make([]string, len(paths))
	for i, path := range paths {
		var err error
		if folders[i], err = absolute(path); err != nil {
			return in, err
		}
	}
	in.Paths, in.PathsRaw = api.EncodePaths(folders)
	if o.excludeFrom != "" {
		lines, err := s.readLines(o.excludeFrom)
		if err != nil {
			return in, err
		}
		in.Excludes = append(in.Excludes, lines...)
	}
	if o.excludeLarger != "" {
		n, err := parseSize("--exclude-larger", o.excludeLarger, math.MaxInt64)
		if err != nil {
			return in, err
		}
		in.ExcludeLarger = int64(n)
	}
	for _, arg := range o.classes {
		class, path, found := strings.Cut(arg, "=")
		if !found || class == "" || path == "" {
			return in, usagef("--class %s: want CLASS=PATH", safe(arg))
		}
		in.Classes = append(in.Classes, api.ClassPath{Class: class, Path: path})
	}
	pairs := []string{"NAME", name, "--vault", o.vault, "--policy", o.policy, "--owner", o.owner}
	for _, e := range in.Excludes {
		pairs = append(pairs, "--exclude", e)
	}
	for _, c := range o.classes {
		pairs = append(pairs, "--class", c)
	}
	return in, textOnly(pairs...)
}

// readLines reads the lines of a file, or of the input for "-".
func (s *session) readLines(name string) ([]string, error) {
	in := s.env.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, errkind.Wrap(errkind.Invalid, err, "read the patterns")
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	var lines []string
	scanner := bufio.NewScanner(in)
	for scanner.Scan() {
		lines = append(lines, strings.TrimSuffix(scanner.Text(), "\r"))
	}
	return lines, errkind.Wrap(errkind.Invalid, scanner.Err(), "read the patterns from %s", name)
}

// parseSize reads a size such as 1GiB, 500MB or 4096: more than nothing and at
// most most.
func parseSize(flag, arg string, most uint64) (uint64, error) {
	n, err := humanize.ParseBytes(arg)
	switch {
	case err != nil:
		return 0, usagef("%s %s: want a size such as 1GiB, 500MB or 4096", flag, safe(arg))
	case n == 0 || n > most:
		return 0, usagef("%s %s: want a size between 1 B and %s", flag, safe(arg), humanize.IBytes(most))
	}
	return n, nil
}
