package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/counterfoil/counterfoil/internal/access"
	"github.com/counterfoil/counterfoil/internal/blob"
	"github.com/counterfoil/counterfoil/internal/catalog"
	"github.com/counterfoil/counterfoil/internal/custody"
	"github.com/counterfoil/counterfoil/internal/errkind"
	"github.com/counterfoil/counterfoil/internal/retention"
	"github.com/counterfoil/counterfoil/internal/tlog"
	"github.com/counterfoil/counterfoil/internal/vault"
)

// Verified is what a verification found in a vault and in its copy of the
// audit log.
type Verified struct {
	*vault.VerifyReport
	// LogSize is the number of records in the vault's copy of the audit log.
	LogSize  int64
	Warnings []string
}

// Verify checks a vault, its audit log and its lock records.
func (r *Runner) Verify(ctx context.Context, g access.Grant, name string, mode vault.VerifyMode, progress vault.VerifyProgress) (Verified, error) {
	row, v, err := r.cfg.Custody.Vault(ctx, name)
	if err != nil {
		return Verified{}, err
	}
	done, err := r.exclusive("verification of " + row.Name)
	if err != nil {
		return Verified{}, err
	}
	defer done()
	var out Verified
	err = r.run(ctx, g, catalog.Run{Kind: catalog.RunVerify, VaultID: row.ID}, func() (catalog.RunResult, error) {
		if out.VerifyReport, err = v.Verify(ctx, mode, progress); err != nil {
			return "", err
		}
		if err := verifyLog(ctx, v, &out); err != nil {
			return "", err
		}
		if err := r.cfg.Custody.Found(ctx, g, row.ID, out.VerifyReport); err != nil {
			return "", err
		}
		if !out.OK() {
			return catalog.ResultIncomplete, nil
		}
		if err := r.verifiedLevel(ctx, g, row, mode); err != nil {
			out.Warnings = append(out.Warnings, fmt.Sprintf("that the points were verified could not be recorded: %v", err))
		}
		return catalog.ResultDone, nil
	})
	if err != nil {
		return out, err
	}
	return out, nil
}

func (r *Runner) verifiedLevel(ctx context.Context, g access.Grant, row catalog.Vault, mode vault.VerifyMode) error {
	if mode != vault.Full {
		return nil
	}
	_, v, err := r.cfg.Custody.Vault(ctx, row.ID)
	if err != nil {
		return err
	}
	if err := v.CheckOwner(ctx); err != nil {
		return nil //nolint:nilerr // a vault that another server owns is verified without saying so in it
	}
	points, err := r.cfg.Catalog.Points(ctx, catalog.PointFilter{VaultID: row.ID})
	if err != nil {
		return err
	}
	return r.raiseLevel(ctx, g, v, points, retention.VerifiedLevel, "full verification of the vault")
}

// verifyLog checks the vault's copy of the audit log against the key kept in
// its keyring.
func verifyLog(ctx context.Context, v *vault.Vault, out *Verified) error {
	secret := v.Attachment(custody.AuditKeyName)
	if len(secret) == 0 {
		return nil
	}
	key, err := tlog.ParseSigner(string(secret))
	if err != nil {
		return fmt.Errorf("the audit log's key in the vault: %w", err)
	}
	report, err := tlog.Verify(ctx, blob.NewLogStore(v.Bucket(), "log/"), key.Verifier, tlog.VerifyOptions{})
	switch {
	case err == nil:
		out.LogSize = report.Checkpoint.Size
	case errkind.Is(err, errkind.NotFound) && noLogYet(ctx, v):
	case errkind.Is(err, errkind.Damaged), errkind.Is(err, errkind.NotFound), errkind.Is(err, errkind.WrongKey):
		out.Problems = append(out.Problems, &vault.VerifyProblem{Object: "log/" + damagedObject(err), Reason: err.Error(),
			Spared: "no point depends on it; the installation has its own copy of the audit log"})
	default:
		return err
	}
	return nil
}

func noLogYet(ctx context.Context, v *vault.Vault) bool {
	n, _, err := v.Bucket().Count(ctx, "log/")
	return err == nil && n == 0
}

func damagedObject(err error) string {
	var d *tlog.Damage
	if errors.As(err, &d) {
		return strings.TrimPrefix(d.Object, "log/")
	}
	return "checkpoint"
}
