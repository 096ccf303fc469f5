package lifecycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// SetPolicy makes a policy, or the next version of one, and puts every source of
// that policy under it. Interrupted anywhere, the same call takes it up again.
func (l *Lifecycle) SetPolicy(ctx context.Context, g access.Grant, document []byte) (*PolicyChange, error) {
	if err := g.Require(access.PolicyCreate, access.PolicyUpdate, access.PolicyShorten); err != nil {
		return nil, err
	}
	plan, err := l.planPolicy(ctx, document)
	if err != nil {
		return nil, err
	}
	if err := l.applyPolicy(ctx, g, plan); err != nil {
		return nil, err
	}
	return &plan.PolicyChange, l.spreadPolicy(ctx, g, plan)
}

// SetSourcePolicy puts a source under the last version of a policy.
func (l *Lifecycle) SetSourcePolicy(ctx context.Context, g access.Grant, source, name string) (*PolicyChange, error) {
	if err := g.Require(access.SourceUpdate, access.PolicyShorten); err != nil {
		return nil, err
	}
	plan, err := l.planSourcePolicy(ctx, source, name)
	if err != nil {
		return nil, err
	}
	if err := l.applyPolicy(ctx, g, plan); err != nil {
		return nil, err
	}
	return &plan.PolicyChange, nil
}

// applyPolicy records the change in every vault concerned, then brings the
// catalog and the locks in line. The catalog has the new version last: until
// then the change is not done, and repeating it does what is left.
func (l *Lifecycle) applyPolicy(ctx context.Context, g access.Grant, plan *policyPlan) error {
	if err := g.Require(plan.Action()); err != nil {
		return errkind.New(errkind.Busy, "policy %q changed meanwhile, so that this needs permission for %s: look at what it does now", plan.next.Name, plan.Action())
	}
	if plan.Shortens() {
		// No point there is goes by it, so that it needs no proof of the time; but
		// while the latch is closed nothing is weakened.
		if _, err := l.cfg.Clock.MayDelete(false); err != nil {
			return errkind.Wrap(errkind.Of(err), err, "policy %q keeps points to come shorter", plan.next.Name)
		}
	}
	for _, v := range plan.vaults {
		if plan.Same {
			break
		}
		if err := l.recordPolicy(ctx, g, v, plan.next); err != nil {
			return errkind.Wrap(errkind.Of(err), err, "record policy %q in vault %q: the change is not done; the same command takes it up again", plan.next.Name, v.w.row.Name)
		}
	}
	for _, v := range plan.vaults {
		if err := l.reindex(ctx, g, v.w); err != nil {
			return errkind.Wrap(errkind.Of(err), err, "policy %q is recorded, but the catalog does not show it yet: the same command takes it up again", plan.next.Name)
		}
	}
	if err := l.indexPolicy(ctx, g, plan); err != nil {
		return errkind.Wrap(errkind.Of(err), err, "policy %q is recorded, but the catalog does not have it yet: the same command takes it up again", plan.next.Name)
	}
	for _, v := range plan.vaults {
		if _, _, err := l.raise(ctx, g, v.w); err != nil {
			return errkind.Wrap(errkind.Of(err), err, "policy %q is in force, but storage does not lock all points as long yet: run 'vault locks %s --apply'", plan.next.Name, v.w.row.Name)
		}
	}
	return nil
}

// raiseAtOnce bounds the facts of one record.
const raiseAtOnce = 1000

// recordPolicy records a change in one vault. What lasts longer comes first and
// the policy with its sources last: a vault never says that a version is in force
// whose effect it does not have.
func (l *Lifecycle) recordPolicy(ctx context.Context, g access.Grant, v vaultChange, next policy.Policy) error {
	last, err := v.policyFacts(next)
	if err != nil {
		return err
	}
	var batch []vault.Fact
	var taken []retention.Fact
	for _, f := range v.facts {
		f.By, f.Why = g.Subject(), "the policy changed"
		if err := f.Validate(); err != nil {
			return err
		}
		x, err := vault.NewFact(vault.FactPoint, f)
		if err != nil {
			return err
		}
		batch, taken = append(batch, x), append(taken, f)
		if len(batch) == raiseAtOnce {
			if _, err := v.w.state(ctx, g, batch...); err != nil {
				return err
			}
			batch = nil
		}
	}
	if batch = append(batch, last...); len(batch) > 0 {
		if _, err := v.w.state(ctx, g, batch...); err != nil {
			return err
		}
	}
	v.w.facts = append(slices.Clone(v.w.facts), taken...)
	return nil
}

// policyFacts states the policy and the sources under it, as far as the vault's
// records do not have them yet.
func (v vaultChange) policyFacts(next policy.Policy) ([]vault.Fact, error) {
	var out []vault.Fact
	had, err := custody.RecordedPolicy(v.w.records, next.Name)
	if err != nil {
		return nil, err
	}
	if p, ok := had[next.Version]; !ok || !custody.SamePolicy(p, next) {
		f, err := custody.PolicyFact(next)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	for _, s := range v.sources {
		record, _, err := custody.SourceRecord(s)
		if err != nil {
			return nil, err
		}
		if r, ok := custody.RecordedSource(v.w.records, record.ID); ok {
			if r.Policy == s.Policy && r.PolicyVersion == s.PolicyVersion {
				continue
			}
			record = r // may say more than the catalog
			record.Policy, record.PolicyVersion = s.Policy, s.PolicyVersion
		}
		f, err := vault.NewFact(vault.FactSource, record)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// indexPolicy enters the policy and its sources into the catalog, all or none.
func (l *Lifecycle) indexPolicy(ctx context.Context, g access.Grant, plan *policyPlan) error {
	if plan.Same {
		return nil
	}
	return l.cfg.Catalog.Change(ctx, g, nil, func(tx *catalog.Tx) error {
		for _, p := range append(slices.Clone(plan.interrupted), plan.next) {
			row, err := custody.PolicyRow(p, l.cfg.Clock.Receipt())
			if err != nil {
				return err
			}
			if _, err := tx.Policy(ctx, p.Name, p.Version); err == nil {
				continue
			} else if !errkind.Is(err, errkind.NotFound) {
				return err
			}
			if err := tx.CreatePolicy(ctx, g, row); err != nil {
				return err
			}
		}
		for _, v := range plan.vaults {
			for _, s := range v.sources {
				if err := tx.UpdateSource(ctx, g, s); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// spreadPolicy puts the policy into the vaults that no source of it lies in, so
// that one without sources is not lost with the catalog. A vault that is out of
// reach gets it with its first source under it.
func (l *Lifecycle) spreadPolicy(ctx context.Context, g access.Grant, plan *policyPlan) error {
	if plan.Same {
		return nil
	}
	fact, err := custody.PolicyFact(plan.next)
	if err != nil {
		return err
	}
	rows, err := l.cfg.Catalog.Vaults(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if slices.ContainsFunc(plan.vaults, func(v vaultChange) bool { return v.w.row.ID == row.ID }) {
			continue
		}
		_, v, err := l.cfg.Custody.Vault(ctx, row.ID)
		if err == nil {
			_, err = v.RecordFacts(ctx, g, fact)
		}
		if err != nil {
			plan.Warnings = append(plan.Warnings, fmt.Sprintf("the policy could not be recorded in vault %q, which has no source under it: %v", row.Name, err))
		}
	}
	return nil
}
