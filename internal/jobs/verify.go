package jobs

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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

const logPrefix = "log/"

// Verify checks a vault, its audit log and its lock records. note, which may be
// nil, is told whom it waits for.
func (r *Runner) Verify(ctx context.Context, g access.Grant, name string, mode vault.VerifyMode, progress vault.VerifyProgress, note func(string)) (Verified, error) {
	row, v, err := r.cfg.Custody.Vault(ctx, name)
	if err != nil {
		return Verified{}, err
	}
	done, err := r.work.begin(ctx, ofVault("verification of "+row.Name, row.ID), note)
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
		if err := r.absent(ctx, row, &out); err != nil {
			return "", err
		}
		if err := r.cfg.Custody.Found(ctx, g, row.ID, out.VerifyReport); err != nil {
			return "", err
		}
		if !out.OK() {
			if err := r.failedLevel(ctx, g, row, v, out.VerifyReport); err != nil {
				out.Warnings = append(out.Warnings, fmt.Sprintf("that points are not whole could not be recorded: %v", err))
			}
			return catalog.ResultIncomplete, nil
		}
		if err := r.verifiedLevel(ctx, g, row, mode, out.Seen); err != nil {
			out.Warnings = append(out.Warnings, fmt.Sprintf("that the points were verified could not be recorded: %v", err))
		}
		return catalog.ResultDone, nil
	})
	if err != nil {
		return out, err
	}
	return out, nil
}

// absent names the points that the catalog knows and storage lacks, or has
// otherwise.
func (r *Runner) absent(ctx context.Context, row catalog.Vault, out *Verified) error {
	points, err := r.cfg.Catalog.Points(ctx, catalog.PointFilter{VaultID: row.ID})
	if err != nil {
		return err
	}
	seen := map[string]string{}
	for id, digest := range out.Seen {
		seen[strings.ToUpper(id.String())] = hex.EncodeToString(digest[:])
	}
	named := map[string]bool{}
	for _, p := range out.Problems {
		named[p.Object] = true
		for _, id := range p.Points {
			named[strings.ToUpper(id.String())] = true
		}
	}
	for _, p := range points {
		d, err := custody.Detail(p)
		if err != nil {
			return err
		}
		if p.State == catalog.PointPurged || named[p.ID] || named[d.Object] || seen[p.ID] == p.ManifestSHA256 {
			continue
		}
		reason := fmt.Sprintf("point %s of this vault, received %s, is in the catalog and not in the store: it was deleted there, or the store was rolled back", p.ID, p.ReceivedAt.Format(time.RFC3339))
		if seen[p.ID] != "" {
			reason = fmt.Sprintf("the store's point %s is not the one that the catalog knows: it was replaced", p.ID)
		}
		problem := &vault.VerifyProblem{Object: d.Object, Reason: reason}
		if id, err := vault.ParsePointID(p.ID); err == nil {
			problem.Points = []vault.PointID{id}
		}
		out.Problems = append(out.Problems, problem)
	}
	return nil
}

func (r *Runner) verifiedLevel(ctx context.Context, g access.Grant, row catalog.Vault, mode vault.VerifyMode, seen map[vault.PointID][32]byte) error {
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
	points = slices.DeleteFunc(points, func(p catalog.Point) bool {
		id, err := vault.ParsePointID(p.ID)
		digest, ok := seen[id]
		return err != nil || !ok || hex.EncodeToString(digest[:]) != p.ManifestSHA256
	})
	return r.raiseLevel(ctx, g, v, points, retention.VerifiedLevel, "full verification of the vault")
}

// failedLevel records which points have lost files, so that they stand in for
// no whole one.
func (r *Runner) failedLevel(ctx context.Context, g access.Grant, row catalog.Vault, v *vault.Vault, report *vault.VerifyReport) error {
	if err := v.CheckOwner(ctx); err != nil {
		return nil //nolint:nilerr // what another server owns is only read
	}
	lost := map[string]bool{}
	for _, p := range report.Problems {
		if p.FileCount == 0 || p.Spared != "" {
			continue
		}
		for _, id := range p.Points {
			lost[id.String()] = true
		}
	}
	if len(lost) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(lost))
	now := r.cfg.Receipt()
	fact, err := vault.NewFact(vault.FactPoint, retention.Fact{Kind: retention.LevelChanged, At: now, By: g.Subject(), Why: "verification found files lost", Level: retention.VerifiedLevel, Failed: true,
		Selector: retention.Selector{Points: ids}})
	if err != nil {
		return err
	}
	if _, err := v.RecordFacts(ctx, g, fact); err != nil {
		return err
	}
	for _, id := range ids {
		err := r.cfg.Catalog.SetPointLevel(ctx, g, strings.ToUpper(id), catalog.LevelStored, now)
		if err != nil && !errkind.Is(err, errkind.NotFound) {
			return err
		}
	}
	return nil
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
	report, err := tlog.Verify(ctx, blob.NewLogStore(v.Bucket(), logPrefix), key.Verifier, tlog.VerifyOptions{})
	switch {
	case err == nil:
		out.LogSize = report.Checkpoint.Size
		return examineLog(ctx, v, out)
	case errkind.Is(err, errkind.NotFound) && noLogYet(ctx, v):
	case errkind.Is(err, errkind.Damaged), errkind.Is(err, errkind.NotFound), errkind.Is(err, errkind.WrongKey):
		out.logProblem(damagedObject(err), err)
	default:
		return err
	}
	return nil
}

// examineLog looks at the objects of the vault's copy that its checkpoint has no
// need of: tiles of earlier sizes, and what is no part of a log.
func examineLog(ctx context.Context, v *vault.Vault, out *Verified) error {
	store := blob.NewLogStore(v.Bucket(), logPrefix)
	return v.Bucket().List(ctx, logPrefix, func(i blob.Info) error {
		name := strings.TrimPrefix(i.Name, logPrefix)
		reason, err := tlog.Examine(ctx, store, name, out.LogSize)
		switch {
		case errkind.Is(err, errkind.Damaged), errkind.Is(err, errkind.NotFound):
			out.logProblem(name, err)
		case err != nil:
			return err
		case reason != "":
			out.Notes = append(out.Notes, fmt.Sprintf("object %q is %s", i.Name, reason))
		}
		return nil
	})
}

func (v *Verified) logProblem(name string, err error) {
	v.Problems = append(v.Problems, &vault.VerifyProblem{Object: logPrefix + name, Reason: err.Error(),
		Spared: "no point depends on it; the installation has its own copy of the audit log"})
}

func noLogYet(ctx context.Context, v *vault.Vault) bool {
	n, _, err := v.Bucket().Count(ctx, logPrefix)
	return err == nil && n == 0
}

func damagedObject(err error) string {
	var d *tlog.Damage
	if errors.As(err, &d) {
		return strings.TrimPrefix(d.Object, logPrefix)
	}
	return "checkpoint"
}
