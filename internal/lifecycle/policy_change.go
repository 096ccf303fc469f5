package lifecycle

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/retention"
)

// PolicyChange is what a new policy, a new version of one, or another policy for
// a source does.
type PolicyChange struct {
	// Policy and Version are what is in force afterwards.
	Policy  string
	Version int
	// Before is the last version until now, 0 for a new policy.
	Before int
	// Rules are what changes against that version.
	Rules []policy.RuleChange
	// Sources are those that come under it, by name.
	Sources []PolicySource
	// Same says that it is in force already, so that nothing is recorded.
	Same bool
	// Moves says that it is a source that changes, and not the policy.
	Moves bool
	// Warnings say which vaults do not have the policy although it is in force.
	Warnings []string
}

// PolicySource is what the change does to one source.
type PolicySource struct {
	Source, SourceID string
	Vault, VaultID   string
	// Policy and Version are what the source was under.
	Policy  string
	Version int
	retention.Change
}

// Shortens reports whether some point to come is kept shorter.
func (c *PolicyChange) Shortens() bool {
	return policy.Shortens(c.Rules) || slices.ContainsFunc(c.Sources, func(s PolicySource) bool { return policy.Shortens(s.Rules) })
}

// Action is what the change must be allowed as.
func (c *PolicyChange) Action() access.Action {
	switch {
	case c.Shortens():
		return access.PolicyShorten
	case c.Moves:
		return access.SourceUpdate
	case c.Before == 0:
		return access.PolicyCreate
	}
	return access.PolicyUpdate
}

// policyPlan is a change with what it takes to do it.
type policyPlan struct {
	PolicyChange
	next policy.Policy
	// interrupted are versions that a vault has and the catalog lacks: a change was
	// recorded and did not get further.
	interrupted []policy.Policy
	vaults      []vaultChange
}

// vaultChange is what a change does in one vault.
type vaultChange struct {
	w *view
	// sources are the rows as they will be.
	sources []catalog.Source
	facts   []retention.Fact
}

// PlanPolicy shows what a policy, as a person wrote it, would do. A version that
// it names must be the next one, so that a file made from an older version does
// not undo a newer.
func (l *Lifecycle) PlanPolicy(ctx context.Context, document []byte) (*PolicyChange, error) {
	plan, err := l.planPolicy(ctx, document)
	if err != nil {
		return nil, err
	}
	return &plan.PolicyChange, nil
}

// PlanSourcePolicy shows what the last version of a policy would do to a source.
func (l *Lifecycle) PlanSourcePolicy(ctx context.Context, source, name string) (*PolicyChange, error) {
	plan, err := l.planSourcePolicy(ctx, source, name)
	if err != nil {
		return nil, err
	}
	return &plan.PolicyChange, nil
}

func (l *Lifecycle) planPolicy(ctx context.Context, document []byte) (*policyPlan, error) {
	p, mistakes := custody.ReadPolicy(document)
	if len(mistakes) > 0 {
		return nil, errkind.Wrap(errkind.Invalid, errors.Join(mistakes...), "policy %q is not valid", p.Name)
	}
	plan := &policyPlan{next: p}
	last, err := l.cfg.Custody.Policy(ctx, p.Name, 0)
	if err != nil && !errkind.Is(err, errkind.NotFound) {
		return nil, err
	}
	plan.Policy, plan.Before = p.Name, last.Version
	sources, err := l.cfg.Catalog.Sources(ctx)
	if err != nil {
		return nil, err
	}
	sources = slices.DeleteFunc(sources, func(s catalog.Source) bool { return s.Policy != p.Name })
	if err := l.open(ctx, plan, sources); err != nil {
		return nil, err
	}
	elsewhere, err := l.recordedElsewhere(ctx, plan)
	if err != nil {
		return nil, err
	}
	if err := plan.number(p.Version, last, elsewhere); err != nil {
		return nil, err
	}
	if plan.Before > 0 {
		plan.Rules = policy.Compare(last, plan.next)
	}
	return plan, l.planSources(ctx, plan)
}

