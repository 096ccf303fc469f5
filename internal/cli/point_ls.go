package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/counterfoil/counterfoil/internal/api"
)

type pointLsOptions struct {
	recursive bool
}

func newPointLs(s *session) *cobra.Command {
	var o pointLsOptions
	cmd := s.command(page{
		use:     "ls POINT [PATH]",
		short:   "list the files of a point",
		long:    "Lists what is in a folder of a point, or the whole point from its root. Bytes of\nnames that cannot be shown are escaped, as ls -b does.",
		example: "counterfoil point ls latest:ledgers 2026 -R",
	}, func(ctx context.Context, args []string) error {
		path := ""
		if len(args) > 1 {
			path = args[1]
		}
		return o.run(ctx, s, args[0], path)
	})
	cmd.Flags().BoolVarP(&o.recursive, "recursive", "R", false, "list everything below too")
	return s.completes(cmd, pointNames)
}

func (o pointLsOptions) run(ctx context.Context, s *session, point, path string) error {
	s.missing = missingPoint
	list := stream{s: s, human: func(v any) {
		if e, ok := v.(api.Entry); ok {
			fmt.Fprintln(s.out, s.entryLine(e))
		}
	}}
	add := func(e api.Entry) error { return list.add(e) }
	err := s.with(ctx, existing, func(c *api.Client) error {
		if o.recursive {
			return c.AllEntries(ctx, point, path, add)
		}
		return c.Entries(ctx, point, path, add)
	})
	if err == nil {
		list.end()
	}
	return err
}

// entryLine shows an entry as ls -l does.
func (s *session) entryLine(e api.Entry) string {
	line := fmt.Sprintf("%s  %-8s %-8s  %10s  %s  %s", modeText(e), safe(owner(e.User, e.UID)), safe(owner(e.Group, e.GID)),
		size(e.Size), s.when(e.ModTime), shownName(e.Path, e.PathRaw))
	if e.Target != "" || len(e.TargetRaw) > 0 {
		line += " -> " + shownName(e.Target, e.TargetRaw)
	}
	if e.Erased != "" {
		line += "  (erased by " + safe(e.Erased) + ")"
	}
	if e.Fuzzy {
		line += "  (changed while being read)"
	}
	return line
}

func owner(name string, id uint32) string {
	if name != "" {
		return name
	}
	return strconv.FormatUint(uint64(id), 10)
}

// modeText writes kind and permission bits as ls does.
func modeText(e api.Entry) string {
	kinds := map[string]byte{
		"file": '-', "dir": 'd', "symlink": 'l', "fifo": 'p', "char_device": 'c', "block_device": 'b', "socket": 's',
	}
	kind, known := kinds[e.Kind]
	if !known {
		kind = '?'
	}
	mode, err := strconv.ParseUint(e.Mode, 8, 32)
	if err != nil {
		return string(kind) + "?????????"
	}
	text := []byte(string(kind) + "rwxrwxrwx")
	for i := range 9 {
		if mode&(1<<(8-i)) == 0 {
			text[1+i] = '-'
		}
	}
	special := func(at int, bit uint64, with, without byte) {
		switch {
		case mode&bit == 0:
		case text[at] == 'x':
			text[at] = with
		default:
			text[at] = without
		}
	}
	special(3, 0o4000, 's', 'S')
	special(6, 0o2000, 's', 'S')
	special(9, 0o1000, 't', 'T')
	return string(text)
}
