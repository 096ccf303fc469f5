package custody

import (
	"context"
	"time"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/policy"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// ensurePolicies puts the presets into a new vault, and into the catalog where
// they are not yet.
func (c *Custody) ensurePolicies(ctx context.Context, g access.Grant, v *vault.Vault) error {
	var facts []vault.Fact
	for _, p := range policy.Presets() {
		row, err := PolicyRow(p, c.cfg.Now())
		if err != nil {
			return err
		}
		fact, err := PolicyFact(p)
		if err != nil {
			return err
		}
		facts = append(facts, fact)
		_, err = c.cfg.Catalog.Policy(ctx, p.Name, p.Version)
		if errkind.Is(err, errkind.NotFound) {
			err = c.cfg.Catalog.CreatePolicy(ctx, g, row)
		}
		if err != nil {
			return err
		}
	}
	_, err := v.RecordFacts(ctx, g, facts...)
	return err
}

// Policy reads the version of a policy that a source is under.
func (c *Custody) Policy(ctx context.Context, name string, version int) (policy.Policy, error) {
	row, err := c.cfg.Catalog.Policy(ctx, name, version)
	if err != nil {
		return policy.Policy{}, err
	}
	return policy.Parse(row.Body)
}

// Zone loads the time zone of a policy.
func Zone(p policy.Policy) (*time.Location, error) {
	zone, err := time.LoadLocation(p.Zone)
	return zone, errkind.Wrap(errkind.Invalid, err, "time zone of policy %q", p.Name)
}