func (l *Lifecycle) planSourcePolicy(ctx context.Context, source, name string) (*policyPlan, error) {
	row, err := l.cfg.Catalog.Source(ctx, source)
	if err != nil {
		return nil, err
	}
	next, err := l.cfg.Custody.Policy(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	plan := &policyPlan{next: next, PolicyChange: PolicyChange{Policy: next.Name, Version: next.Version, Before: next.Version, Moves: true}}
	plan.Same = row.Policy == next.Name && row.PolicyVersion == next.Version
	if err := l.open(ctx, plan, []catalog.Source{row}); err != nil {
		return nil, err
	}
	return plan, l.planSources(ctx, plan)
}

// open views the vaults of sources, one after another by name of the first.
func (l *Lifecycle) open(ctx context.Context, plan *policyPlan, sources []catalog.Source) error {
	for _, s := range sources {
		at := slices.IndexFunc(plan.vaults, func(v vaultChange) bool { return v.w.row.ID == s.VaultID })
		if at < 0 {
			w, err := l.view(ctx, s.VaultID)
			if err != nil {
				return err
			}
			at = len(plan.vaults)
			plan.vaults = append(plan.vaults, vaultChange{w: w})
		}
		plan.vaults[at].sources = append(plan.vaults[at].sources, s)
	}
	return nil
}

// number gives the policy its version: 1 after the last, where versions count
// that a vault has from a change that was interrupted. Taken up again with the
// same policy, such a change keeps its number. The vault may have no source under
// the policy any more, so recorded begins with those of the vaults elsewhere.
func (plan *policyPlan) number(written int, last policy.Policy, recorded map[int]policy.Policy) error {
	for _, v := range plan.vaults {
		had, err := custody.RecordedPolicy(v.w.records, plan.next.Name)
		if err != nil {
			return err
		}
		maps.Copy(recorded, had)
	}
	highest := last.Version
	for n := range recorded {
		highest = max(highest, n)
	}
	for n := last.Version + 1; n <= highest; n++ {
		p, ok := recorded[n]
		if !ok {
			return errkind.New(errkind.Damaged, "version %d of policy %q is in no vault that can be read, and version %d is: 'vault recover' brings back what is known", n, plan.next.Name, highest)
		}
		plan.interrupted = append(plan.interrupted, p)
	}
	newest := last
	if n := len(plan.interrupted); n > 0 {
		newest = plan.interrupted[n-1]
	}
	plan.next.Version = newest.Version
	same := newest.Version > 0 && custody.SamePolicy(plan.next, newest)
	if !same {
		plan.next.Version = newest.Version + 1
	}
	if written != 0 && written != plan.next.Version {
		return errkind.New(errkind.Invalid, "the file is version %d of policy %q, and the next one is %d: look at 'policy show %s' for what changed, then leave the version out or set it to %d", written, plan.next.Name, plan.next.Version, plan.next.Name, plan.next.Version)
	}
	plan.Version = plan.next.Version
	plan.Same = same && len(plan.interrupted) == 0
	for _, v := range plan.vaults {
		plan.Same = plan.Same && !slices.ContainsFunc(v.sources, func(s catalog.Source) bool { return s.PolicyVersion != plan.Version })
	}
	return nil
}

// recordedElsewhere gives the versions of the plan's policy, by number, that the
// vaults outside the plan have recorded. One that is out of reach is passed over.
func (l *Lifecycle) recordedElsewhere(ctx context.Context, plan *policyPlan) (map[int]policy.Policy, error) {
	rows, err := l.cfg.Catalog.Vaults(ctx)
	if err != nil {
		return nil, err
	}
	out := map[int]policy.Policy{}
	for _, row := range rows {
		if slices.ContainsFunc(plan.vaults, func(v vaultChange) bool { return v.w.row.ID == row.ID }) {
			continue
		}
		_, v, err := l.cfg.Custody.Vault(ctx, row.ID)
		if err != nil {
			continue
		}
		records, err := v.ReadableRecords(ctx) // they only ever keep a number from being given twice
		if err != nil {
			continue
		}
		had, err := custody.RecordedPolicy(records, plan.next.Name)
		if err != nil {
			return nil, err
		}
		maps.Copy(out, had)
	}
	return out, ctx.Err()
}

// planSources decides for each source, and refuses the change for all if it is
// not allowed for one.
func (l *Lifecycle) planSources(ctx context.Context, plan *policyPlan) error {
	var bad []error
	for i := range plan.vaults {
		v := &plan.vaults[i]
		for j, s := range v.sources {
			change, err := l.planSource(ctx, v.w, s, plan.next)
			if errkind.Is(err, errkind.Refused) {
				bad = append(bad, err)
				continue
			}
			if err != nil {
				return err
			}
			v.facts = append(v.facts, change.Facts...)
			v.sources[j].Policy, v.sources[j].PolicyVersion = plan.next.Name, plan.next.Version
			plan.Sources = append(plan.Sources, PolicySource{Source: s.Name, SourceID: s.ID, Vault: v.w.row.Name, VaultID: v.w.row.ID, Policy: s.Policy, Version: s.PolicyVersion, Change: change})
		}
	}
	if len(bad) > 0 {
		return errkind.Wrap(errkind.Refused, errors.Join(bad...), "policy %q is not changed", plan.next.Name)
	}
	if plan.Moves && len(plan.Sources) == 1 {
		plan.Rules = plan.Sources[0].Rules
	}
	return nil
}

func (l *Lifecycle) planSource(ctx context.Context, w *view, s catalog.Source, next policy.Policy) (retention.Change, error) {
	_, detail, err := custody.SourceRecord(s)
	if err != nil {
		return retention.Change{}, err
	}
	if err := custody.Fits(next, s.Name, detail.Classes, w.row); err != nil {
		return retention.Change{}, err
	}
	if err := l.entered(ctx, w, s); err != nil {
		return retention.Change{}, err
	}
	old, err := l.cfg.Custody.Policy(ctx, s.Policy, s.PolicyVersion)
	if err != nil {
		return retention.Change{}, err
	}
	in := retention.ChangeInput{Old: old, New: next, Now: l.cfg.Clock.Receipt(), SourceCreatedAt: s.CreatedAt, Facts: w.facts}
	if in.OldZone, err = custody.Zone(old); err != nil {
		return retention.Change{}, err
	}
	if in.NewZone, err = custody.Zone(next); err != nil {
		return retention.Change{}, err
	}
	if in.OldClasses, err = sourceClasses(s, old); err != nil {
		return retention.Change{}, err
	}
	if in.NewClasses, err = sourceClasses(s, next); err != nil {
		return retention.Change{}, err
	}
	for _, p := range w.points {
		if p.row.SourceID != s.ID {
			continue
		}
		facts, err := detailFacts(p.row)
		if err != nil {
			return retention.Change{}, err
		}
		in.Points = append(in.Points, retention.ChangePoint{Facts: facts, Entries: p.row.Entries, Bytes: p.row.Size, Stored: p.row.Stored})
	}
	return retention.PlanChange(in), nil
}

// entered refuses a change while storage has a point of the source that the
// catalog lacks: a run was interrupted, and the point would miss the change.
func (l *Lifecycle) entered(ctx context.Context, w *view, s catalog.Source) error {
	rows, err := l.cfg.Catalog.Points(ctx, catalog.PointFilter{SourceID: s.ID, VaultID: w.row.ID})
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, row := range rows {
		known[lower(row.ID)] = true
	}
	points, _, err := w.manifests(ctx) // one that cannot be read cannot be kept longer either
	if err != nil {
		return err
	}
	for _, m := range points {
		if m.Envelope.Source.String() == lower(s.ID) && !known[m.Envelope.ID.String()] {
			return errkind.New(errkind.Refused, "vault %q has point %s of source %q from a run that was interrupted: 'backup run %s' enters it, then change the policy", w.row.Name, m.Envelope.ID, s.Name, s.Name)
		}
	}
	return nil
}
