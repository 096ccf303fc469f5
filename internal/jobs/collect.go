package jobs

import (
	"context"
	"encoding/hex"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Collected is a plan of garbage collection, and what was done of it.
type Collected struct {
	Plan *vault.GCPlan
	// Result is nil for a plan that was only looked at.
	Result *vault.GCResult
}

// PlanGC tells what a garbage collection would do. It changes nothing.
func (r *Runner) PlanGC(ctx context.Context, name string) (Collected, error) {
	row, v, err := r.cfg.Custody.Vault(ctx, name)
	if err != nil {
		return Collected{}, err
	}
	done, err := r.work.now(ofVault("garbage collection of "+row.Name, row.ID))
	if err != nil {
		return Collected{}, err
	}
	defer done()
	o, err := r.garbage(ctx, row, v)
	if err != nil {
		return Collected{}, err
	}
	plan, err := v.PlanGC(ctx, o)
	return Collected{Plan: plan}, err
}

// ApplyGC does what the plan with that digest says.
func (r *Runner) ApplyGC(ctx context.Context, g access.Grant, name string, digest vault.Digest) (Collected, error) {
	if r.cfg.Latched != nil {
		if err := r.cfg.Latched(); err != nil {
			return Collected{}, err
		}
	}
	row, v, err := r.cfg.Custody.Vault(ctx, name)
	if err != nil {
		return Collected{}, err
	}
	done, err := r.work.now(ofVault("garbage collection of "+row.Name, row.ID))
	if err != nil {
		return Collected{}, err
	}
	defer done()
	var out Collected
	err = r.run(ctx, g, catalog.Run{Kind: catalog.RunCollect, VaultID: row.ID}, func() (catalog.RunResult, error) {
		o, err := r.garbage(ctx, row, v)
		if err != nil {
			return "", err
		}
		if out.Plan, err = v.PlanGC(ctx, o); err != nil {
			return "", err
		}
		result, err := v.ApplyGC(ctx, g, o, digest)
		if err != nil {
			return "", err
		}
		out.Result = &result
		return catalog.ResultDone, nil
	})
	return out, err
}

// garbage says what the catalog knows of the vault's points.
func (r *Runner) garbage(ctx context.Context, row catalog.Vault, v *vault.Vault) (vault.GCOptions, error) {
	o := vault.GCOptions{Lock: custody.LockMode(row, v.Bucket().Caps())}
	points, err := r.cfg.Catalog.Points(ctx, catalog.PointFilter{VaultID: row.ID})
	if err != nil {
		return o, err
	}
	for _, p := range points {
		if p.State == catalog.PointPurged {
			continue
		}
		d, err := custody.Detail(p)
		if err != nil {
			return o, err
		}
		digest, err := hex.DecodeString(p.ManifestSHA256)
		if err != nil || len(digest) != len(vault.Digest{}) {
			return o, errkind.New(errkind.Damaged, "the catalog's digest of point %s is none", p.ID)
		}
		o.Known = append(o.Known, vault.KnownPoint{Object: d.Object, Digest: vault.Digest(digest)})
	}
	return o, nil
}
