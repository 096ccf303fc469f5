package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// policyRef names a version of a policy.
type policyRef struct {
	name    string
	version int
}

// Cycle gives the rule that keeps a point as one of the last of its tag, zero if
// none does.
func (l *Lifecycle) Cycle(ctx context.Context, row catalog.Point) (retention.Cycle, error) {
	w, err := l.view(ctx, row.VaultID)
	if err != nil {
		return retention.Cycle{}, err
	}
	if err := l.handOver(ctx, w, l.cfg.Clock.Receipt()); err != nil {
		return retention.Cycle{}, err
	}
	kept, err := l.cycles(ctx, w)
	return kept[lower(row.ID)], err
}

// cycles gives the points that rules with cycles keep, by id. It counts the
// manifests in storage, not the catalog's rows: what stands for a newer period
// lets an older one go. A manifest that cannot be read counts for nothing.
func (l *Lifecycle) cycles(ctx context.Context, w *view) (map[string]retention.Cycle, error) {
	points, _, err := w.manifests(ctx)
	if err != nil {
		return nil, err
	}
	rules, present := rulebook{}, map[string]policyRef{} // a source that is gone has no present policy
	for _, m := range points {
		if err := l.learn(ctx, w, rules, madeUnder(m)); err != nil {
			return nil, err
		}
	}
	sources, err := l.cfg.Catalog.Sources(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		if s.VaultID != w.row.ID {
			continue
		}
		ref := policyRef{s.Policy, s.PolicyVersion}
		if err := l.learn(ctx, w, rules, ref); err != nil {
			return nil, err
		}
		present[lower(s.ID)] = ref
	}
	if !rules.haveCycles() {
		return nil, nil
	}
	bySource := map[string][]retention.CyclePoint{}
	for _, m := range points {
		facts := custody.Facts(m)
		state := retention.Fold(facts, w.facts)
		bySource[facts.Source] = append(bySource[facts.Source], retention.CyclePoint{ID: facts.ID, ReceivedAt: facts.ReceivedAt, Tags: state.Tags,
			Verified: state.Verified, Gone: state.SoftDeleted != nil || state.Disposed, Rules: rules[madeUnder(m)]})
	}
	out := map[string]retention.Cycle{}
	for id, of := range bySource {
		maps.Copy(out, retention.KeptByCycles(of, rules[present[id]]))
	}
	return out, nil
}

// rulebook is the keep rules of policies.
type rulebook map[policyRef][]policy.KeepRule

func (b rulebook) haveCycles() bool {
	for _, rules := range b {
		if slices.ContainsFunc(rules, func(r policy.KeepRule) bool { return r.Cycles > 0 }) {
			return true
		}
	}
	return false
}

// madeUnder names the policy that a point was made under.
func madeUnder(m vault.Point) policyRef {
	return policyRef{m.Body.Retention.Policy, m.Body.Retention.PolicyVersion}
}

// learn looks up the rules of a policy in the vault's records, or else in the
// catalog. A policy that neither has, or that cannot be read, stops what asks.
func (l *Lifecycle) learn(ctx context.Context, w *view, known rulebook, ref policyRef) error {
	if _, ok := known[ref]; ok || ref.name == "" {
		return nil
	}
	rules, err := w.keepRules(ref)
	if err == nil && len(rules) == 0 {
		var p policy.Policy
		p, err = l.cfg.Custody.Policy(ctx, ref.name, ref.version)
		rules = p.Keep
	}
	if err != nil {
		return fmt.Errorf("find out how many cycles policy %q version %d keeps, without which nothing is planned: %w", ref.name, ref.version, err)
	}
	known[ref] = rules
	return nil
}

// keepRules gives the rules of a policy as the vault's records have it. Should a
// version have been recorded with several documents, the rules of all of them, of
// which the most cycles count: which was in force when is not known.
func (w *view) keepRules(ref policyRef) ([]policy.KeepRule, error) {
	var out []policy.KeepRule
	for _, r := range w.records {
		for _, f := range r.Facts {
			if f.Kind != vault.FactPolicy {
				continue
			}
			var x vault.PolicyRecord
			if err := f.Decode(&x); err != nil {
				return nil, errkind.Wrap(errkind.Damaged, err, "policy in governance record %d", r.Number)
			}
			if x.Name != ref.name || x.Version != ref.version {
				continue
			}
			p, err := policy.Parse(x.Document)
			if err != nil {
				return nil, err
			}
			out = append(out, p.Keep...)
		}
	}
	return out, nil
}
