package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/api"
	"github.com/counterfoil/counterfoil/internal/calendar"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/gate"
	"github.com/counterfoil/counterfoil/internal/lifecycle"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
)

func (s *Server) checkPolicy(w http.ResponseWriter, r *http.Request) error {
	var in api.NewPolicy
	if err := readJSON(r, &in); err != nil {
		return err
	}
	p, mistakes := custody.ReadPolicy(in.Document)
	out := api.PolicyCheck{Policy: p.Name, Mistakes: []string{}}
	for _, m := range mistakes {
		out.Mistakes = append(out.Mistakes, m.Error())
	}
	return writeJSON(w, out)
}

func (s *Server) setPolicy(w http.ResponseWriter, r *http.Request) error {
	var in api.NewPolicy
	if err := readJSON(r, &in); err != nil {
		return err
	}
	plan, err := s.Lifecycle.PlanPolicy(r.Context(), in.Document)
	if err != nil {
		return err
	}
	if !in.Yes {
		return writeJSON(w, changeOf(plan))
	}
	return s.changePolicy(w, r, plan, "policy "+plan.Policy, in, func(ctx context.Context, g access.Grant) (*lifecycle.PolicyChange, error) {
		return s.Lifecycle.SetPolicy(ctx, g, in.Document)
	})
}

func (s *Server) setSourcePolicy(w http.ResponseWriter, r *http.Request) error {
	var in api.SetSourcePolicy
	if err := readJSON(r, &in); err != nil {
		return err
	}
	name := r.PathValue("name")
	plan, err := s.Lifecycle.PlanSourcePolicy(r.Context(), name, in.Policy)
	if err != nil {
		return err
	}
	if !in.Yes {
		return writeJSON(w, changeOf(plan))
	}
	return s.changePolicy(w, r, plan, "source "+plan.Sources[0].Source, in, func(ctx context.Context, g access.Grant) (*lifecycle.PolicyChange, error) {
		return s.Lifecycle.SetSourcePolicy(ctx, g, name, in.Policy)
	})
}

// changePolicy passes the gate as what the plan says that the change is, and
// records what was before and after.
func (s *Server) changePolicy(w http.ResponseWriter, r *http.Request, plan *lifecycle.PolicyChange, name string, payload any, fn func(context.Context, access.Grant) (*lifecycle.PolicyChange, error)) error {
	request := s.request(plan.Action(), targetOf(plan), name, payload)
	request.Strict = true
	done := plan
	err := s.Gate.Do(r.Context(), request, func(ctx context.Context, g access.Grant) (gate.Outcome, error) {
		err := s.Jobs.Alone("change of policy", func() error {
			var err error
			done, err = fn(ctx, g)
			return err
		})
		if done == nil {
			done = plan
		}
		return gate.Outcome{Detail: detailOf(done)}, err
	})
	if err != nil {
		return err
	}
	out := changeOf(done)
	out.Applied = true
	for _, id := range vaultsOf(done) {
		if err := s.Jobs.PublishLog(r.Context(), id); err != nil {
			out.Warnings = append(out.Warnings, err.Error())
		}
	}
	return writeJSON(w, out)
}

// vaultsOf gives the ids of the vaults in which a change counts.
func vaultsOf(c *lifecycle.PolicyChange) []string {
	var out []string
	for _, x := range c.Sources {
		if !slices.Contains(out, x.VaultID) {
			out = append(out, x.VaultID)
		}
	}
	return out
}

// targetOf is what a change is done on: a source, one vault, or more than a
// binding to one can reach.
func targetOf(c *lifecycle.PolicyChange) access.Target {
	var t access.Target
	if vaults := vaultsOf(c); len(vaults) == 1 {
		t.Vault = vaults[0]
	}
	if c.Moves {
		t.Source = c.Sources[0].SourceID
	}
	return t
}

// detailOf is what the closing record says of a change.
func detailOf(c *lifecycle.PolicyChange) map[string]string {
	var rules, sources []string
	for _, r := range c.Rules {
		rules = append(rules, r.Sentence())
	}
	points := 0
	for _, x := range c.Sources {
		sources = append(sources, fmt.Sprintf("%s, before under %s version %d", x.Source, x.Policy, x.Version))
		points += len(x.Points)
	}
	before := "none"
	switch {
	case c.Moves:
		before = fmt.Sprintf("%s version %d", c.Sources[0].Policy, c.Sources[0].Version)
	case c.Before > 0:
		before = fmt.Sprintf("%s version %d", c.Policy, c.Before)
	}
	return map[string]string{"before": before, "after": fmt.Sprintf("%s version %d", c.Policy, c.Version), "rules": strings.Join(rules, "; "),
		"sources": strings.Join(sources, "; "), "points_kept_longer": strconv.Itoa(points)}
}

func changeOf(c *lifecycle.PolicyChange) api.PolicyChange {
	out := api.PolicyChange{Policy: c.Policy, Version: c.Version, Before: c.Before, Action: string(c.Action()), Critical: c.Shortens(), Same: c.Same,
		Rules: rulesOf(c.Rules), Sources: []api.PolicySource{}, Warnings: c.Warnings}
	for _, x := range c.Sources {
		out.Sources = append(out.Sources, sourceChangeOf(x))
	}
	return out
}

func rulesOf(list []policy.RuleChange) []api.RuleChange {
	out := []api.RuleChange{}
	for _, r := range list {
		out = append(out, api.RuleChange{Rule: r.Rule, Direction: string(r.Direction), Before: words(r.Before), After: words(r.After), Sentence: r.Sentence()})
	}
	return out
}

func words(p calendar.Period) string {
	if p.IsZero() {
		return ""
	}
	return p.Words()
}

func sourceChangeOf(x lifecycle.PolicySource) api.PolicySource {
	out := api.PolicySource{Source: x.Source, Vault: x.Vault, Policy: x.Policy, Version: x.Version, Rules: rulesOf(x.Rules), Longer: []api.LongerPoint{},
		GBMonths: x.GBMonths, Endless: x.Endless, Spared: x.Spared, SparedSize: x.SparedBytes, ShowsFrom: moment(x.ShowsFrom)}
	for _, p := range x.Points {
		out.Longer = append(out.Longer, longerOf(p))
		out.Size += p.Bytes
		out.Stored += p.Stored
	}
	return out
}

func longerOf(p retention.PointChange) api.LongerPoint {
	out := api.LongerPoint{Point: strings.ToUpper(p.Point), ReceivedAt: p.ReceivedAt, Size: p.Bytes, Stored: p.Stored, Before: p.Before.String(), After: p.After.String(), Held: p.Held}
	for _, r := range p.Reasons {
		out.Why = append(out.Why, r.Sentence(time.Local))
	}
	return out
}

func (s *Server) class(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	sets := policy.ClassSets()
	if set := r.URL.Query().Get("set"); set != "" {
		sets = []string{set}
	}
	for _, name := range sets {
		set, err := policy.Classes(name)
		if err != nil {
			return err
		}
		c, ok := set.Find(id)
		if !ok {
			continue
		}
		out := classOf(c)
		out.Set, out.SetNote, out.Accessible = set.ID, set.Note, words(c.Accessible)
		return writeJSON(w, out)
	}
	return errkind.New(errkind.NotFound, "there is no record class %q in the sets %s; `counterfoil class list` shows those there are", id, strings.Join(sets, ", "))
}
