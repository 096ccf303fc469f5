package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/errkind"
)

// mostDocument bounds the size of a policy's file, as the server does.
const mostDocument = 1 << 20

// readDocument reads a file in YAML or JSON, or the input for "-", as JSON.
func (s *session) readDocument(name string) (json.RawMessage, error) {
	in := s.env.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, errkind.Wrap(errkind.Invalid, err, "read the policy")
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, mostDocument+1))
	if err != nil {
		return nil, errkind.Wrap(errkind.Invalid, err, "read the policy from %s", name)
	}
	if len(text) > mostDocument {
		return nil, errkind.New(errkind.Invalid, "%s is larger than %s: it is no policy", name, size(mostDocument))
	}
	var value any
	if err := yaml.Unmarshal(text, &value); err != nil { // JSON is YAML too
		return nil, errkind.Wrap(errkind.Invalid, err, "read the policy from %s", name)
	}
	out, err := json.Marshal(dates(value))
	return out, errkind.Wrap(errkind.Invalid, err, "read the policy from %s: its keys must be text and its numbers finite", name)
}

// dates writes days as text again, which YAML reads as instants.
func dates(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for k := range v {
			v[k] = dates(v[k])
		}
	case []any:
		for i := range v {
			v[i] = dates(v[i])
		}
	case time.Time:
		return v.Format(time.DateOnly)
	}
	return value
}

func newPolicyCheck(s *session) *cobra.Command {
	return s.command(page{
		use:   "check FILE",
		short: "say what is wrong with a policy of your own",
		long: "Reads a policy in YAML or JSON, - for the input, and names every mistake in it.\n" +
			"Whether it fits the sources and vaults is said by counterfoil policy set.",
		example: "counterfoil policy check - < own.yaml",
		exits:   []string{"2  the policy has mistakes"},
	}, func(ctx context.Context, args []string) error {
		document, err := s.readDocument(args[0])
		if err != nil {
			return err
		}
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.PolicyCheck, error) {
			return c.CheckPolicy(ctx, api.NewPolicy{Document: document})
		})
		if err != nil {
			return err
		}
		err = s.print(v, func() {
			p := s.newSheet()
			p.fact("Policy", "%s", orDash(v.Policy))
			p.fact("Mistakes", "%d", len(v.Mistakes))
			p.list("What is wrong", v.Mistakes)
			s.printSheet(p)
		})
		if err == nil && len(v.Mistakes) > 0 {
			return errkind.New(errkind.Invalid, "policy %s has %s", args[0], count(int64(len(v.Mistakes)), "mistake", "mistakes"))
		}
		return err
	})
}

func newPolicySet(s *session) *cobra.Command {
	var yes bool
	cmd := s.command(page{
		use:   "set FILE",
		short: "make a policy of your own, or its next version",
		long: "Shows what a policy in YAML or JSON, - for the input, does: for points to come,\n" +
			"and for those that there are. With --yes it is put in force, for every source\n" +
			"under it. A longer rule reaches the points that there are; a shorter one\n" +
			"touches none. The file's version can be left out.",
		example: "counterfoil policy set - --yes < own.yaml",
		exits:   []string{"4  refused: it does not fit a source or its vault, or the clock is latched"},
	}, func(ctx context.Context, args []string) error {
		document, err := s.readDocument(args[0])
		if err != nil {
			return err
		}
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.PolicyChange, error) {
			return c.SetPolicy(ctx, api.NewPolicy{Document: document, Yes: yes})
		})
		if err != nil {
			return err
		}
		return s.printChange(v, "counterfoil policy set "+args[0]+" --yes")
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "put it in force")
	return cmd
}

func newSourcePolicy(s *session) *cobra.Command {
	var in api.SetSourcePolicy
	cmd := s.command(page{
		use:   "policy SOURCE POLICY",
		short: "put a source under another policy",
		long: "Shows what the last version of another policy does for a source: for points to\n" +
			"come, and for those that there are. With --yes the source is put under it.",
		example: "counterfoil source policy ledgers sox-long",
		exits:   []string{"4  refused: it does not fit the source or its vault, or the clock is latched"},
	}, func(ctx context.Context, args []string) error {
		in.Policy = args[1]
		s.missing = missingSource + "; " + missingPolicy
		v, err := ask(ctx, s, existing, func(c *api.Client) (api.PolicyChange, error) { return c.SetSourcePolicy(ctx, args[0], in) })
		if err != nil {
			return err
		}
		return s.printChange(v, "counterfoil source policy "+args[0]+" "+args[1]+" --yes")
	})
	cmd.Flags().BoolVar(&in.Yes, "yes", false, "put the source under it")
	return s.completes(cmd, sourceNames, policyNames)
}

// printChange shows a change of policy; again is the command that makes it.
func (s *session) printChange(v api.PolicyChange, again string) error {
	err := s.print(v, func() {
		p := s.newSheet()
		p.fact("Policy", "%s, version %d", v.Policy, v.Version)
		p.fact("State", "%s", changeState(v))
		if v.Critical {
			p.fact("Critical", "yes: it weakens protection (%s)", v.Action)
		}
		p.list("For points to come", sentences(v.Rules))
		for _, x := range v.Sources {
			p.gap()
			s.sourceChange(p, v, x)
		}
		p.list("Warnings", v.Warnings)
		s.printSheet(p)
	})
	if err == nil && !v.Applied && !v.Same {
		s.note("%s", "nothing was changed; to put it in force: "+again)
	}
	return err
}

func changeState(v api.PolicyChange) string {
	switch {
	case v.Same:
		return "in force already: nothing changes"
	case v.Applied:
		return "in force"
	case v.Before == 0:
		return "new; not in force"
	}
	return "not in force"
}

func sentences(rules []api.RuleChange) []string {
	out := make([]string, 0, len(rules))
	for _, r := range rules {
		out = append(out, r.Sentence)
	}
	return out
}

func (s *session) sourceChange(p *sheet, v api.PolicyChange, x api.PolicySource) {
	p.fact("Source", "%s in vault %s", x.Source, x.Vault)
	if x.Policy != v.Policy || x.Version != v.Before {
		p.fact("Until now", "under %s, version %d", x.Policy, x.Version)
	}
	p.fact("Kept longer", "%s", longerText(x))
	if x.Spared > 0 {
		p.fact("Untouched", "%s, %s, that the new rules would let go earlier", count(int64(x.Spared), "point keeps what it has", "points keep what they have"), size(x.SparedSize))
	}
	if x.ShowsFrom != nil {
		p.fact("Shows", "from %s, when a point of now goes earlier than before", s.whenOf(x.ShowsFrom))
	}
	var lines []string
	for _, l := range x.Longer {
		held := ""
		if l.Held {
			held = "  under a hold"
		}
		lines = append(lines, fmt.Sprintf("%s  %s -> %s%s", l.Point, s.endText(l.Before), s.endText(l.After), held))
	}
	p.first("Deletable", lines, int64(len(lines)))
}

// endText shows the end of a point's retention, which may be none.
func (s *session) endText(end string) string {
	at, err := time.Parse(time.RFC3339, end)
	if err != nil {
		return end
	}
	return s.when(at)
}

func longerText(x api.PolicySource) string {
	if len(x.Longer) == 0 {
		return "no point"
	}
	text := fmt.Sprintf("%s, %s (%s stored); at most %.1f GB months", count(int64(len(x.Longer)), "point", "points"), size(x.Size), size(x.Stored), x.GBMonths)
	if x.Endless > 0 {
		text += fmt.Sprintf(", and %s without an end", count(int64(x.Endless), "point", "points"))
	}
	return text
}
